//! Random handlers and requests.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// How a layer is told to take cookies and `Authorization`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Rule {
    Bypass,
    Ignore,
    /// For cookies: `a` bypasses, or is keyed.
    On,
    Key,
}

/// What the handler of one path answers with: the first of two in calls of an even number, else the second.
#[derive(Clone, Debug)]
pub(crate) struct Behaviour {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(&'static str, Vec<u8>)>,
}

#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) path: usize,
    pub(crate) head: bool,
    pub(crate) fields: Vec<(&'static str, Vec<u8>)>,
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Burst(Vec<Asked>),
    Pass(u64),
}

pub(crate) fn rules() -> impl Strategy<Value = Rule> {
    select(&[Rule::Bypass, Rule::Ignore, Rule::On, Rule::Key])
}

/// Any bytes that a field's value may hold.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(
        prop_oneof![Just(b'\t'), 0x20..0x7f_u8, 0x80..=0xff_u8],
        0..30,
    )
}

fn texts(values: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    select(values).prop_map(|text| text.as_bytes().to_vec())
}

pub(crate) fn behaviours() -> impl Strategy<Value = Behaviour> {
    let control = [
        "no-store",
        "private",
        "no-cache",
        "public",
        "max-age=60",
        "max-age=0",
        "s-maxage=5",
        "max-age=-1",
        "max-age=99999999999999999999",
        "max-age=5, stale-while-revalidate=60",
        "must-revalidate",
        "max-age",
        "max-age=60, max-age=1",
        "private=\"x\", max-age=60",
        "stale-if-error=600, max-age=1",
        "max-age = 60",
    ];
    let vary = [
        "accept",
        "Accept-Language",
        "x-a",
        "accept, accept-language,x-a",
        "*",
        "accept, *",
        "",
        ",,",
        "cookie",
        "Authorization, Accept",
        "host, range",
        "no name",
        "a;b",
        "accept,x-b,x-c,x-d",
    ];
    let field = prop_oneof![
        4 => texts(control.to_vec().leak()).prop_map(|value| ("cache-control", value)),
        4 => texts(vary.to_vec().leak()).prop_map(|value| ("vary", value)),
        1 => Just(("set-cookie", Vec::new())),
        1 => texts(&["0", "5", "4000000000", "-1", "x", "1, 2"]).prop_map(|value| ("age", value)),
        1 => texts(&["0", "Thu, 01 Jan 2026 00:00:30 GMT", "x"]).prop_map(|value| ("expires", value)),
        1 => texts(&["Thu, 01 Jan 2026 00:00:00 GMT", "x"]).prop_map(|value| ("date", value)),
        1 => texts(&["close, x-hop", "cache-control, vary", ",", "x y"]).prop_map(|value| ("connection", value)),
        1 => texts(&["text/event-stream", "text/html"]).prop_map(|value| ("content-type", value)),
        1 => (select(&["cache-control", "age", "expires", "cache-status", "x-cache", "etag"]), bytes()),
    ];
    (
        select(&[200, 200, 200, 203, 301, 302, 404, 410, 429, 500, 503]),
        vec(field, 0..4),
    )
        .prop_map(|(status, fields)| Behaviour { status, fields })
}

fn requests(paths: usize) -> impl Strategy<Value = Asked> {
    let field = prop_oneof![
        texts(&["a=1", "a=2", "b=1", "a=1; b=2", "a=1; a=2", "b=1; a=2"])
            .prop_map(|value| ("cookie", value)),
        texts(&["x", "y", ""]).prop_map(|value| ("authorization", value)),
        texts(&["p", "q", "", "P"]).prop_map(|value| ("accept", value)),
        texts(&["de", "en"]).prop_map(|value| ("accept-language", value)),
        texts(&["1", "2"]).prop_map(|value| ("x-a", value)),
        texts(&["h", "i"]).prop_map(|value| ("x-forwarded-host", value)),
        (
            select(&[
                "x-noise",
                "range",
                "if-none-match",
                "connection",
                "forwarded"
            ]),
            bytes()
        ),
    ];
    let host = texts(&["one.example", "two.example"]).prop_map(|value| ("host", value));
    // One line of each: the first of a name counts.
    (0..paths, prop::bool::weighted(0.1), host, vec(field, 0..4)).prop_map(
        |(path, head, host, fields)| {
            let mut once = vec![host];
            for field in fields {
                if once.iter().all(|(name, _)| *name != field.0) {
                    once.push(field);
                }
            }
            Asked {
                path,
                head,
                fields: once,
            }
        },
    )
}

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => vec(requests(3), 1..20).prop_map(Step::Burst),
        1 => select(&[1, 5, 30, 61, 200]).prop_map(Step::Pass),
    ];
    vec(step, 1..8)
}
