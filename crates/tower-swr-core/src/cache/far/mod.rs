//! Beyond this process: what a flight asks the far side before it calls the origin, and what it leaves there.
//!
//! A flight that goes [through a codec](super::Fill::through) looks there once more before it bothers the origin; one
//! process at a time calls for a key, and the others wait for its value. Everything local comes first: those who wait here are
//! answered, and the flight is closed, before anything is committed. Whatever goes wrong over there, the flight goes on alone,
//! as it would without a far side.
//!
//! Invalidations go both ways: a purge here is recorded in the log, and what others record there is invalidated here, by the
//! same stamps.

mod codec;
mod delivery;
mod elsewhere;
mod follow;
mod found;
mod holdings;
mod parcel;
mod purged;
mod seek;
mod through;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;

pub use codec::{Decoded, Encoded, FarCodec, Received};
pub use delivery::{Delivered, Delivery};
pub(super) use holdings::Grant;
use holdings::Holdings;
pub(super) use parcel::Parcel;
pub use purged::{Purged, Reach};
pub(super) use through::Beyond;

use super::Cache;
use crate::far::{FarHealth, FarLog, FarStore, LogPosition, RemoteRefreshes};
use crate::key::Subject;
use crate::rng::{HasherRng, Rng};
use crate::spawn::Spawn;
use crate::wire::MAX_BYTES;

/// Where a cache finds its far side.
#[derive(Clone, Debug)]
pub(super) struct FarPorts {
    store: Arc<dyn FarStore>,
    log: Arc<dyn FarLog>,
    /// To whom refreshes are offered.
    workers: Option<Arc<dyn RemoteRefreshes>>,
}

impl FarPorts {
    pub(super) fn new<F: FarStore + FarLog>(far: F) -> Self {
        let far = Arc::new(far);
        Self {
            store: Arc::clone(&far) as Arc<dyn FarStore>,
            log: far,
            workers: None,
        }
    }

    pub(super) fn with_workers(mut self, workers: Option<Arc<dyn RemoteRefreshes>>) -> Self {
        self.workers = workers;
        self
    }
}

/// What a cache is told of its far side.
#[derive(Clone, Copy, Debug)]
pub(super) struct FarSettings {
    /// The largest frame that is stored there.
    pub(super) limit: usize,
    /// How long what is kept is served while the log cannot be followed.
    pub(super) max_suspect: Option<Duration>,
}

impl Default for FarSettings {
    fn default() -> Self {
        Self {
            limit: MAX_BYTES,
            max_suspect: None,
        }
    }
}

/// The far side of a cache.
pub(super) struct Far {
    store: Arc<dyn FarStore>,
    log: Arc<dyn FarLog>,
    /// To whom refreshes are offered.
    workers: Option<Arc<dyn RemoteRefreshes>>,
    limit: usize,
    max_suspect: Option<Duration>,
    /// Tells our own invalidations from those of others.
    source: u64,
    /// What follows the log runs as long as the cache lives: no shutdown waits for it.
    spawn: Arc<dyn Spawn>,
    is_followed: Arc<AtomicBool>,
    was_followed: AtomicBool,
    /// It was waited for as long as the first flights do.
    is_met: AtomicBool,
    is_suspect: AtomicBool,
    /// How far what was recorded has been carried out here; none before the first word.
    heard: watch::Sender<Option<LogPosition>>,
    /// What is being recorded now.
    recording: watch::Sender<Vec<Subject>>,
    holdings: Arc<Holdings>,
    counts: Counts,
    /// Its end is the end of what follows the log.
    closing: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Counts {
    hits: AtomicU64,
    collapsed: AtomicU64,
    commits: AtomicU64,
    refused: AtomicU64,
    failures: AtomicU64,
    offered: AtomicU64,
    overdue: AtomicU64,
    declined: AtomicU64,
}

impl Far {
    pub(super) fn new(ports: FarPorts, settings: FarSettings, spawn: Arc<dyn Spawn>) -> Arc<Self> {
        let FarPorts {
            store,
            log,
            workers,
        } = ports;
        let FarSettings { limit, max_suspect } = settings;
        Arc::new(Self {
            store,
            log,
            workers,
            limit,
            max_suspect,
            source: source(),
            spawn,
            is_followed: Arc::default(),
            was_followed: AtomicBool::new(false),
            is_met: AtomicBool::new(false),
            is_suspect: AtomicBool::new(false),
            heard: watch::Sender::default(),
            recording: watch::Sender::default(),
            holdings: Arc::default(),
            counts: Counts::default(),
            closing: watch::Sender::default(),
        })
    }

    /// Gives back the leases of calls that an invalidation of `subject` outdates: who is to call next need not wait for them.
    pub(super) fn outdate(&self, subject: Subject) {
        self.holdings.release(subject);
    }

    pub(super) fn stats(&self) -> FarStats {
        let Counts {
            hits,
            collapsed,
            commits,
            refused,
            failures,
            offered,
            overdue,
            declined,
        } = &self.counts;
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        FarStats {
            hits: read(hits),
            collapsed: read(collapsed),
            commits: read(commits),
            refused: read(refused),
            failures: read(failures),
            offered: read(offered),
            overdue: read(overdue),
            declined: read(declined),
            is_suspect: self.is_suspect.load(Ordering::Relaxed),
        }
    }

    /// A step had no answer, or none of use.
    fn count_failure(&self) {
        count(&self.counts.failures);
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Not a die that a test scripts: two caches with the same number would be deaf to each other. Never zero, by which a log
/// may mark what no cache has carried out yet.
fn source() -> u64 {
    /// 2^53: the numbers that a roll tells apart.
    const STEPS: f64 = (1_u64 << 53) as f64;
    1 + (HasherRng.roll() * STEPS) as u64
}

impl<V: Send + Sync + 'static, P: Clone + Send + Sync + 'static> Cache<V, P> {
    /// Whether it has a far side.
    #[must_use]
    pub fn is_far(&self) -> bool {
        self.shared.far.is_some()
    }

    /// How its far side is doing; nothing where it has none.
    #[must_use]
    pub fn far_health(&self) -> Option<FarHealth> {
        self.shared.far.as_ref().map(|far| far.store.health())
    }
}

/// What a cache has counted of its far side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FarStats {
    /// Flights that found a value there, so that no origin was called.
    pub hits: u64,
    /// Of flights that waited for another process's call: those that got its value.
    pub collapsed: u64,
    /// Answers that were written there, with whatever leads to them.
    pub commits: u64,
    /// Answers that were not, because the lease had run out or an invalidation had taken it away.
    pub refused: u64,
    /// Steps that had no answer in time, or a refusal.
    pub failures: u64,
    /// Refreshes that were left to workers, or that were with one already.
    pub offered: u64,
    /// Of those, the ones that no worker had done in time, so that this process did.
    pub overdue: u64,
    /// Of those, the ones that a worker could not make, so that this process did: the worker's log says why.
    pub declined: u64,
    /// The log is out of reach: what others invalidate is not heard of until it returns.
    pub is_suspect: bool,
}

impl fmt::Debug for Far {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Far")
            .field("store", &self.store)
            .field("log", &self.log)
            .finish_non_exhaustive()
    }
}
