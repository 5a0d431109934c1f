//! Calls of the origin, by what they are for.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tokio::sync::oneshot;
use tower_service::Service;
use tower_swr_core::{Entry, Fill, Lost, Outcome};
use tracing::Instrument as _;

use super::{Answered, Exchange, or_stale};
use crate::body::BoxError;
use crate::call::call;
use crate::fields::CacheStatus;
use crate::future::Answering;
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

/// A call of the origin, by what it is for.
pub(super) enum Call {
    /// For all who wait for the key.
    Lead(Fill<Held, Partial>, Option<Arc<Entry<Held>>>, &'static str),
    /// For this request alone, for the reason given.
    Pass(Option<&'static str>),
    /// A `HEAD` that nobody makes a call for.
    Head(&'static str),
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
    pub(super) fn call(self: Box<Self>, call: Call) -> Answering<B, S::Error> {
        match call {
            Call::Lead(fill, old, fwd) => Box::pin(self.lead(fill, old, fwd)),
            Call::Pass(detail) => Box::pin(self.pass(detail)),
            Call::Head(fwd) => Box::pin(self.forward_head(fwd)),
        }
    }

    /// Makes the call that all who wait for the key depend on, in a task of its own, and waits like everybody else.
    async fn lead(
        self: Box<Self>,
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
            Outcome::Landed(landed) => Ok(route.landed(question.asked, landed, Verb::Miss, fwd)),
            Outcome::Stale(entry, reason) => Ok(route.stale(question.asked, &entry, reason, fwd)),
            Outcome::Pass => match mine.await {
                Ok(Own::Response(response, reason)) => {
                    let handling =
                        passed(fwd, Some(response.status().as_u16()), Some(reason.token()));
                    Ok(route.passed(&question, response, handling))
                }
                Ok(Own::Error(_)) | Err(_) => {
                    Ok(route.problem(question.asked, Problem::Interrupted, fwd))
                }
            },
            Outcome::Lost(lost) => match (mine.try_recv(), lost) {
                (Ok(Own::Error(error)), Lost::Failed(_)) => route.counted(Err(error)),
                (_, lost) => Ok(route.problem(question.asked, Problem::from(&lost), fwd)),
            },
            Outcome::WaitTimedOut => Ok(route.problem(question.asked, Problem::WaitTimedOut, fwd)),
        }
    }

    /// Goes to the origin alone, since the answer may not be shared.
    async fn pass(self: Box<Self>, detail: Option<&'static str>) -> Answered<B, S::Error> {
        let fwd = self.fwd(false);
        let (route, service, question, request) = self.forward();
        let response = route.counted(call(&route, service, request).await)?;
        // What a HEAD brings says nothing of a GET, for which there may be another handler.
        if !question.asked.head_only && is_shareable(&route, &response) {
            route.shared.engine.forget_uncacheable(&question.key());
        }
        let handling = passed(fwd, Some(response.status().as_u16()), detail);
        Ok(route.passed(&question, response, handling))
    }

    async fn forward_head(self: Box<Self>, fwd: &'static str) -> Answered<B, S::Error> {
        let (route, service, question, request) = self.forward();
        let response = route.counted(call(&route, service, request).await)?;
        let mut handling = passed(fwd, Some(response.status().as_u16()), Some("head"));
        handling.verb = Verb::Miss;
        Ok(route.passed(&question, response, handling))
    }

    /// What a call of the origin takes. Only now are the fields taken away that it may not see: most requests that come
    /// here are answered by another's call.
    fn forward(self) -> (Arc<Route>, S, Question, Request<A>) {
        let Self {
            route,
            service,
            mut request,
            question,
        } = self;
        request::strip(request.headers_mut(), route.scope.settings());
        (route, service, question, request)
    }

    pub(super) fn errand(
        self,
        fill: &Fill<Held, Partial>,
        own: Option<oneshot::Sender<Own<B, S::Error>>>,
    ) -> Errand<S, A, B, S::Error> {
        let (route, service, question, request) = self.forward();
        Errand {
            route,
            service,
            request,
            question,
            old: fill.old().cloned(),
            flight: fill.key().clone(),
            own,
        }
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
