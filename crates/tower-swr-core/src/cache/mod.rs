//! The engine: looks up, decides, joins flights, runs fills and refreshes.
//!
//! A request's way through it:
//!
//! 1. [`Cache::look`] is a plain function: one look-up, one decision. A hit ends here.
//! 2. A stale hit [reserves](Cache::reserve_refresh) the key's refresh, answers, and lets the queue run it.
//! 3. A miss [joins](Cache::join) the key's flight. Who leads hands the origin call to [`Fill::spawn`], which runs it
//!    in a task of its own, and then waits like everybody else: a client that hangs up harms nobody.

mod builder;
mod call;
mod commit;
mod far;
mod fetched;
mod fill;
mod get;
mod purge;
mod refills;
mod standing_in;
mod stats;
mod stream;
mod waiting;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio_util::task::TaskTracker;

pub use builder::CacheBuilder;
use far::Far;
pub use far::{Decoded, Delivered, Delivery, Encoded, FarCodec, FarStats, Purged, Reach, Received};
pub use fetched::{Answer, Beside, Ending, Fate, Fetched, Keep, Landed, Product, Remember, Rest};
pub use fill::Fill;
pub use get::{GetError, Made, NoPartial};
use purge::Sweeps;
use refills::Refills;
pub use stats::CacheStats;
pub use waiting::{Outcome, StaleReason, Waiting};

use crate::clock::{Clock, Moment};
use crate::decision::{Decision, Kept, Mode, decide};
use crate::entry::{Entry, Slot};
use crate::flight::{Flights, Join, Landing};
use crate::invalidation::Invalidations;
use crate::key::{Key, KeyRef};
use crate::lifetime::Freshness;
use crate::observe::{Event, Observer};
use crate::origin_calls::OriginCalls;
use crate::queue::{RefreshQueue, Ticket};
use crate::refresh::RefreshPolicy;
use crate::rng::Rng;
use crate::spawn::Spawn;
use crate::store::MemoryStore;

/// How a scope's flights and refreshes behave.
///
/// ```
/// use std::time::Duration;
/// use tower_swr_core::FlightPolicy;
///
/// let policy = FlightPolicy { origin_timeout: Duration::from_secs(5), ..FlightPolicy::default() };
/// assert_eq!(policy.wait_timeout, Duration::from_secs(55));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FlightPolicy {
    /// How long an origin may take to begin its answer; then the call is cancelled and the key is free. Default 60 s.
    pub origin_timeout: Duration,
    /// How long anybody waits for a flight. Default 55 s.
    pub wait_timeout: Duration,
    /// How long anybody waits where an older value may stand in for a failing origin. Default 1 s.
    pub soft_timeout: Duration,
    /// How long a key is remembered as one whose answers may not be shared. Default 120 s.
    pub uncacheable_for: Duration,
    /// How many refreshes of the scope run at one time; with 0, one does. Default 16.
    pub refreshes: usize,
    /// Jitter and back-off.
    pub refresh: RefreshPolicy,
}

impl Default for FlightPolicy {
    fn default() -> Self {
        Self {
            origin_timeout: Duration::from_secs(60),
            wait_timeout: Duration::from_secs(55),
            soft_timeout: Duration::from_secs(1),
            uncacheable_for: Duration::from_secs(120),
            refreshes: 16,
            refresh: RefreshPolicy::default(),
        }
    }
}

/// A cache of values `V`, with `P` for answers that are still under way. A handle: clones share everything.
pub struct Cache<V, P = NoPartial> {
    shared: Arc<Shared<V, P>>,
}

struct Shared<V, P> {
    near: MemoryStore<V>,
    flights: Flights<Key, Landed<V, P>>,
    invalidations: Invalidations,
    sweeps: Sweeps,
    origin_calls: Arc<OriginCalls>,
    queue: RefreshQueue,
    refills: Refills,
    far: Option<Arc<Far>>,
    tasks: TaskTracker,
    mode: AtomicU8,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    spawn: Arc<dyn Spawn>,
    observer: Arc<dyn Observer>,
}

/// What a look-up says.
#[derive(Debug)]
pub enum Look<V> {
    /// Answer with it.
    Serve {
        /// What is kept.
        entry: Arc<Entry<V>>,
        /// Its age.
        age: Duration,
        /// Whether a refresh is due.
        refresh: bool,
    },
    /// This key's answers may not be shared: ask the origin without a flight.
    Uncacheable,
    /// Ask the origin, through a flight.
    Fetch {
        /// What is kept all the same, too old to be served.
        old: Option<Arc<Entry<V>>>,
        /// Whether `old` may stand in where the origin fails.
        fallback: bool,
    },
}

/// What joining a key's flight makes of the caller.
#[derive(Debug)]
pub enum Joined<V, P> {
    /// Nobody flies: the caller makes the origin call.
    Lead(Fill<V, P>),
    /// Somebody flies already.
    Wait(Waiting<V, P>),
    /// The flight that was missed a moment ago has left something: look at this instead.
    Again(Look<V>),
}

/// Why a flight is joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Nothing can be served.
    Miss,
    /// What is served is due to be renewed.
    Refresh,
    /// What could be served is not wanted: the origin is to be asked in any case.
    Revalidate,
    /// What another process serves is due to be renewed, whatever is kept here: see [`Fill::instead_of`].
    Remote,
}

impl Purpose {
    /// Whether an entry that can be served is no reason to stop; `due` is whether its refresh is.
    fn wants_more_than(self, due: bool) -> bool {
        match self {
            Self::Miss => false,
            Self::Refresh => due,
            Self::Revalidate | Self::Remote => true,
        }
    }
}

impl<V: Send + Sync + 'static, P: Clone + Send + Sync + 'static> Cache<V, P> {
    /// Looks `key` up at the time `now`, and decides. In [`Mode::Off`] it finds nothing.
    #[must_use]
    #[inline]
    pub fn look(&self, key: &KeyRef<'_>, mode: Mode, now: Moment) -> Look<V> {
        if mode == Mode::Off {
            return Look::Fetch {
                old: None,
                fallback: false,
            };
        }
        let slot = self.shared.near.get(key);
        match slot.filter(|slot| slot.admitted_by(&self.shared.invalidations)) {
            Some(Slot::Kept(entry)) => judge(entry, mode, now),
            Some(Slot::Uncacheable(mark)) if is_fresh(&mark, now) => Look::Uncacheable,
            _ => Look::Fetch {
                old: None,
                fallback: false,
            },
        }
    }

    /// Joins the flight of `key`, or begins one.
    ///
    /// Who would begin one looks once more first: the flight that was missed may have landed since. It does not look at
    /// the [mode](Cache::mode), since a caller may have one of its own: whoever is in [`Mode::Off`] does not join, and
    /// what comes of a flight is kept as [`Fetched`] says.
    #[must_use]
    pub fn join(
        &self,
        key: &KeyRef<'_>,
        policy: &Arc<FlightPolicy>,
        purpose: Purpose,
    ) -> Joined<V, P> {
        // In this order: a purge between the two then counts as one before the flight, which is right, since its origin
        // call has not begun. The other way round it would detach a flight that nobody has joined yet.
        let oldest = self
            .shared
            .invalidations
            .newest_of_any_kind(|| key.subjects());
        let born = self.shared.invalidations.epoch();
        let leader = match self.shared.flights.join(key, born.count(), oldest.count()) {
            Join::Waiter(waiter) => {
                let policy = Arc::clone(policy);
                return Joined::Wait(Waiting::new(self.clone(), waiter, born, policy));
            }
            Join::Leader(leader) => leader,
        };
        // As normal, whatever the cache's mode is: this only looks for what a flight has left in the meantime. Who may
        // serve something older, in the mode they are in, found it before they joined.
        let old = match self.look(key, Mode::Normal, self.now()) {
            Look::Fetch { old, .. } => old,
            Look::Serve { entry, refresh, .. } if purpose.wants_more_than(refresh) => Some(entry),
            again => {
                leader.land(landing_of(&again));
                return Joined::Again(again);
            }
        };
        Joined::Lead(Fill::new(
            self.clone(),
            leader,
            born,
            Arc::clone(policy),
            old,
            purpose,
        ))
    }

    /// Waits for the flight of `key` if one is open; never begins one.
    #[must_use]
    pub fn attend(&self, key: &KeyRef<'_>, policy: &Arc<FlightPolicy>) -> Option<Waiting<V, P>> {
        let oldest = self
            .shared
            .invalidations
            .newest_of_any_kind(|| key.subjects());
        let now = self.shared.invalidations.epoch();
        let waiter = self.shared.flights.attend(key, oldest.count())?;
        let policy = Arc::clone(policy);
        Some(Waiting::new(self.clone(), waiter, now, policy))
    }

    /// Asks for the right to refresh `key`: none is given while somebody has it, while the queue is full of those who
    /// have to wait like this one, or once it is closed.
    #[must_use]
    pub fn reserve_refresh(&self, key: &KeyRef<'_>, policy: &FlightPolicy) -> Option<Refresh> {
        match self.shared.queue.reserve(key, policy.refreshes) {
            Ok(ticket) => Some(Refresh(ticket)),
            Err(crate::queue::Declined::Duplicate) => None,
            Err(crate::queue::Declined::Full) => {
                self.observe(&Event::RefreshRefused);
                None
            }
        }
    }

    /// Switches the whole cache, from the next request on: [`Cache::get`] goes by it. Who looks and joins on their own
    /// says in which mode they look, and, for a call that ends in [`Mode::Off`], that its answer is not kept.
    pub fn set_mode(&self, mode: Mode) {
        self.shared.mode.store(mode as u8, Ordering::Relaxed);
    }

    /// How the whole cache is switched.
    #[must_use]
    #[inline]
    pub fn mode(&self) -> Mode {
        Mode::from_bits(self.shared.mode.load(Ordering::Relaxed))
    }

    /// The time by the cache's clock.
    #[must_use]
    #[inline]
    pub fn now(&self) -> Moment {
        self.shared.clock.now()
    }

    /// The cache's clock.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.shared.clock
    }

    /// The most that one entry may weigh, in bytes.
    #[must_use]
    pub fn largest_entry(&self) -> usize {
        self.shared.near.largest_entry()
    }

    /// Begins no more refreshes, and waits until the fills and refreshes that run have ended, at most for `deadline`:
    /// how many still run then.
    ///
    /// # Cancel safety
    ///
    /// No refresh begins afterwards, whether the wait was dropped or not.
    pub async fn drain(&self, deadline: Duration) -> usize {
        self.shared.queue.close();
        self.shared.tasks.close();
        let ended = std::pin::pin!(self.shared.tasks.wait());
        match select(ended, self.shared.clock.sleep(deadline)).await {
            Either::Left(_) => 0,
            Either::Right(_) => self.shared.tasks.len(),
        }
    }

    pub(crate) fn observe(&self, event: &Event<'_>) {
        self.shared.observer.observe(event);
    }
}

/// The right to refresh one key, given back when it is dropped or when its task has ended.
#[derive(Debug)]
pub struct Refresh(Ticket);

impl Refresh {
    /// Runs `refresh` in a task of its own, when it is its turn.
    pub fn submit(self, refresh: impl Future<Output = ()> + Send + 'static) {
        self.0.submit(refresh);
    }
}

#[inline]
fn judge<V>(entry: Arc<Entry<V>>, mode: Mode, now: Moment) -> Look<V> {
    let age = entry.age(now);
    if age < entry.fresh_for() {
        // What `decide` says of it, in whatever mode: nearly all look-ups end here.
        return Look::Serve {
            entry,
            age,
            refresh: false,
        };
    }
    let decision = decide(
        mode,
        &Kept {
            lifetime: &entry.lifetime(),
            age,
            now,
            refresh_due: entry.refresh_due(),
            failing: entry.is_failing(),
        },
    );
    match decision {
        Decision::Serve | Decision::ServeAndRefresh => Look::Serve {
            entry,
            age,
            refresh: decision == Decision::ServeAndRefresh,
        },
        Decision::Fetch { fallback } => Look::Fetch {
            old: Some(entry),
            fallback,
        },
    }
}

fn is_fresh(mark: &Entry<()>, now: Moment) -> bool {
    mark.lifetime().freshness(mark.age(now)) == Freshness::Fresh
}

fn landing_of<V, P>(look: &Look<V>) -> Landing<Landed<V, P>> {
    match look {
        Look::Serve { entry, .. } => Landing::Answer(Landed {
            tags: entry.tags().clone(),
            answer: Answer::Whole(Arc::clone(entry)),
            fate: Fate::Stored,
        }),
        Look::Uncacheable | Look::Fetch { .. } => Landing::Pass,
    }
}

// Written by hand: a derived one would ask for `V: Clone`.
impl<V, P> Clone for Cache<V, P> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<V, P> fmt::Debug for Cache<V, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("near", &self.shared.near)
            .field("queue", &self.shared.queue)
            .finish_non_exhaustive()
    }
}
