use std::fmt;

/// 128 bits of BLAKE3: what stands for a text in every process alike.
///
/// In hexadecimal digits by [`Display`](fmt::Display): 32 of them, so that nothing of the text shows and nothing in it
/// can be mistaken for a part of a name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; Self::BYTES]);

impl Digest {
    /// How many bytes it has.
    pub const BYTES: usize = 16;

    /// The digest of `text`.
    #[must_use]
    pub fn of(text: &[u8]) -> Self {
        let mut digest = [0; Self::BYTES];
        digest.copy_from_slice(&blake3::hash(text).as_bytes()[..Self::BYTES]);
        Self(digest)
    }

    /// Takes back what [`Digest::as_bytes`] gave.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// The digest itself.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}
