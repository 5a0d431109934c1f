//! Names beside its key by which a value can be invalidated.

use std::sync::Arc;

use crate::key::Subject;

/// The tags of a value: whoever purges one of them purges the value, too. Cheap to clone.
///
/// ```
/// use tower_swr_core::{Subject, Tags};
///
/// let tags: Tags = ["product-7", "front-page"].iter().map(|name| Subject::tag(name.as_bytes())).collect();
/// assert_eq!(tags.len(), 2);
/// assert!(Tags::default().is_empty());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Tags(Option<Arc<[Subject]>>);

impl Tags {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.as_slice().len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub(crate) fn as_slice(&self) -> &[Subject] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl FromIterator<Subject> for Tags {
    /// Each once.
    fn from_iter<I: IntoIterator<Item = Subject>>(subjects: I) -> Self {
        let mut tags: Vec<Subject> = subjects.into_iter().collect();
        tags.sort_unstable();
        tags.dedup();
        Self((!tags.is_empty()).then(|| tags.into()))
    }
}
