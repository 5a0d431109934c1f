//! A request that the store has no answer for: it joins a flight, leads one, or goes to the origin alone.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::Body;
use tokio::sync::oneshot;
use tower_service::Service;
use tower_swr_core::{
    Answer, Entry, Fill, Joined, Landed, Look, Lost, Mode, Outcome, Purpose, Refresh, Waiting,
};
use tracing::Instrument as _;

use crate::body::{BoxError, CacheBody};
use crate::call::call;
use crate::fields::CacheStatus;
use crate::gate;
use crate::origin::{Errand, Own};
use crate::policy::{self, Verdict};
use crate::problem::Problem;
use crate::question::Question;
use crate::request;
use crate::respond::Handling;
use crate::response::{Held, Partial};
use crate::route::Route;
use crate::stats::Verb;

/// A request, and all that it takes to answer it.
pub(crate) struct Exchange<S, A> {
    route: Arc<Route>,
    service: S,
    request: Request<A>,
    question: Question,
}

/// How often a request may find that what it waited for was another variant than its own, before it goes alone.
const MAX_HOPS: usize = 3;

type Answered<B, E> = Result<Response<CacheBody<B>>, E>;
type Flying = Waiting<Held, Partial>;

impl<S, A> Exchange<S, A> {
    pub(crate) fn new(
        route: &Arc<Route>,
        service: &S,
        mut request: Request<A>,
        question: Question,
    ) -> Self
    where
        S: Clone,
    {
        request::strip(request.headers_mut(), route.scope.settings());
        Self {
            route: Arc::clone(route),
            service: service.clone(),
            request,
            question,
        }
    }
}

impl<S, A, B> Exchange<S, A>
where
    S: Service<Request<A>, Response = Response<B>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError> + Send + 'static,
    A: Body + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    /// Answers the request, for which a look-up found `look`.
    pub(crate) async fn answer(mut self, mut look: Look<Held>) -> Answered<B, S::Error> {
        for _ in 0..=MAX_HOPS {
            let (old, fallback) = match look {
                Look::Serve { entry, age, .. } => match self.kept(&entry, age) {
                    Some(response) => return Ok(response),
                    None => break,
                },
                Look::Uncacheable => return self.pass(Some("uncacheable")).await,
                Look::Fetch { old, fallback } => (old, fallback),
            };
            let fwd = self.fwd(old.is_some());
            let Some(joined) = self.join() else {
                return self.forward_head(fwd).await;
            };
            let old = old.filter(|_| fallback);
            match joined {
                Joined::Lead(fill) => return self.lead(fill, old, fwd).await,
                Joined::Wait(waiting) => match wait(
                    &self.route,
                    &self.question,
                    self.request.headers(),
                    or_stale(waiting, old),
                    fwd,
                )
                .await
                {
                    Waited::Answered(response) => return Ok(response),
                    Waited::Alone => return self.pass(None).await,
                    Waited::OtherVariant => {}
                },
                Joined::Again(_) => {}
            }
            look = self.look();
        }
        self.pass(Some("variants")).await
    }

    /// Renews what the request was answered with, behind its back, when it is its turn.
    pub(crate) fn refresh(self, turn: Refresh) {
        let cause = tracing::Span::current();
        turn.submit(async move {
            // The switch may have been thrown while this waited for its turn.
            if self.route.mode() != Mode::Normal {
                return;
            }
            let (engine, policy) = (&self.route.shared.engine, &self.route.scope.policy);
            let joined = engine.join(&self.question.key(), policy, Purpose::Refresh);
            let Joined::Lead(fill) = joined else { return };
            let span = tracing::info_span!(parent: None, "refresh", scope = self.route.scope.name, key = ?fill.key());
            span.follows_from(&cause);
            let errand = self.errand(&fill, None);
            fill.run(errand.run().instrument(span)).await;
        });
    }

    fn look(&mut self) -> Look<Held> {
        let now = self.route.shared.engine.now();
        self.question.look(&self.route, self.request.headers(), now)
    }

    /// Nothing for a `HEAD` that nobody flies for: it can neither be made a `GET` nor fill the store.
    fn join(&self) -> Option<Joined<Held, Partial>> {
        let (engine, policy) = (&self.route.shared.engine, &self.route.scope.policy);
        let key = self.question.key();
        if self.question.head_only {
            engine.attend(&key, policy).map(Joined::Wait)
        } else {
            Some(engine.join(&key, policy, Purpose::Miss))
        }
    }

    /// Makes the call that all who wait for the key depend on, in a task of its own, and waits like everybody else.
    async fn lead(
        self,
        fill: Fill<Held, Partial>,
        old: Option<Arc<Entry<Held>>>,
        fwd: &'static str,
    ) -> Answered<B, S::Error> {
        let (own, mut mine) = oneshot::channel();
        let waiting = or_stale(fill.waiting(), old);
        let (route, question) = (Arc::clone(&self.route), self.question.clone());
        let span = tracing::info_span!("fill", scope = route.scope.name, key = ?fill.key());
        let errand = self.errand(&fill, Some(own));
        fill.spawn(errand.run().instrument(span));
        match waiting.await {
            Outcome::Landed(landed) => Ok(route.landed(&question, landed, Verb::Miss, fwd)),
            Outcome::Stale(entry, reason) => Ok(route.stale(&question, &entry, reason, fwd)),
            Outcome::Pass => match mine.await {
                Ok(Own::Response(response, reason)) => {
                    let handling =
                        passed(fwd, Some(response.status().as_u16()), Some(reason.token()));
                    Ok(route.passed(&question, response, handling))
                }
                Ok(Own::Error(_)) | Err(_) => {
                    Ok(route.problem(&question, Problem::Interrupted, fwd))
                }
            },
            Outcome::Lost(lost) => match (mine.try_recv(), lost) {
                (Ok(Own::Error(error)), Lost::Failed(_)) => route.counted(Err(error)),
                (_, lost) => Ok(route.problem(&question, Problem::from(&lost), fwd)),
            },
            Outcome::WaitTimedOut => Ok(route.problem(&question, Problem::WaitTimedOut, fwd)),
        }
    }

    /// Goes to the origin alone, since the answer may not be shared. Boxed, so that those who wait do not carry the
    /// room for a call that they will hardly ever make.
    async fn pass(self, detail: Option<&'static str>) -> Answered<B, S::Error> {
        let fwd = self.fwd(false);
        let Self {
            route,
            service,
            request,
            question,
        } = self;
        let response = route.counted(Box::pin(call(&route, service, request)).await)?;
        // What a HEAD brings says nothing of a GET, for which there may be another handler.
        if !question.head_only && is_shareable(&route, &response) {
            route.shared.engine.forget_uncacheable(&question.key());
        }
        let handling = passed(fwd, Some(response.status().as_u16()), detail);
        Ok(route.passed(&question, response, handling))
    }

    async fn forward_head(self, fwd: &'static str) -> Answered<B, S::Error> {
        let Self {
            route,
            service,
            request,
            question,
        } = self;
        let response = route.counted(Box::pin(call(&route, service, request)).await)?;
        let mut handling = passed(fwd, Some(response.status().as_u16()), Some("head"));
        handling.verb = Verb::Miss;
        Ok(route.passed(&question, response, handling))
    }

    fn errand(
        self,
        fill: &Fill<Held, Partial>,
        own: Option<oneshot::Sender<Own<B, S::Error>>>,
    ) -> Errand<S, A, B, S::Error> {
        Errand {
            route: self.route,
            service: self.service,
            request: self.request,
            question: self.question,
            old: fill.old().cloned(),
            flight: fill.key().clone(),
            own,
        }
    }

    fn kept(
        &self,
        entry: &Arc<Entry<Held>>,
        age: std::time::Duration,
    ) -> Option<Response<CacheBody<B>>> {
        let Held::Response(stored) = entry.value() else {
            return None;
        };
        let took = self.question.took(self.route.shared.engine.now());
        Some(
            self.route
                .kept(&self.question, entry, stored, age, None, took),
        )
    }

    /// Why the request goes forward, in the words of RFC 9211 section 2.2.
    fn fwd(&self, has_old: bool) -> &'static str {
        match self.question.variants() {
            _ if has_old => "stale",
            Some(_) => "vary-miss",
            None => "uri-miss",
        }
    }
}

/// What came of waiting for somebody else's call.
enum Waited<B> {
    Answered(Response<CacheBody<B>>),
    /// The answer is for other requests than this one.
    OtherVariant,
    /// The answer is for nobody else.
    Alone,
}

async fn wait<B>(
    route: &Route,
    question: &Question,
    fields: &HeaderMap,
    waiting: Flying,
    fwd: &'static str,
) -> Waited<B> {
    Waited::Answered(match waiting.await {
        Outcome::Landed(landed) if fits(&landed, fields) => {
            route.landed(question, landed, Verb::Collapsed, fwd)
        }
        Outcome::Landed(_) => return Waited::OtherVariant,
        Outcome::Pass => return Waited::Alone,
        Outcome::Stale(entry, reason) => route.stale(question, &entry, reason, fwd),
        Outcome::Lost(lost) => route.problem(question, Problem::from(&lost), fwd),
        Outcome::WaitTimedOut => route.problem(question, Problem::WaitTimedOut, fwd),
    })
}

fn or_stale(waiting: Flying, old: Option<Arc<Entry<Held>>>) -> Flying {
    match old {
        Some(old) => waiting.or_stale(old),
        None => waiting,
    }
}

/// Whether the answer was selected by a request that says the same as one with `fields` (RFC 9111 section 4.1).
fn fits(landed: &Landed<Held, Partial>, fields: &HeaderMap) -> bool {
    match &landed.answer {
        Answer::Partial(partial) => partial
            .selection
            .as_ref()
            .is_none_or(|selection| selection.matches(fields)),
        Answer::Whole(entry) => match entry.value() {
            Held::Response(stored) => stored
                .selection
                .as_ref()
                .is_none_or(|selection| selection.matches(fields)),
            Held::Variants(_) => false,
        },
    }
}

fn passed(fwd: &'static str, fwd_status: Option<u16>, detail: Option<&'static str>) -> Handling {
    Handling {
        verb: Verb::Pass,
        status: CacheStatus {
            fwd: Some(fwd),
            fwd_status,
            detail,
            ..CacheStatus::default()
        },
    }
}

/// Whether the next ones need not go alone. Where the length is not known, the answer may be one that was too large.
fn is_shareable<B: Body>(route: &Route, response: &Response<B>) -> bool {
    let wall = route.shared.engine.clock().wall();
    let lifetimes = &route.scope.settings().lifetimes;
    let verdict = policy::judge(lifetimes, response.status(), response.headers(), wall);
    let fits =
        gate::known_length(response).is_some_and(|length| length <= route.scope.max_body as u64);
    fits && !matches!(verdict, Verdict::Pass(_) | Verdict::Failure)
}
