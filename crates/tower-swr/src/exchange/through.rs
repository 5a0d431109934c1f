//! A call that another process may have made already.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tokio::sync::oneshot;
use tower_service::Service;
use tower_swr_core::{Answer, Fate, Fill, Freshness, Landed, Outcome};
use tracing::Instrument as _;

use super::calls::{Call, Fallback, Leader};
use super::{Answered, Exchange, MAX_HOPS, Waited, or_stale};
use crate::body::BoxError;
use crate::future::Answering;
use crate::response::{Held, Partial};

/// An exchange that is about to call the origin, and goes back to its client where there is no need for a call.
pub(super) struct Unasked<S, A> {
    exchange: Option<Box<Exchange<S, A>>>,
    back: Option<oneshot::Sender<Box<Exchange<S, A>>>>,
}

impl<S, A> Unasked<S, A> {
    pub(super) fn new(
        exchange: Box<Exchange<S, A>>,
        back: oneshot::Sender<Box<Exchange<S, A>>>,
    ) -> Self {
        Self {
            exchange: Some(exchange),
            back: Some(back),
        }
    }

    /// The origin is to be called: there is no way back.
    pub(super) fn ask(mut self) -> Option<Box<Exchange<S, A>>> {
        self.back = None;
        self.exchange.take()
    }
}

impl<S, A> Drop for Unasked<S, A> {
    fn drop(&mut self) {
        if let (Some(exchange), Some(back)) = (self.exchange.take(), self.back.take()) {
            // Its client may have hung up.
            let _ = back.send(exchange);
        }
    }
}

impl<S, A, B> Exchange<S, A>
where
    S: Service<Request<A>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError> + Send + 'static,
    A: Body + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    /// Makes the call that all who wait depend on, unless the other processes have the answer.
    pub(super) async fn lead_through(
        self: Box<Self>,
        fill: Fill<Held, Partial>,
        old: Fallback,
        fwd: &'static str,
    ) -> Answered<B, S::Error> {
        let ((own, mine), (back, given_back)) = (oneshot::channel(), oneshot::channel());
        let waiting = or_stale(fill.waiting().within(self.patience()), old);
        let (route, question) = (Arc::clone(&self.route), self.question.clone());
        let span = tracing::info_span!("fill", scope = route.scope.name, key = ?fill.key());
        let (kept, flight) = (fill.old().cloned(), fill.key().clone());
        let unasked = Unasked::new(self, back);
        let call = async move {
            match unasked.ask() {
                Some(exchange) => exchange.errand(kept, flight, Some(own)).run().await,
                None => crate::sharing::failed("the request is gone"),
            }
        };
        route.through(fill).spawn(call.instrument(span));
        let outcome = waiting.await;
        if may_be_unasked(&outcome)
            && let Ok(exchange) = given_back.await
        {
            return exchange.found(outcome, fwd).await;
        }
        Leader {
            route,
            question,
            fwd,
        }
        .answer(outcome, mine)
        .await
    }

    /// Goes on with what another process had.
    async fn found(
        mut self: Box<Self>,
        outcome: Outcome<Held, Partial>,
        fwd: &'static str,
    ) -> Answered<B, S::Error> {
        let is_due = self.is_due(&outcome);
        let answering: Answering<B, S::Error> = match self.collapsed(outcome, fwd) {
            Waited::Answered(response) => {
                if is_due {
                    self.renew();
                }
                return Ok(response);
            }
            Waited::Alone => self.call(Call::Pass(None)),
            Waited::NotMine(detail) if self.returned == MAX_HOPS => {
                self.call(Call::Pass(Some(detail)))
            }
            Waited::NotMine(_) => {
                self.returned += 1;
                let look = self.look();
                Box::pin(self.answer(look))
            }
        };
        answering.await
    }

    /// Whether it is served stale, so that somebody has to renew it.
    fn is_due(&self, outcome: &Outcome<Held, Partial>) -> bool {
        let Outcome::Landed(Landed {
            answer: Answer::Whole(entry),
            ..
        }) = outcome
        else {
            return false;
        };
        let age = entry.age(self.route.shared.engine.now());
        entry.lifetime().freshness(age) != Freshness::Fresh
    }
}

/// Whether it may be that the origin was not called.
fn may_be_unasked(outcome: &Outcome<Held, Partial>) -> bool {
    match outcome {
        Outcome::Landed(landed) => matches!(landed.fate, Fate::Found { .. }),
        Outcome::Pass => true,
        _ => false,
    }
}
