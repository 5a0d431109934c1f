//! A refresh that another process has left to this one, which is a worker.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::Body;
use tokio::sync::oneshot;
use tower_service::Service;
use tower_swr_core::{
    Answer, Delivery, Fate, Fill, Joined, Landed, Look, Mode, Moment, Outcome, Purpose,
};
use tracing::Instrument as _;

use super::through::Unasked;
use super::{Exchange, MAX_HOPS, fits};
use crate::body::BoxError;
use crate::order::{Fulfilled, Order};
use crate::origin::Own;
use crate::policy;
use crate::question::Question;
use crate::response::{Held, Partial};
use crate::route::Route;

impl<S, A, B> Exchange<S, A>
where
    S: Service<Request<A>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError> + Send + 'static,
    A: Body + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    /// Renews what the order is for, unless another process has done so. It ends when all is on the far side that is to be
    /// there: nothing that is kept here will do, and nothing is left to anybody else.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the call is cancelled and the lease given back.
    pub(crate) async fn carry_out(mut self: Box<Self>, order: &Order) -> Fulfilled {
        if let Some(why) = self.refusal(order) {
            return Fulfilled::Refused(why);
        }
        if order.is_late(self.route.shared.engine.far_now()) {
            return Fulfilled::Late;
        }
        for _ in 0..=MAX_HOPS {
            let (engine, policy) = (&self.route.shared.engine, &self.route.scope.policy);
            let outcome = match engine.join(&self.question.key(), policy, Purpose::Remote) {
                // Nothing else is left: answers may not be shared.
                Joined::Again(_) => return Fulfilled::Found,
                Joined::Wait(waiting) => waiting.await,
                Joined::Lead(fill) => match self.ask(fill, order).await {
                    Asked::Called(how) => return how,
                    Asked::Unasked(exchange, outcome) => {
                        self = exchange;
                        outcome
                    }
                },
            };
            if let Some(how) = judge(&outcome, self.request.headers()) {
                return how;
            }
            self.look();
            if self.question.is_by_equivalence() {
                // That is another key than the order's.
                return Fulfilled::Failed;
            }
        }
        Fulfilled::Failed
    }

    /// Why the order is none for this process.
    fn refusal(&self, order: &Order) -> Option<&'static str> {
        if !self.route.is_far() {
            return Some("this process has no far side");
        }
        if self.route.mode() != Mode::Normal {
            return Some("the cache is switched off");
        }
        let is_of = order.is_of(&self.question.primary());
        (!is_of).then_some("the request has another key here: the layer has other settings")
    }

    /// Leads the flight to its end.
    async fn ask(self: Box<Self>, fill: Fill<Held, Partial>, order: &Order) -> Asked<S, A> {
        let ((own, mine), (back, given_back)) = (oneshot::channel(), oneshot::channel());
        let ending = Ending {
            route: Arc::clone(&self.route),
            question: self.question.clone(),
            fields: self.request.headers().clone(),
            began: self.route.shared.engine.now(),
        };
        let span = tracing::info_span!("refresh", scope = self.route.scope.name, key = ?fill.key());
        let (kept, flight, waiting) = (fill.old().cloned(), fill.key().clone(), fill.waiting());
        let mut fill = self.route.through(fill).instead_of(order.seen(&flight));
        let delivered = fill.delivered();
        let unasked = Unasked::new(self, back);
        let call = async move {
            match unasked.ask() {
                Some(exchange) => exchange.errand(kept, flight, Some(own)).run().await,
                None => crate::sharing::failed("the request is gone"),
            }
        };
        fill.run(call.instrument(span)).await;
        let outcome = waiting.await;
        match given_back.await {
            Ok(exchange) => Asked::Unasked(exchange, outcome),
            Err(_) if !ending.is_sound(&outcome, mine) => Asked::Called(Fulfilled::Failed),
            Err(_) => Asked::Called(left(delivered.await)),
        }
    }
}

/// How a flight ended.
enum Asked<S, A> {
    Called(Fulfilled),
    /// Without a call, since another process had something.
    Unasked(Box<Exchange<S, A>>, Outcome<Held, Partial>),
}

/// What came of somebody else's call; nothing where that was for other requests.
fn judge(outcome: &Outcome<Held, Partial>, fields: &HeaderMap) -> Option<Fulfilled> {
    match outcome {
        Outcome::Landed(landed) if landed.fate == Fate::Failed => Some(Fulfilled::Failed),
        Outcome::Landed(landed) => fits(landed, fields).then_some(Fulfilled::Found),
        Outcome::Pass | Outcome::Stale(..) => Some(Fulfilled::Found),
        Outcome::Outdated => None,
        Outcome::Lost(_) | Outcome::WaitTimedOut => Some(Fulfilled::Failed),
    }
}

/// What a call is good for, by what became of its answer on the far side.
fn left(delivery: Option<Delivery>) -> Fulfilled {
    match delivery {
        Some(Delivery::Stored) => Fulfilled::Renewed,
        Some(Delivery::Overtaken) => Fulfilled::Found,
        Some(Delivery::Failed) => Fulfilled::Failed,
        Some(Delivery::TooLarge) => {
            Fulfilled::Unkept(Some("answers are too large for the far side"))
        }
        Some(Delivery::Unwritten) => Fulfilled::Unkept(Some("answers are for one process alone")),
        // Nothing was kept: it may not be, or a purge has overtaken it.
        None => Fulfilled::Unkept(None),
    }
}

/// What it takes to know how a call ended.
struct Ending {
    route: Arc<Route>,
    question: Question,
    fields: HeaderMap,
    began: Moment,
}

impl Ending {
    /// Whether it brought an answer, whole and in time.
    fn is_sound<B, E>(
        &self,
        outcome: &Outcome<Held, Partial>,
        mut own: oneshot::Receiver<Own<B, E>>,
    ) -> bool {
        match outcome {
            Outcome::Landed(Landed { fate, answer, .. }) => match (fate, answer) {
                (Fate::Failed, _) => false,
                (Fate::Stored, Answer::Partial(_)) => self.is_whole(),
                _ => true,
            },
            // It may not be shared; an error says nothing of that.
            Outcome::Pass => !matches!(
                own.try_recv(),
                Ok(Own::Response(response, _)) if policy::is_failure(response.status())
            ),
            _ => false,
        }
    }

    /// Whether the answer that began well has ended well: it is kept, or it turned out too large to be.
    fn is_whole(&self) -> bool {
        let now = self.route.shared.engine.now();
        match self.question.look_there(&self.route, &self.fields, now) {
            Look::Serve { entry, .. } => match entry.value() {
                Held::Response(stored) => stored.head.arrived >= self.began,
                Held::Variants(_) => false,
            },
            Look::Uncacheable => true,
            Look::Fetch { .. } => false,
        }
    }
}
