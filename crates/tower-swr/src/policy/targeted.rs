//! `Cache-Control` for some caches only: targeted fields (RFC 9213).

use http::{HeaderMap, HeaderName, HeaderValue};
use sfv::{BareItem, Dictionary, ListEntry, Parser};

use super::cache_control::{CacheControl, Directive};

/// What the first of the `targets` says that `headers` have and that can be read.
///
/// It then speaks alone: neither `Cache-Control` nor `Expires` counts beside it (RFC 9213 section 2.2). One that is
/// empty or no dictionary counts as if it were not there (section 2.1).
pub(super) fn select(headers: &HeaderMap, targets: &[HeaderName]) -> Option<CacheControl> {
    targets.iter().find_map(|name| read(headers, name))
}

fn read(headers: &HeaderMap, name: &HeaderName) -> Option<CacheControl> {
    let lines = headers.get_all(name).into_iter();
    let lines: Vec<&[u8]> = lines.map(HeaderValue::as_bytes).collect();
    let members: Dictionary = Parser::new(&lines.join(&b", "[..])).parse().ok()?;
    let mut control = CacheControl {
        is_targeted: true,
        ..CacheControl::default()
    };
    for (name, member) in &members {
        let argument = argument(member);
        control.apply(&Directive {
            name: name.as_str().as_bytes(),
            argument: argument.as_deref().map(str::as_bytes),
        });
    }
    (!members.is_empty()).then_some(control)
}

/// The argument as `Cache-Control` would have it. Only integers are numbers; whatever else stands where one should reads
/// as zero there, and a prohibition holds whatever its value.
fn argument(member: &ListEntry) -> Option<String> {
    match member {
        ListEntry::Item(item) => match item.bare_item {
            BareItem::Boolean(true) => None,
            BareItem::Integer(number) => Some(number.to_string()),
            _ => Some(String::new()),
        },
        ListEntry::InnerList(_) => Some(String::new()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::super::testing::{self, secs};
    use super::*;

    const CDN: HeaderName = HeaderName::from_static("cdn-cache-control");
    const OURS: HeaderName = HeaderName::from_static("ours-cache-control");

    fn selected(pairs: &[(&'static str, &str)]) -> Option<CacheControl> {
        select(&testing::headers(pairs.iter().copied()), &[OURS, CDN])
    }

    fn max_age(line: &str) -> Option<Option<Duration>> {
        let control = selected(&[("cdn-cache-control", line)]);
        control.map(|control| control.max_age)
    }

    #[test]
    fn the_first_target_that_is_there_speaks_alone() {
        let ours = ("ours-cache-control", "max-age=1");
        let cdn = ("cdn-cache-control", "max-age=2, must-revalidate");
        let of_ours = selected(&[cdn, ours]).expect("it can be read");
        assert_eq!(of_ours.max_age, Some(secs(1)));
        assert!(of_ours.is_targeted && !of_ours.must_revalidate);
        let of_cdn = selected(&[cdn]).expect("it can be read");
        assert_eq!(of_cdn.max_age, Some(secs(2)));
        assert!(of_cdn.must_revalidate);
        assert_eq!(selected(&[("cache-control", "max-age=3")]), None);
        assert_eq!(select(&testing::headers([cdn]), &[]), None);
    }

    #[test]
    fn what_is_empty_or_no_dictionary_is_as_if_it_were_not_there() {
        let cdn = ("cdn-cache-control", "max-age=2");
        for broken in [
            "",
            " ",
            "&&&",
            "max-age=1, &&&",
            "Max-Age=1",
            "max-age=1 no-store",
            "a=\"",
            "\u{e9}",
        ] {
            let of_cdn = selected(&[("ours-cache-control", broken), cdn]);
            assert_eq!(
                of_cdn.map(|it| it.max_age),
                Some(Some(secs(2))),
                "{broken:?}"
            );
        }
    }

    #[test]
    fn lines_are_one_dictionary_and_the_last_of_a_name_counts() {
        let lines = [
            ("cdn-cache-control", "max-age=9, no-cache"),
            ("cdn-cache-control", "max-age=2"),
        ];
        let control = selected(&lines).expect("it can be read");
        assert_eq!(control.max_age, Some(secs(2)));
        assert!(control.no_cache);
    }

    #[test]
    fn a_number_is_an_integer_and_all_else_is_zero() {
        assert_eq!(max_age("max-age=60"), Some(Some(secs(60))));
        assert_eq!(max_age("max-age=60;note=1"), Some(Some(secs(60))));
        assert_eq!(max_age("no-transform, a=(1 2)"), Some(None));
        for wrong in [
            "max-age=\"60\"",
            "max-age=60.0",
            "max-age=-60",
            "max-age",
            "max-age=?0",
            "max-age=(60)",
            "max-age=:YQ==:",
            "max-age=a",
        ] {
            assert_eq!(max_age(wrong), Some(Some(Duration::ZERO)), "{wrong}");
        }
    }

    #[test]
    fn a_prohibition_holds_whatever_its_value() {
        for line in [
            "no-store",
            "no-store=?0",
            "no-store=\"x\"",
            "no-store=(a b)",
            "no-store;x=1",
        ] {
            let control = selected(&[("cdn-cache-control", line)]);
            assert!(control.is_some_and(|control| control.no_store), "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_headers_are_read_without_panic(headers in testing::header_lists()) {
            select(&headers, &[http::header::CACHE_CONTROL]);
        }

        #[test]
        fn what_is_written_is_read(seconds in 0u64..1 << 31, no_store: bool, stale in 0u64..1000) {
            let store = if no_store { ", no-store" } else { "" };
            let line = format!("max-age={seconds}{store}, stale-while-revalidate={stale}");
            let control = selected(&[("cdn-cache-control", &line)]).expect("it can be read");
            prop_assert_eq!(control.max_age, Some(secs(seconds)));
            prop_assert_eq!(control.stale_while_revalidate, Some(secs(stale)));
            prop_assert_eq!(control.no_store, no_store);
        }
    }
}
