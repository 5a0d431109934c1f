use super::{Cache, FarStats};

impl<V: Send + Sync + 'static, P: Clone + Send + Sync + 'static> Cache<V, P> {
    /// What the engine has counted.
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        let shared = &self.shared;
        CacheStats {
            entries: shared.near.len() as u64,
            bytes: shared.near.weight(),
            evictions: shared.near.evicted(),
            refused: shared.near.refused(),
            flights: shared.flights.len() as u64,
            refreshes_waiting: shared.queue.waiting() as u64,
            fills: shared.origin_calls.started(),
            stampede_violations: shared.origin_calls.violations(),
            far: shared
                .far
                .as_ref()
                .map(|far| far.stats())
                .unwrap_or_default(),
        }
    }
}

/// Counters and gauges of a [`Cache`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheStats {
    /// Entries in the near store, remembered uncacheable keys included.
    pub entries: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Entries that made room for others.
    pub evictions: u64,
    /// Entries that were too large to be kept.
    pub refused: u64,
    /// Flights that are open now.
    pub flights: u64,
    /// Refreshes that wait for their turn now.
    pub refreshes_waiting: u64,
    /// Origin calls made for shared answers.
    pub fills: u64,
    /// Origin calls made for a key while another for the same key ran. Must be zero.
    pub stampede_violations: u64,
    /// What happened on the far side; zeros where there is none.
    pub far: FarStats,
}
