//! What a fill leaves in the store, and what it leaves alone.

use std::sync::Arc;
use std::time::Duration;

use super::far::Grant;
use super::{Answer, Beside, Fate, Fill, Keep, Landed, Product};
use crate::clock::Moment;
use crate::entry::{Birth, Entry, FarVersion, Slot};
use crate::key::Key;
use crate::lifetime::Lifetime;
use crate::tags::Tags;

impl<V: Send + Sync + 'static, P: Clone + Send + Sync + 'static> Fill<V, P> {
    /// Keeps `product` if it is to be kept, as of when it was `answered`, and what goes with it.
    pub(super) fn commit(
        &mut self,
        product: Product<V>,
        beside: Option<Beside<V>>,
        answered: Moment,
    ) -> Landed<V, P> {
        let place = product.key.as_ref().unwrap_or(self.key()).clone();
        let lifetime = match product.keep {
            Keep::Store(lifetime) => self.jittered(lifetime),
            Keep::Share | Keep::Failure => Lifetime::fresh_for(Duration::ZERO),
        };
        let entry = Arc::new(Entry::new(
            product.value,
            &Birth {
                key: place.borrowed(),
                born: self.asked,
                now: answered,
                initial_age: product.initial_age,
                lifetime,
                due_age: self.due_age(&lifetime),
                weight: product.weight,
                tags: product.tags,
                leads: false,
                far_version: self.far_version(),
            },
        ));
        let fate = match product.keep {
            Keep::Store(_) => {
                let fate = self.store(place, Slot::Kept(Arc::clone(&entry)), answered);
                // After the value: who is led to it finds it.
                self.write_beside(beside);
                if product.key.is_some() {
                    self.remove_renewed();
                }
                fate
            }
            keep => self.settle_old(keep, product.key.as_ref(), beside, answered),
        };
        Landed {
            tags: entry.tags().clone(),
            answer: Answer::Whole(entry),
            fate,
        }
    }

    /// Keeps what a stream has brought, as of when it was `answered`. Without a product, it turned out not to be kept.
    pub(super) fn keep_streamed(
        &mut self,
        product: Option<Product<V>>,
        key: Option<&Key>,
        answered: Moment,
    ) -> Fate {
        match product {
            Some(product) => self.commit(product, None, answered).fate,
            None => {
                self.remove_old(key, answered);
                Fate::Shared
            }
        }
    }

    /// What an answer that is not kept means for what is.
    pub(super) fn settle_old(
        &mut self,
        keep: Keep,
        key: Option<&Key>,
        beside: Option<Beside<V>>,
        answered: Moment,
    ) -> Fate {
        if keep == Keep::Failure {
            self.back_off();
            self.write_beside_if_missing(beside);
            return Fate::Failed;
        }
        // What is written beside may take the old value's place.
        self.remove_old(key, answered);
        self.write_beside(beside);
        Fate::Shared
    }

    /// Writes what leads to the answer's place. Whatever is kept or flies there is there before anybody is led to it.
    pub(super) fn write_beside(&mut self, beside: Option<Beside<V>>) {
        if let Some(beside) = beside {
            let (key, slot) = self.leading(beside);
            let now = self.cache.now();
            self.store(key, slot, now);
        }
    }

    /// A failure tells little about what leads where: it takes no good value's place.
    fn write_beside_if_missing(&self, beside: Option<Beside<V>>) {
        let Some(beside) = beside else { return };
        let (key, slot) = self.leading(beside);
        let invalidations = &self.cache.shared.invalidations;
        let place = key.clone();
        self.cache.shared.near.insert_if(key, slot, |there| {
            let is_kept = |there: &Slot<V>| {
                matches!(there, Slot::Kept(_)) && there.admitted_by(invalidations)
            };
            self.is_current(&place, &Tags::default()) && !there.is_some_and(is_kept)
        });
    }

    fn leading(&self, beside: Beside<V>) -> (Key, Slot<V>) {
        let Beside { key, value, weight } = beside;
        let entry = Entry::new(
            value,
            &Birth {
                key: key.borrowed(),
                born: self.asked,
                now: self.cache.now(),
                initial_age: Duration::ZERO,
                lifetime: Lifetime::FOREVER,
                due_age: Duration::MAX,
                weight,
                tags: Tags::default(),
                leads: true,
                far_version: self.far_version(),
            },
        );
        (key, Slot::Kept(Arc::new(entry)))
    }

    /// Remembers that answers of `key`, or of the flight's own where there is none, may not be shared: one that was
    /// `answered` then.
    pub(super) fn remember_uncacheable(&mut self, key: Option<&Key>, answered: Moment) {
        let key = key.unwrap_or(self.key()).clone();
        let mark = Entry::new(
            (),
            &Birth {
                key: key.borrowed(),
                born: self.asked,
                now: self.cache.now(),
                initial_age: Duration::ZERO,
                lifetime: Lifetime::fresh_for(self.policy.uncacheable_for),
                due_age: Duration::MAX,
                weight: 0,
                tags: Tags::default(),
                leads: false,
                far_version: self.far_version(),
            },
        );
        self.store(key, Slot::Uncacheable(Arc::new(mark)), answered);
    }

    /// Keeps `slot`, of an answer that was `answered` then, unless a purge or a newer answer has overtaken it.
    /// What is kept here is what the far side is to have.
    pub(super) fn store(&mut self, key: Key, slot: Slot<V>, answered: Moment) -> Fate {
        let (place, tags) = (key.clone(), slot.tags().clone());
        let outgoing = (self.far_version().is_some()).then(|| (key.clone(), slot.clone()));
        let stored = self.cache.shared.near.insert_if(key, slot, |there| {
            self.is_current(&place, &tags)
                && there.is_none_or(|there| there.stored_at() <= answered)
        });
        if stored {
            if let Some(beyond) = &mut self.beyond {
                beyond.outbox.extend(outgoing);
            }
            Fate::Stored
        } else {
            Fate::Shared
        }
    }

    /// Which value of the far side comes of this.
    fn far_version(&self) -> Option<FarVersion> {
        self.beyond.as_ref()?.grant.as_ref().map(Grant::version)
    }

    /// Removes what an answer has superseded that is not kept: what was kept where this one would be, under `key`, and
    /// what the flight was to renew.
    pub(super) fn remove_old(&self, key: Option<&Key>, answered: Moment) {
        let near = &self.cache.shared.near;
        let place = key.unwrap_or(self.key());
        near.remove_if(&place.borrowed(), |there| {
            self.is_current(place, &Tags::default()) && there.stored_at() <= answered
        });
        if key.is_some() {
            self.remove_renewed();
        }
    }

    /// Removes what the flight was to renew from its own key, since what came of it belongs under another. By now the key
    /// may hold what leads there: that stays.
    fn remove_renewed(&self) {
        let near = &self.cache.shared.near;
        near.remove_if(&self.key().borrowed(), |there| self.is_old(there));
    }

    fn is_old(&self, there: &Slot<V>) -> bool {
        match (there, &self.old) {
            (Slot::Kept(there), Some(old)) => Arc::ptr_eq(there, old),
            _ => false,
        }
    }

    /// Whether nothing that concerns the key, the `place` to be written or the `tags` was invalidated since it was asked for.
    /// A writer that comes late must neither bring a purged value back nor take a newer one away: asked under the lock of
    /// what it is about to change.
    fn is_current(&self, place: &Key, tags: &Tags) -> bool {
        let invalidations = &self.cache.shared.invalidations;
        let newest_of = |key: &Key| invalidations.newest(|| key.borrowed().subjects());
        // Variants are concerned by what their primary key is.
        let is_elsewhere = place.borrowed().primary() != self.key().borrowed().primary();
        let of_place = is_elsewhere.then(|| newest_of(place));
        newest_of(self.key())
            .max(of_place.unwrap_or_default())
            .max(invalidations.newest(|| tags.as_slice()))
            <= self.asked
    }

    fn jittered(&self, lifetime: Lifetime) -> Lifetime {
        let policy = &self.policy.refresh;
        policy.jittered(lifetime, self.roll_if(policy.ttl_jitter > 0.0))
    }

    pub(super) fn due_age(&self, lifetime: &Lifetime) -> Duration {
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
