//! After everything was purged: a few origin calls at a time, whatever is asked for.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::clock::{Clock, Moment};

tokio::task_local! {
    /// The origin call that runs has a turn. What it needs of the cache itself must not wait for another one.
    static HAS_TURN: ();
}

/// Limits the origin calls while an empty cache fills again.
///
/// A purge of everything turns all that is asked for into misses. One call per key is then still a call for each key
/// there is, all at once, and an origin that was kept alive by the cache is not built for that.
///
/// It protects and excludes nobody: who has waited for as long as a call may take, or until the refill is over, goes on
/// without a turn.
#[derive(Debug)]
pub(super) struct Refills {
    turns: Semaphore,
    under_way: Mutex<Option<UnderWay>>,
}

#[derive(Clone, Copy, Debug)]
struct UnderWay {
    /// How many calls are still limited.
    left: usize,
    until: Moment,
}

/// The longest time for which calls are limited: what has not been asked for by then is not what the load is made of.
const LONGEST: Duration = Duration::from_secs(60);

/// Whether the task is an origin call that has a turn.
pub(super) fn is_within_a_turn() -> bool {
    HAS_TURN.try_with(|()| ()).is_ok()
}

impl Refills {
    pub(super) fn new(at_one_time: usize) -> Self {
        Self {
            turns: Semaphore::new(at_one_time.clamp(1, Semaphore::MAX_PERMITS)),
            under_way: Mutex::default(),
        }
    }

    /// `entries` are gone, at the time `now`. Where a refill is under way, what it has not reached yet is missing still.
    pub(super) fn begin(&self, entries: usize, now: Moment) {
        let mut under_way = self.lock();
        let missing = under_way
            .filter(|refill| refill.until > now)
            .map_or(0, |refill| refill.left);
        let left = entries.max(missing);
        *under_way = (left > 0).then_some(UnderWay {
            left,
            until: now.after(LONGEST),
        });
    }

    /// Waits for a turn to call the origin, where calls are limited, for `patience` at most.
    pub(super) async fn turn(
        &self,
        clock: &Arc<dyn Clock>,
        patience: Duration,
    ) -> Option<SemaphorePermit<'_>> {
        let now = clock.now();
        let until = self.counts(now)?;
        if let Ok(turn) = self.turns.try_acquire() {
            return Some(turn);
        }
        let over = clock.sleep(until.since(now).min(patience));
        match select(Box::pin(self.turns.acquire()), over).await {
            // It is never closed.
            Either::Left((turn, _)) => turn.ok(),
            Either::Right(_) => None,
        }
    }

    /// Makes a call in its turn, if it has one.
    pub(super) async fn within<T>(
        turn: Option<SemaphorePermit<'_>>,
        call: impl Future<Output = T>,
    ) -> T {
        match turn {
            Some(_turn) => HAS_TURN.scope((), call).await,
            None => call.await,
        }
    }

    /// Counts a call, if it is limited: until when calls are.
    fn counts(&self, now: Moment) -> Option<Moment> {
        let mut under_way = self.lock();
        let Some(refill) = under_way.as_mut().filter(|refill| refill.until > now) else {
            *under_way = None;
            return None;
        };
        let until = refill.until;
        refill.left -= 1;
        if refill.left == 0 {
            *under_way = None;
        }
        Some(until)
    }

    fn lock(&self) -> MutexGuard<'_, Option<UnderWay>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::clock::SystemClock;

    fn clock() -> Arc<dyn Clock> {
        Arc::new(SystemClock::default())
    }

    /// The turn that is there at once: none where calls are not limited, nothing where it has to be waited for.
    fn turn<'r>(
        refills: &'r Refills,
        clock: &Arc<dyn Clock>,
    ) -> Option<Option<SemaphorePermit<'r>>> {
        refills.turn(clock, Duration::MAX).now_or_never()
    }

    #[test]
    fn nobody_waits_unless_everything_was_purged() {
        let (refills, clock) = (Refills::new(1), clock());
        for _ in 0..3 {
            assert!(turn(&refills, &clock).expect("at once").is_none());
        }
    }

    #[test]
    fn so_many_at_one_time_until_all_are_filled_again() {
        let (refills, clock) = (Refills::new(2), clock());
        refills.begin(4, clock.now());
        let (first, second) = (turn(&refills, &clock), turn(&refills, &clock));
        assert!(turn(&refills, &clock).is_none(), "a third one waits");
        drop(first);
        assert!(
            turn(&refills, &clock).is_some(),
            "a fourth one has its turn"
        );
        assert!(
            turn(&refills, &clock).expect("at once").is_none(),
            "all are filled"
        );
        drop(second);
    }

    #[test]
    fn who_gives_up_waiting_takes_no_turn() {
        let (refills, clock) = (Refills::new(1), clock());
        refills.begin(9, clock.now());
        let held = turn(&refills, &clock);
        assert!(turn(&refills, &clock).is_none());
        drop(held);
        assert!(turn(&refills, &clock).is_some());
    }

    #[test]
    fn a_second_purge_does_not_end_the_limit_of_the_first() {
        let (refills, clock) = (Refills::new(1), clock());
        refills.begin(9, clock.now());
        refills.begin(0, clock.now());
        let _held = turn(&refills, &clock);
        assert!(turn(&refills, &clock).is_none());
    }
}
