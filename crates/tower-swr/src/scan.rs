//! Looking for a kind of byte where most of the time there is none.

/// Whether any byte of `text` `is_meant`. In eights, of which the compiler looks at all bytes at once; the last one overlaps
/// with the one before.
#[inline]
pub(crate) fn any(text: &[u8], is_meant: impl Fn(u8) -> bool) -> bool {
    let Some(last) = text.last_chunk::<8>() else {
        return text.iter().any(|byte| is_meant(*byte));
    };
    let has_any = |eight: &[u8; 8]| (eight.iter()).fold(false, |any, byte| any | is_meant(*byte));
    let (eights, _) = text.as_chunks();
    eights.iter().any(has_any) || has_any(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_is_found_wherever_it_is() {
        for length in 0..40 {
            let mut text = vec![b'-'; length];
            assert!(!any(&text, |byte| byte == b'x'), "none in {length}");
            for place in 0..length {
                text[place] = b'x';
                assert!(any(&text, |byte| byte == b'x'), "{place} of {length}");
                text[place] = b'-';
            }
        }
    }
}
