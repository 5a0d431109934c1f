//! One run of a worker: it says that it is there, takes jobs while it has a free hand, and ends in order.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::{Either, join, select};
use http::{Request, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tower_service::Service;
use tower_swr_core::TakenJob;

use super::Desk;
use super::stats::Count;
use super::toil::Toil;

/// How often it says that it is there.
const ATTEND_EVERY: Duration = Duration::from_secs(1);
/// The pause after the queue had no answer, doubled by a roll of the die at most.
const PAUSE: Duration = Duration::from_millis(250);

pub(super) struct Shift<S> {
    desk: Arc<Desk>,
    service: S,
    hands: Arc<Semaphore>,
    /// Whether jobs could be taken when that was tried last.
    can_take: AtomicBool,
    stopping: watch::Sender<bool>,
    /// Its end is the end of all that still runs.
    closing: watch::Sender<()>,
}

impl<S> Shift<S> {
    pub(super) fn new(desk: Arc<Desk>, service: S) -> Self {
        Self {
            hands: Arc::new(Semaphore::new(desk.concurrency)),
            desk,
            service,
            can_take: AtomicBool::new(true),
            stopping: watch::Sender::default(),
            closing: watch::Sender::default(),
        }
    }

    pub(super) async fn run_until<A, B>(self, stop: impl Future<Output = ()>)
    where
        S: Service<Request<A>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Send + 'static,
        A: Default + Send + 'static,
        B: Send + 'static,
    {
        let Self {
            desk,
            service,
            hands,
            can_take,
            stopping,
            closing,
        } = self;
        let (desk, closing) = (&desk, &closing);
        // It owns the service, which need not be shared between threads.
        let run = move |job: TakenJob, hand: OwnedSemaphorePermit| {
            let toil = Toil::<S, A>::new(Arc::clone(desk), service.clone());
            let mut closed = closing.subscribe();
            desk.spawn.spawn(Box::pin(async move {
                let closed = pin!(closed.changed());
                select(pin!(toil.work_off::<B>(job)), closed).await;
                drop(hand);
            }));
        };
        let attending = attend(desk, &can_take, stopping.subscribe());
        let taking = take(desk, (&hands, &can_take), stopping.subscribe(), run);
        let mut working = pin!(join(attending, taking));
        // It does not end before it is told to.
        select(pin!(stop), &mut working).await;
        stopping.send_replace(true);
        let ending = async {
            working.await;
            let all = u32::try_from(desk.concurrency).unwrap_or(u32::MAX);
            // Nobody closes it.
            let _ = hands.acquire_many(all).await;
        };
        if let Either::Right(_) = select(pin!(ending), desk.clock.sleep(desk.drain)).await {
            let unfinished = desk.concurrency - hands.available_permits();
            tracing::warn!(unfinished, "refreshes are left to other workers");
        }
    }
}

/// Says that a worker is there, whatever it has in its hands; but not where it gets nothing into them: nobody must wait for it
/// then.
async fn attend(desk: &Desk, can_take: &AtomicBool, mut stopping: watch::Receiver<bool>) {
    while !*stopping.borrow() {
        if can_take.load(Ordering::Relaxed)
            && let Err(reason) = desk.queue.attend().await
        {
            desk.counts.add(Count::QueueFailure);
            tracing::debug!(%reason, "it could not be said that a worker is there");
        }
        pause(desk, ATTEND_EVERY, &mut stopping).await;
    }
}

/// Takes jobs and has them done.
async fn take(
    desk: &Desk,
    (hands, can_take): (&Arc<Semaphore>, &AtomicBool),
    mut stopping: watch::Receiver<bool>,
    mut run: impl FnMut(TakenJob, OwnedSemaphorePermit),
) {
    while let Some(hand) = free_hand(hands, &mut stopping).await {
        let most = 1 + hands.available_permits();
        let taken = desk.queue.take(most).await;
        can_take.store(taken.is_ok(), Ordering::Relaxed);
        match taken {
            Ok(jobs) => {
                let mut free = Some(hand);
                for job in jobs {
                    // There is one for each: nobody else takes any.
                    let hand = match free.take() {
                        Some(hand) => Ok(hand),
                        None => Arc::clone(hands).acquire_owned().await,
                    };
                    if let Ok(hand) = hand {
                        run(job, hand);
                    }
                }
            }
            Err(reason) => {
                desk.counts.add(Count::QueueFailure);
                tracing::debug!(%reason, "no jobs could be taken");
                let span = PAUSE.mul_f64(1.0 + desk.rng.roll());
                pause(desk, span, &mut stopping).await;
            }
        }
    }
}

/// A hand for one more; none once the worker is to stop.
async fn free_hand(
    hands: &Arc<Semaphore>,
    stopping: &mut watch::Receiver<bool>,
) -> Option<OwnedSemaphorePermit> {
    let stopped = pin!(stopping.wait_for(|is_stopping| *is_stopping));
    match select(stopped, pin!(Arc::clone(hands).acquire_owned())).await {
        Either::Left(_) => None,
        Either::Right((hand, _)) => hand.ok(),
    }
}

async fn pause(desk: &Desk, span: Duration, stopping: &mut watch::Receiver<bool>) {
    let stopped = pin!(stopping.wait_for(|is_stopping| *is_stopping));
    select(stopped, desk.clock.sleep(span)).await;
}
