use bytes::Bytes;

use crate::wire::NotOurs;

/// Its length, then the body in one block of LZ4; nothing where that is not smaller.
pub(super) fn pack(body: &[u8]) -> Option<Vec<u8>> {
    u32::try_from(body.len()).ok()?;
    let packed = lz4_flex::block::compress_prepend_size(body);
    (packed.len() < body.len()).then_some(packed)
}

/// LZ4 cannot make anything more than 255 times as small: what claims more would only cost memory.
const MOST: usize = 255;

pub(super) fn unpack(packed: &Bytes) -> Result<Bytes, NotOurs> {
    let (length, block) =
        lz4_flex::block::uncompressed_size(packed).map_err(|_| NotOurs::Damaged)?;
    if length / MOST > block.len() {
        return Err(NotOurs::Damaged);
    }
    let body = lz4_flex::block::decompress(block, length).map_err(|_| NotOurs::Damaged)?;
    (body.len() == length)
        .then(|| body.into())
        .ok_or(NotOurs::Damaged)
}
