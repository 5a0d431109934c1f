//! Random answers, requests and times between them.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::values::{date_fields, directives, lists, texts};

pub(crate) type Field = (&'static str, Vec<u8>);

/// What the origin answers.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    /// Of the calls in turn.
    pub(crate) heads: Vec<(u16, Vec<Field>)>,
    /// Whether it answers conditions.
    pub(crate) confirms: bool,
    /// From which call on it fails.
    pub(crate) fails_from: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) head: bool,
    pub(crate) fields: Vec<Field>,
}

/// A time to wait, and who asks then at the same time.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) wait: u64,
    pub(crate) burst: Vec<Asked>,
}

fn dictionaries() -> impl Strategy<Value = Vec<u8>> + Clone {
    prop_oneof![
        6 => lists(directives()),
        4 => texts(&[
            "max-age=60", "max-age=5;x=1, public", "no-store", "private", "max-age=10, max-age=60",
            "", "max-age=60,", "max-age=1.5", "max-age=-5", "max-age=\"60\"", "Max-Age=60", "must-revalidate, s-maxage=10",
            "max-age=?1", "max-age", "no-store=?0", "max-age=(1 2)", "a=\"x\\\"\", max-age=30",
        ]).prop_map(String::into_bytes),
    ]
}

fn answer_fields() -> impl Strategy<Value = Field> + Clone {
    let vary: &'static [&'static str] = &[
        "accept",
        "Accept-Language",
        "x-a",
        "accept ,X-A",
        "*",
        "accept, *",
        "",
        ",,",
        "cookie",
        "authorization",
    ];
    let ages: &'static [&'static str] = &[
        "0",
        "1",
        "5",
        "59",
        "60",
        "61",
        "-1",
        "x",
        "5, 100",
        "1.5",
        "99999999999",
        "\"5\"",
    ];
    let tags: &'static [&'static str] = &[
        "\"1\"",
        "W/\"1\"",
        "\"\"",
        "\"a,b\"",
        "1",
        "W/1",
        "\"unclosed",
    ];
    let bytes = |values: &'static [&'static str]| texts(values).prop_map(String::into_bytes);
    prop_oneof![
        10 => lists(directives()).prop_map(|value| ("cache-control", value)),
        3 => date_fields().prop_map(|value| ("expires", value)),
        2 => date_fields().prop_map(|value| ("date", value)),
        2 => date_fields().prop_map(|value| ("last-modified", value)),
        2 => bytes(ages).prop_map(|value| ("age", value)),
        3 => bytes(vary).prop_map(|value| ("vary", value)),
        2 => bytes(tags).prop_map(|value| ("etag", value)),
        2 => dictionaries().prop_map(|value| ("cdn-cache-control", value)),
        1 => bytes(&["id=1", ""]).prop_map(|value| ("set-cookie", value)),
        1 => bytes(&["no-cache"]).prop_map(|value| ("pragma", value)),
        1 => bytes(&["secret"]).prop_map(|value| ("x-a", value)),
    ]
}

/// Several lines of those that are lists, one of the others: which of two dates is meant is anybody's guess.
fn once(fields: Vec<Field>) -> Vec<Field> {
    let lists = ["cache-control", "vary", "cdn-cache-control"];
    let mut kept: Vec<Field> = Vec::new();
    for field in fields {
        if lists.contains(&field.0) || kept.iter().all(|(name, _)| *name != field.0) {
            kept.push(field);
        }
    }
    kept
}

pub(crate) fn answers() -> impl Strategy<Value = Said> {
    let status = select(&[
        200, 200, 200, 200, 203, 204, 206, 299, 301, 302, 307, 404, 410, 414, 403, 500, 503,
    ]);
    let fails_from = prop_oneof![3 => Just(usize::MAX), 1 => 1..4_usize];
    let head =
        (status, vec(answer_fields(), 0..5)).prop_map(|(status, fields)| (status, once(fields)));
    let heads = prop_oneof![3 => vec(head.clone(), 1), 1 => vec(head, 2)];
    (heads, any::<bool>(), fails_from).prop_map(|(heads, confirms, fails_from)| Said {
        // What a 304 leaves of an answer with other fields is not what this is about.
        confirms: confirms && heads.len() == 1,
        heads,
        fails_from,
    })
}

fn request_fields() -> impl Strategy<Value = Field> {
    let control: &'static [&'static str] = &[
        "no-cache",
        "no-store",
        "max-age=0",
        "max-age=5",
        "max-age=60",
        "min-fresh=5",
        "min-fresh=60",
        "max-stale",
        "max-stale=10",
        "only-if-cached",
        "max-age=5, max-stale",
        "max-age",
        "max-stale=x",
        "no-cache;",
        "max-age=60, max-age=1",
        "only-if-cached, max-stale=60",
    ];
    let ranges: &'static [&'static str] = &[
        "bytes=0-3",
        "bytes=2-",
        "bytes=-4",
        "bytes=-0",
        "bytes=10-",
        "bytes=9-99",
        "bytes=3-1",
        "bytes=0-1,4-5",
        "bytes=0-,0-,0-",
        "Bytes=0-0",
        "lines=1-2",
        "bytes=",
        "bytes=a-b",
        "bytes= 0-1 , 3-3",
        "bytes=99999999999999999999-",
        "bytes=-99999999999999999999",
    ];
    let tags: &'static [&'static str] = &[
        "\"1\"",
        "W/\"1\"",
        "\"2\"",
        "*",
        "\"2\", W/\"1\"",
        "1",
        "\"\"",
        "\"2\" \"1\"",
        ",",
    ];
    let bytes = |values: &'static [&'static str]| texts(values).prop_map(String::into_bytes);
    prop_oneof![
        3 => bytes(&["p", "q", "", "p, q", "p,q", "P"]).prop_map(|value| ("accept", value)),
        1 => bytes(&["de", "en"]).prop_map(|value| ("accept-language", value)),
        2 => bytes(&["1", "2", "secret"]).prop_map(|value| ("x-a", value)),
        2 => bytes(&["u", "v"]).prop_map(|value| ("authorization", value)),
        1 => bytes(&["a=1", "a=2"]).prop_map(|value| ("cookie", value)),
        3 => bytes(control).prop_map(|value| ("cache-control", value)),
        1 => bytes(&["no-cache", "x"]).prop_map(|value| ("pragma", value)),
        2 => bytes(ranges).prop_map(|value| ("range", value)),
        2 => bytes(tags).prop_map(|value| ("if-none-match", value)),
        1 => bytes(tags).prop_map(|value| ("if-match", value)),
        1 => bytes(tags).prop_map(|value| ("if-range", value)),
        1 => date_fields().prop_map(|value| ("if-range", value)),
        1 => date_fields().prop_map(|value| ("if-modified-since", value)),
        1 => date_fields().prop_map(|value| ("if-unmodified-since", value)),
    ]
}

fn requests() -> impl Strategy<Value = Asked> {
    let fields = prop_oneof![2 => Just(Vec::new()), 3 => vec(request_fields(), 1..4)];
    (prop::bool::weighted(0.05), fields).prop_map(|(head, fields)| {
        let mut kept: Vec<Field> = Vec::new();
        for field in fields {
            // Two lines of `Accept` or `X-A` are one list; of the others only one is meant.
            if ["accept", "x-a"].contains(&field.0) || kept.iter().all(|(name, _)| *name != field.0)
            {
                kept.push(field);
            }
        }
        Asked { head, fields: kept }
    })
}

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let wait = prop_oneof![
        2 => Just(0),
        2 => select(&[1_u64, 4, 5, 6, 9, 10, 11, 15, 20]),
        2 => select(&[29_u64, 30, 31, 50, 55, 59, 60, 61, 90, 100]),
        1 => select(&[130_u64, 179, 180, 181, 1000, 90_000]),
    ];
    let burst = prop_oneof![3 => vec(requests(), 1), 1 => vec(requests(), 2..4)];
    vec(
        (wait, burst).prop_map(|(wait, burst)| Step { wait, burst }),
        2..6,
    )
}
