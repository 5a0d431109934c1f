//! What the store holds under a key.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Moment;
use crate::invalidation::{Epoch, Invalidations, Standing, ValidSince};
use crate::key::{KeyRef, SUBJECTS, Subject};
use crate::lifetime::Lifetime;
use crate::tags::Tags;

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
    #[inline]
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

    pub(crate) fn tags(&self) -> &Tags {
        match self {
            Self::Kept(entry) => entry.tags(),
            Self::Uncacheable(mark) => mark.tags(),
        }
    }

    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Kept(entry) => entry.weight,
            Self::Uncacheable(mark) => mark.weight,
        }
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Kept(one), Self::Kept(other)) => Arc::ptr_eq(one, other),
            (Self::Uncacheable(one), Self::Uncacheable(other)) => Arc::ptr_eq(one, other),
            _ => false,
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
    tags: Tags,
    weight: usize,
    /// The age, in nanoseconds, at which its freshness ends if not before: a soft invalidation sets it.
    fresh_until: AtomicU64,
    leads: bool,
    /// Which value of the far side it is a copy of, or is the original of.
    far_version: Option<FarVersion>,
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
    pub(crate) tags: Tags,
    /// It leads to others, and is right as long as it is not invalidated: a soft invalidation is for those.
    pub(crate) leads: bool,
    /// Which value of the far side it is.
    pub(crate) far_version: Option<FarVersion>,
}

/// The bytes of a version on the far side, which compare for being the same.
pub(crate) type FarVersion = [u8; 8];

/// What the store's own tables cost per entry, and the headers of two allocations.
const OVERHEAD: usize = 96;

impl<V> Entry<V> {
    pub(crate) fn new(value: V, birth: &Birth<'_>) -> Self {
        let due = birth.due_age.saturating_sub(birth.initial_age);
        let tags = birth.tags.len() * size_of::<Subject>();
        let own = size_of::<Self>() + birth.key.text().len() + tags + OVERHEAD;
        Self {
            value,
            lifetime: birth.lifetime,
            stored_at: birth.now,
            initial_age: birth.initial_age,
            valid_since: ValidSince::new(birth.born),
            subjects: birth.key.subjects(),
            tags: birth.tags.clone(),
            fresh_until: AtomicU64::new(u64::MAX),
            leads: birth.leads,
            far_version: birth.far_version,
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

    /// How long it may be served: less long than it came with, once its freshness was ended by a
    /// [soft purge](crate::Cache::soft_purge).
    #[must_use]
    #[inline]
    pub fn lifetime(&self) -> Lifetime {
        match self.fresh_until.load(Ordering::Relaxed) {
            u64::MAX => self.lifetime,
            age => self.lifetime.ending_at(Duration::from_nanos(age)),
        }
    }

    /// How long it is fresh, as [`lifetime`](Self::lifetime) says: all that most look-ups ask.
    #[must_use]
    #[inline]
    pub fn fresh_for(&self) -> Duration {
        let fresh = self.lifetime.fresh();
        match self.fresh_until.load(Ordering::Relaxed) {
            u64::MAX => fresh,
            age => fresh.min(Duration::from_nanos(age)),
        }
    }

    /// How old the value is: the time since it was stored and the age that it came with.
    #[must_use]
    #[inline]
    pub fn age(&self, now: Moment) -> Duration {
        now.since(self.stored_at).saturating_add(self.initial_age)
    }

    /// The bytes it counts for, its key included.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// Whether no invalidation concerns it. A soft one ends its freshness.
    #[inline]
    pub(crate) fn admitted_by(&self, invalidations: &Invalidations) -> bool {
        match invalidations.standing(&self.valid_since, &self.subjects, &self.tags) {
            Standing::Current => true,
            Standing::Stale { at, checked } => {
                if !self.leads {
                    self.end_freshness(at);
                }
                self.valid_since.raise(checked);
                true
            }
            Standing::Gone => false,
        }
    }

    pub(crate) fn tags(&self) -> &Tags {
        &self.tags
    }

    pub(crate) fn leads(&self) -> bool {
        self.leads
    }

    pub(crate) fn far_version(&self) -> Option<FarVersion> {
        self.far_version
    }

    /// It was invalidated softly at that time, before it came here.
    pub(crate) fn soften(&self, at: Moment) {
        if !self.leads {
            self.end_freshness(at);
        }
    }

    fn end_freshness(&self, at: Moment) {
        let age = u64::try_from(self.age(at).as_nanos()).unwrap_or(u64::MAX);
        self.fresh_until.fetch_min(age, Ordering::Relaxed);
        self.refresh_due.fetch_min(at.to_nanos(), Ordering::Relaxed);
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
