//! Making the client's answer of what the cache has.

use std::time::Duration;

use http::header::{HeaderMap, HeaderValue};
use http::{Response, StatusCode};
use tower_swr_core::{Answer, Entry, Fate, Freshness, Landed, Mode, StaleReason};

use crate::body::CacheBody;
use crate::fields::{self, CACHE_STATUS, CacheStatus, X_CACHE, X_CACHE_KEY, X_QUERY_TIME_MS};
use crate::head::{Head, Marks};
use crate::key;
use crate::problem::Problem;
use crate::question::{Asked, Question};
use crate::request::Bypass;
use crate::response::{Held, Partial, StoredResponse};
use crate::route::Route;
use crate::select::{selected, under_conditions};
use crate::stats::Verb;

/// How a request was answered that the cache took part in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Handling {
    pub(crate) verb: Verb,
    pub(crate) status: CacheStatus,
}

/// On what grounds a kept answer is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grounds {
    /// The cache serves it of itself.
    Kept,
    /// The client takes it, however stale it is (RFC 9111 section 5.2.1.2).
    MaxStale,
    /// There is nothing better.
    Fallback(StaleReason),
}

impl Route {
    /// An answer that a flight brought: to the request that began it (`verb` is a miss), or to one that joined.
    pub(crate) fn landed<B>(
        &self,
        asked: &Asked,
        landed: Landed<Held, Partial>,
        verb: Verb,
        fwd: &'static str,
    ) -> Response<CacheBody<B>> {
        let now = self.shared.engine.now();
        let took = asked.took(now);
        let mut status = CacheStatus {
            fwd: Some(fwd),
            stored: verb == Verb::Miss && landed.fate == Fate::Stored,
            collapsed: verb == Verb::Collapsed,
            ..CacheStatus::default()
        };
        match landed.answer {
            Answer::Whole(entry) => {
                let Held::Response(stored) = entry.value() else {
                    return self.problem(asked, Problem::Interrupted, fwd);
                };
                let age = entry.age(now);
                let left = entry.lifetime().fresh().saturating_sub(age);
                status.ttl = status.stored.then_some(whole_seconds(left));
                let (verb, code) = match verb {
                    Verb::Miss if stored.head.revalidated => {
                        (Verb::Revalidated, StatusCode::NOT_MODIFIED)
                    }
                    _ => (verb, stored.head.status),
                };
                status.fwd_status = (!status.collapsed).then_some(code.as_u16());
                self.stored(asked, stored, age, took, Handling { verb, status })
            }
            Answer::Partial(partial) => {
                status.fwd_status = (verb == Verb::Miss).then_some(partial.head.status.as_u16());
                self.streamed(asked, partial, took, Handling { verb, status })
            }
        }
    }

    /// An older answer, for want of a new one.
    pub(crate) fn stale<B>(
        &self,
        asked: &Asked,
        entry: &Entry<Held>,
        reason: StaleReason,
        fwd: &'static str,
    ) -> Response<CacheBody<B>> {
        let Held::Response(stored) = entry.value() else {
            return self.problem(asked, Problem::Interrupted, fwd);
        };
        let now = self.shared.engine.now();
        self.kept(
            asked,
            entry,
            stored,
            entry.age(now),
            Grounds::Fallback(reason),
            asked.took(now),
        )
    }

    /// An answer from the store, of `age`.
    #[inline]
    pub(crate) fn kept<B>(
        &self,
        asked: &Asked,
        entry: &Entry<Held>,
        stored: &StoredResponse,
        age: Duration,
        grounds: Grounds,
        took: Duration,
    ) -> Response<CacheBody<B>> {
        let fresh = entry.fresh_for();
        let ttl = whole_seconds(fresh).saturating_sub(whole_seconds(age));
        let is_fresh = age < fresh;
        if is_fresh && grounds == Grounds::Kept && took.is_zero() {
            return self.hit(asked, stored, age, ttl);
        }
        let is_fallback = matches!(grounds, Grounds::Fallback(_));
        let status = CacheStatus {
            hit: !is_fallback,
            fwd: is_fallback.then_some("stale"),
            ttl: Some(ttl),
            detail: match grounds {
                Grounds::Kept => self.stale_detail(entry, age),
                Grounds::MaxStale => Some("max-stale"),
                Grounds::Fallback(reason) => Some(stale_token(reason)),
            },
            ..CacheStatus::default()
        };
        let handling = Handling {
            verb: if is_fresh { Verb::Hit } else { Verb::Stale },
            status,
        };
        self.stored(asked, stored, age, took, handling)
    }

    /// Why the cache serves an answer of `age` of itself, where that is not plain freshness.
    fn stale_detail(&self, entry: &Entry<Held>, age: Duration) -> Option<&'static str> {
        match entry.lifetime().freshness(age) {
            Freshness::Fresh => None,
            Freshness::Stale => Some("stale-while-revalidate"),
            Freshness::Expired if self.mode() == Mode::ServeStale => Some("serve-stale"),
            // The origin failed a moment ago and is left alone.
            Freshness::Expired => Some("stale-if-error"),
        }
    }

    /// A fresh answer that was there at once: what nearly all requests get.
    #[inline]
    fn hit<B>(
        &self,
        asked: &Asked,
        stored: &StoredResponse,
        age: Duration,
        ttl: i64,
    ) -> Response<CacheBody<B>> {
        self.scope.counters.count(Verb::Hit);
        let head = &stored.head;
        let mut response = Response::new(CacheBody::stored(stored.body.clone()));
        *response.status_mut() = head.status;
        *response.headers_mut() = head.fields_of_hit(age, ttl, self.shared.status);
        selected(response, stored, asked)
    }

    /// A whole answer, however it came.
    fn stored<B>(
        &self,
        asked: &Asked,
        stored: &StoredResponse,
        age: Duration,
        took: Duration,
        handling: Handling,
    ) -> Response<CacheBody<B>> {
        let body = CacheBody::stored(stored.body.clone());
        let response = self.assemble(&stored.head, body, age, took, handling);
        selected(response, stored, asked)
    }

    /// An answer whose body is still on its way.
    pub(crate) fn streamed<B>(
        &self,
        asked: &Asked,
        partial: Partial,
        took: Duration,
        handling: Handling,
    ) -> Response<CacheBody<B>> {
        let age = partial.head.age(self.shared.engine.now());
        let body = match asked.head_only {
            true => CacheBody::untold(),
            false => CacheBody::streaming(partial.body, partial.length),
        };
        let response = self.assemble(&partial.head, body, age, took, handling);
        // Parts can be given of what is there as a whole only; until then it is given as a whole.
        match &asked.conditions {
            Some(conditions) => under_conditions(response, conditions),
            None => response,
        }
    }

    fn assemble<B>(
        &self,
        head: &Head,
        body: CacheBody<B>,
        age: Duration,
        took: Duration,
        handling: Handling,
    ) -> Response<CacheBody<B>> {
        let Handling { verb, status } = handling;
        self.scope.counters.count(verb);
        let marks = Marks {
            verb,
            age,
            took,
            status,
        };
        let mut response = Response::new(body);
        *response.status_mut() = head.status;
        *response.headers_mut() = head.fields(&marks, self.shared.status);
        response
    }

    /// An answer for nobody else.
    pub(crate) fn passed<B>(
        &self,
        question: &Question,
        mut response: Response<CacheBody<B>>,
        handling: Handling,
    ) -> Response<CacheBody<B>> {
        self.scope.counters.count(handling.verb);
        let took = question.asked.took(self.shared.engine.now());
        self.mark(response.headers_mut(), took, handling);
        if self.scope.settings().fields.x_cache
            && let Ok(form) = HeaderValue::try_from(key::public_form(&question.key().to_key()))
        {
            response.headers_mut().insert(X_CACHE_KEY, form);
        }
        response
    }

    /// The handler's own answer to a request that is none of the cache's business.
    pub(crate) fn bypassed<B>(
        &self,
        response: Response<B>,
        reason: Bypass,
        took: Duration,
    ) -> Response<CacheBody<B>> {
        let fwd = if reason == Bypass::Method {
            "method"
        } else {
            "bypass"
        };
        let status = CacheStatus {
            fwd: Some(fwd),
            detail: (reason != Bypass::Method).then_some(reason.token()),
            ..CacheStatus::default()
        };
        let mut response = response.map(CacheBody::passed);
        let handling = Handling {
            verb: Verb::Bypass,
            status,
        };
        self.mark(response.headers_mut(), took, handling);
        response
    }

    /// An answer of our own, for want of another.
    pub(crate) fn problem<B>(
        &self,
        asked: &Asked,
        problem: Problem,
        fwd: &'static str,
    ) -> Response<CacheBody<B>> {
        self.scope.counters.count(Verb::Error);
        let mut response = problem.response();
        let status = CacheStatus {
            fwd: Some(fwd),
            detail: Some(problem.token()),
            ..CacheStatus::default()
        };
        let took = asked.took(self.shared.engine.now());
        let handling = Handling {
            verb: Verb::Error,
            status,
        };
        self.mark(response.headers_mut(), took, handling);
        if asked.head_only {
            *response.body_mut() = CacheBody::untold();
        }
        response
    }

    /// What the service answered a client's own request with: its error is the client's answer and counts as one.
    pub(crate) fn counted<T, E>(&self, answered: Result<T, E>) -> Result<T, E> {
        if answered.is_err() {
            self.scope.counters.count(Verb::Error);
        }
        answered
    }

    /// Says in `fields`, which are not ours, what happened.
    fn mark(&self, fields: &mut HeaderMap, took: Duration, handling: Handling) {
        let families = self.scope.settings().fields;
        if families.x_cache {
            fields.insert(X_CACHE, fields::x_cache(handling.verb));
            fields.insert(X_QUERY_TIME_MS, fields::millis(took));
        }
        if families.cache_status {
            fields.append(CACHE_STATUS, self.shared.status.of_answer(&handling.status));
        }
    }
}

/// Up to what RFC 9111 section 1.2.2 lets anybody count to; longer numbers would end structured fields' integers.
#[inline]
fn whole_seconds(span: Duration) -> i64 {
    i64::try_from(span.as_secs()).map_or(1 << 31, |seconds| seconds.min(1 << 31))
}

fn stale_token(reason: StaleReason) -> &'static str {
    match reason {
        StaleReason::SoftTimeout => "soft-timeout",
        _ => "stale-if-error",
    }
}
