use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::{Duration, SystemTime};

use slab::Slab;

use crate::clock::{Clock, Moment, Sleep};

/// A clock that stands still until it is told to move. Clones share the hands.
///
/// ```
/// use std::time::Duration;
/// use tower_swr_core::Clock;
/// use tower_swr_core::testing::ManualClock;
///
/// let clock = ManualClock::default();
/// let start = clock.now();
/// clock.advance(Duration::from_millis(1));
/// assert_eq!(clock.now().since(start), Duration::from_millis(1));
/// ```
#[derive(Clone, Debug)]
pub struct ManualClock {
    hands: Arc<Mutex<Hands>>,
}

#[derive(Debug)]
struct Hands {
    now: Moment,
    wall: SystemTime,
    sleepers: Slab<(Moment, Waker)>,
}

impl Default for ManualClock {
    /// A clock at its origin, on 2026-01-01.
    fn default() -> Self {
        const NEW_YEAR_2026: Duration = Duration::from_secs(1_767_225_600);
        Self {
            hands: Arc::new(Mutex::new(Hands {
                now: Moment::ORIGIN,
                wall: SystemTime::UNIX_EPOCH + NEW_YEAR_2026,
                sleepers: Slab::new(),
            })),
        }
    }
}

impl ManualClock {
    /// Moves time on by `span`, and wakes those whose wait is over.
    pub fn advance(&self, span: Duration) {
        let mut hands = self.hands();
        hands.now = hands.now.after(span);
        hands.wall = hands.wall.checked_add(span).unwrap_or(hands.wall);
        let now = hands.now;
        let due: Vec<usize> = (hands.sleepers.iter())
            .filter(|(_, (until, _))| *until <= now)
            .map(|(place, _)| place)
            .collect();
        let wakers: Vec<Waker> = due
            .into_iter()
            .map(|place| hands.sleepers.remove(place).1)
            .collect();
        drop(hands);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Sets the wall clock, as NTP or an operator might, without moving time.
    pub fn step_wall(&self, wall: SystemTime) {
        self.hands().wall = wall;
    }

    /// How many waits are under way.
    #[must_use]
    pub fn sleepers(&self) -> usize {
        self.hands().sleepers.len()
    }

    fn hands(&self) -> MutexGuard<'_, Hands> {
        self.hands.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Moment {
        self.hands().now
    }

    fn wall(&self) -> SystemTime {
        self.hands().wall
    }

    fn sleep(&self, span: Duration) -> Sleep {
        let mut sleeper = Sleeper {
            clock: self.clone(),
            until: self.now().after(span),
            place: None,
        };
        Box::pin(poll_fn(move |cx| sleeper.poll(cx.waker())))
    }
}

struct Sleeper {
    clock: ManualClock,
    until: Moment,
    place: Option<usize>,
}

impl Sleeper {
    fn poll(&mut self, waker: &Waker) -> Poll<()> {
        let mut hands = self.clock.hands();
        if hands.now >= self.until {
            // Whoever moved the hands has taken the waker out.
            self.place = None;
            return Poll::Ready(());
        }
        match self.place {
            Some(place) => hands.sleepers[place].1 = waker.clone(),
            None => self.place = Some(hands.sleepers.insert((self.until, waker.clone()))),
        }
        Poll::Pending
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let mut hands = self.clock.hands();
        if let Some(place) = self.place
            && hands.now < self.until
        {
            hands.sleepers.remove(place);
        }
    }
}
