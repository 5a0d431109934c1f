//! What a far store keeps under a key: one string of bytes, laid out by hand.
//!
//! ```text
//! 0  "HC", format version, flags      24  stored at            72  born          96  canonical key
//! 4  kind, number of tags             32  age when stored      88  key length        head
//! 8  version of the value             40  fresh, stale and     92  head length       tags, 16 bytes each
//! 16 CRC, where the body begins           error windows, cost                        body
//! ```
//!
//! Numbers are little-endian, times in milliseconds. The CRC covers everything but itself. Reading slices head and body out
//! of the one buffer that came over the wire, so its cost hardly depends on the body's size; the caveat is that either of
//! them keeps the whole buffer alive.
//!
//! What is damaged, of another format or of another key is [`NotOurs`], which is a miss and never an error: other releases
//! and other programs may write under the same name.

mod header;
#[cfg_attr(not(feature = "lz4"), path = "plain.rs")]
mod lz4;

use std::fmt;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::far::{FarError, FarKey, LogPosition, ServerTime, Version};
use crate::key::Digest;
use crate::lifetime::Lifetime;
use crate::wire::header::{HEADER, Header};

/// What is kept of one answer.
///
/// ```
/// use std::time::Duration;
/// use tower_swr_core::wire::{Frame, MAX_BYTES};
/// use tower_swr_core::{FarKey, KeyText, Lifetime, ServerTime, Version};
///
/// let key = FarKey::new(KeyText::new("answers").key());
/// let mut frame = Frame::new(Version::of_token(b"of the lease"), Lifetime::fresh_for(Duration::from_secs(60)));
/// frame.stored_at = ServerTime::from_millis(1_000);
/// frame.body = "what the origin said".into();
///
/// let blob = frame.encode(&key, MAX_BYTES)?;
/// let read = Frame::decode(&blob, &key).expect("it is sound");
/// assert_eq!(read, frame);
/// assert_eq!(read.age(ServerTime::from_millis(3_000)), Duration::from_secs(2));
/// # Ok::<_, tower_swr_core::FarError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Frame {
    /// What the value is, in the writer's own numbers: an answer, an index of variants, a memory.
    pub kind: u16,
    /// The version that its lease gave it.
    pub version: Version,
    /// When it was stored, by the server's clock.
    pub stored_at: ServerTime,
    /// How old it was by then. To the millisecond, as all that follows.
    pub age_at_store: Duration,
    /// How long it may be served.
    pub lifetime: Lifetime,
    /// How long the origin took to make it.
    pub cost: Duration,
    /// What had been invalidated before the origin was called.
    pub born: LogPosition,
    /// Whatever the writer wants to keep beside the body; a slice of the blob when read.
    pub head: Bytes,
    /// Tags by which it can be invalidated, 65,535 at most.
    pub tags: Vec<Digest>,
    /// The body; a slice of the blob when read, unless it was compressed.
    pub body: Bytes,
}

/// A mebibyte: what a far store keeps at most of one value, unless told otherwise. Reading that much occupies the one
/// thread of a Redis for some 60 µs.
pub const MAX_BYTES: usize = 1 << 20;

/// Why a blob is not taken for a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotOurs {
    /// It does not begin as a value does.
    Foreign,
    /// It is of another format, or packed in a way that this build cannot unpack.
    OtherFormat,
    /// It is not as it was written.
    Damaged,
    /// It is the value of another key.
    OtherKey,
}

impl Frame {
    /// A value without head, tags and body; the other fields are there to be set.
    #[must_use]
    pub fn new(version: Version, lifetime: Lifetime) -> Self {
        Self {
            kind: 0,
            version,
            stored_at: ServerTime::default(),
            age_at_store: Duration::ZERO,
            lifetime,
            cost: Duration::ZERO,
            born: LogPosition::ORIGIN,
            head: Bytes::new(),
            tags: Vec::new(),
            body: Bytes::new(),
        }
    }

    /// The bytes to keep under `key`.
    ///
    /// # Errors
    ///
    /// [`FarError::TooLarge`] where they would be more than `limit`.
    pub fn encode(&self, key: &FarKey, limit: usize) -> Result<Bytes, FarError> {
        self.write(key, limit, &self.body, 0)
    }

    /// As [`encode`](Self::encode), with the body compressed by LZ4 if that makes it smaller. Not for what is compressed
    /// already: leave alone what has a `Content-Encoding`.
    ///
    /// # Errors
    ///
    /// [`FarError::TooLarge`] where what comes out is more than `limit`, or the body does not fit into 4 GiB.
    #[cfg(feature = "lz4")]
    pub fn encode_lz4(&self, key: &FarKey, limit: usize) -> Result<Bytes, FarError> {
        match lz4::pack(&self.body) {
            Some(packed) => self.write(key, limit, &packed, header::PACKED),
            None => self.encode(key, limit),
        }
    }

    fn write(&self, key: &FarKey, limit: usize, body: &[u8], flags: u8) -> Result<Bytes, FarError> {
        let begin = HEADER + key.text().len() + self.head.len() + self.tags.len() * Digest::BYTES;
        let bytes = begin + body.len();
        // The lengths are written in 32 bits and the number of tags in 16, whatever limit is asked for.
        let limit = limit.min(u32::MAX as usize);
        if bytes > limit || self.tags.len() > usize::from(u16::MAX) {
            return Err(FarError::TooLarge { bytes, limit });
        }
        let mut blob = BytesMut::with_capacity(bytes);
        Header::of(self, key, flags, begin).write(&mut blob);
        blob.extend_from_slice(key.text());
        blob.extend_from_slice(&self.head);
        for tag in &self.tags {
            blob.extend_from_slice(tag.as_bytes());
        }
        blob.extend_from_slice(body);
        header::seal(&mut blob);
        Ok(blob.freeze())
    }

    /// Reads what [`encode`](Self::encode) wrote under `key`.
    ///
    /// # Errors
    ///
    /// [`NotOurs`] says why `blob` is no value of that key. Treat it as a miss.
    pub fn decode(blob: &Bytes, key: &FarKey) -> Result<Self, NotOurs> {
        let header = Header::read(blob)?;
        let places = header.places(blob.len()).ok_or(NotOurs::Damaged)?;
        if blob[places.key] != *key.text() {
            return Err(NotOurs::OtherKey);
        }
        let tags = blob[places.tags].chunks_exact(Digest::BYTES);
        let tags = tags.filter_map(|tag| Some(Digest::from_bytes(tag.try_into().ok()?)));
        let body = blob.slice(places.body);
        Ok(Self {
            kind: header.kind,
            version: header.version,
            stored_at: header.stored_at,
            age_at_store: header.age_at_store,
            lifetime: header.lifetime,
            cost: header.cost,
            born: header.born,
            head: blob.slice(places.head),
            tags: tags.collect(),
            body: match header.flags & header::PACKED {
                0 => body,
                _ => lz4::unpack(&body)?,
            },
        })
    }

    /// How old the value is at `now`, by the server's clock.
    #[must_use]
    pub fn age(&self, now: ServerTime) -> Duration {
        self.age_at_store.saturating_add(now.since(self.stored_at))
    }
}

impl fmt::Display for NotOurs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Foreign => "not a value of this cache",
            Self::OtherFormat => "a value of another format",
            Self::Damaged => "a damaged value",
            Self::OtherKey => "the value of another key",
        })
    }
}

impl std::error::Error for NotOurs {}

#[cfg(test)]
mod tests;
