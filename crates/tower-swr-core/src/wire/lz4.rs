use bytes::Bytes;

use crate::wire::{MAX_BYTES, NotOurs};

/// What is larger is left as it is: whoever reads a packed body has to have room for all of it, whatever it came in.
const MOST_UNPACKED: usize = 16 * MAX_BYTES;

/// Its length, then the body in one block of LZ4; nothing where that is not smaller.
pub(super) fn pack(body: &[u8]) -> Option<Vec<u8>> {
    if body.len() > MOST_UNPACKED {
        return None;
    }
    let packed = lz4_flex::block::compress_prepend_size(body);
    (packed.len() < body.len()).then_some(packed)
}

/// LZ4 cannot make anything more than 255 times as small: what claims more would only cost memory.
const MOST: usize = 255;

pub(super) fn unpack(packed: &Bytes) -> Result<Bytes, NotOurs> {
    let (length, block) =
        lz4_flex::block::uncompressed_size(packed).map_err(|_| NotOurs::Damaged)?;
    if length > MOST_UNPACKED || length / MOST > block.len() {
        return Err(NotOurs::Damaged);
    }
    let body = lz4_flex::block::decompress(block, length).map_err(|_| NotOurs::Damaged)?;
    (body.len() == length)
        .then(|| body.into())
        .ok_or(NotOurs::Damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_has_a_largest_size_for_who_writes_and_for_who_reads() {
        let most = vec![0; MOST_UNPACKED];
        let packed = pack(&most).unwrap();
        assert_eq!(
            unpack(&packed.into()).map(|body| body.len()),
            Ok(most.len())
        );
        let more = vec![0; MOST_UNPACKED + 1];
        assert_eq!(pack(&more), None);
        let packed = lz4_flex::block::compress_prepend_size(&more);
        assert_eq!(unpack(&packed.into()), Err(NotOurs::Damaged));
    }
}
