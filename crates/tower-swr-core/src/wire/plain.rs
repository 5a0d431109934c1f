use bytes::Bytes;

use crate::wire::NotOurs;

/// This build cannot unpack anything (feature `lz4`).
pub(super) fn unpack(_packed: &Bytes) -> Result<Bytes, NotOurs> {
    Err(NotOurs::OtherFormat)
}
