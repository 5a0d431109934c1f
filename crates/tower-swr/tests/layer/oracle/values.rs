//! Random values of fields: well-formed, odd and broken, around the same few numbers, so that boundaries are met.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::dates;

pub(crate) fn texts(values: &'static [&'static str]) -> impl Strategy<Value = String> + Clone {
    select(values).prop_map(str::to_owned)
}

/// Numbers as they are given: plain, odd, too large, none.
fn numbers() -> impl Strategy<Value = String> + Clone {
    prop_oneof![
        12 => select(&[0_u64, 1, 5, 10, 30, 60, 100]).prop_map(|number| number.to_string()),
        1 => texts(&["2147483647", "2147483648", "99999999999999999999999", "010", "\"10\"", "\"1\\0\""]),
        1 => texts(&["-1", "1.5", "ten", "\"\"", "\"ten\"", "5s", "0x10", "+5", "\"5", ""]),
    ]
}

pub(crate) fn directives() -> impl Strategy<Value = String> + Clone {
    let numbered = (
        select(&[
            "max-age",
            "max-age",
            "max-age",
            "s-maxage",
            "Max-Age",
            "stale-while-revalidate",
            "stale-if-error",
            "S-MaxAge",
        ]),
        numbers(),
    );
    let odd: &'static [&'static str] = &[
        "",
        "=",
        "max-age",
        "s-maxage",
        "max-age = 60",
        "max-age=60;x",
        "no-store;",
        "\"no-store\"",
        "x=\"no-store\"",
        "x=\", private\"",
        "x=\"a\\\", no-store\"",
        "private=\"set-cookie\"",
        "no-cache=\"x-a, x-b\"",
        "private=x-a",
        "no-cache=\"\"",
        "x-unknown=1",
        "\u{e9}",
        "@",
        "no-store=0",
        "must-revalidate=1",
        "max-age=60 s-maxage=60",
        "x=\"unclosed",
    ];
    let words: &'static [&'static str] = &[
        "public",
        "public",
        "no-store",
        "private",
        "No-Cache",
        "must-revalidate",
        "proxy-revalidate",
        "must-understand",
        "immutable",
        "NO-STORE",
        "no-transform",
        "x-unknown",
    ];
    prop_oneof![
        8 => numbered.prop_map(|(name, number)| format!("{name}={number}")),
        3 => texts(words),
        1 => texts(odd),
    ]
}

/// Members with the spaces and commas that a list may have.
pub(crate) fn lists(
    members: impl Strategy<Value = String> + Clone,
) -> impl Strategy<Value = Vec<u8>> + Clone {
    let separator = texts(&[",", ", ", " ,\t", ",,", ", ,"]);
    vec((members, separator), 1..4).prop_map(|members| {
        let mut text: String = members
            .iter()
            .map(|(member, end)| format!("{member}{end}"))
            .collect();
        while text.ends_with([',', ' ', '\t']) && members.len() != 2 {
            text.pop();
        }
        // A letter beyond ASCII is two bytes here, as a server would send it.
        text.into_bytes()
    })
}

/// Dates about the time when the clock begins, in all forms, and what is none.
pub(crate) fn date_fields() -> impl Strategy<Value = Vec<u8>> + Clone {
    let about = select(&[
        -86_400_i64 * 30,
        -600,
        -100,
        -60,
        -1,
        0,
        1,
        5,
        10,
        60,
        100,
        1_000_000_000,
    ]);
    let form = prop_oneof![6 => Just(0_usize), 1 => Just(1), 1 => Just(2)];
    let good = (about, form).prop_map(|(about, form)| dates::print(dates::START + about, form));
    prop_oneof![
        8 => good,
        1 => texts(&[
            "0", "-1", "now", "", "Thu, 01 Jan 2026 00:00:30", "Thu, 32 Jan 2026 00:00:30 GMT",
            "Thu, 01 Jan 2026 24:00:30 GMT", "Thu, 01 Jan 2026 00:00:30 +0000", "1767225660",
            "Thu, 01 Foo 2026 00:00:30 GMT", "Sun, 30 Feb 2031 00:00:00 GMT",
        ]),
    ]
    .prop_map(String::into_bytes)
}
