//! What a fill leaves in the store, and what it leaves alone.

use std::sync::Arc;
use std::time::Duration;

use super::{Answer, Beside, Fate, Fill, Keep, Landed, Product};
use crate::clock::Moment;
use crate::entry::{Birth, Entry, Slot};
use crate::key::Key;
use crate::lifetime::Lifetime;

impl<V: Send + Sync + 'static, P: Clone + Send + Sync + 'static> Fill<V, P> {
    /// Keeps `product` if it is to be kept, as of `now`, and what goes with it.
    pub(super) fn commit(
        &self,
        product: Product<V>,
        beside: Option<Beside<V>>,
        now: Moment,
    ) -> Landed<V, P> {
        let key = product.key.as_ref().unwrap_or(self.key()).clone();
        let lifetime = match product.keep {
            Keep::Store(lifetime) => self.jittered(lifetime),
            Keep::Share | Keep::Failure => Lifetime::fresh_for(Duration::ZERO),
        };
        let entry = Arc::new(Entry::new(
            product.value,
            &Birth {
                key: key.borrowed(),
                born: self.born,
                now,
                initial_age: product.initial_age,
                lifetime,
                due_age: self.due_age(&lifetime),
                weight: product.weight,
            },
        ));
        let fate = match product.keep {
            Keep::Store(_) => {
                self.write_beside(beside);
                self.store(key, Slot::Kept(Arc::clone(&entry)))
            }
            keep => self.settle_old(keep, beside),
        };
        Landed {
            answer: Answer::Whole(entry),
            fate,
        }
    }

    fn store(&self, key: Key, slot: Slot<V>) -> Fate {
        let stored = self.is_current() && self.cache.shared.near.insert(key, slot);
        if stored { Fate::Stored } else { Fate::Shared }
    }

    pub(super) fn write_beside(&self, beside: Option<Beside<V>>) {
        let Some(Beside { key, value, weight }) = beside else {
            return;
        };
        let entry = Entry::new(
            value,
            &Birth {
                key: key.borrowed(),
                born: self.born,
                now: self.cache.now(),
                initial_age: Duration::ZERO,
                lifetime: Lifetime::FOREVER,
                due_age: Duration::MAX,
                weight,
            },
        );
        self.store(key, Slot::Kept(Arc::new(entry)));
    }

    pub(super) fn remember_uncacheable(&self) {
        let key = self.key().clone();
        let mark = Entry::new(
            (),
            &Birth {
                key: key.borrowed(),
                born: self.born,
                now: self.cache.now(),
                initial_age: Duration::ZERO,
                lifetime: Lifetime::fresh_for(self.policy.uncacheable_for),
                due_age: Duration::MAX,
                weight: 0,
            },
        );
        self.store(key, Slot::Uncacheable(Arc::new(mark)));
    }

    /// What an answer that is not kept means for what is.
    pub(super) fn settle_old(&self, keep: Keep, beside: Option<Beside<V>>) -> Fate {
        if keep == Keep::Failure {
            self.back_off();
            return Fate::Failed;
        }
        // What is written beside may take the old value's place.
        self.remove_old();
        self.write_beside(beside);
        Fate::Shared
    }

    /// Keeps what a stream has brought, as of when it was `answered`, unless its flight is not `open` any more and
    /// another one has overtaken it.
    pub(super) fn keep_streamed(
        &self,
        product: Option<Product<V>>,
        answered: Moment,
        open: bool,
    ) -> Fate {
        match product {
            Some(product) => {
                let key = product.key.as_ref().unwrap_or(self.key());
                if open || !self.is_superseded(key, answered) {
                    return self.commit(product, None, answered).fate;
                }
            }
            None if open => self.remove_old(),
            None => {}
        }
        Fate::Shared
    }

    /// Whether a value that came after `answered` is kept under `key`. It takes a flight that was closed before its
    /// end for that: another one may have overtaken it.
    pub(super) fn is_superseded(&self, key: &Key, answered: Moment) -> bool {
        match self.cache.shared.near.get(&key.borrowed()) {
            Some(Slot::Kept(entry)) => entry.stored_at() > answered,
            _ => false,
        }
    }

    pub(super) fn remove_old(&self) {
        if self.is_current() {
            self.cache.shared.near.remove(&self.key().borrowed());
        }
    }

    /// Leaves a failing origin alone for a while; the older value answers meanwhile, where it may.
    pub(super) fn back_off(&self) {
        let Some(old) = &self.old else { return };
        let shared = &self.cache.shared;
        let pause = self
            .policy
            .refresh
            .back_off(old.count_failure(), shared.rng.roll());
        old.postpone_refresh(shared.clock.now().after(pause));
    }

    /// The origin is slow: those who come while the call runs are answered with the older value, where it may stand in,
    /// instead of each finding out for themselves.
    pub(super) fn serve_old_meanwhile(&self) {
        let Some(old) = &self.old else { return };
        old.count_failure();
        let clock = &self.cache.shared.clock;
        old.postpone_refresh(clock.now().after(self.policy.origin_timeout));
    }

    /// The origin has answered or given up: what it said decides from here on.
    pub(super) fn serve_old_no_more(&self) {
        if let Some(old) = &self.old {
            old.postpone_refresh(self.cache.now());
        }
    }

    /// Whether nothing that concerns the key was invalidated since the flight began. A writer that comes late must
    /// neither bring a purged value back nor take a newer one away.
    fn is_current(&self) -> bool {
        let subjects = self.key().borrowed().subjects();
        self.cache.shared.invalidations.newest(&subjects) <= self.born
    }

    fn jittered(&self, lifetime: Lifetime) -> Lifetime {
        let policy = &self.policy.refresh;
        policy.jittered(lifetime, self.roll_if(policy.ttl_jitter > 0.0))
    }

    fn due_age(&self, lifetime: &Lifetime) -> Duration {
        let policy = &self.policy.refresh;
        policy.due_age(lifetime, self.roll_if(!policy.refresh_jitter.is_zero()))
    }

    fn roll_if(&self, needed: bool) -> f64 {
        if needed {
            self.cache.shared.rng.roll()
        } else {
            0.0
        }
    }
}
