//! What the store holds under a key.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Moment;
use crate::invalidation::{Epoch, Invalidations, ValidSince};
use crate::key::{KeyRef, SUBJECTS, Subject};
use crate::lifetime::Lifetime;

/// What one look-up finds: a value, or the memory that this key's answers may not be shared.
#[derive(Debug)]
pub(crate) enum Slot<V> {
    Kept(Arc<Entry<V>>),
    Uncacheable(Arc<Entry<()>>),
}

// Written by hand: a derived one would ask for `V: Clone`.
impl<V> Clone for Slot<V> {
    fn clone(&self) -> Self {
        match self {
            Self::Kept(entry) => Self::Kept(Arc::clone(entry)),
            Self::Uncacheable(mark) => Self::Uncacheable(Arc::clone(mark)),
        }
    }
}

impl<V> Slot<V> {
    pub(crate) fn admitted_by(&self, invalidations: &Invalidations) -> bool {
        match self {
            Self::Kept(entry) => entry.admitted_by(invalidations),
            Self::Uncacheable(mark) => mark.admitted_by(invalidations),
        }
    }

    pub(crate) fn stored_at(&self) -> Moment {
        match self {
            Self::Kept(entry) => entry.stored_at,
            Self::Uncacheable(mark) => mark.stored_at,
        }
    }

    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Kept(entry) => entry.weight,
            Self::Uncacheable(mark) => mark.weight,
        }
    }
}

/// A value with everything that decides whether it may be served.
#[derive(Debug)]
pub struct Entry<V> {
    value: V,
    lifetime: Lifetime,
    stored_at: Moment,
    /// The age that the value already had when it came.
    initial_age: Duration,
    valid_since: ValidSince,
    subjects: [Subject; SUBJECTS],
    weight: usize,
    /// When to ask the origin next: moved by failures, so it is not part of the lifetime.
    refresh_due: AtomicU64,
    failures: AtomicU32,
    /// An attempt to renew it takes long and this stands in meanwhile.
    standing_in: AtomicBool,
}

/// What a new entry is made of, beside its value.
#[derive(Debug)]
pub(crate) struct Birth<'a> {
    pub(crate) key: KeyRef<'a>,
    pub(crate) born: Epoch,
    pub(crate) now: Moment,
    pub(crate) initial_age: Duration,
    pub(crate) lifetime: Lifetime,
    /// The age at which a refresh is due.
    pub(crate) due_age: Duration,
    /// Bytes of the value; those of the key are added here.
    pub(crate) weight: usize,
}

/// What the store's own tables cost per entry, and the headers of two allocations.
const OVERHEAD: usize = 96;

impl<V> Entry<V> {
    pub(crate) fn new(value: V, birth: &Birth<'_>) -> Self {
        let due = birth.due_age.saturating_sub(birth.initial_age);
        let own = size_of::<Self>() + birth.key.text().len() + OVERHEAD;
        Self {
            value,
            lifetime: birth.lifetime,
            stored_at: birth.now,
            initial_age: birth.initial_age,
            valid_since: ValidSince::new(birth.born),
            subjects: birth.key.subjects(),
            // A weight comes from outside: the largest there is must not overflow.
            weight: own.saturating_add(birth.weight),
            refresh_due: AtomicU64::new(birth.now.after(due).to_nanos()),
            failures: AtomicU32::new(0),
            standing_in: AtomicBool::new(false),
        }
    }

    /// The value.
    #[must_use]
    pub fn value(&self) -> &V {
        &self.value
    }

    /// How long it may be served.
    #[must_use]
    pub fn lifetime(&self) -> &Lifetime {
        &self.lifetime
    }

    /// How old the value is: the time since it was stored and the age that it came with.
    #[must_use]
    pub fn age(&self, now: Moment) -> Duration {
        now.since(self.stored_at).saturating_add(self.initial_age)
    }

    /// The bytes it counts for, its key included.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.weight
    }

    pub(crate) fn admitted_by(&self, invalidations: &Invalidations) -> bool {
        invalidations.admits(&self.valid_since, &self.subjects)
    }

    /// When the origin is to be asked next.
    pub(crate) fn refresh_due(&self) -> Moment {
        Moment::from_nanos(self.refresh_due.load(Ordering::Relaxed))
    }

    /// Whether the last attempt to renew it failed, or the one that runs is slow.
    pub(crate) fn is_failing(&self) -> bool {
        self.failures.load(Ordering::Relaxed) > 0 || self.standing_in.load(Ordering::Relaxed)
    }

    /// The origin is slow: until it says something, at the latest `until`, this stands in.
    pub(crate) fn begin_to_stand_in(&self, until: Moment) {
        self.standing_in.store(true, Ordering::Relaxed);
        self.postpone_refresh(until);
    }

    pub(crate) fn end_to_stand_in(&self, now: Moment) {
        self.standing_in.store(false, Ordering::Relaxed);
        self.postpone_refresh(now);
    }

    /// Counts a failed attempt: how many there were in a row.
    pub(crate) fn count_failure(&self) -> u32 {
        self.failures
            .fetch_add(1, Ordering::Relaxed)
            .saturating_add(1)
    }

    pub(crate) fn postpone_refresh(&self, until: Moment) {
        self.refresh_due.store(until.to_nanos(), Ordering::Relaxed);
    }
}
