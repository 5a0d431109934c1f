//! A second pair of eyes: counts origin calls that run side by side for one key.
//!
//! The flights exist to make this impossible. The guard here has a table of its own, so that a fault in the flights
//! shows as a number that is not zero instead of as a database that falls over.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::invalidation::{Epoch, Invalidations};
use crate::key::{BuildKeyHasher, Key};
use crate::tags::Tags;

#[derive(Debug, Default)]
pub(crate) struct OriginCalls {
    running: Mutex<HashMap<Key, Vec<Running>, BuildKeyHasher>>,
    started: AtomicU64,
    violations: AtomicU64,
}

#[derive(Debug)]
struct Running {
    born: Epoch,
    /// What the answer is tagged with, once it is there.
    tags: Tags,
}

/// One running origin call; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct OriginCall {
    calls: Arc<OriginCalls>,
    key: Key,
    born: Epoch,
}

impl OriginCalls {
    /// A call begins for a flight that was born in `born`. Calls that were born before the newest invalidation of their
    /// key belong to flights that nobody joins any more: they count beside nothing.
    pub(crate) fn enter(
        self: &Arc<Self>,
        key: Key,
        born: Epoch,
        invalidations: &Invalidations,
    ) -> OriginCall {
        self.started.fetch_add(1, Ordering::Relaxed);
        let mut running = self.lock();
        // Asked for under the lock: of two flights of which a purge detached one, the later to enter must know of it.
        let oldest = invalidations.newest_of_any_kind(|| key.borrowed().subjects());
        let calls = running.entry(key.clone()).or_default();
        // A call is outdated by a purge of a tag, too, and nobody joins it then.
        let is_joinable = |call: &Running| {
            call.born >= oldest.max(invalidations.newest_of_any_kind(|| call.tags.as_slice()))
        };
        let beside = born >= oldest && calls.iter().any(is_joinable);
        calls.push(Running {
            born,
            tags: Tags::default(),
        });
        drop(running);
        if beside {
            self.violations.fetch_add(1, Ordering::Relaxed);
        }
        OriginCall {
            calls: Arc::clone(self),
            key,
            born,
        }
    }

    /// The epoch that the oldest running call was born in.
    pub(crate) fn oldest(&self) -> Option<Epoch> {
        self.lock().values().flatten().map(|call| call.born).min()
    }

    pub(crate) fn started(&self) -> u64 {
        self.started.load(Ordering::Relaxed)
    }

    pub(crate) fn violations(&self) -> u64 {
        self.violations.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Vec<Running>, BuildKeyHasher>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OriginCall {
    /// What it has brought, or begun to bring, is tagged with `tags`.
    pub(crate) fn brings(&self, tags: &Tags) {
        if tags.is_empty() {
            return;
        }
        let mut running = self.calls.lock();
        let calls = running.get_mut(&self.key).into_iter().flatten();
        if let Some(call) = calls.into_iter().find(|call| call.born == self.born) {
            call.tags = tags.clone();
        }
    }
}

impl Drop for OriginCall {
    fn drop(&mut self) {
        let mut running = self.calls.lock();
        let Some(calls) = running.get_mut(&self.key) else {
            return;
        };
        if let Some(place) = calls.iter().position(|call| call.born == self.born) {
            calls.swap_remove(place);
        }
        if calls.is_empty() {
            running.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::KeyText;

    #[test]
    fn a_second_call_beside_the_first_is_a_violation() {
        let (calls, purges) = (Arc::new(OriginCalls::default()), Invalidations::default());
        let key = KeyText::new("s").key().to_key();
        let first = calls.enter(key.clone(), Epoch::default(), &purges);
        let second = calls.enter(key.clone(), Epoch::default(), &purges);
        assert_eq!(calls.violations(), 1);
        drop((first, second));
        drop(calls.enter(key, Epoch::default(), &purges));
        assert_eq!((calls.violations(), calls.started()), (1, 3));
        assert!(calls.lock().is_empty(), "what has ended leaves nothing");
    }

    #[test]
    fn a_call_after_a_purge_is_none() {
        let (calls, purges) = (Arc::new(OriginCalls::default()), Invalidations::default());
        let key = KeyText::new("s").key().to_key();
        let before = calls.enter(key.clone(), purges.epoch(), &purges);
        purges.invalidate(key.borrowed().resource());
        let after = calls.enter(key, purges.epoch(), &purges);
        drop((before, after));
        assert_eq!(calls.violations(), 0);
    }

    #[test]
    fn a_call_that_a_purge_overtook_before_it_began_is_none() {
        let (calls, purges) = (Arc::new(OriginCalls::default()), Invalidations::default());
        let key = KeyText::new("s").key().to_key();
        let detached = purges.epoch();
        purges.invalidate(key.borrowed().resource());
        let after = calls.enter(key.clone(), purges.epoch(), &purges);
        let before = calls.enter(key.clone(), detached, &purges);
        assert_eq!(calls.violations(), 0);
        let beside = calls.enter(key, purges.epoch(), &purges);
        drop((before, after, beside));
        assert_eq!(calls.violations(), 1, "beside the one after the purge");
    }
}
