//! Headers for the tests of this folder: written ones and random ones.

use std::time::{Duration, SystemTime};

use http::header::{HeaderMap, HeaderName, HeaderValue};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Well-formed members of `Cache-Control`.
pub(crate) const MEMBERS: &[&str] = &[
    "no-cache",
    "private=\"a, b\"",
    "public",
    "must-revalidate",
    "proxy-revalidate",
    "max-age=0",
    "max-age=60",
    "max-age=-1",
    "s-maxage=30",
    "s-maxage=\"90\"",
    "stale-while-revalidate=120",
    "stale-if-error=600",
    "ext=\"x, y\"",
];

/// Pieces from which values of any of [`NAMES`] may be put together, well or badly.
const PIECES: &[&str] = &[
    "no-store",
    "no-cache",
    "private",
    "public",
    "must-revalidate",
    "must-understand",
    "max-age",
    "s-maxage=",
    "max-age=60",
    "stale-while-revalidate=9",
    "stale-if-error=9",
    "=",
    "\"",
    "\\",
    ",",
    ", ",
    " ",
    "\t",
    ";",
    "0",
    "60",
    "-1",
    "99999999999999999999",
    "*",
    "accept",
    "Accept-Encoding",
    "text/event-stream",
    "Tue, 14 Nov 2023 22:15:20 GMT",
    "gzip",
    "q=0.5",
];

/// The fields that the policy reads.
const NAMES: &[&str] = &[
    "cache-control",
    "cache-control",
    "expires",
    "date",
    "age",
    "vary",
    "content-type",
    "accept",
    "accept-encoding",
    "cookie",
];

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The moment at which every test is played: Tue, 14 Nov 2023 22:13:20 GMT.
pub(crate) fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + secs(1_700_000_000)
}

pub(crate) fn headers<'a>(pairs: impl IntoIterator<Item = (&'static str, &'a str)>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, text) in pairs {
        headers.append(HeaderName::from_static(name), value(text));
    }
    headers
}

pub(crate) fn value(bytes: impl AsRef<[u8]>) -> HeaderValue {
    HeaderValue::from_bytes(bytes.as_ref()).expect("the tests write no control characters")
}

pub(crate) fn header_lists() -> impl Strategy<Value = HeaderMap> {
    vec((select(NAMES), values()), 0..8).prop_map(|pairs| {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_static(name), value);
        }
        headers
    })
}

/// Any bytes that a field value may hold, or words that nearly make sense.
pub(crate) fn values() -> impl Strategy<Value = HeaderValue> {
    let words = vec(select(PIECES), 0..8).prop_map(|pieces| pieces.concat().into_bytes());
    let members = vec(select(MEMBERS), 0..4).prop_map(|members| members.join(", ").into_bytes());
    let bytes = vec(any::<u8>(), 0..40).prop_map(|mut bytes| {
        bytes.retain(|byte| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f));
        bytes
    });
    prop_oneof![words, members, bytes].prop_map(value)
}
