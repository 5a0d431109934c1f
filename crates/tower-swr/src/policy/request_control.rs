//! `Cache-Control` of a request (RFC 9111 section 5.2.1), and what else says it: what a client will take.

use std::time::Duration;

use http::HeaderMap;
use http::header::{CACHE_CONTROL, IF_MATCH, IF_UNMODIFIED_SINCE, PRAGMA};
use tower_swr_core::Lifetime;

use super::cache_control::{Directive, Members, delta_seconds};

/// What a request's `Cache-Control` lines ask for, taken together: of two numbers the stricter counts, one that cannot be
/// read is the strictest there is, and a member that cannot be read at all ends its line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RequestControl {
    /// The answer is to be confirmed by the origin.
    pub(crate) no_cache: bool,
    /// Nothing of this exchange is to be stored.
    pub(crate) no_store: bool,
    /// The origin is not to be asked.
    pub(crate) only_if_cached: bool,
    max_age: Option<Duration>,
    min_fresh: Option<Duration>,
    max_stale: Option<Duration>,
}

impl RequestControl {
    pub(crate) fn parse(request: &HeaderMap) -> Self {
        let mut control = Self::default();
        let lines = request.get_all(CACHE_CONTROL);
        for line in &lines {
            let members = Members::of(line.as_bytes());
            for directive in members.flatten() {
                control.apply(&directive);
            }
        }
        // Section 5.4: it speaks only where the other is silent.
        let is_silent = lines.iter().next().is_none();
        let pragma = request.get_all(PRAGMA).into_iter();
        let mut pragma = pragma.flat_map(|line| Members::of(line.as_bytes()).flatten());
        control.no_cache |= is_silent && pragma.any(|it| it.name.eq_ignore_ascii_case(b"no-cache"));
        // Section 4.3.2: no cache judges them by what it has kept, and the origin may be further.
        let of_origins = [IF_MATCH, IF_UNMODIFIED_SINCE];
        control.no_cache |= of_origins.iter().any(|name| request.contains_key(name));
        control
    }

    /// Whether it says anything that counts.
    pub(crate) fn asks_for_anything(&self) -> bool {
        *self != Self::default()
    }

    fn apply(&mut self, directive: &Directive<'_>) {
        let seconds = directive.argument.and_then(delta_seconds);
        let shorter =
            |known: Option<Duration>, span: Duration| Some(known.map_or(span, |it| it.min(span)));
        match directive.name.to_ascii_lowercase().as_slice() {
            b"no-cache" => self.no_cache = true,
            b"no-store" => self.no_store = true,
            b"only-if-cached" => self.only_if_cached = true,
            b"max-age" => self.max_age = shorter(self.max_age, seconds.unwrap_or_default()),
            b"min-fresh" => {
                self.min_fresh = self.min_fresh.max(Some(seconds.unwrap_or(Duration::MAX)));
            }
            // Without a number: however stale (section 5.2.1.2).
            b"max-stale" if directive.argument.is_none() => {
                self.max_stale = shorter(self.max_stale, Duration::MAX);
            }
            b"max-stale" => self.max_stale = shorter(self.max_stale, seconds.unwrap_or_default()),
            _ => {}
        }
    }

    /// Whether an answer of `age` is good enough that the cache would serve, fresh or stale.
    pub(crate) fn accepts(&self, lifetime: &Lifetime, age: Duration) -> bool {
        let is_young = self.max_age.is_none_or(|most| age <= most);
        let is_taken = match age.checked_sub(lifetime.fresh()) {
            Some(staleness) => self.takes_stale(staleness),
            None => self
                .min_fresh
                .is_none_or(|least| age.saturating_add(least) <= lifetime.fresh()),
        };
        !self.no_cache && is_young && is_taken
    }

    /// Whether an answer of `age` is good enough that the cache would not serve of itself.
    pub(crate) fn accepts_stale(&self, lifetime: &Lifetime, age: Duration) -> bool {
        self.max_stale.is_some() && !lifetime.forbids_stale() && self.accepts(lifetime, age)
    }

    /// Who says how young or how fresh it is to be, takes nothing stale without saying so (sections 5.2.1.1 to 5.2.1.3).
    fn takes_stale(&self, staleness: Duration) -> bool {
        match self.max_stale {
            Some(most) => staleness <= most && self.min_fresh.is_none(),
            None => self.max_age.is_none() && self.min_fresh.is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{self, secs};
    use super::*;

    fn parse(lines: &[(&'static str, &str)]) -> RequestControl {
        RequestControl::parse(&testing::headers(lines.iter().copied()))
    }

    fn control(line: &str) -> RequestControl {
        parse(&[("cache-control", line)])
    }

    fn accepts(line: &str, age: u64) -> bool {
        let minute = Lifetime::fresh_for(secs(60));
        control(line).accepts(&minute, secs(age))
    }

    #[test]
    fn an_answer_is_as_young_and_as_fresh_as_it_is_wanted() {
        for (line, age, expected) in [
            ("", 59, true),
            ("no-cache", 0, false),
            ("No-Cache", 0, false),
            ("max-age=10", 10, true),
            ("max-age=10", 11, false),
            ("max-age=0", 0, true),
            ("max-age=0", 1, false),
            ("max-age=10, max-age=5", 6, false),
            ("max-age=x", 1, false),
            ("min-fresh=20", 40, true),
            ("min-fresh=20", 41, false),
            ("min-fresh=1, min-fresh=20", 41, false),
            ("min-fresh=x", 0, false),
            ("max-stale=5", 0, true),
            ("", 60, true),
            ("max-age=100", 60, false),
            ("max-age=100, max-stale", 60, true),
            ("max-stale=5", 66, false),
            ("min-fresh=0", 60, false),
            ("min-fresh=0", 59, true),
            ("unknown, also=\"so\"", 0, true),
        ] {
            assert_eq!(accepts(line, age), expected, "{line:?} at {age}");
        }
    }

    #[test]
    fn as_stale_as_it_is_wanted_and_may_be() {
        let minute = Lifetime::fresh_for(secs(60));
        for (line, age, expected) in [
            ("", 61, false),
            ("max-stale", 100_000, true),
            ("max-stale=5", 65, true),
            ("max-stale=5", 66, false),
            ("max-stale=x", 61, false),
            ("max-stale, max-stale=5", 66, false),
            ("max-stale, max-age=60", 61, false),
            ("max-stale, no-cache", 61, false),
        ] {
            let control = control(line);
            assert_eq!(
                control.accepts_stale(&minute, secs(age)),
                expected,
                "{line:?} at {age}"
            );
            assert!(!control.accepts_stale(&minute.must_revalidate(), secs(age)));
        }
    }

    #[test]
    fn pragma_speaks_where_cache_control_is_silent() {
        assert!(parse(&[("pragma", "no-cache")]).no_cache);
        assert!(!parse(&[("pragma", "no-cache"), ("cache-control", "max-age=5")]).no_cache);
        assert!(!parse(&[("pragma", "other")]).no_cache);
    }

    #[test]
    fn what_cannot_be_read_ends_its_line() {
        for line in [
            "no-store;x, no-cache",
            "; no-store",
            "@",
            "\"",
            "(",
            "max-age=5 6",
        ] {
            assert_eq!(control(line), RequestControl::default(), "{line}");
        }
        assert!(parse(&[("cache-control", ";"), ("cache-control", "no-store")]).no_store);
        assert!(!parse(&[("pragma", "; no-cache")]).no_cache);
    }

    proptest! {
        #[test]
        fn any_request_is_read(headers in testing::header_lists()) {
            let _ = RequestControl::parse(&headers);
        }
    }

    #[test]
    fn the_rest_is_read() {
        let all = control("no-store, only-if-cached");
        assert!(all.no_store && all.only_if_cached && !all.no_cache);
    }
}
