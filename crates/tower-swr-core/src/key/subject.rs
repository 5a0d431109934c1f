use super::{Digest, KeyRef, KeyText};

/// What an invalidation concerns, in a form that means the same in every process.
///
/// A value is concerned by several: everything, its scope, its resource, its primary key and its tags
/// ([`Subject::of_key`]). Two subjects whose digests begin alike are invalidated together in a process's own memory, which
/// costs a refresh and never serves a wrong answer.
///
/// ```
/// use tower_swr_core::{Subject, KeyText};
///
/// let text = KeyText::new("news");
/// assert_eq!(Subject::scope("news"), Subject::of_key(text.key())[1]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Subject {
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

impl Subject {
    /// All of the scope called `name`.
    #[must_use]
    pub fn scope(name: &str) -> Self {
        Self::Scope(Digest::of(KeyText::new(name).key().text()))
    }

    /// The resource that `key` belongs to, as narrow as it is marked; the whole key where nothing is.
    #[must_use]
    pub fn resource(key: KeyRef<'_>) -> Self {
        key.resource()
    }

    /// The primary key of `key`, and all variants of that.
    #[must_use]
    pub fn key(key: KeyRef<'_>) -> Self {
        Self::Key(Digest::of(key.primary()))
    }

    /// What values carry the tag `tag`, in whatever scope: see [`Tags`](crate::Tags). Tags are compared byte by byte.
    ///
    /// ```
    /// use tower_swr_core::Subject;
    ///
    /// assert_eq!(Subject::tag(b"product-7"), Subject::tag(b"product-7"));
    /// assert_ne!(Subject::tag(b"product-7"), Subject::tag(b"product-8"));
    /// ```
    #[must_use]
    pub fn tag(tag: &[u8]) -> Self {
        Self::Tag(Digest::of(tag))
    }

    /// Everything but tags that concerns the value under `key`, from wide to narrow. A variant is concerned by what its
    /// primary key is.
    #[must_use]
    pub fn of_key(key: KeyRef<'_>) -> [Self; 5] {
        let [scope, wide, narrow, primary] = key.subjects();
        [Self::All, scope, wide, narrow, primary]
    }

    /// Seventeen bytes: the kind, then the digest, which is zero for [`Subject::All`].
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

    /// Takes back what [`Subject::to_bytes`] gave; nothing where they are no such bytes.
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

    /// How many bytes [`Subject::to_bytes`] gives.
    pub const BYTES: usize = 1 + Digest::BYTES;

    /// What tells it from others in this process's memory. The same text names a scope, a resource and a key, so the kind
    /// counts, too.
    pub(crate) fn bits(self) -> u64 {
        let [kind, a, b, c, d, e, f, g, h, ..] = self.to_bytes();
        u64::from_le_bytes([a, b, c, d, e, f, g, h]) ^ u64::from(kind)
    }
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
        let mut subjects = Subject::of_key(text.key()).to_vec();
        subjects.push(Subject::tag(b"blue"));
        for subject in &subjects {
            assert_eq!(Subject::from_bytes(&subject.to_bytes()), Some(*subject));
        }
        subjects.dedup();
        assert_eq!(subjects.len(), 6, "no two are the same");
        assert_eq!(subjects[3], Subject::resource(text.key()));
    }

    #[test]
    fn what_is_no_subject_is_not_taken_for_one() {
        assert_eq!(Subject::from_bytes(b""), None);
        assert_eq!(Subject::from_bytes(b"k too short"), None);
        assert_eq!(Subject::from_bytes(&[b'?'; Subject::BYTES]), None);
    }
}
