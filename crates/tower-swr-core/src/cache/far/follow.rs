use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{Either, select};

use super::Far;
use crate::cache::{Cache, Shared};
use crate::clock::{Clock, Sleep};
use crate::far::{Invalidation, LogEvent, LogFollower, LogPosition};
use crate::rng::Rng;

impl<V: Send + Sync + 'static, P: Clone + Send + Sync + 'static> Cache<V, P> {
    /// Begins to follow the log, unless that is done already: before anything from beyond is kept.
    #[inline]
    pub(super) fn follow(&self, far: &Arc<Far>) {
        if !far.is_followed.load(Ordering::Relaxed) {
            self.begin_to_follow(far);
        }
    }

    #[cold]
    fn begin_to_follow(&self, far: &Arc<Far>) {
        if far.is_followed.swap(true, Ordering::AcqRel) {
            return;
        }
        let following = Following(Arc::clone(&far.is_followed));
        let mut follower = far.log.follow();
        if far.was_followed.swap(true, Ordering::AcqRel) {
            // Its runtime has ended, and nobody has listened since.
            self.clear();
        }
        let patience = Patience {
            clock: Arc::clone(&self.shared.clock),
            rng: Arc::clone(&self.shared.rng),
            span: far.max_suspect,
        };
        // Until the first word comes something may be missed.
        let mut over = patience.begin();
        // Where the log is in reach it comes at once, and no flight has to wait for a turn of the task.
        let first = follower.next().now_or_never();
        if let Some(event) = first {
            over = patience.after(event, over);
            self.hear(far, event);
        }
        let listening = listen(follower, patience, over, Arc::downgrade(&self.shared));
        let mut closing = far.closing.subscribe();
        far.spawn.spawn(Box::pin(async move {
            let _following = following;
            let closed = std::pin::pin!(closing.changed());
            select(Box::pin(listening), closed).await;
        }));
    }

    fn hear(&self, far: &Far, event: LogEvent) {
        match event {
            LogEvent::Invalidated {
                invalidation,
                position,
            } => {
                if invalidation.source != far.source {
                    self.carry_out(invalidation);
                }
                far.hear_up_to(position);
            }
            LogEvent::Suspect => far.is_suspect.store(true, Ordering::Relaxed),
            LogEvent::Replayed => far.catch_up(),
            LogEvent::HistoryLost => {
                self.clear();
                // It may count from an earlier place now.
                far.heard.send_replace(None);
                far.catch_up();
            }
        }
    }

    fn carry_out(
        &self,
        Invalidation {
            subject, is_soft, ..
        }: Invalidation,
    ) {
        match is_soft {
            true => self.soften(subject),
            false => self.invalidate(subject),
        }
    }
}

/// How long a flight waits until what it knows to be recorded is carried out here. It takes a turn of the task that listens,
/// and never more than that matters: the answer is then made once more.
const HEARING: Duration = Duration::from_millis(5);

impl Far {
    fn catch_up(&self) {
        self.is_suspect.store(false, Ordering::Relaxed);
        self.hear_up_to(self.log.position());
    }

    /// The log's position is ahead of its events, so what they name may lie behind what was caught up with.
    fn hear_up_to(&self, position: LogPosition) {
        self.heard.send_if_modified(|heard| {
            let is_news = *heard < Some(position);
            *heard = (*heard).max(Some(position));
            is_news
        });
    }

    /// Waits until the far side is known, in a process that has only just begun. The first word of the log empties the memory,
    /// and what is asked before that would count for nobody else.
    #[inline]
    pub(super) async fn meet(&self, clock: &Arc<dyn Clock>) {
        if !self.is_met.load(Ordering::Relaxed) {
            Box::pin(self.meet_first(clock)).await;
        }
    }

    #[cold]
    async fn meet_first(&self, clock: &Arc<dyn Clock>) {
        self.store.first_contact().await;
        if self.store.health().is_up() {
            self.hear_out(LogPosition::ORIGIN, clock).await;
        }
        self.is_met.store(true, Ordering::Relaxed);
    }

    /// Waits until everything up to `position` was carried out here, as nearly always it has been.
    pub(super) async fn hear_out(&self, position: LogPosition, clock: &Arc<dyn Clock>) {
        let mut heard = self.heard.subscribe();
        let is_heard = move |heard: &Option<LogPosition>| *heard >= Some(position);
        if !is_heard(&heard.borrow()) {
            let heard = std::pin::pin!(heard.wait_for(is_heard));
            select(heard, clock.sleep(HEARING)).await;
        }
    }
}

/// Listens as long as the cache lives.
async fn listen<V, P>(
    mut follower: Box<dyn LogFollower>,
    patience: Patience,
    mut over: Option<Sleep>,
    shared: Weak<Shared<V, P>>,
) where
    V: Send + Sync + 'static,
    P: Clone + Send + Sync + 'static,
{
    loop {
        let event = hear_before(&mut *follower, over.as_mut()).await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let cache = Cache { shared };
        let Some(event) = event else {
            cache.clear();
            over = patience.begin();
            continue;
        };
        over = patience.after(event, over);
        if let Some(far) = &cache.shared.far {
            cache.hear(far, event);
        }
    }
}

/// The next event; nothing where patience is over before.
async fn hear_before(follower: &mut dyn LogFollower, over: Option<&mut Sleep>) -> Option<LogEvent> {
    match over {
        None => Some(follower.next().await),
        Some(over) => match select(follower.next(), over).await {
            Either::Left((event, _)) => Some(event),
            Either::Right(_) => None,
        },
    }
}

/// How long what is kept will do while nobody knows what was invalidated.
struct Patience {
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    span: Option<Duration>,
}

/// What chance takes of it at most: all processes lose the log at once, and are not to empty their memories at once.
const EARLIER: f64 = 0.2;

impl Patience {
    /// Its end, where it has one.
    fn begin(&self) -> Option<Sleep> {
        let earlier = 1.0 - EARLIER * self.rng.roll();
        let span = self.span.map(|span| span.mul_f64(earlier));
        span.map(|span| self.clock.sleep(span))
    }

    /// Its end once `event` was heard.
    fn after(&self, event: LogEvent, over: Option<Sleep>) -> Option<Sleep> {
        match event {
            LogEvent::Suspect if over.is_none() => self.begin(),
            LogEvent::Replayed | LogEvent::HistoryLost => None,
            LogEvent::Suspect | LogEvent::Invalidated { .. } => over,
        }
    }
}

/// Tells when nobody listens any more, or where nobody ever did.
#[derive(Debug)]
struct Following(Arc<AtomicBool>);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
