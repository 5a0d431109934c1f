use std::ops::Range;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::far::{FarKey, LogPosition, ServerTime, VERSION_PLACE, Version};
use crate::key::Digest;
use crate::lifetime::Lifetime;
use crate::wire::{Frame, NotOurs};

/// Bytes in front of the key. They never move: the scripts of a far store read the version out of them.
pub(super) const HEADER: usize = 96;

const MAGIC: &[u8; 2] = b"HC";
const FORMAT: u8 = 1;

/// The body is compressed.
pub(super) const PACKED: u8 = 1;
/// The lifetime forbids to serve it stale.
const FORBIDS_STALE: u8 = 2;

const CRC: Range<usize> = 16..20;

/// A time without end.
const FOREVER: u64 = u64::MAX;

pub(super) struct Header {
    pub(super) flags: u8,
    pub(super) kind: u16,
    pub(super) version: Version,
    pub(super) stored_at: ServerTime,
    pub(super) age_at_store: Duration,
    pub(super) lifetime: Lifetime,
    pub(super) cost: Duration,
    pub(super) born: LogPosition,
    body: u32,
    tags: u16,
    key: u32,
    head: u32,
}

pub(super) struct Places {
    pub(super) key: Range<usize>,
    pub(super) head: Range<usize>,
    pub(super) tags: Range<usize>,
    pub(super) body: Range<usize>,
}

impl Header {
    /// The caller has made sure that all lengths fit.
    pub(super) fn of(frame: &Frame, key: &FarKey, flags: u8, body: usize) -> Self {
        let stale = match frame.lifetime.forbids_stale() {
            true => FORBIDS_STALE,
            false => 0,
        };
        Self {
            flags: flags | stale,
            kind: frame.kind,
            version: frame.version,
            stored_at: frame.stored_at,
            age_at_store: frame.age_at_store,
            lifetime: frame.lifetime,
            cost: frame.cost,
            born: frame.born,
            body: body as u32,
            tags: frame.tags.len() as u16,
            key: key.text().len() as u32,
            head: frame.head.len() as u32,
        }
    }

    pub(super) fn write(&self, blob: &mut BytesMut) {
        blob.put_slice(MAGIC);
        blob.put_u8(FORMAT);
        blob.put_u8(self.flags);
        blob.put_u16_le(self.kind);
        blob.put_u16_le(self.tags);
        blob.put_slice(self.version.as_bytes());
        blob.put_u32_le(0);
        blob.put_u32_le(self.body);
        blob.put_u64_le(self.stored_at.millis());
        for span in [
            self.age_at_store,
            self.lifetime.fresh(),
            self.lifetime.stale_window(),
            self.lifetime.error_window(),
            self.cost,
        ] {
            blob.put_u64_le(u64::try_from(span.as_millis()).unwrap_or(FOREVER));
        }
        blob.put_u64_le(self.born.major);
        blob.put_u64_le(self.born.minor);
        blob.put_u32_le(self.key);
        blob.put_u32_le(self.head);
    }

    pub(super) fn read(blob: &Bytes) -> Result<Self, NotOurs> {
        let mut rest = blob.get(..HEADER).ok_or(NotOurs::Foreign)?;
        let version = Version::read_from(rest).ok_or(NotOurs::Foreign)?;
        rest.advance(MAGIC.len());
        if rest.get_u8() != FORMAT {
            return Err(NotOurs::OtherFormat);
        }
        if blob[CRC] != checksum(blob).to_le_bytes() {
            return Err(NotOurs::Damaged);
        }
        let flags = rest.get_u8();
        if flags & !(PACKED | FORBIDS_STALE) != 0 {
            return Err(NotOurs::OtherFormat);
        }
        let (kind, tags) = (rest.get_u16_le(), rest.get_u16_le());
        rest.advance(Version::BYTES + CRC.len());
        let body = rest.get_u32_le();
        let stored_at = ServerTime::from_millis(rest.get_u64_le());
        let [age_at_store, fresh, stale, error, cost] =
            std::array::from_fn(|_| span(rest.get_u64_le()));
        Ok(Self {
            flags,
            kind,
            version,
            stored_at,
            age_at_store,
            lifetime: lifetime(flags, fresh, stale, error),
            cost,
            born: LogPosition {
                major: rest.get_u64_le(),
                minor: rest.get_u64_le(),
            },
            body,
            tags,
            key: rest.get_u32_le(),
            head: rest.get_u32_le(),
        })
    }

    /// Where everything is in a blob of `length` bytes; nothing where it does not add up.
    pub(super) fn places(&self, length: usize) -> Option<Places> {
        let key = HEADER.checked_add(self.key as usize)?;
        let head = key.checked_add(self.head as usize)?;
        let tags = head.checked_add(usize::from(self.tags) * Digest::BYTES)?;
        (tags == self.body as usize && tags <= length).then_some(Places {
            key: HEADER..key,
            head: key..head,
            tags: head..tags,
            body: tags..length,
        })
    }
}

fn lifetime(flags: u8, fresh: Duration, stale: Duration, error: Duration) -> Lifetime {
    let lifetime = Lifetime::fresh_for(fresh);
    match flags & FORBIDS_STALE {
        0 => lifetime.stale_while_revalidate(stale).stale_if_error(error),
        _ => lifetime.must_revalidate(),
    }
}

fn span(millis: u64) -> Duration {
    match millis {
        FOREVER => Duration::MAX,
        millis => Duration::from_millis(millis),
    }
}

/// Writes the CRC of everything else into a blob that is complete.
pub(super) fn seal(blob: &mut BytesMut) {
    let crc = checksum(blob);
    blob[CRC].copy_from_slice(&crc.to_le_bytes());
}

fn checksum(blob: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&blob[..CRC.start]);
    crc.update(&blob[CRC.end..]);
    crc.finalize()
}

const _: () = assert!(VERSION_PLACE.end <= CRC.start && CRC.end <= HEADER);
