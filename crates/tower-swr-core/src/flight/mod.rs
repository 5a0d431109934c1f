//! Single-flight: for one key, one computation at a time, whose outcome all who asked receive.
//!
//! ```text
//!              join                     land                      close
//!   (no flight) ──▶ flying: waiters park ──▶ landed: who joins is ──▶ (no flight)
//!                                           answered at once
//! ```
//!
//! Who comes first gets a [`Leader`] and owes a landing; everybody, the first included, may hold a [`Waiter`]. A flight
//! never outlives its leader: dropping it, for whatever reason, closes the flight and tells the waiters that it is lost.
//!
//! An answer may turn out to belong to another key than the one it was asked for by (a variant). Where it is still under
//! way then, its leader opens the very same flight [under that key, too](Leader::also_under), before anybody is led
//! there; `close` closes both.
//!
//! Invariants, checked by a model of all interleavings (`tests/loom_flights`):
//! * one key has at most one open flight, so at most one leader that newcomers wait for, whichever of its keys it is;
//! * who joined is woken by the landing or by the leader's drop, never left behind;
//! * the first landing stands;
//! * a leader that was replaced after an invalidation does not close its successor's flight.
//!
//! Order: what a landing promises to newcomers (an entry in the store) is done before `close`, and a failed flight is
//! closed *before* it lands, so that nobody joins what is already broken. No waker is woken or dropped under a lock.

mod leader;
mod waiter;

use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::atomic::{AtomicBool, Ordering};

use equivalent::Equivalent;
use hashbrown::HashMap;
use slab::Slab;

pub use leader::Leader;
pub use waiter::Waiter;

use crate::key::BuildKeyHasher;
use crate::sync::{Arc, Mutex, MutexGuard};

/// How a flight ended for those who wait.
#[derive(Clone, Debug)]
pub enum Landing<A> {
    /// An answer that may be shared.
    Answer(A),
    /// The answer may not be shared: everybody makes a call of their own, all at once.
    Pass,
    /// There is no answer.
    Lost(Lost),
}

/// Why a flight brought no answer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Lost {
    /// The task was dropped: a shutdown, or no runtime to run it on.
    Dropped,
    /// The origin panicked.
    Panicked,
    /// The origin did not answer within its deadline, and the call was cancelled.
    TimedOut,
    /// The origin failed.
    Failed(SharedError),
}

/// An error that all waiters of a flight share.
pub type SharedError = std::sync::Arc<dyn std::error::Error + Send + Sync>;

/// What joining a flight makes of the caller.
#[derive(Debug)]
pub enum Join<K: Hash + Eq, A> {
    /// Nobody was there: the caller owes a landing.
    Leader(Leader<K, A>),
    /// Somebody flies already.
    Waiter(Waiter<A>),
}

/// All open flights, by key. A handle: clones share the table.
pub struct Flights<K, A> {
    table: Arc<Table<K, A>>,
}

/// Locks apart, so that misses of different keys do not meet. A miss costs an origin call, so few are enough.
const SHARDS: usize = if cfg!(tower_swr_loom) { 1 } else { 64 };

struct Table<K, A> {
    shards: Box<[Mutex<Shard<K, A>>]>,
}

type Shard<K, A> = HashMap<K, Arc<Flight<A>>, BuildKeyHasher>;

struct Flight<A> {
    /// The epoch that the flight began in; see [`Flights::join`].
    born: u64,
    /// Somebody who joined has found that it brings what was invalidated since. Not part of the model: it spares
    /// newcomers a wait, and whoever misses it finds the same.
    outdated: AtomicBool,
    state: Mutex<State<A>>,
}

struct State<A> {
    /// Shared, so that no `A` is cloned under the lock.
    landing: Option<Arc<Landing<A>>>,
    wakers: Slab<std::task::Waker>,
}

impl<K: Hash + Eq, A> Flights<K, A> {
    /// A table without flights.
    #[must_use]
    pub fn new() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::new(Shard::default()));
        Self {
            table: Arc::new(Table {
                shards: shards.collect(),
            }),
        }
    }

    /// Joins the open flight of `key`, or begins one in the epoch `born`. A flight that was born before `oldest` (the
    /// newest invalidation that concerns the key) is left to those who already wait for it, and a new one begins.
    #[must_use = "who leads and drops it loses the flight"]
    pub fn join<Q>(&self, key: &Q, born: u64, oldest: u64) -> Join<K, A>
    where
        Q: Hash + Equivalent<K>,
        K: Clone + for<'q> From<&'q Q>,
    {
        let mut shard = self.table.shard(key);
        if let Some(flight) = shard.get(key)
            && flight.is_joinable(oldest)
        {
            return Join::Waiter(Waiter::new(Arc::clone(flight)));
        }
        let flight = Arc::new(Flight::new(born));
        let key = K::from(key);
        let replaced = shard.insert(key.clone(), Arc::clone(&flight));
        drop(shard);
        drop(replaced);
        Join::Leader(Leader::new(Arc::clone(&self.table), key, flight))
    }

    /// Joins the open flight of `key` if there is one that was not born before `oldest`; never begins one.
    #[must_use]
    pub fn attend<Q>(&self, key: &Q, oldest: u64) -> Option<Waiter<A>>
    where
        Q: Hash + Equivalent<K>,
    {
        let shard = self.table.shard(key);
        let flight = shard.get(key).filter(|flight| flight.is_joinable(oldest))?;
        Some(Waiter::new(Arc::clone(flight)))
    }

    /// How many flights are open.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table
            .shards
            .iter()
            .map(|shard| shard.lock().len())
            .sum()
    }

    /// Whether no flight is open.
    #[cfg(tower_swr_loom)]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<K: Hash + Eq, A> Table<K, A> {
    fn shard<Q: Hash>(&self, key: &Q) -> MutexGuard<'_, Shard<K, A>> {
        // The map uses a hash's low bits and its top seven: the shards take from the middle.
        let hash = BuildKeyHasher::default().hash_one(key) >> 32;
        self.shards[hash as usize % self.shards.len()].lock()
    }

    /// Opens `flight` under `key` where no other is open that was born in `oldest` or later.
    fn open(&self, key: K, flight: &Arc<Flight<A>>, oldest: u64) -> bool {
        let mut shard = self.shard(&key);
        if shard.get(&key).is_some_and(|open| open.is_joinable(oldest)) {
            return false;
        }
        let replaced = shard.insert(key, Arc::clone(flight));
        drop(shard);
        drop(replaced);
        true
    }

    /// Removes `flight`, unless another has taken its place.
    fn remove(&self, key: &K, flight: &Arc<Flight<A>>) {
        let mut shard = self.shard(key);
        let removed = match shard.get(key) {
            Some(open) if Arc::ptr_eq(open, flight) => shard.remove_entry(key),
            _ => None,
        };
        drop(shard);
        drop(removed);
    }
}

impl<A> Flight<A> {
    fn new(born: u64) -> Self {
        Self {
            born,
            outdated: AtomicBool::new(false),
            state: Mutex::new(State {
                landing: None,
                wakers: Slab::new(),
            }),
        }
    }

    fn is_joinable(&self, oldest: u64) -> bool {
        self.born >= oldest && !self.outdated.load(Ordering::Relaxed)
    }

    /// The first landing stands.
    fn land(&self, landing: Landing<A>) {
        let landing = Arc::new(landing);
        let mut state = self.state.lock();
        if state.landing.is_some() {
            return;
        }
        state.landing = Some(landing);
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        for (_, waker) in wakers {
            waker.wake();
        }
    }
}

impl<K: Hash + Eq, A> Default for Flights<K, A> {
    fn default() -> Self {
        Self::new()
    }
}

// Written by hand: a derived one would ask for `K: Clone` and `A: Clone`.
impl<K, A> Clone for Flights<K, A> {
    fn clone(&self) -> Self {
        Self {
            table: Arc::clone(&self.table),
        }
    }
}

impl<K, A> fmt::Debug for Flights<K, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights").finish_non_exhaustive()
    }
}

impl<A> fmt::Debug for Flight<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flight")
            .field("born", &self.born)
            .finish_non_exhaustive()
    }
}
