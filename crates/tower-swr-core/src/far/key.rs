use std::fmt;
use std::sync::Arc;

use crate::key::{Digest, KeyRef};

/// What a far store addresses.
///
/// The keys of the near store are hashed with a seed that every process draws anew; this one is hashed alike everywhere.
/// It carries the canonical text too: a value is only taken where the text in it is the same, so no collision can ever
/// hand out another's answer.
///
/// A variant (an answer of its own under one resource, as by `Vary`) lives where its primary lives, so that one commit may
/// write both.
///
/// ```
/// use tower_swr_core::{FarKey, KeyText};
///
/// let mut text = KeyText::new("news");
/// text.push(b"/today");
/// let primary = text.key().to_key();
/// text.push(b"de");
/// let german = FarKey::variant(primary.borrowed(), text.key());
/// text.truncate(primary.text().len());
/// text.end_primary();
/// text.push(b"de");
/// assert_eq!(FarKey::new(text.key()), german); // a key that is marked knows it by itself
///
/// assert_eq!(german.primary(), FarKey::new(primary.borrowed()).primary());
/// assert!(german.variant_digest().is_some());
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct FarKey {
    primary: Digest,
    variant: Option<Digest>,
    text: Arc<[u8]>,
}

impl FarKey {
    /// The far form of `key`: of a variant, where the key is [marked](crate::KeyText::end_primary) as one.
    #[must_use]
    pub fn new(key: KeyRef<'_>) -> Self {
        let (primary, text) = (key.primary(), key.text());
        Self {
            primary: Digest::of(primary),
            variant: (primary.len() < text.len()).then(|| Digest::of(text)),
            text: text.into(),
        }
    }

    /// The far form of `variant`, beside that of `primary`.
    #[must_use]
    pub fn variant(primary: KeyRef<'_>, variant: KeyRef<'_>) -> Self {
        Self {
            primary: Digest::of(primary.text()),
            variant: Some(Digest::of(variant.text())),
            text: variant.text().into(),
        }
    }

    /// What decides where it lives.
    #[must_use]
    pub fn primary(&self) -> Digest {
        self.primary
    }

    /// Which variant it is; none for a primary key.
    #[must_use]
    pub fn variant_digest(&self) -> Option<Digest> {
        self.variant
    }

    /// The canonical text that a value under this key must carry.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.text
    }
}

/// Shows digests only: the text may hold a user's cookie.
impl fmt::Debug for FarKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.variant {
            None => write!(f, "FarKey({})", self.primary),
            Some(variant) => write!(f, "FarKey({}.{variant})", self.primary),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::KeyText;

    #[test]
    fn a_digest_is_the_same_in_every_process() {
        let mut text = KeyText::new("stocks");
        text.push(b"/stocks/7");
        let key = FarKey::new(text.key());
        assert_eq!(
            key.primary().to_string(),
            "3bd5183b84e814c4f8efb88c11369816"
        );
        assert_eq!(Digest::from_bytes(*key.primary().as_bytes()), key.primary());
    }

    #[test]
    fn debug_shows_no_text() {
        let mut text = KeyText::new("s");
        text.push(b"session=secret");
        let key = text.key().to_key();
        let far = FarKey::variant(key.borrowed(), key.borrowed());
        let digest = far.primary();
        assert_eq!(format!("{far:?}"), format!("FarKey({digest}.{digest})"));
    }
}
