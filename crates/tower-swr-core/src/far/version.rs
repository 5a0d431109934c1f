use std::ops::Range;

use crate::key::Digest;

/// Which value is under a key: drawn anew for every commit, so that two versions compare for being the same and for
/// nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Version([u8; Self::BYTES]);

/// What every value of ours begins with.
const MAGIC: &[u8] = b"HC";

/// Where a value's version is in its blob, whatever the rest looks like: a far store reads it there without the body.
pub(crate) const PLACE: Range<usize> = 8..8 + Version::BYTES;

impl Version {
    /// How many bytes it has.
    pub const BYTES: usize = 8;

    /// The version of what is committed under a lease with this `token`.
    #[must_use]
    pub fn of_token(token: &[u8]) -> Self {
        let digest = Digest::of(token);
        let mut version = [0; Self::BYTES];
        version.copy_from_slice(&digest.as_bytes()[..Self::BYTES]);
        Self(version)
    }

    /// Takes back what [`Version::as_bytes`] gave.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// The version itself.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    /// The version that `blob` says it has, without asking whether the rest of it is sound: a damaged value, too, has to
    /// be named to be replaced. None where it is no value of ours, which counts as no value at all.
    #[must_use]
    pub fn read_from(blob: &[u8]) -> Option<Self> {
        let bytes = blob.starts_with(MAGIC).then(|| blob.get(PLACE))??;
        Some(Self(bytes.try_into().ok()?))
    }
}
