//! The verdict on one response: what a shared cache may do with it (RFC 9111 section 3, RFC 5861).

use std::time::{Duration, SystemTime};

use http::header::{CONTENT_TYPE, SET_COOKIE};
use http::{HeaderMap, StatusCode};
use tower_swr_core::Lifetime;

use super::cache_control::CacheControl;
use super::pass_reason::PassReason;
use super::stated::{Stated, initial_age};
use super::status::{StatusClass, is_partial};
use super::vary::names_star;

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
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            max_age: Duration::from_secs(60),
            stale_while_revalidate: None,
            stale_if_error: None,
            override_origin: false,
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
        /// How old it is already.
        initial_age: Duration,
    },
    /// Give it to everyone who waits; keep nothing.
    Share,
    /// The origin failed. Give it to everyone who waits for want of a stale copy; keep nothing.
    Failure,
    /// Give it to nobody else.
    Pass(PassReason),
}

/// Judges a response by its head, at the moment `now` of its arrival.
///
/// A `Failure`, and a `Store` whose status is 5xx, must not replace a good copy: that is the caller's to see to, who
/// alone knows of one.
pub(crate) fn judge(
    lifetimes: &Lifetimes,
    status: StatusCode,
    headers: &HeaderMap,
    now: SystemTime,
) -> Verdict {
    let control = CacheControl::parse(headers);
    if let Some(reason) = refusal(&control, status, headers) {
        return Verdict::Pass(reason);
    }
    let stated = Stated::freshness(&control, headers, now);
    let case = Case {
        lifetimes,
        control,
        class: StatusClass::of(status),
        age: initial_age(headers),
    };
    case.verdict(stated)
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
        // Revalidation by 304 would allow more. Until then every client asks the origin, and not being remembered costs
        // each burst one serial hop.
        (control.no_cache, PassReason::NoCache),
    ];
    let mut reasons = rules.into_iter().filter_map(|(holds, reason)| holds.then_some(reason));
    reasons.next()
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    headers.get_all(CONTENT_TYPE).into_iter().any(|value| {
        let essence = value.as_bytes().split(|byte| matches!(byte, b';' | b',')).next();
        essence.is_some_and(|it| it.trim_ascii().eq_ignore_ascii_case(b"text/event-stream"))
    })
}

/// An answer that nothing forbids to share.
struct Case<'a> {
    lifetimes: &'a Lifetimes,
    control: CacheControl,
    class: StatusClass,
    age: Duration,
}

impl Case<'_> {
    fn verdict(&self, stated: Option<Stated>) -> Verdict {
        let overridden = stated.is_none() || self.lifetimes.override_origin;
        let ours = self.class == StatusClass::Ok && overridden;
        let kept = if ours {
            self.ours()
        } else {
            stated.and_then(|stated| self.theirs(stated))
        };
        kept.map_or(self.unkept(), |lifetime| Verdict::Store {
            lifetime,
            ours,
            initial_age: self.age,
        })
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
            route
        } else {
            Windows::of_handler(&self.control).or(route)
        };
        let max_age = self.lifetimes.max_age;
        (max_age > self.age).then(|| self.lifetime(max_age, windows))
    }

    /// The handler's lifetimes, with the route's windows where they may follow.
    fn theirs(&self, stated: Stated) -> Option<Lifetime> {
        let own = Windows::of_handler(&self.control);
        let windows = if self.routes_windows_follow(stated) {
            own.or(Windows::of_route(self.lifetimes))
        } else {
            own
        };
        let lifetime = self.lifetime(stated.span, windows);
        // s-maxage says proxy-revalidate (RFC 9111 section 5.2.2.10). A window that the handler wrote on the same line is
        // the more specific word and its own permission to serve stale (RFC 5861), as every CDN reads that pair; without
        // one, nobody else's permission counts.
        let lifetime = if stated.by_s_maxage && !own.permit_stale() {
            lifetime.must_revalidate()
        } else {
            lifetime
        };
        self.may_keep(&lifetime).then_some(lifetime)
    }

    /// For 200 only, like all that a route sets: a 404 or 503 that its handler calls fresh for five seconds must not
    /// outlive them by the route's two minutes.
    fn routes_windows_follow(&self, stated: Stated) -> bool {
        self.class == StatusClass::Ok && stated.span > self.age && !stated.by_s_maxage
    }

    /// Whether the answer is of any use when it arrives: fresh, or of a status that may be served stale and not past the
    /// windows in which it may.
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
        windows.into_iter().flatten().any(|window| !window.is_zero())
    }
}
