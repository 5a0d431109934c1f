//! After everything was purged: a few origin calls at a time, whatever is asked for.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::clock::Moment;

/// Limits the origin calls while an empty cache fills again.
///
/// A purge of everything turns all that is asked for into misses. One call per key is then still a call for each key
/// there is, all at once, and an origin that was kept alive by the cache is not built for that.
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

impl Refills {
    pub(super) fn new(at_one_time: usize) -> Self {
        Self {
            turns: Semaphore::new(at_one_time.clamp(1, Semaphore::MAX_PERMITS)),
            under_way: Mutex::default(),
        }
    }

    /// `entries` are gone, at the time `now`.
    pub(super) fn begin(&self, entries: usize, now: Moment) {
        let under_way = UnderWay {
            left: entries,
            until: now.after(LONGEST),
        };
        *self.lock() = (entries > 0).then_some(under_way);
    }

    /// Waits for a turn to call the origin, where calls are limited at the time `now`.
    pub(super) async fn turn(&self, now: Moment) -> Option<SemaphorePermit<'_>> {
        if !self.counts(now) {
            return None;
        }
        // It is never closed.
        self.turns.acquire().await.ok()
    }

    fn counts(&self, now: Moment) -> bool {
        let mut under_way = self.lock();
        let Some(refill) = under_way.as_mut().filter(|refill| refill.until > now) else {
            *under_way = None;
            return false;
        };
        refill.left -= 1;
        if refill.left == 0 {
            *under_way = None;
        }
        true
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<UnderWay>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn nobody_waits_unless_everything_was_purged() {
        let refills = Refills::new(1);
        for _ in 0..3 {
            let turn = refills.turn(Moment::ORIGIN).now_or_never();
            assert!(turn.expect("at once").is_none());
        }
    }

    #[test]
    fn so_many_at_one_time_until_all_are_filled_again() {
        let refills = Refills::new(2);
        refills.begin(4, Moment::ORIGIN);
        let turn = || refills.turn(Moment::ORIGIN).now_or_never();
        let (first, second) = (turn(), turn());
        assert!(turn().is_none(), "a third one waits");
        drop(first);
        assert!(turn().is_some(), "a fourth one has its turn");
        assert!(turn().expect("at once").is_none(), "all are filled");
        drop(second);
    }

    #[test]
    fn the_limit_ends_with_its_time() {
        let refills = Refills::new(1);
        refills.begin(4, Moment::ORIGIN);
        let late = Moment::ORIGIN.after(LONGEST);
        let turn = refills.turn(late).now_or_never();
        assert!(turn.expect("at once").is_none());
    }

    #[test]
    fn who_gives_up_waiting_takes_no_turn() {
        let refills = Refills::new(1);
        refills.begin(9, Moment::ORIGIN);
        let held = refills.turn(Moment::ORIGIN).now_or_never();
        assert!(refills.turn(Moment::ORIGIN).now_or_never().is_none());
        drop(held);
        assert!(refills.turn(Moment::ORIGIN).now_or_never().is_some());
    }
}
