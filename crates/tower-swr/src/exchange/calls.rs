//! Calls of the origin, by what they are for.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, select};
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use tokio::sync::oneshot;
use tower_service::Service;
use tower_swr_core::{Entry, Fill, Key, Lost, Outcome, StaleReason};
use tracing::Instrument as _;

use super::{Answered, Exchange, or_stale};
use crate::body::{BoxError, CacheBody};
use crate::fields::CacheStatus;
use crate::future::Answering;
use crate::gate;
use crate::key;
use crate::no_vary_search::CallHead;
use crate::origin::{Errand, Own};
use crate::policy::{self, Judgement, Verdict};
use crate::problem::Problem;
use crate::question::Question;
use crate::request;
use crate::respond::Handling;
use crate::response::{Held, Partial};
use crate::route::Route;
use crate::select::under_conditions;
use crate::stats::Verb;
use crate::via;

/// A call of the origin, by what it is for.
pub(super) enum Call {
    /// For all who wait for the key.
    Lead(Fill<Held, Partial>, Fallback, &'static str),
    /// For this request alone, for the reason given.
    Pass(Option<&'static str>),
    /// A `HEAD` that nobody makes a call for.
    Head(Fallback, &'static str),
}

/// What may stand in where the origin fails.
pub(super) type Fallback = Option<Arc<Entry<Held>>>;

impl<S, A, B> Exchange<S, A>
where
    S: Service<Request<A>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError> + Send + 'static,
    A: Body + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    pub(super) fn call(self: Box<Self>, call: Call) -> Answering<B, S::Error> {
        match call {
            Call::Lead(fill, old, fwd) => Box::pin(self.lead(fill, old, fwd)),
            Call::Pass(detail) => Box::pin(self.pass(detail)),
            Call::Head(old, fwd) => Box::pin(self.forward_head(old, fwd)),
        }
    }

    /// Makes the call that all who wait for the key depend on, in a task of its own, and waits like everybody else.
    async fn lead(
        self: Box<Self>,
        fill: Fill<Held, Partial>,
        old: Fallback,
        fwd: &'static str,
    ) -> Answered<B, S::Error> {
        if self.route.is_far() {
            return self.lead_through(fill, old, fwd).await;
        }
        let (own, mine) = oneshot::channel();
        let waiting = or_stale(fill.waiting().within(self.patience()), old);
        let (route, question) = (Arc::clone(&self.route), self.question.clone());
        let span = tracing::info_span!("fill", scope = route.scope.name, key = ?fill.key());
        let errand = self.errand(fill.old().cloned(), fill.key().clone(), Some(own));
        fill.spawn(errand.run().instrument(span));
        Leader {
            route,
            question,
            fwd,
        }
        .answer(waiting.await, mine)
        .await
    }

    /// Goes to the origin alone, since the answer may not be shared.
    async fn pass(self: Box<Self>, detail: Option<&'static str>) -> Answered<B, S::Error> {
        let fwd = self.fwd(false);
        let (route, service, question, request) = self.on_its_own_behalf();
        let limit = route.scope.policy.origin_timeout;
        let answered = in_time(&route, limit, route.call(service, request)).await;
        let Some(answered) = answered else {
            return Ok(route.problem(&question.asked, Problem::from(&Lost::TimedOut), fwd));
        };
        let response = route.counted(answered)?;
        // What a HEAD brings says nothing of a GET, for which there may be another handler.
        if !question.asked.head_only && is_shareable(&route, &response) {
            route.shared.engine.forget_uncacheable(&question.key());
        }
        let handling = passed(fwd, response.status(), detail);
        Ok(route.passed(&question, response.map(CacheBody::passed), handling))
    }

    /// Forwards a `HEAD` as it is. What is kept stands in for a failing origin as it does for a `GET`.
    async fn forward_head(
        self: Box<Self>,
        old: Fallback,
        fwd: &'static str,
    ) -> Answered<B, S::Error> {
        let (route, service, question, request) = self.on_its_own_behalf();
        let policy = &route.scope.policy;
        let limit = match old {
            Some(_) => policy.soft_timeout.min(policy.origin_timeout),
            None => policy.origin_timeout,
        };
        let answered = in_time(&route, limit, route.call(service, request)).await;
        let reason = match &answered {
            None => Some(StaleReason::SoftTimeout),
            Some(Ok(response)) if !policy::is_failure(response.status()) => None,
            Some(_) => Some(StaleReason::Error),
        };
        if let (Some(reason), Some(old)) = (reason, old) {
            return Ok(route.stale(&question.asked, &old, reason, fwd));
        }
        let Some(answered) = answered else {
            return Ok(route.problem(&question.asked, Problem::from(&Lost::TimedOut), fwd));
        };
        let response = route.counted(answered)?;
        let mut handling = passed(fwd, response.status(), Some("head"));
        handling.verb = Verb::Miss;
        Ok(route.passed(&question, response.map(CacheBody::passed), handling))
    }

    /// What a call takes whose answer only this client gets.
    fn on_its_own_behalf(mut self) -> (Arc<Route>, S, Question, Request<A>) {
        let settings = self.route.scope.settings();
        request::hide(self.request.headers_mut(), settings);
        key::strip_query(&mut self.request, &settings.query);
        via::note(&self.route.scope, self.request.extensions_mut());
        let service = self.service.service();
        (self.route, service, self.question, self.request)
    }

    /// What a call takes on behalf of all who wait for `fill`. Only now are the fields taken away that it may not see:
    /// most requests that come here are answered by another's call.
    pub(super) fn errand(
        mut self,
        old: Fallback,
        flight: Key,
        own: Option<oneshot::Sender<Own<B, S::Error>>>,
    ) -> Errand<S, A, B, S::Error> {
        self.question.call = CallHead::of(&self.route, &self.request);
        let settings = self.route.scope.settings();
        request::strip(self.request.headers_mut(), settings);
        key::strip_query(&mut self.request, &settings.query);
        if settings.head_as_get {
            *self.request.method_mut() = Method::GET;
        }
        via::note(&self.route.scope, self.request.extensions_mut());
        Errand {
            route: self.route,
            service: self.service.service(),
            request: self.request,
            question: self.question,
            old,
            flight,
            own,
        }
    }
}

/// The client whose request became the call.
pub(super) struct Leader {
    pub(super) route: Arc<Route>,
    pub(super) question: Question,
    pub(super) fwd: &'static str,
}

impl Leader {
    /// What it is answered after its wait ended with `outcome`; what is for nobody else is in `mine`.
    pub(super) async fn answer<B, E>(
        self,
        outcome: Outcome<Held, Partial>,
        mut mine: oneshot::Receiver<Own<B, E>>,
    ) -> Answered<B, E> {
        let (route, asked, fwd) = (&self.route, &self.question.asked, self.fwd);
        Ok(match outcome {
            Outcome::Landed(landed) => route.landed(asked, landed, Verb::Miss, fwd),
            Outcome::Stale(entry, reason) => route.stale(asked, &entry, reason, fwd),
            Outcome::Pass => return Ok(self.own(mine.await.ok())),
            Outcome::Lost(lost) => match (mine.try_recv(), lost) {
                (Ok(Own::Error(error)), Lost::Failed(_)) => return route.counted(Err(error)),
                (Ok(own @ Own::Response(..)), Lost::Failed(_)) => return Ok(self.own(Some(own))),
                (_, lost) => route.problem(asked, Problem::from(&lost), fwd),
            },
            Outcome::WaitTimedOut => route.problem(asked, Problem::WaitTimedOut, fwd),
            // Nobody is there before its leader.
            Outcome::Outdated => route.problem(asked, Problem::Interrupted, fwd),
        })
    }

    fn own<B, E>(&self, own: Option<Own<B, E>>) -> Response<CacheBody<B>> {
        let (route, question) = (&self.route, &self.question);
        let (response, handling) = match own {
            Some(Own::Response(response, reason)) => {
                let handling = passed(self.fwd, response.status(), Some(reason.token()));
                (response.map(CacheBody::passed), handling)
            }
            Some(Own::Kept(response, detail)) => {
                let handling = passed(self.fwd, StatusCode::NOT_MODIFIED, Some(detail));
                (response.map(CacheBody::stored), handling)
            }
            Some(Own::Error(_)) | None => {
                return route.problem(&question.asked, Problem::Interrupted, self.fwd);
            }
        };
        // Its conditions and its being a HEAD were kept from the handler, whose answer was to be everybody's.
        let response = match &question.asked.conditions {
            Some(conditions) => under_conditions(response, conditions),
            None => response,
        };
        let response = match question.asked.head_only {
            true => response.map(|_| CacheBody::untold()),
            false => response,
        };
        route.passed(question, response, handling)
    }
}

/// What `call` comes to, unless it takes longer than `limit`: then it is cancelled.
async fn in_time<T>(route: &Route, limit: Duration, call: impl Future<Output = T>) -> Option<T> {
    let over = route.shared.engine.clock().sleep(limit);
    match select(pin!(call), over).await {
        Either::Left((answered, _)) => Some(answered),
        Either::Right(_) => None,
    }
}

fn passed(fwd: &'static str, fwd_status: StatusCode, detail: Option<&'static str>) -> Handling {
    Handling {
        verb: Verb::Pass,
        status: CacheStatus {
            fwd: Some(fwd),
            fwd_status: Some(fwd_status.as_u16()),
            detail,
            ..CacheStatus::default()
        },
    }
}

/// Whether the next ones need not go alone. Where the length is not known, the answer may be one that was too large.
fn is_shareable<B: Body>(route: &Route, response: &Response<B>) -> bool {
    let wall = route.shared.engine.clock().wall();
    let lifetimes = &route.scope.settings().lifetimes;
    let Judgement { verdict, .. } = policy::judge(
        lifetimes,
        response.extensions().get(),
        response.status(),
        response.headers(),
        wall,
    );
    let length = gate::known_length(response).ok().flatten();
    let fits = length.is_some_and(|length| length <= route.scope.max_body as u64);
    fits && !matches!(verdict, Verdict::Pass(_) | Verdict::Failure)
}
