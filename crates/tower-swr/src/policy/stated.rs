//! What a response itself says about its freshness and its age (RFC 9111 section 4.2).

use std::time::{Duration, SystemTime};

use http::header::{AGE, DATE, EXPIRES, LAST_MODIFIED};
use http::{HeaderMap, HeaderValue};

use super::cache_control::{CacheControl, delta_seconds};
use crate::date;

/// A freshness lifetime in the handler's own words, before any age is taken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stated {
    pub(super) span: Duration,
    /// Said by `s-maxage`, which also says `proxy-revalidate` (RFC 9111 section 5.2.2.10).
    pub(super) by_s_maxage: bool,
}

impl Stated {
    /// `s-maxage`, else `max-age`, else `Expires` (RFC 9111 section 4.2.1), which says nothing beside a targeted field
    /// (RFC 9213 section 2.2). No heuristics.
    ///
    /// A directive that is there but invalid still hides the next: it reads as zero.
    pub(super) fn freshness(
        control: &CacheControl,
        headers: &HeaderMap,
        now: SystemTime,
    ) -> Option<Self> {
        let by_s_maxage = control.s_maxage.is_some();
        let span = control.s_maxage.or(control.max_age);
        let expires = || (!control.is_targeted).then(|| expires(headers, now));
        let span = span.or_else(|| expires().flatten())?;
        Some(Self { span, by_s_maxage })
    }
}

impl Stated {
    /// A tenth of the time since the answer last changed, a day at most (RFC 9111 section 4.2.2). No guess without a
    /// date of the last change, or with one in the future.
    pub(super) fn guess(headers: &HeaderMap, now: SystemTime) -> Option<Self> {
        const MOST: Duration = Duration::from_secs(24 * 60 * 60);
        let changed = date::parse(headers.get(LAST_MODIFIED)?)?;
        let unchanged = stated_date(headers)
            .unwrap_or(now)
            .duration_since(changed)
            .ok()?;
        Some(Self {
            span: (unchanged / 10).min(MOST),
            by_s_maxage: false,
        })
    }
}

/// The `Age` with which a response arrives (RFC 9111 section 5.1): the first member of the list; an invalid one is
/// ignored.
///
/// The apparent age, `now` minus `Date`, is deliberately left out, as section 4.2.3 allows: it would count the
/// difference of two machines' clocks as age, and an origin one minute slow would never be cached.
pub(crate) fn initial_age(headers: &HeaderMap) -> Duration {
    let line = headers.get(AGE).map_or(&b""[..], HeaderValue::as_bytes);
    let mut members = line.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    let first = members.find(|member| !member.is_empty());
    first.and_then(delta_seconds).unwrap_or_default()
}

/// `Expires` minus `Date`. Anything that is no date, `0` above all, has expired (RFC 9111 section 5.3); of several
/// dates the earliest counts.
fn expires(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let from = stated_date(headers).unwrap_or(now);
    let spans = headers.get_all(EXPIRES).into_iter().map(|value| {
        let until = date::parse(value)?;
        until.duration_since(from).ok()
    });
    spans.map(Option::unwrap_or_default).min()
}

/// Of several `Date`s the latest, which leaves the least freshness.
fn stated_date(headers: &HeaderMap) -> Option<SystemTime> {
    headers
        .get_all(DATE)
        .into_iter()
        .filter_map(date::parse)
        .max()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{self, now, secs};
    use super::*;

    const AT_20: &str = "Tue, 14 Nov 2023 22:13:40 GMT";
    const AT_60: &str = "Tue, 14 Nov 2023 22:14:20 GMT";
    const AT_60_RFC_850: &str = "Tuesday, 14-Nov-23 22:14:20 GMT";
    const AT_60_ASCTIME: &str = "Tue Nov 14 22:14:20 2023";
    const BEFORE: &str = "Tue, 14 Nov 2023 22:13:19 GMT";

    fn freshness(pairs: &[(&'static str, &str)]) -> Option<Duration> {
        let headers = testing::headers(pairs.iter().copied());
        let stated = Stated::freshness(&CacheControl::parse(&headers), &headers, now());
        stated.map(|stated| stated.span)
    }

    fn age(lines: &[&str]) -> Duration {
        initial_age(&testing::headers(lines.iter().map(|line| ("age", *line))))
    }

    #[test]
    fn nothing_said_is_no_freshness() {
        assert_eq!(freshness(&[]), None);
        assert_eq!(
            freshness(&[("date", AT_20), ("cache-control", "public")]),
            None
        );
        assert_eq!(freshness(&[("last-modified", BEFORE)]), None);
    }

    #[test]
    fn s_maxage_goes_before_max_age_and_both_before_expires() {
        let all = ("cache-control", "max-age=5, s-maxage=9");
        assert_eq!(freshness(&[("expires", AT_60), all]), Some(secs(9)));
        let max_age = ("cache-control", "max-age=5");
        assert_eq!(freshness(&[("expires", AT_60), max_age]), Some(secs(5)));
        assert_eq!(freshness(&[("expires", AT_60)]), Some(secs(60)));
    }

    #[test]
    fn an_invalid_directive_hides_the_next() {
        let invalid = ("cache-control", "s-maxage=x, max-age=5");
        assert_eq!(freshness(&[invalid]), Some(Duration::ZERO));
        let invalid = ("cache-control", "max-age");
        assert_eq!(
            freshness(&[invalid, ("expires", AT_60)]),
            Some(Duration::ZERO)
        );
    }

    #[test]
    fn only_s_maxage_is_marked_as_such() {
        let stated = |line| {
            let headers = testing::headers([("cache-control", line)]);
            Stated::freshness(&CacheControl::parse(&headers), &headers, now())
        };
        assert!(stated("s-maxage=0, max-age=5").is_some_and(|stated| stated.by_s_maxage));
        assert!(stated("max-age=5").is_some_and(|stated| !stated.by_s_maxage));
    }

    #[test]
    fn expires_counts_from_date_and_else_from_now() {
        for expires in [AT_60, AT_60_RFC_850, AT_60_ASCTIME] {
            assert_eq!(freshness(&[("expires", expires)]), Some(secs(60)));
            assert_eq!(
                freshness(&[("expires", expires), ("date", AT_20)]),
                Some(secs(40))
            );
            assert_eq!(
                freshness(&[("expires", expires), ("date", "soon")]),
                Some(secs(60))
            );
        }
    }

    #[test]
    fn expires_that_is_past_or_no_date_has_expired() {
        for expires in [
            "0",
            "-1",
            "",
            "never",
            BEFORE,
            "Tue, 14 Nov 2023 22:14:20",
            "\u{e9}",
            "60",
            "Wed, 14 Nov 2023 22:14:20 GMT",
            "Tue, 31 Feb 2023 22:14:20 GMT",
        ] {
            assert_eq!(
                freshness(&[("expires", expires)]),
                Some(Duration::ZERO),
                "{expires}"
            );
        }
        assert_eq!(
            freshness(&[("expires", AT_20), ("date", AT_60)]),
            Some(Duration::ZERO)
        );
    }

    #[test]
    fn of_several_dates_those_count_that_leave_the_least() {
        assert_eq!(
            freshness(&[("expires", AT_60), ("expires", AT_20)]),
            Some(secs(20))
        );
        assert_eq!(
            freshness(&[("expires", AT_60), ("expires", "0")]),
            Some(Duration::ZERO)
        );
        let dates = [("expires", AT_60), ("date", AT_20), ("date", BEFORE)];
        assert_eq!(freshness(&dates), Some(secs(40)));
    }

    #[test]
    fn age_is_the_first_member_of_the_list() {
        assert_eq!(age(&[]), Duration::ZERO);
        assert_eq!(age(&["30"]), secs(30));
        assert_eq!(age(&[" 30 , 40"]), secs(30));
        assert_eq!(age(&["30", "40"]), secs(30));
        assert_eq!(age(&[", 30"]), secs(30));
    }

    #[test]
    fn an_invalid_age_is_ignored_and_a_huge_one_saturates() {
        for line in [
            "", "abc", "-1", "+1", "1.5", "7200;x", "\"5\"", "abc, 50", "\u{e9}",
        ] {
            assert_eq!(age(&[line]), Duration::ZERO, "{line}");
        }
        assert_eq!(age(&["99999999999999999999999"]), secs(1 << 31));
    }

    proptest! {
        #[test]
        fn any_headers_are_read_without_panic(headers in testing::header_lists()) {
            Stated::freshness(&CacheControl::parse(&headers), &headers, now());
            initial_age(&headers);
        }

        #[test]
        fn an_expires_of_ours_is_read_back(until in 0u64..200_000_000_000, from in 0u64..200_000_000_000) {
            let text = |seconds| httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + secs(seconds));
            let span = freshness(&[("expires", &text(until)), ("date", &text(from))]);
            prop_assert_eq!(span, Some(secs(until.saturating_sub(from))));
        }
    }
}
