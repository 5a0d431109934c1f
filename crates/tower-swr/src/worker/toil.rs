//! One job, from the queue through the service and back.

use std::marker::PhantomData;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{Either, select};
use http::{Request, Response};
use tower_service::Service;
use tower_swr_core::{RefreshPolicy, TakenJob};

use super::Desk;
use super::stats::Count;
use crate::call::call;
use crate::job::Job;
use crate::order::{Fulfilled, Order};
use crate::via;

pub(super) struct Toil<S, A> {
    desk: Arc<Desk>,
    service: S,
    body: PhantomData<fn() -> A>,
}

/// Between two messages about one key.
const HEARING: Duration = Duration::from_millis(100);
/// The first pause after a failure; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

impl<S, A> Toil<S, A> {
    pub(super) fn new(desk: Arc<Desk>, service: S) -> Self {
        Self {
            desk,
            service,
            body: PhantomData,
        }
    }

    /// Does the job and gives it back, done or to be tried again.
    pub(super) async fn work_off<B>(self, job: TakenJob)
    where
        S: Service<Request<A>, Response = Response<B>>,
        A: Default,
    {
        let desk = self.desk;
        let how = match Job::read(&job.payload) {
            Some(told) => {
                let order = Arc::new(Order::new(told, job.key));
                let made = make(&desk, self.service, Arc::clone(&order)).await;
                if let Some(why) = made.remark {
                    desk.remarks.make(order.scope(), why);
                }
                made.count
            }
            None => Count::Unreadable,
        };
        desk.counts.add(how);
        let given_back = match how {
            Count::Failed => {
                let pauses = RefreshPolicy {
                    back_off_base: FIRST_PAUSE,
                    ..RefreshPolicy::default()
                };
                let pause = pauses.back_off(job.attempt, desk.rng.roll());
                tracing::warn!(key = %job.key, attempt = job.attempt, "a refresh failed");
                desk.queue.retry(job, pause).await
            }
            Count::Unreadable => {
                // Tried again it would not be read either.
                desk.remarks
                    .make("", "they are of another release, or damaged");
                desk.queue.decline(job).await
            }
            Count::Unkept => {
                // Whoever waits has heard just now that the lease is free, and has to listen again before there is more to say.
                desk.clock.sleep(HEARING).await;
                desk.queue.decline(job).await
            }
            Count::Refused | Count::Unmet | Count::Late => desk.queue.decline(job).await,
            _ => desk.queue.done(job).await,
        };
        if let Err(reason) = given_back {
            desk.counts.add(Count::QueueFailure);
            tracing::debug!(%reason, "a refresh could not be given back: it will be handed out again");
        }
    }
}

/// What became of an order.
struct Made {
    count: Count,
    /// What people should know of it.
    remark: Option<&'static str>,
}

const UNMET: &str = "no layer of this scope took part: there is none on the route, or something before it has answered";

/// Hands the order to the service, and waits for what becomes of it.
async fn make<S, A, B>(desk: &Desk, service: S, order: Arc<Order>) -> Made
where
    S: Service<Request<A>, Response = Response<B>>,
    A: Default,
{
    let mut request = order.request(A::default());
    via::order(Arc::clone(&order), request.extensions_mut());
    let answering = AssertUnwindSafe(call(service, request, || ())).catch_unwind();
    let answered = match select(pin!(answering), desk.clock.sleep(desk.limit)).await {
        Either::Left((Ok(Ok(response)), _)) => Some(response.status()),
        // An error, a panic, or no answer in time.
        Either::Left(_) | Either::Right(_) => None,
    };
    let (count, remark) = match (order.fulfilled(), answered) {
        (Some(Fulfilled::Renewed), _) => (Count::Renewed, None),
        (Some(Fulfilled::Found), _) => (Count::Found, None),
        (Some(Fulfilled::Late), _) => (Count::Late, None),
        (Some(Fulfilled::Unkept(why)), _) => (Count::Unkept, why),
        (Some(Fulfilled::Refused(why)), _) => (Count::Refused, Some(why)),
        (Some(Fulfilled::Failed), _) => (Count::Failed, None),
        (None, Some(status)) if !status.is_server_error() => (Count::Unmet, Some(UNMET)),
        (None, _) => (Count::Failed, None),
    };
    Made { count, remark }
}
