//! The verdict on one response: what a shared cache may do with it (RFC 9111 section 3, RFC 5861).

use std::time::{Duration, SystemTime};

use http::header::{CONTENT_TYPE, ETAG, LAST_MODIFIED, SET_COOKIE};
use http::{HeaderMap, HeaderName, StatusCode};
use tower_swr_core::Lifetime;

use super::cache_control::CacheControl;
use super::pass_reason::PassReason;
use super::stated::{Stated, initial_age};
use super::status::{StatusClass, is_partial};
use super::vary::names_star;
use crate::cache_policy::CachePolicy;

/// A route's own lifetimes. They speak where the handler is silent, and for status 200 only.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Lifetimes {
    /// Zero: keep nothing but what the handler itself calls fresh.
    pub(crate) max_age: Duration,
    /// `None`: not set on the route, which is 120 s where the freshness, too, is the route's. One that is set also
    /// follows a freshness that the handler stated.
    pub(crate) stale_while_revalidate: Option<Duration>,
    pub(crate) stale_if_error: Option<Duration>,
    /// These lifetimes replace the handler's. They never lift one of its prohibitions.
    pub(crate) override_origin: bool,
    /// Where nobody states a freshness, it is guessed (RFC 9111 section 4.2.2).
    pub(crate) heuristic: bool,
    /// Fields of the handler that are heeded before its `Cache-Control`, the first one first (RFC 9213).
    pub(crate) targets: Vec<HeaderName>,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            max_age: Duration::from_secs(60),
            stale_while_revalidate: None,
            stale_if_error: None,
            override_origin: false,
            heuristic: false,
            targets: Vec::new(),
        }
    }
}

/// What may be done with an answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// Give it to everyone who waits, and keep it.
    Store {
        lifetime: Lifetime,
        /// The freshness came from the layer, not from the handler.
        ours: bool,
    },
    /// Give it to everyone who waits, and keep it to ask whether it is still good: it is not served before the origin
    /// has said so.
    Validate,
    /// Give it to everyone who waits; keep nothing.
    Share,
    /// The origin failed. Give it to everyone who waits for want of a stale copy; keep nothing.
    Failure,
    /// Give it to nobody else.
    Pass(PassReason),
}

/// What a response's head says of what may be done with it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Judgement {
    pub(crate) verdict: Verdict,
    /// It may satisfy no other request before the origin has confirmed it (RFC 9111 section 5.2.2.4).
    pub(crate) no_cache: bool,
    /// It is for everybody, though the request that it answers had `Authorization` (RFC 9111 section 3.5).
    pub(crate) is_for_all: bool,
}

/// Judges a response by its head, and by its handler's own `policy`, at the moment `now` of its arrival.
///
/// A `Failure`, and a `Store` whose status is 5xx, must not replace a good copy: that is the caller's to see to, who
/// alone knows of one.
pub(crate) fn judge(
    lifetimes: &Lifetimes,
    policy: Option<&CachePolicy>,
    status: StatusCode,
    headers: &HeaderMap,
    now: SystemTime,
) -> Judgement {
    let control = CacheControl::of(headers, &lifetimes.targets);
    let has_shared_age = control.s_maxage.is_some_and(|span| !span.is_zero());
    Judgement {
        no_cache: control.no_cache,
        is_for_all: control.public || control.must_revalidate || has_shared_age,
        verdict: verdict(control, lifetimes, policy, status, headers, now),
    }
}

fn verdict(
    control: CacheControl,
    lifetimes: &Lifetimes,
    policy: Option<&CachePolicy>,
    status: StatusCode,
    headers: &HeaderMap,
    now: SystemTime,
) -> Verdict {
    if let Some(reason) = refusal(&control, status, headers) {
        return Verdict::Pass(reason);
    }
    if policy.is_some_and(|policy| policy.passes) {
        return Verdict::Pass(PassReason::Policy);
    }
    let stated = Stated::freshness(&control, headers, now);
    let case = Case {
        lifetimes,
        policy,
        control,
        class: StatusClass::of(status),
        age: initial_age(headers),
        has_validator: has_validator(headers),
        may_be_guessed: StatusClass::may_be_guessed(status),
    };
    if case.control.no_cache {
        return case
            .validated()
            .unwrap_or(Verdict::Pass(PassReason::NoCache));
    }
    let guessed = || {
        let guess = case.may_guess().then(|| Stated::guess(headers, now));
        guess.flatten()
    };
    case.verdict(stated.or_else(guessed))
}

/// The first reason, most telling first, why the answer must not reach a second client.
fn refusal(control: &CacheControl, status: StatusCode, headers: &HeaderMap) -> Option<PassReason> {
    let rules = [
        (headers.contains_key(SET_COOKIE), PassReason::SetCookie),
        (control.no_store, PassReason::NoStore),
        (control.private, PassReason::Private),
        (names_star(headers), PassReason::VaryStar),
        (is_partial(status), PassReason::Partial),
        (is_event_stream(headers), PassReason::EventStream),
    ];
    let mut reasons = rules
        .into_iter()
        .filter_map(|(holds, reason)| holds.then_some(reason));
    reasons.next()
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    headers.get_all(CONTENT_TYPE).into_iter().any(|value| {
        let essence = value
            .as_bytes()
            .split(|byte| matches!(byte, b';' | b','))
            .next();
        essence.is_some_and(|it| it.trim_ascii().eq_ignore_ascii_case(b"text/event-stream"))
    })
}

/// Whether the answer has something by which the origin can be asked whether it is still good (RFC 9110 section 8.8).
fn has_validator(headers: &HeaderMap) -> bool {
    headers.contains_key(ETAG) || headers.contains_key(LAST_MODIFIED)
}

/// An answer that nothing forbids to share.
struct Case<'a> {
    lifetimes: &'a Lifetimes,
    policy: Option<&'a CachePolicy>,
    control: CacheControl,
    class: StatusClass,
    age: Duration,
    has_validator: bool,
    may_be_guessed: bool,
}

impl Case<'_> {
    fn verdict(&self, stated: Option<Stated>) -> Verdict {
        if let Some(span) = self.policy.and_then(|policy| policy.max_age) {
            let by_s_maxage = false;
            let kept = self.theirs(Stated { span, by_s_maxage });
            // What the fields say is what other caches are told.
            return self.kept(kept, stated.is_none());
        }
        let overridden = stated.is_none() || self.lifetimes.override_origin;
        if self.class == StatusClass::Ok && overridden {
            let kept = self.ours();
            let asks_for_less = stated.is_none() && self.lifetimes.heuristic;
            return match kept {
                None if asks_for_less => self.validated().unwrap_or(self.unkept()),
                kept => self.kept(kept, true),
            };
        }
        match stated.and_then(|stated| self.theirs(stated)) {
            None if stated.is_some() => self.validated().unwrap_or(self.unkept()),
            kept => self.kept(kept, false),
        }
    }

    fn kept(&self, lifetime: Option<Lifetime>, ours: bool) -> Verdict {
        lifetime.map_or(self.unkept(), |lifetime| Verdict::Store { lifetime, ours })
    }

    /// What is of no use without asking the origin is kept where one can ask: a 304 then spares the body.
    fn validated(&self) -> Option<Verdict> {
        let can_ask = self.has_validator && self.class == StatusClass::Ok;
        can_ask.then_some(Verdict::Validate)
    }

    /// Only where the route sets no freshness itself, for statuses that permit it or where the handler does.
    fn may_guess(&self) -> bool {
        let has_routes = self.class == StatusClass::Ok && !self.lifetimes.max_age.is_zero();
        let permitted = self.may_be_guessed || self.control.public;
        self.lifetimes.heuristic && !has_routes && permitted
    }

    fn unkept(&self) -> Verdict {
        match self.class {
            StatusClass::Ok | StatusClass::Heuristic => Verdict::Share,
            StatusClass::Failure => Verdict::Failure,
            StatusClass::Other => Verdict::Pass(PassReason::Status),
        }
    }

    /// The route's lifetimes.
    ///
    /// If they leave no freshness (a `max_age` of zero, an answer that arrives older than that), a stale window of the
    /// route is no reason to keep the answer: only a handler may want to be served stale from the start.
    fn ours(&self) -> Option<Lifetime> {
        let route = Windows::of_route(self.lifetimes).or(Windows::DEFAULT);
        let windows = if self.lifetimes.override_origin {
            let own = self.policy.map(Windows::of_policy);
            own.map_or(route, |own| own.or(route))
        } else {
            self.windows().or(route)
        };
        let max_age = self.lifetimes.max_age;
        (max_age > self.age).then(|| self.lifetime(max_age, windows))
    }

    /// The handler's lifetimes, with the route's windows where they may follow.
    fn theirs(&self, stated: Stated) -> Option<Lifetime> {
        let own = self.windows();
        let windows = if self.routes_windows_follow(stated) {
            own.or(Windows::of_route(self.lifetimes))
        } else {
            own
        };
        let lifetime = self.lifetime(stated.span, windows);
        // s-maxage says proxy-revalidate (RFC 9111 section 5.2.2.10). A window that the handler wrote on the same
        // line is the more specific word and its own permission to serve stale (RFC 5861), as every CDN reads that
        // pair; without one, nobody else's permission counts.
        let lifetime = if stated.by_s_maxage && !own.permit_stale() {
            lifetime.must_revalidate()
        } else {
            lifetime
        };
        self.may_keep(&lifetime).then_some(lifetime)
    }

    /// The windows that the handler has set.
    fn windows(&self) -> Windows {
        let by_fields = Windows::of_handler(&self.control);
        self.policy
            .map_or(by_fields, |policy| Windows::of_policy(policy).or(by_fields))
    }

    /// For 200 only, like all that a route sets: a 404 or 503 that its handler calls fresh for five seconds must not
    /// outlive them by the route's two minutes.
    fn routes_windows_follow(&self, stated: Stated) -> bool {
        self.class == StatusClass::Ok && stated.span > self.age && !stated.by_s_maxage
    }

    /// Whether the answer is of any use when it arrives: fresh, or of a status that may be served stale and not past
    /// the windows in which it may.
    fn may_keep(&self, lifetime: &Lifetime) -> bool {
        if self.class.is_cacheable() {
            return lifetime.usable_on_error(self.age);
        }
        // must-understand (RFC 9111 section 5.2.2.3): of a status outside our list we know no caching rules.
        !self.control.must_understand && lifetime.fresh() > self.age
    }

    /// A prohibition to serve stale goes before any window, ours or theirs.
    fn lifetime(&self, fresh_for: Duration, windows: Windows) -> Lifetime {
        let lifetime = Lifetime::fresh_for(fresh_for)
            .stale_while_revalidate(windows.stale_while_revalidate.unwrap_or_default())
            .stale_if_error(windows.stale_if_error.unwrap_or_default());
        if self.control.must_revalidate || self.control.proxy_revalidate {
            lifetime.must_revalidate()
        } else {
            lifetime
        }
    }
}

/// How long an answer may be served stale, as far as somebody said so.
#[derive(Clone, Copy)]
struct Windows {
    stale_while_revalidate: Option<Duration>,
    stale_if_error: Option<Duration>,
}

impl Windows {
    /// What goes with a freshness of our own where the route names no window.
    const DEFAULT: Self = Self {
        stale_while_revalidate: Some(Duration::from_secs(120)),
        stale_if_error: None,
    };

    fn of_handler(control: &CacheControl) -> Self {
        Self {
            stale_while_revalidate: control.stale_while_revalidate,
            stale_if_error: control.stale_if_error,
        }
    }

    fn of_policy(policy: &CachePolicy) -> Self {
        Self {
            stale_while_revalidate: policy.stale_while_revalidate,
            stale_if_error: policy.stale_if_error,
        }
    }

    fn of_route(lifetimes: &Lifetimes) -> Self {
        Self {
            stale_while_revalidate: lifetimes.stale_while_revalidate,
            stale_if_error: lifetimes.stale_if_error,
        }
    }

    fn or(self, other: Self) -> Self {
        Self {
            stale_while_revalidate: self.stale_while_revalidate.or(other.stale_while_revalidate),
            stale_if_error: self.stale_if_error.or(other.stale_if_error),
        }
    }

    fn permit_stale(&self) -> bool {
        let windows = [self.stale_while_revalidate, self.stale_if_error];
        windows
            .into_iter()
            .flatten()
            .any(|window| !window.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use http::header::{CACHE_CONTROL, HeaderName};
    use proptest::prelude::*;
    use tower_swr_core::Freshness;

    use super::super::testing::{self, now, secs};
    use super::*;

    const SET_A_COOKIE: (&str, &str) = ("set-cookie", "a=1");
    const OK: u16 = 200;

    fn status(code: u16) -> StatusCode {
        StatusCode::from_u16(code).expect("the tests use codes of three digits")
    }

    fn judged(
        lifetimes: &Lifetimes,
        status: StatusCode,
        headers: &HeaderMap,
        now: SystemTime,
    ) -> Verdict {
        judge(lifetimes, None, status, headers, now).verdict
    }

    fn verdict(lifetimes: &Lifetimes, code: u16, pairs: &[(&'static str, &str)]) -> Verdict {
        let headers = testing::headers(pairs.iter().copied());
        judge(lifetimes, None, status(code), &headers, now()).verdict
    }

    /// The verdict on a default route for one line of `Cache-Control`.
    fn said(code: u16, line: &str) -> Verdict {
        verdict(&Lifetimes::default(), code, &[("cache-control", line)])
    }

    /// The verdict on a route that has set every lifetime: 10 s fresh, 20 s stale, 30 s on error.
    fn said_on_a_set_route(code: u16, line: &str) -> Verdict {
        verdict(&set_route(), code, &[("cache-control", line)])
    }

    fn set_route() -> Lifetimes {
        Lifetimes {
            max_age: secs(10),
            stale_while_revalidate: Some(secs(20)),
            stale_if_error: Some(secs(30)),
            override_origin: false,
            heuristic: false,
            targets: Vec::new(),
        }
    }

    fn overriding_route() -> Lifetimes {
        Lifetimes {
            override_origin: true,
            ..set_route()
        }
    }

    /// `fresh` seconds, then `stale`, or `on_error` where the origin fails.
    fn lifetime(fresh: u64, stale: u64, on_error: u64) -> Lifetime {
        Lifetime::fresh_for(secs(fresh))
            .stale_while_revalidate(secs(stale))
            .stale_if_error(secs(on_error))
    }

    fn ours(lifetime: Lifetime) -> Verdict {
        Verdict::Store {
            lifetime,
            ours: true,
        }
    }

    fn theirs(lifetime: Lifetime) -> Verdict {
        Verdict::Store {
            lifetime,
            ours: false,
        }
    }

    #[test]
    fn a_silent_200_gets_the_routes_lifetimes() {
        assert_eq!(said(OK, ""), ours(lifetime(60, 120, 0)));
        assert_eq!(said(OK, "public, ext=1"), ours(lifetime(60, 120, 0)));
        assert_eq!(said_on_a_set_route(OK, ""), ours(lifetime(10, 20, 30)));
    }

    #[test]
    fn a_route_without_max_age_keeps_nothing_of_its_own() {
        let route = Lifetimes {
            max_age: Duration::ZERO,
            ..set_route()
        };
        assert_eq!(verdict(&route, OK, &[]), Verdict::Share);
        let windows = (
            "cache-control",
            "stale-while-revalidate=9, stale-if-error=9",
        );
        assert_eq!(verdict(&route, OK, &[windows]), Verdict::Share);
        let stated = ("cache-control", "max-age=5");
        assert_eq!(verdict(&route, OK, &[stated]), theirs(lifetime(5, 20, 30)));
    }

    #[test]
    fn a_lifetime_is_guessed_for_the_statuses_that_permit_it() {
        let guessing = Lifetimes {
            max_age: Duration::ZERO,
            heuristic: true,
            ..Lifetimes::default()
        };
        let changed = ("last-modified", "Sat, 04 Nov 2023 22:13:20 GMT");
        for code in 200..=999 {
            let permits = matches!(
                code,
                200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501
            );
            let kept = verdict(&guessing, code, &[changed]);
            assert_eq!(kept == theirs(lifetime(86_400, 0, 0)), permits, "{code}");
            if code != 206 && code != 304 {
                let public = ("cache-control", "public");
                let kept = verdict(&guessing, code, &[changed, public]);
                assert_eq!(kept, theirs(lifetime(86_400, 0, 0)), "{code}");
            }
        }
    }

    #[test]
    fn only_200_gets_the_routes_lifetimes() {
        for code in 200..=999 {
            let verdict = said_on_a_set_route(code, "");
            let expected = match code {
                200 => ours(lifetime(10, 20, 30)),
                206 | 304 => Verdict::Pass(PassReason::Partial),
                203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 => Verdict::Share,
                500.. => Verdict::Failure,
                _ => Verdict::Pass(PassReason::Status),
            };
            assert_eq!(verdict, expected, "{code}");
        }
    }

    #[test]
    fn any_whole_status_is_stored_with_a_freshness_of_its_own() {
        for code in [
            200, 203, 204, 299, 300, 301, 302, 303, 307, 308, 400, 401, 403, 404, 429, 500, 501,
            503, 600,
        ] {
            assert_eq!(said(code, "max-age=5"), theirs(lifetime(5, 0, 0)), "{code}");
            assert_eq!(
                said(code, "s-maxage=5"),
                theirs(lifetime(5, 0, 0).must_revalidate()),
                "{code}"
            );
        }
    }

    #[test]
    fn a_partial_answer_is_never_shared() {
        for code in [100, 101, 103, 199, 206, 304] {
            for line in ["", "max-age=60", "public, s-maxage=60"] {
                assert_eq!(
                    said(code, line),
                    Verdict::Pass(PassReason::Partial),
                    "{code} {line}"
                );
            }
        }
    }

    #[test]
    fn a_prohibition_goes_before_everything_else() {
        let fresh = ("cache-control", "public, max-age=60, s-maxage=60");
        for (prohibition, reason) in [
            (SET_A_COOKIE, PassReason::SetCookie),
            (("cache-control", "no-store"), PassReason::NoStore),
            (
                ("cache-control", "must-understand, no-store"),
                PassReason::NoStore,
            ),
            (("cache-control", "max-age=\"60"), PassReason::NoStore),
            (("cache-control", "private"), PassReason::Private),
            (("cache-control", "private=\"x-user\""), PassReason::Private),
            (("vary", "*"), PassReason::VaryStar),
            (("vary", "accept, *"), PassReason::VaryStar),
        ] {
            for code in [100, 200, 206, 302, 304, 404, 500, 999] {
                for route in [Lifetimes::default(), set_route(), overriding_route()] {
                    let verdict = verdict(&route, code, &[fresh, prohibition]);
                    assert_eq!(verdict, Verdict::Pass(reason), "{code} {prohibition:?}");
                }
            }
        }
    }

    #[test]
    fn the_most_telling_reason_is_given() {
        let pairs = [
            SET_A_COOKIE,
            ("cache-control", "no-cache, private, no-store"),
            ("vary", "*"),
        ];
        let reasons = [
            PassReason::SetCookie,
            PassReason::NoStore,
            PassReason::VaryStar,
        ];
        for (skipped, reason) in reasons.into_iter().enumerate() {
            let verdict = verdict(&Lifetimes::default(), OK, &pairs[skipped..]);
            assert_eq!(verdict, Verdict::Pass(reason));
        }
    }

    #[test]
    fn no_cache_passes_and_is_not_remembered() {
        for line in [
            "no-cache",
            "no-cache, max-age=60",
            "no-cache=\"x\", s-maxage=60",
        ] {
            for code in [200, 302, 404, 500] {
                assert_eq!(
                    said(code, line),
                    Verdict::Pass(PassReason::NoCache),
                    "{code} {line}"
                );
            }
        }
        let line = ("cache-control", "no-cache");
        let verdict = verdict(&overriding_route(), OK, &[line]);
        assert_eq!(verdict, Verdict::Pass(PassReason::NoCache));
    }

    #[test]
    fn an_event_stream_passes() {
        for kind in [
            "text/event-stream",
            "Text/Event-Stream; charset=utf-8",
            " text/event-stream ;x",
        ] {
            let pairs = [("content-type", kind), ("cache-control", "max-age=60")];
            let verdict = verdict(&overriding_route(), OK, &pairs);
            assert_eq!(verdict, Verdict::Pass(PassReason::EventStream), "{kind}");
        }
        for kind in [
            "text/html",
            "text/event-stream-not",
            "",
            "application/json; x=text/event-stream",
        ] {
            let verdict = verdict(&Lifetimes::default(), OK, &[("content-type", kind)]);
            assert_eq!(verdict, ours(lifetime(60, 120, 0)), "{kind}");
        }
    }

    #[test]
    fn the_handlers_freshness_replaces_the_routes() {
        assert_eq!(said(OK, "max-age=5"), theirs(lifetime(5, 0, 0)));
        assert_eq!(said(OK, "max-age=500"), theirs(lifetime(500, 0, 0)));
        let expires = [("expires", "Tue, 14 Nov 2023 22:13:27 GMT")];
        assert_eq!(
            verdict(&Lifetimes::default(), OK, &expires),
            theirs(lifetime(7, 0, 0))
        );
    }

    #[test]
    fn the_handlers_windows_win_over_the_routes() {
        for (line, verdict) in [
            ("stale-while-revalidate=1", ours(lifetime(10, 1, 30))),
            ("stale-if-error=1", ours(lifetime(10, 20, 1))),
            (
                "stale-while-revalidate=0, stale-if-error=0",
                ours(lifetime(10, 0, 0)),
            ),
            ("stale-while-revalidate=x", ours(lifetime(10, 0, 30))),
            (
                "max-age=5, stale-while-revalidate=1",
                theirs(lifetime(5, 1, 30)),
            ),
            ("max-age=5, stale-if-error=1", theirs(lifetime(5, 20, 1))),
        ] {
            assert_eq!(said_on_a_set_route(OK, line), verdict, "{line}");
        }
    }

    #[test]
    fn windows_set_on_the_route_follow_a_stated_freshness_and_the_default_does_not() {
        assert_eq!(
            said_on_a_set_route(OK, "max-age=5"),
            theirs(lifetime(5, 20, 30))
        );
        assert_eq!(said(OK, "max-age=5"), theirs(lifetime(5, 0, 0)));
    }

    #[test]
    fn the_routes_windows_follow_200_only() {
        for code in [302, 404, 503] {
            assert_eq!(
                said_on_a_set_route(code, "max-age=5"),
                theirs(lifetime(5, 0, 0))
            );
            let line = "max-age=5, stale-while-revalidate=7, stale-if-error=9";
            assert_eq!(said_on_a_set_route(code, line), theirs(lifetime(5, 7, 9)));
        }
    }

    #[test]
    fn s_maxage_forbids_stale_unless_its_own_handler_allows_it() {
        let forbidden = theirs(lifetime(5, 0, 0).must_revalidate());
        for (line, verdict) in [
            ("s-maxage=5", forbidden.clone()),
            ("s-maxage=5, max-age=60", forbidden.clone()),
            ("s-maxage=5, stale-while-revalidate=0", forbidden.clone()),
            (
                "s-maxage=5, stale-while-revalidate=7",
                theirs(lifetime(5, 7, 0)),
            ),
            ("s-maxage=5, stale-if-error=9", theirs(lifetime(5, 0, 9))),
            (
                "s-maxage=5, stale-while-revalidate=7, must-revalidate",
                forbidden.clone(),
            ),
            ("s-maxage=5, stale-if-error=9, proxy-revalidate", forbidden),
        ] {
            assert_eq!(said_on_a_set_route(OK, line), verdict, "{line}");
        }
    }

    #[test]
    fn must_revalidate_forbids_stale_whoever_set_the_window() {
        for word in ["must-revalidate", "proxy-revalidate"] {
            let line = format!("{word}, stale-while-revalidate=7, stale-if-error=9");
            assert_eq!(
                said_on_a_set_route(OK, &line),
                ours(lifetime(10, 0, 0).must_revalidate())
            );
            let line = format!("max-age=5, {line}");
            assert_eq!(
                said_on_a_set_route(OK, &line),
                theirs(lifetime(5, 0, 0).must_revalidate())
            );
            let line = format!("max-age=0, {line}");
            assert_eq!(said_on_a_set_route(OK, &line), Verdict::Share);
        }
    }

    #[test]
    fn a_freshness_of_zero_is_shared_and_not_kept() {
        for line in [
            "max-age=0",
            "s-maxage=0, max-age=60",
            "max-age=-1",
            "max-age=x",
            "max-age=60, max-age=0",
        ] {
            for (code, verdict) in [
                (200, Verdict::Share),
                (204, Verdict::Share),
                (404, Verdict::Share),
                (302, Verdict::Pass(PassReason::Status)),
                (429, Verdict::Pass(PassReason::Status)),
                (503, Verdict::Failure),
            ] {
                assert_eq!(said_on_a_set_route(code, line), verdict, "{code} {line}");
            }
        }
        assert_eq!(
            verdict(&set_route(), OK, &[("expires", "0")]),
            Verdict::Share
        );
    }

    #[test]
    fn a_handler_may_ask_to_be_served_stale_from_the_start() {
        for (line, kept) in [
            ("max-age=0, stale-while-revalidate=7", lifetime(0, 7, 0)),
            ("s-maxage=0, stale-while-revalidate=7", lifetime(0, 7, 0)),
            ("max-age=0, stale-if-error=9", lifetime(0, 0, 9)),
            (
                "max-age=0, stale-while-revalidate=7, stale-if-error=9",
                lifetime(0, 7, 9),
            ),
        ] {
            for code in [200, 301, 404] {
                assert_eq!(
                    said_on_a_set_route(code, line),
                    theirs(kept),
                    "{code} {line}"
                );
            }
            assert_eq!(said(302, line), Verdict::Pass(PassReason::Status), "{line}");
            assert_eq!(said(503, line), Verdict::Failure, "{line}");
        }
    }

    #[test]
    fn an_answer_older_than_its_freshness_counts_as_stale() {
        for (code, age, line, expected) in [
            (200, "4", "max-age=5", theirs(lifetime(5, 20, 30))),
            (200, "5", "max-age=5", Verdict::Share),
            (404, "5", "max-age=5", Verdict::Share),
            (302, "5", "max-age=5", Verdict::Pass(PassReason::Status)),
            (503, "5", "max-age=5", Verdict::Failure),
            (
                200,
                "6",
                "max-age=5, stale-while-revalidate=2",
                theirs(lifetime(5, 2, 0)),
            ),
            (
                200,
                "7",
                "max-age=5, stale-while-revalidate=2",
                Verdict::Share,
            ),
            (200, "9", "", ours(lifetime(10, 20, 30))),
            (200, "10", "", Verdict::Share),
            (200, "junk", "max-age=5", theirs(lifetime(5, 20, 30))),
        ] {
            let pairs = [("age", age), ("cache-control", line)];
            assert_eq!(
                verdict(&set_route(), code, &pairs),
                expected,
                "{code} {age} {line}"
            );
        }
    }

    #[test]
    fn must_understand_keeps_only_the_statuses_we_know_rules_for() {
        let line = "max-age=5, must-understand";
        for code in [200, 301, 404] {
            assert_eq!(said(code, line), theirs(lifetime(5, 0, 0)), "{code}");
        }
        assert_eq!(said(299, line), Verdict::Pass(PassReason::Status));
        assert_eq!(said(599, line), Verdict::Failure);
    }

    #[test]
    fn an_overriding_route_replaces_freshness_and_windows_of_200_only() {
        let said = |code, line| verdict(&overriding_route(), code, &[("cache-control", line)]);
        for line in [
            "",
            "max-age=0",
            "max-age=500, stale-while-revalidate=7, stale-if-error=9",
            "s-maxage=500",
            "s-maxage=0, stale-while-revalidate=7",
        ] {
            assert_eq!(said(OK, line), ours(lifetime(10, 20, 30)), "{line}");
        }
        assert_eq!(said(404, "max-age=5"), theirs(lifetime(5, 0, 0)));
        assert_eq!(said(404, "max-age=0"), Verdict::Share);
        assert_eq!(said(302, ""), Verdict::Pass(PassReason::Status));
        let kept = ours(lifetime(10, 0, 0).must_revalidate());
        assert_eq!(said(OK, "max-age=500, must-revalidate"), kept);
    }

    #[test]
    fn an_overriding_route_without_max_age_keeps_nothing() {
        let route = Lifetimes {
            max_age: Duration::ZERO,
            ..overriding_route()
        };
        let stated = ("cache-control", "max-age=60, stale-while-revalidate=60");
        assert_eq!(verdict(&route, OK, &[stated]), Verdict::Share);
    }

    fn routes() -> impl Strategy<Value = Lifetimes> {
        let window = || proptest::option::of((0u64..200).prop_map(secs));
        let parts = (0u64..100, window(), window(), any::<bool>());
        parts.prop_map(
            |(max_age, stale_while_revalidate, stale_if_error, override_origin)| Lifetimes {
                max_age: secs(max_age),
                stale_while_revalidate,
                stale_if_error,
                override_origin,
                heuristic: false,
                targets: Vec::new(),
            },
        )
    }

    fn statuses() -> impl Strategy<Value = StatusCode> {
        let common =
            proptest::sample::select(&[200u16, 200, 200, 301, 302, 404, 429, 500, 503][..]);
        prop_oneof![common, 100u16..1000].prop_map(status)
    }

    fn with(headers: &HeaderMap, name: &'static str, value: &str) -> HeaderMap {
        let mut longer = headers.clone();
        longer.append(HeaderName::from_static(name), testing::value(value));
        longer
    }

    proptest! {
        #[test]
        fn any_head_is_judged_without_panic(
            route in routes(), status in statuses(), headers in testing::header_lists(),
        ) {
            judged(&route, status, &headers, now());
            judged(&route, status, &headers, SystemTime::UNIX_EPOCH);
        }

        #[test]
        fn a_prohibition_added_to_any_head_passes(
            route in routes(), status in statuses(), headers in testing::header_lists(),
        ) {
            let prohibitions = [
                ("cache-control", "no-store"),
                ("cache-control", "private"),
                ("cache-control", "max-age=\"60"),
                ("set-cookie", "a=1"),
                ("vary", "*"),
            ];
            for (name, value) in prohibitions {
                let verdict = judged(&route, status, &with(&headers, name, value), now());
                prop_assert!(matches!(verdict, Verdict::Pass(_)), "{name}: {value} gave {verdict:?}");
            }
        }

        #[test]
        fn must_revalidate_added_to_any_head_forbids_stale(
            route in routes(), status in statuses(), headers in testing::header_lists(),
        ) {
            let headers = with(&headers, "cache-control", "must-revalidate");
            if let Verdict::Store { lifetime, .. } = judged(&route, status, &headers, now()) {
                prop_assert!(lifetime.forbids_stale());
                prop_assert_eq!(lifetime.stale_window().max(lifetime.error_window()), Duration::ZERO);
            }
        }

        #[test]
        fn a_shorter_freshness_added_to_any_head_never_lengthens(
            status in statuses(), headers in testing::header_lists(), span in 0u64..100,
        ) {
            let shorter = with(&headers, "cache-control", &format!("s-maxage={span}, max-age={span}"));
            if let Verdict::Store { lifetime, ours, .. } = judged(&set_route(), status, &shorter, now()) {
                prop_assert!(!ours);
                prop_assert!(lifetime.fresh() <= secs(span));
            }
        }

        #[test]
        fn what_is_stored_is_of_use_and_ours_only_for_200(
            route in routes(), status in statuses(), headers in testing::header_lists(),
        ) {
            if let Verdict::Store { lifetime, ours } = judged(&route, status, &headers, now()) {
                prop_assert!(lifetime.usable_on_error(initial_age(&headers)));
                prop_assert!(!ours || status == StatusCode::OK);
                prop_assert!(!ours || lifetime.freshness(initial_age(&headers)) == Freshness::Fresh);
                prop_assert!(ours || headers.contains_key(CACHE_CONTROL) || headers.contains_key("expires"));
            }
        }
    }
}
