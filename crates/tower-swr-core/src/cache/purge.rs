use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Cache, Purged};
use crate::entry::{Entry, Slot};
use crate::key::{KeyRef, Subject};

impl<V: Send + Sync + 'static, P: Clone + Send + Sync + 'static> Cache<V, P> {
    /// Invalidates everything that concerns `subject`: what is stored does not count any more, and who waits for a
    /// flight gets its answer, but nobody joins it and it stores nothing. Call it *after* what the values are made of
    /// has changed.
    ///
    /// Keys belong to the resources that were marked in them, and to their scope:
    ///
    /// ```
    /// # use tower_swr_core::{Cache, CacheBuilder, KeyText, MemorySettings};
    /// # let cache: Cache<u32> = CacheBuilder::new(MemorySettings::new(1 << 20)).build();
    /// let mut key = KeyText::new("rows");
    /// key.push(b"customers");
    /// key.end_resource(); // the table
    /// key.push(b"7");
    /// key.end_resource(); // the row
    /// cache.purge(key.key().resource()); // the row
    ///
    /// let mut table = KeyText::new("rows");
    /// table.push(b"customers");
    /// cache.purge(table.key().resource()); // the whole table
    /// cache.purge(table.key().scope_subject()); // all rows
    /// ```
    ///
    /// Here it is carried out before this returns. Where the cache has a [far side](crate::CacheBuilder::far), it is then
    /// recorded there, in a task of its own: what comes back tells how far it got, and need not be awaited. Outside of any
    /// runtime it reaches this process alone.
    #[allow(
        clippy::must_use_candidate,
        reason = "it gets there whether it is awaited or not"
    )]
    pub fn purge(&self, subject: Subject) -> Purged {
        self.spread(subject, || self.invalidate(subject))
    }

    /// The same for each of `subjects`. What comes back tells of the one that got least far.
    ///
    /// ```
    /// # use tower_swr_core::{Cache, CacheBuilder, MemorySettings, Subject};
    /// # let cache: Cache<u32> = CacheBuilder::new(MemorySettings::new(1 << 20)).build();
    /// cache.purge_each([Subject::tag(b"product-7"), Subject::tag(b"product-8")]);
    /// ```
    #[allow(
        clippy::must_use_candidate,
        reason = "it gets there whether it is awaited or not"
    )]
    pub fn purge_each(&self, subjects: impl IntoIterator<Item = Subject>) -> Purged {
        let purges = subjects.into_iter().map(|subject| self.purge(subject));
        purges.fold(Purged::here(), Purged::and)
    }

    /// Invalidates everything. What is asked for again then goes to the origin a few calls at a time, until as many
    /// have been made as there were entries, for a minute at most: see [`CacheBuilder::refills`].
    ///
    /// [`CacheBuilder::refills`]: crate::CacheBuilder::refills
    #[allow(
        clippy::must_use_candidate,
        reason = "it gets there whether it is awaited or not"
    )]
    pub fn purge_all(&self) -> Purged {
        self.purge(Subject::All)
    }

    /// Whether no purge concerns `entry` by now. One that is held on to while another process is waited for may be purged
    /// meanwhile, and is no ground for anything then. A soft purge leaves it.
    ///
    /// ```
    /// # use tower_swr_core::{Cache, CacheBuilder, Entry, MemorySettings};
    /// # let cache: Cache<u32> = CacheBuilder::new(MemorySettings::new(1 << 20)).build();
    /// let is_ground = |old: &Entry<u32>| cache.counts(old);
    /// ```
    #[must_use]
    pub fn counts(&self, entry: &Entry<V>) -> bool {
        entry.admitted_by(&self.shared.invalidations)
    }

    /// Carries an invalidation out in this process, whoever asked for it.
    pub(super) fn invalidate(&self, subject: Subject) {
        if subject == Subject::All {
            self.clear();
        } else if self.shared.invalidations.invalidate(subject) {
            self.sweep();
        }
        if let Some(far) = &self.shared.far {
            far.outdate(subject);
        }
    }

    /// Invalidates everything in this process.
    pub(super) fn clear(&self) {
        let (refills, entries) = (&self.shared.refills, self.shared.near.len());
        refills.begin(entries, self.now());
        self.shared.invalidations.invalidate_all();
        self.sweep();
    }

    /// Ends the freshness of everything that concerns `subject`, as of now: what may be served stale is, at once, while
    /// one refresh per key runs behind; what may not is asked for anew. A call that runs is taken to bring what is
    /// outdated, too: who waits for it gets that, and nobody joins it. Of several soft purges of one subject that nothing
    /// was asked for between, the last one counts.
    ///
    /// Other processes hear of it as they do of a [`purge`](Self::purge), and what comes back tells how far it got. What is
    /// kept on the far side stays there: a process that begins later, or that has missed more of the log than can be made
    /// up for, may still find it fresh.
    ///
    /// ```
    /// # use tower_swr_core::{Cache, CacheBuilder, MemorySettings, Subject};
    /// # let cache: Cache<u32> = CacheBuilder::new(MemorySettings::new(1 << 20)).build();
    /// cache.soft_purge(Subject::tag(b"product-7"));
    /// ```
    #[allow(
        clippy::must_use_candidate,
        reason = "it gets there whether it is awaited or not"
    )]
    pub fn soft_purge(&self, subject: Subject) -> Purged {
        self.soften(subject);
        self.spread_softly(subject)
    }

    /// The same for each of `subjects`. What comes back tells of the one that got least far.
    ///
    /// ```
    /// # use tower_swr_core::{Cache, CacheBuilder, MemorySettings, Subject};
    /// # let cache: Cache<u32> = CacheBuilder::new(MemorySettings::new(1 << 20)).build();
    /// cache.soft_purge_each([Subject::tag(b"product-7"), Subject::tag(b"product-8")]);
    /// ```
    #[allow(
        clippy::must_use_candidate,
        reason = "it gets there whether it is awaited or not"
    )]
    pub fn soft_purge_each(&self, subjects: impl IntoIterator<Item = Subject>) -> Purged {
        let purges = subjects.into_iter().map(|subject| self.soft_purge(subject));
        purges.fold(Purged::here(), Purged::and)
    }

    /// Ends the freshness of everything. What may be served stale is renewed no faster than refreshes may run, and what
    /// may not is limited as after [`Cache::purge_all`].
    #[allow(
        clippy::must_use_candidate,
        reason = "it gets there whether it is awaited or not"
    )]
    pub fn soft_purge_all(&self) -> Purged {
        self.soft_purge(Subject::All)
    }

    /// Carries a soft purge out in this process, whoever asked for it.
    pub(super) fn soften(&self, subject: Subject) {
        let (invalidations, now) = (&self.shared.invalidations, self.now());
        if subject == Subject::All {
            self.shared.refills.begin(self.shared.near.len(), now);
            invalidations.invalidate_all_softly(now);
        } else if invalidations.invalidate_softly(subject, now) {
            self.sweep();
        }
    }

    /// Removes what is kept under exactly `key`. A fill that runs stores its value all the same: to invalidate, see
    /// [`Cache::purge`].
    pub fn remove(&self, key: &KeyRef<'_>) {
        self.shared.near.remove(key);
    }

    /// Forgets that answers of `key` may not be shared. Where the far side remembers it, too, the next flight calls all the
    /// same, and its answer takes the place of that memory.
    pub fn forget_uncacheable(&self, key: &KeyRef<'_>) {
        let now = self.now();
        self.shared.near.remove_if(key, |there| match there {
            Slot::Uncacheable(mark) if mark.far_version().is_some() => {
                // Its version tells the flight that this memory is the one that has ended.
                mark.soften(now);
                false
            }
            Slot::Uncacheable(_) => true,
            Slot::Kept(_) => false,
        });
    }

    /// Removes what was invalidated from the store, so that the stamps of the invalidations can go, too.
    fn sweep(&self) {
        self.shared.sweeps.sweep(|| {
            let invalidations = &self.shared.invalidations;
            let swept = invalidations.epoch();
            // Asked before the store is looked through: what these store meanwhile may be missed there.
            let oldest_call = self.shared.origin_calls.oldest();
            self.shared
                .near
                .retain(|slot| slot.admitted_by(invalidations));
            invalidations.forget(swept, oldest_call);
        });
    }
}

/// Lets one sweep run at a time: more would only get in each other's way.
#[derive(Debug, Default)]
pub(super) struct Sweeps {
    asked_for: AtomicUsize,
}

impl Sweeps {
    /// Sweeps, until nobody has asked for it since. Who finds a sweep under way leaves theirs to it.
    fn sweep(&self, sweep: impl Fn()) {
        if self.asked_for.fetch_add(1, Ordering::AcqRel) > 0 {
            return;
        }
        let _ended = Ended(&self.asked_for);
        let mut asked_for = 1;
        while asked_for > 0 {
            sweep();
            asked_for = self.asked_for.fetch_sub(asked_for, Ordering::AcqRel) - asked_for;
        }
    }
}

/// Where a sweep panics, because a value does when it is dropped, the next one sweeps.
struct Ended<'a>(&'a AtomicUsize);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(0, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn who_asks_during_a_sweep_is_swept_for_afterwards_and_once() {
        let (sweeps, count) = (Sweeps::default(), Cell::new(0));
        sweeps.sweep(|| {
            count.set(count.get() + 1);
            if count.get() == 1 {
                sweeps.sweep(|| panic!("beside the other"));
                sweeps.sweep(|| panic!("beside the other"));
            }
        });
        assert_eq!(count.get(), 2);
        sweeps.sweep(|| count.set(count.get() + 1));
        assert_eq!(count.get(), 3);
    }

    #[test]
    fn a_sweep_that_panics_is_not_the_last() {
        let (sweeps, swept) = (Sweeps::default(), Cell::new(false));
        let panics =
            AssertUnwindSafe(|| sweeps.sweep(|| panic!("as a value does when it is dropped")));
        assert!(catch_unwind(panics).is_err());
        sweeps.sweep(|| swept.set(true));
        assert!(swept.get());
    }
}
