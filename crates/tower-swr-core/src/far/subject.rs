use crate::far::Digest;
use crate::key::{KeyRef, KeyText};

/// What an invalidation concerns, in a form that means the same in every process.
///
/// A value is concerned by several: everything, its scope, its resource, its primary key and its tags
/// ([`FarSubject::of_key`]).
///
/// ```
/// use tower_swr_core::{FarSubject, KeyText};
///
/// let text = KeyText::new("news");
/// assert_eq!(FarSubject::scope("news"), FarSubject::of_key(text.key())[1]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FarSubject {
    /// Everything there is.
    All,
    /// One scope.
    Scope(Digest),
    /// One resource, as marked by [`KeyText::end_resource`]: all keys that begin alike.
    Resource(Digest),
    /// One primary key, its variants included. The only subject whose value is removed at once, and whose running lease
    /// ends: the next to ask need not wait for a call that began before.
    Key(Digest),
    /// What carries one tag.
    Tag(Digest),
}

impl FarSubject {
    /// All of the scope called `name`.
    #[must_use]
    pub fn scope(name: &str) -> Self {
        Self::Scope(Digest::of(KeyText::new(name).key().text()))
    }

    /// The resource that `key` belongs to, as narrow as it is marked; the whole key where nothing is.
    #[must_use]
    pub fn resource(key: KeyRef<'_>) -> Self {
        let [_, _, narrow] = key.subject_texts();
        Self::Resource(Digest::of(narrow))
    }

    /// `primary` and its variants.
    #[must_use]
    pub fn key(primary: KeyRef<'_>) -> Self {
        Self::Key(Digest::of(primary.text()))
    }

    /// What carries `tag`. Tags are compared byte by byte.
    #[must_use]
    pub fn tag(tag: &[u8]) -> Self {
        Self::Tag(Digest::of(tag))
    }

    /// Everything but tags that concerns the value under `primary`, from wide to narrow.
    #[must_use]
    pub fn of_key(primary: KeyRef<'_>) -> [Self; 5] {
        let [scope, wide, narrow] = primary.subject_texts().map(Digest::of);
        [
            Self::All,
            Self::Scope(scope),
            Self::Resource(wide),
            Self::Resource(narrow),
            Self::key(primary),
        ]
    }

    /// Seventeen bytes: the kind, then the digest, which is zero for [`FarSubject::All`].
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let (kind, digest) = match self {
            Self::All => (b'a', Digest::from_bytes([0; Digest::BYTES])),
            Self::Scope(digest) => (b's', digest),
            Self::Resource(digest) => (b'r', digest),
            Self::Key(digest) => (b'k', digest),
            Self::Tag(digest) => (b't', digest),
        };
        let mut bytes = [kind; Self::BYTES];
        bytes[1..].copy_from_slice(digest.as_bytes());
        bytes
    }

    /// Takes back what [`FarSubject::to_bytes`] gave; nothing where they are no such bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (kind, digest) = bytes.split_first()?;
        let digest = Digest::from_bytes(digest.try_into().ok()?);
        match kind {
            b'a' => Some(Self::All),
            b's' => Some(Self::Scope(digest)),
            b'r' => Some(Self::Resource(digest)),
            b'k' => Some(Self::Key(digest)),
            b't' => Some(Self::Tag(digest)),
            _ => None,
        }
    }

    /// How many bytes [`FarSubject::to_bytes`] gives.
    pub const BYTES: usize = 1 + Digest::BYTES;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subject_survives_the_journey() {
        let mut text = KeyText::new("s");
        text.push(b"/a");
        text.end_resource();
        text.push(b"host");
        text.end_resource();
        text.push(b"https");
        let mut subjects = FarSubject::of_key(text.key()).to_vec();
        subjects.push(FarSubject::tag(b"blue"));
        for subject in &subjects {
            assert_eq!(FarSubject::from_bytes(&subject.to_bytes()), Some(*subject));
        }
        subjects.dedup();
        assert_eq!(subjects.len(), 6, "no two are the same");
        assert_eq!(subjects[3], FarSubject::resource(text.key()));
    }

    #[test]
    fn what_is_no_subject_is_not_taken_for_one() {
        assert_eq!(FarSubject::from_bytes(b""), None);
        assert_eq!(FarSubject::from_bytes(b"k too short"), None);
        assert_eq!(FarSubject::from_bytes(&[b'?'; FarSubject::BYTES]), None);
    }
}
