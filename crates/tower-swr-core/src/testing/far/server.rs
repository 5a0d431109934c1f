use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{oneshot, watch};

use crate::clock::{Clock, Moment, SystemClock};
use crate::far::{FarKey, Invalidation, LogPosition, RemoteJob, ServerTime, Version, Woken};
use crate::key::{Digest, Subject};
use crate::testing::FarNode;

/// A far side in memory: what a Redis server is to its clients, with the same semantics as the scripts that run there, on
/// a clock that a test may move. Clones are the same server; each process of a test is a [`node`](Self::node).
///
/// ```
/// use tower_swr_core::testing::{FarServer, ManualClock};
/// use tower_swr_core::FarStore;
///
/// let clock = ManualClock::default();
/// let server = FarServer::new(clock.clone());
/// let (one, other) = (server.node(), server.node());
/// assert_eq!(one.server_now(), other.server_now());
/// ```
#[derive(Clone)]
pub struct FarServer {
    shared: Arc<Shared>,
}

/// How long a lease lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseSpan {
    /// Without being renewed. Default 5 s.
    pub ttl: Duration,
    /// In all. Default 60 s.
    pub longest: Duration,
}

impl Default for LeaseSpan {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(5),
            longest: Duration::from_secs(60),
        }
    }
}

struct Shared {
    clock: Arc<dyn Clock>,
    span: LeaseSpan,
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

/// Where a value and its lease are.
pub(super) type Address = (Digest, Option<Digest>);

pub(super) fn address(key: &FarKey) -> Address {
    (key.primary(), key.variant_digest())
}

#[derive(Default)]
pub(super) struct State {
    pub(super) values: HashMap<Address, Stored>,
    pub(super) leases: HashMap<Address, Held>,
    pub(super) waiting: HashMap<Address, Vec<oneshot::Sender<Woken>>>,
    pub(super) loses_wake_ups: bool,
    /// Counts everything that must be told apart: tokens, nodes, receipts.
    pub(super) numbered: u64,
    pub(super) log: VecDeque<(LogPosition, Invalidation)>,
    pub(super) last: LogPosition,
    /// The last entry that is no longer in the log.
    pub(super) trimmed: LogPosition,
    /// Another number after every loss of the log.
    pub(super) history: u64,
    pub(super) stamps: HashMap<Subject, LogPosition>,
    pub(super) jobs: Jobs,
}

pub(super) struct Stored {
    pub(super) blob: Bytes,
    pub(super) until: Moment,
}

pub(super) struct Held {
    pub(super) token: u64,
    pub(super) node: u64,
    /// When it runs out if nobody renews it.
    pub(super) until: Moment,
    /// When it runs out in any case.
    pub(super) longest: Moment,
    pub(super) is_renewed: bool,
}

#[derive(Default)]
pub(super) struct Jobs {
    pub(super) waiting: VecDeque<Job>,
    pub(super) later: Vec<(Moment, Job)>,
    pub(super) taken: HashMap<u64, (Moment, Job)>,
    pub(super) dead: Vec<RemoteJob>,
    /// Until when a worker is there.
    pub(super) attended: Option<Moment>,
}

pub(super) struct Job {
    pub(super) job: RemoteJob,
    pub(super) attempts: u32,
}

impl Default for FarServer {
    /// A server on the machine's own clock.
    fn default() -> Self {
        Self::new(SystemClock::default())
    }
}

impl FarServer {
    /// An empty server on `clock`.
    #[must_use]
    pub fn new(clock: impl Clock) -> Self {
        Self::with_lease(clock, LeaseSpan::default())
    }

    /// An empty server on `clock`, whose nodes ask for leases of `span`.
    #[must_use]
    pub fn with_lease(clock: impl Clock, span: LeaseSpan) -> Self {
        Self {
            shared: Arc::new(Shared {
                clock: Arc::new(clock),
                span,
                state: Mutex::default(),
                changed: watch::Sender::default(),
            }),
        }
    }

    /// Another process that is connected to this server.
    #[must_use]
    pub fn node(&self) -> FarNode {
        let number = self.state().number();
        FarNode::new(self.clone(), number)
    }

    /// Begins or ceases to lose the messages that end a wait.
    pub fn lose_wake_ups(&self, loses: bool) {
        self.state().loses_wake_ups = loses;
    }

    /// Empties the log, as its limit would: who has not read it cannot any more.
    pub fn trim_log(&self) {
        self.change(|state| {
            state.log.clear();
            state.trimmed = state.last;
        });
    }

    /// Ends and begins anew without anything that was kept.
    pub fn restart_empty(&self) {
        self.change(|state| {
            *state = State {
                numbered: state.numbered,
                history: state.history + 1,
                loses_wake_ups: state.loses_wake_ups,
                ..State::default()
            };
        });
    }

    /// Puts any bytes under `key`, as another program or another release might.
    pub fn put(&self, key: &FarKey, blob: Bytes) {
        let stored = Stored {
            blob,
            until: Moment::NEVER,
        };
        self.change(|state| state.values.insert(address(key), stored));
    }

    /// Loses what is kept under all primary keys, and not under those of variants, as one may that is short of memory: how much
    /// that was.
    #[must_use = "a test that loses nothing shows nothing"]
    pub fn evict_primaries(&self) -> usize {
        self.change(|state| {
            let before = state.values.len();
            state.values.retain(|(_, variant), _| variant.is_some());
            before - state.values.len()
        })
    }

    /// The refreshes that were given up.
    #[must_use]
    pub fn dead_letters(&self) -> Vec<RemoteJob> {
        self.state().jobs.dead.clone()
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.shared.clock
    }

    pub(super) fn span(&self) -> LeaseSpan {
        self.shared.span
    }

    pub(super) fn time(&self) -> ServerTime {
        /// 2026-01-01, in milliseconds.
        const START: ServerTime = ServerTime::from_millis(1_767_225_600_000);
        START.after(self.clock().now().since(Moment::ORIGIN))
    }

    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.shared.changed.subscribe()
    }

    /// Changes the state, then tells everybody who waits for a change.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.state());
        self.shared.changed.send_replace(());
        result
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for FarServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FarServer")
    }
}

impl State {
    pub(super) fn number(&mut self) -> u64 {
        self.numbered += 1;
        self.numbered
    }

    /// The value that is there at `now`.
    pub(super) fn value(&self, at: Address, now: Moment) -> Option<&Bytes> {
        let stored = self.values.get(&at)?;
        (now < stored.until).then_some(&stored.blob)
    }

    pub(super) fn version(&self, at: Address, now: Moment) -> Option<Version> {
        Version::read_from(self.value(at, now)?)
    }

    /// Takes out those who wait for `primary` or a variant of it; the caller wakes them once the state is unlocked.
    pub(super) fn waiting_for_all(&mut self, primary: Digest) -> Vec<oneshot::Sender<Woken>> {
        let all = self.waiting.keys().filter(|(waited, _)| *waited == primary);
        let all: Vec<Address> = all.copied().collect();
        all.into_iter()
            .flat_map(|at| self.waiting_for(at))
            .collect()
    }

    /// Takes out those who wait for the key of a job; the caller wakes them once the state is unlocked.
    pub(super) fn waiting_for_job(&mut self, key: Digest) -> Vec<oneshot::Sender<Woken>> {
        let is_of = |(primary, variant): &&Address| variant.unwrap_or(*primary) == key;
        let all: Vec<Address> = self.waiting.keys().filter(is_of).copied().collect();
        all.into_iter()
            .flat_map(|at| self.waiting_for(at))
            .collect()
    }

    /// Takes out those who wait for `at`; the caller wakes them once the state is unlocked.
    pub(super) fn waiting_for(&mut self, at: Address) -> Vec<oneshot::Sender<Woken>> {
        let waiting = self.waiting.remove(&at).unwrap_or_default();
        match self.loses_wake_ups {
            false => waiting,
            true => {
                self.waiting.insert(at, waiting);
                Vec::new()
            }
        }
    }
}

pub(super) fn wake(waiting: Vec<oneshot::Sender<Woken>>, why: Woken) {
    for waiter in waiting {
        // Who no longer waits need not be told.
        let _ = waiter.send(why);
    }
}
