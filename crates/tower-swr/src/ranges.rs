//! Parts of a whole body (RFC 9110 section 14).

use std::fmt::Write as _;
use std::ops::RangeInclusive;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::header::{CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderValue};

/// What a `Range` asks for of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ranges {
    /// These parts: one at least, none of them empty, none over another.
    Some(Vec<RangeInclusive<u64>>),
    /// None that is there: 416.
    Unsatisfiable,
}

/// More parts than this are the work of an attack (RFC 9110 section 17.15), and are answered with the whole.
const MAX_RANGES: usize = 16;

impl Ranges {
    /// What `range` asks for of a body of `length` bytes. Nothing where it is to be ignored: another unit, no range at
    /// all, too many, or some that overlap.
    pub(crate) fn parse(range: &HeaderValue, length: u64) -> Option<Self> {
        let (unit, set) = range.to_str().ok()?.split_once('=')?;
        if !unit.trim().eq_ignore_ascii_case("bytes") {
            return None;
        }
        let members = set.split(',').map(str::trim).filter(|it| !it.is_empty());
        let specs: Vec<_> = members.map(Spec::parse).collect::<Option<_>>()?;
        if specs.is_empty() || specs.len() > MAX_RANGES {
            return None;
        }
        let parts = specs.iter().filter_map(|spec| spec.within(length));
        let parts: Vec<_> = parts.collect();
        match parts.is_empty() {
            true => Some(Self::Unsatisfiable),
            false => (!overlap(&parts)).then_some(Self::Some(parts)),
        }
    }
}

/// One member of a `Range`, as it is written.
enum Spec {
    From { first: u64, last: Option<u64> },
    Last(u64),
}

impl Spec {
    fn parse(text: &str) -> Option<Self> {
        let (first, last) = text.split_once('-')?;
        match (first, last) {
            ("", count) => Some(Self::Last(number(count)?)),
            (first, "") => Some(Self::From {
                first: number(first)?,
                last: None,
            }),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::From {
                    first,
                    last: Some(last),
                })
            }
        }
    }

    /// The bytes that are there of it.
    fn within(&self, length: u64) -> Option<RangeInclusive<u64>> {
        let end = length.checked_sub(1)?;
        match *self {
            Self::From { first, last } if first <= end => {
                Some(first..=last.map_or(end, |last| last.min(end)))
            }
            Self::Last(count) if count > 0 => Some(length.saturating_sub(count)..=end),
            _ => None,
        }
    }
}

/// Digits; more than anybody has bytes are as many as there can be.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

fn overlap(parts: &[RangeInclusive<u64>]) -> bool {
    let mut sorted: Vec<_> = parts.iter().collect();
    sorted.sort_by_key(|part| *part.start());
    sorted
        .windows(2)
        .any(|pair| pair[1].start() <= pair[0].end())
}

/// The parts of `body`, with what `fields` must say of them: one as it is, several as `multipart/byteranges` (RFC 9110
/// section 14.6).
pub(crate) fn cut(body: &Bytes, parts: &[RangeInclusive<u64>], fields: &mut HeaderMap) -> Bytes {
    let length = body.len();
    if let [part] = parts {
        set(fields, &content_range(part, length));
        return slice(body, part);
    }
    let (boundary, content_type) = (boundary(body), fields.get(CONTENT_TYPE).cloned());
    let mut multipart = BytesMut::new();
    for part in parts {
        let _ = write!(multipart, "--{boundary}\r\n");
        if let Some(content_type) = &content_type {
            multipart.put(&b"Content-Type: "[..]);
            multipart.put(content_type.as_bytes());
            multipart.put(&b"\r\n"[..]);
        }
        let _ = write!(
            multipart,
            "Content-Range: {}\r\n\r\n",
            content_range(part, length)
        );
        multipart.put(slice(body, part));
        multipart.put(&b"\r\n"[..]);
    }
    let _ = write!(multipart, "--{boundary}--\r\n");
    // Letters and digits.
    if let Ok(kind) = HeaderValue::try_from(format!("multipart/byteranges; boundary={boundary}")) {
        fields.insert(CONTENT_TYPE, kind);
    }
    multipart.freeze()
}

/// Says in `fields` how much there would be.
pub(crate) fn unsatisfiable(length: usize, fields: &mut HeaderMap) {
    set(fields, &format!("bytes */{length}"));
}

/// What no line of `body` can be: nobody can write a hash into what it is the hash of.
fn boundary(body: &Bytes) -> String {
    blake3::hash(body).to_hex()[..32].to_owned()
}

fn content_range(part: &RangeInclusive<u64>, length: usize) -> String {
    format!("bytes {}-{}/{length}", part.start(), part.end())
}

fn set(fields: &mut HeaderMap, range: &str) {
    // Digits and signs.
    if let Ok(range) = HeaderValue::from_str(range) {
        fields.insert(CONTENT_RANGE, range);
    }
}

fn slice(body: &Bytes, part: &RangeInclusive<u64>) -> Bytes {
    // Within the body, whose length is a `usize`.
    let at = |place: u64| usize::try_from(place).unwrap_or(usize::MAX).min(body.len());
    body.slice(at(*part.start())..at(part.end().saturating_add(1)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ranges(text: &str, length: u64) -> Option<Ranges> {
        Ranges::parse(&HeaderValue::from_str(text).expect("a value"), length)
    }

    #[test]
    fn parts_are_what_is_there_of_them() {
        for (text, expected) in [
            ("bytes=0-0", 0..=0),
            ("bytes=0-4", 0..=4),
            ("BYTES = 5-", 5..=9),
            ("bytes=8-100", 8..=9),
            ("bytes=8-99999999999999999999999999", 8..=9),
            ("bytes=-3", 7..=9),
            ("bytes=-100", 0..=9),
            ("bytes=100-,2-3", 2..=3),
        ] {
            assert_eq!(
                ranges(text, 10),
                Some(Ranges::Some(vec![expected])),
                "{text}"
            );
        }
        let several = Ranges::Some(vec![0..=0, 9..=9, 4..=5]);
        assert_eq!(ranges("bytes=0-0, -1 ,,4-5", 10), Some(several));
    }

    #[test]
    fn what_is_not_there_cannot_be_given() {
        for (text, length) in [
            ("bytes=10-", 10),
            ("bytes=10-20,30-", 10),
            ("bytes=-0", 10),
            ("bytes=0-", 0),
            ("bytes=-5", 0),
        ] {
            assert_eq!(ranges(text, length), Some(Ranges::Unsatisfiable), "{text}");
        }
    }

    #[test]
    fn what_is_no_range_is_ignored() {
        let many = format!("bytes={}", "0-0,".repeat(MAX_RANGES + 1));
        for text in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes=a-b",
            "bytes=5-2",
            "bytes=-",
            "bytes=+1-2",
            "items=0-1",
            "bytes=0-1,x",
            "bytes=0-4,4-5",
            "bytes=0-,1-2",
            "bytes=1 - 2",
            many.as_str(),
        ] {
            assert_eq!(ranges(text, 10), None, "{text}");
        }
    }

    #[test]
    fn several_parts_are_a_multipart() {
        let body = Bytes::from_static(b"0123456789");
        let mut fields =
            HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("text/plain"))]);
        let cut = cut(&body, &[0..=1, 8..=9], &mut fields);
        let expected = "--B\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/10\r\n\r\n01\r\n\
                        --B\r\nContent-Type: text/plain\r\nContent-Range: bytes 8-9/10\r\n\r\n89\r\n--B--\r\n";
        assert_eq!(cut, expected.replace('B', &boundary(&body)).as_bytes());
        let kind = format!("multipart/byteranges; boundary={}", boundary(&body));
        assert_eq!(fields[CONTENT_TYPE], kind);
        assert!(!fields.contains_key(CONTENT_RANGE));
    }

    proptest! {
        #[test]
        fn parts_lie_within_the_body_and_apart(text in "bytes=[0-9, -]{0,40}", length in 0u64..30) {
            if let Some(Ranges::Some(parts)) = ranges(&text, length) {
                prop_assert!(parts.iter().all(|part| part.start() <= part.end() && *part.end() < length));
                let sum: u64 = parts.iter().map(|part| part.end() - part.start() + 1).sum();
                prop_assert!(sum <= length);
            }
        }
    }
}
