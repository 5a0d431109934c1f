//! Counting what happened to requests, and the numbers that come of it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tower_swr_core::{CacheStats, FarStats};

use crate::request::Bypass;

/// What happened to a request: the words of `X-Cache`, in lower case those of the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Hit,
    Stale,
    Revalidated,
    Miss,
    Collapsed,
    Pass,
    Bypass,
    Error,
}

const VERBS: usize = Verb::Error as usize + 1;

/// Threads count apart, or the line of memory that holds a count would travel between cores on every hit.
const STRIPES: usize = 16;

/// Counts of one scope.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    stripes: [Stripe; STRIPES],
    bypasses: [AtomicU64; Bypass::ALL.len()],
    origin_calls: AtomicU64,
}

/// Two lines of memory: processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Stripe([AtomicU64; VERBS]);

impl Counters {
    #[inline]
    pub(crate) fn count(&self, verb: Verb) {
        self.stripes[stripe()].0[verb as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_bypass(&self, reason: Bypass) {
        self.count(Verb::Bypass);
        self.bypasses[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_origin_call(&self) {
        self.origin_calls.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn stats(&self) -> ScopeStats {
        let sum = |verb: Verb| {
            let stripes = self.stripes.iter();
            stripes
                .map(|stripe| stripe.0[verb as usize].load(Ordering::Relaxed))
                .sum()
        };
        ScopeStats {
            hits: sum(Verb::Hit),
            stale: sum(Verb::Stale),
            revalidated: sum(Verb::Revalidated),
            misses: sum(Verb::Miss),
            collapsed: sum(Verb::Collapsed),
            passed: sum(Verb::Pass),
            bypassed: sum(Verb::Bypass),
            errors: sum(Verb::Error),
            origin_calls: self.origin_calls.load(Ordering::Relaxed),
            bypass_reasons: Bypass::ALL
                .into_iter()
                .map(|reason| {
                    (
                        reason.token(),
                        self.bypasses[reason as usize].load(Ordering::Relaxed),
                    )
                })
                .filter(|(_, count)| *count > 0)
                .collect(),
        }
    }
}

#[inline]
fn stripe() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static MINE: usize = NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES;
    }
    // A thread that is being torn down counts with the first.
    MINE.try_with(|mine| *mine).unwrap_or(0)
}

/// Counts of one scope since the start. Each request counts once, under what `X-Cache` told its client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScopeStats {
    /// Answered with a fresh entry.
    pub hits: u64,
    /// Answered with one that was stale but might be served.
    pub stale: u64,
    /// Answered with one that the origin confirmed.
    pub revalidated: u64,
    /// Answered by a call of the handler that this request began.
    pub misses: u64,
    /// Answered by a call of the handler that another request had begun.
    pub collapsed: u64,
    /// Answered by a call of its own, since the answer may not be shared.
    pub passed: u64,
    /// Not for the cache: another method, a cookie, a switch.
    pub bypassed: u64,
    /// Answered by the cache itself for want of an answer, or with the error that the service returned.
    pub errors: u64,
    /// Calls of the handler, for whatever reason, refreshes included.
    pub origin_calls: u64,
    /// Why requests bypassed the cache, by the word that `Cache-Status` gives as its detail; the zeros left out.
    pub bypass_reasons: BTreeMap<&'static str, u64>,
}

impl ScopeStats {
    /// All requests that were answered.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.hits
            + self.stale
            + self.revalidated
            + self.misses
            + self.collapsed
            + self.passed
            + self.bypassed
            + self.errors
    }
}

/// Counts of a whole cache since the start, and what it holds now.
///
/// ```
/// let cache = tower_swr::HttpCache::in_memory(1 << 20);
/// assert_eq!(cache.stats().stampede_violations, 0);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// All requests that a layer has answered. Who hangs up before the answer is not among them.
    pub requests: u64,
    /// See [`ScopeStats::hits`].
    pub hits: u64,
    /// See [`ScopeStats::stale`].
    pub stale: u64,
    /// See [`ScopeStats::revalidated`].
    pub revalidated: u64,
    /// See [`ScopeStats::misses`].
    pub misses: u64,
    /// See [`ScopeStats::collapsed`].
    pub collapsed: u64,
    /// See [`ScopeStats::passed`].
    pub passed: u64,
    /// See [`ScopeStats::bypassed`].
    pub bypassed: u64,
    /// See [`ScopeStats::errors`].
    pub errors: u64,
    /// See [`ScopeStats::origin_calls`].
    pub origin_calls: u64,
    /// Handler calls that ran for a key while another for the same key did. Must be zero.
    pub stampede_violations: u64,
    /// Entries kept now; what is remembered of uncacheable keys and of variants counts, too.
    pub entries: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Entries that made room for others.
    pub evictions: u64,
    /// Answers that were too large to be kept, key and head included.
    pub refused: u64,
    /// Calls for shared answers that run now.
    pub flights: u64,
    /// Refreshes that wait for their turn now.
    pub refreshes_waiting: u64,
    /// What happened on the far side; zeros where there is none.
    pub far: FarStats,
    /// The same by scope.
    pub scopes: BTreeMap<&'static str, ScopeStats>,
}

impl Stats {
    pub(crate) fn new(scopes: BTreeMap<&'static str, ScopeStats>, engine: &CacheStats) -> Self {
        let sum = |count: fn(&ScopeStats) -> u64| scopes.values().map(count).sum();
        Self {
            requests: sum(ScopeStats::requests),
            hits: sum(|scope| scope.hits),
            stale: sum(|scope| scope.stale),
            revalidated: sum(|scope| scope.revalidated),
            misses: sum(|scope| scope.misses),
            collapsed: sum(|scope| scope.collapsed),
            passed: sum(|scope| scope.passed),
            bypassed: sum(|scope| scope.bypassed),
            errors: sum(|scope| scope.errors),
            origin_calls: sum(|scope| scope.origin_calls),
            stampede_violations: engine.stampede_violations,
            entries: engine.entries,
            bytes: engine.bytes,
            evictions: engine.evictions,
            refused: engine.refused,
            flights: engine.flights,
            refreshes_waiting: engine.refreshes_waiting,
            far: engine.far,
            scopes,
        }
    }
}
