use std::fmt;
use std::hash::BuildHasher;
use std::marker::PhantomData;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quick_cache::sync::Cache;
use quick_cache::{Lifecycle, OptionsBuilder, Weighter};

use crate::entry::Slot;
use crate::key::{BuildKeyHasher, Key, KeyRef};

/// How much memory the near store may use.
///
/// ```
/// use tower_swr_core::MemorySettings;
///
/// let settings = MemorySettings::new(64 << 20);
/// assert_eq!(settings.largest_entry(), 1 << 20);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemorySettings {
    capacity: usize,
    largest_entry: usize,
    shards: usize,
}

/// A store turns away what is larger than about 97 % of one of its shards, and a shard with room for only a few
/// entries evicts good ones to make room: each has room for this many of the largest.
const LARGEST_PER_SHARD: usize = 8;

/// The smallest store that is still one: smaller ones could not hold eight answers of a kilobyte.
const SMALLEST: usize = 64 << 10;

/// What an entry may weigh where nothing else is said: 1 MiB.
const LARGEST_DEFAULT: usize = 1 << 20;

impl MemorySettings {
    /// A store of `capacity` bytes: keys, heads and bodies with their overhead. An entry may weigh up to 1 MiB, or an
    /// eighth of the capacity where that is less.
    ///
    /// # Panics
    ///
    /// For a capacity below 64 KiB.
    #[must_use]
    #[track_caller]
    pub fn new(capacity: usize) -> Self {
        assert!(
            capacity >= SMALLEST,
            "a memory store of {capacity} bytes is too small to be of use: give it at least {SMALLEST} bytes"
        );
        let cores = std::thread::available_parallelism().map_or(4, NonZeroUsize::get);
        Self {
            capacity,
            largest_entry: LARGEST_DEFAULT.min(capacity / LARGEST_PER_SHARD),
            shards: cores.saturating_mul(4),
        }
    }

    /// The largest entry that is kept, in bytes: larger ones are never stored.
    ///
    /// # Panics
    ///
    /// For zero, and for more than an eighth of the capacity.
    #[must_use]
    #[track_caller]
    pub fn with_largest_entry(mut self, bytes: usize) -> Self {
        let most = self.capacity / LARGEST_PER_SHARD;
        assert!(
            (1..=most).contains(&bytes),
            "entries of {bytes} bytes do not fit a memory store of {} bytes: allow 1 to {most} bytes, or give the \
             store {} bytes",
            self.capacity,
            bytes.saturating_mul(LARGEST_PER_SHARD)
        );
        self.largest_entry = bytes;
        self
    }

    /// Into how many independently locked parts the store is split, rounded to a power of two. Default: four per core.
    /// Fewer are made where a part would hold less than eight of the largest entries.
    #[must_use]
    pub fn with_shards(mut self, shards: NonZeroUsize) -> Self {
        self.shards = shards.get();
        self
    }

    /// The capacity in bytes.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// The most that one entry may weigh, in bytes.
    #[must_use]
    pub fn largest_entry(&self) -> usize {
        self.largest_entry
    }

    /// The largest power of two that leaves each shard its eight entries, and is not above what was asked for.
    fn shard_count(&self) -> usize {
        let fitting = (self.capacity / (self.largest_entry * LARGEST_PER_SHARD)).max(1);
        let most = fitting.min(self.shards);
        1 << most.ilog2()
    }
}

/// Entries in this process's memory, bounded by bytes. What was used least goes first (S3-FIFO, by `quick_cache`).
///
/// Values are dropped without any lock: one that is large, or that uses the cache when it is dropped, holds up nobody.
pub(crate) struct MemoryStore<V> {
    slots: Cache<Key, Slot<V>, ByWeight, BuildKeyHasher, Evictions<V>>,
    /// Held by whoever puts something under a key, from the look at what is there on. `quick_cache` can do both under
    /// its own lock, but then either shows readers a gap or does not evict for a value that is larger.
    writers: [Mutex<()>; WRITERS],
    largest_entry: usize,
    refused: AtomicU64,
    evicted: Arc<AtomicU64>,
}

/// Locks apart, so that writers of different keys seldom meet. Writing costs an origin call, so few are enough.
const WRITERS: usize = 64;

/// What has left the store and is dropped when its locks are free.
type Freed<V> = Vec<(Key, Slot<V>)>;

impl<V> MemoryStore<V> {
    pub(crate) fn new(settings: &MemorySettings) -> Self {
        // Only sizes a few tables; off by an order of magnitude does no harm.
        let estimated_items = (settings.capacity / 2048).max(64 * settings.shard_count());
        let options = OptionsBuilder::new()
            .shards(settings.shard_count())
            .estimated_items_capacity(estimated_items)
            .weight_capacity(settings.capacity as u64)
            .build()
            .expect("both capacities, the only required options, are set");
        let evicted = Arc::new(AtomicU64::new(0));
        let lifecycle = Evictions {
            count: Arc::clone(&evicted),
            of: PhantomData,
        };
        Self {
            slots: Cache::with_options(options, ByWeight, BuildKeyHasher::default(), lifecycle),
            writers: std::array::from_fn(|_| Mutex::default()),
            largest_entry: settings.largest_entry,
            refused: AtomicU64::new(0),
            evicted,
        }
    }

    #[inline]
    pub(crate) fn get(&self, key: &KeyRef<'_>) -> Option<Slot<V>> {
        self.slots.get(key)
    }

    /// Keeps `slot`, if it `may` take the place of what is there; nobody puts anything there in between. False where it
    /// may not, and where it is too large: then what was there is gone, since it is older.
    pub(crate) fn insert_if(
        &self,
        key: Key,
        slot: Slot<V>,
        may: impl FnOnce(Option<&Slot<V>>) -> bool,
    ) -> bool {
        let mut freed = Freed::new();
        let writing = self.writing(&key);
        let there = self.slots.peek(&key);
        let kept = may(there.as_ref()) && self.put(key, slot, &mut freed);
        drop(writing);
        drop((there, freed));
        kept
    }

    fn put(&self, key: Key, slot: Slot<V>, freed: &mut Freed<V>) -> bool {
        if slot.weight() > self.largest_entry {
            self.refused.fetch_add(1, Ordering::Relaxed);
            freed.extend(self.slots.remove(&key));
            freed.push((key, slot));
            return false;
        }
        self.slots.insert_with_lifecycle(key, slot, freed);
        true
    }

    fn writing(&self, key: &Key) -> MutexGuard<'_, ()> {
        let hash = BuildKeyHasher::default().hash_one(key);
        let writer = &self.writers[hash as usize % WRITERS];
        writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn remove(&self, key: &KeyRef<'_>) {
        self.slots.remove(key);
    }

    /// Removes what is there if that `is_meant`; nobody puts anything there in between.
    pub(crate) fn remove_if(&self, key: &KeyRef<'_>, is_meant: impl FnOnce(&Slot<V>) -> bool) {
        self.slots.remove_if(key, is_meant);
    }

    /// Removes what is not to be kept. What comes meanwhile may be missed.
    pub(crate) fn retain(&self, keep: impl Fn(&Slot<V>) -> bool) {
        // Not `Cache::retain`, which drops the values under its lock, and holds that for a whole shard.
        for (key, slot) in self.slots.iter() {
            if !keep(&slot) {
                self.slots.remove_if(&key, |there| !keep(there));
            }
        }
    }

    pub(crate) fn largest_entry(&self) -> usize {
        self.largest_entry
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn weight(&self) -> u64 {
        self.slots.weight()
    }

    /// Entries that were too large to be kept.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Entries that made room for others.
    pub(crate) fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }
}

impl<V> fmt::Debug for MemoryStore<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("entries", &self.len())
            .field("bytes", &self.weight())
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug)]
struct ByWeight;

impl<V> Weighter<Key, Slot<V>> for ByWeight {
    fn weight(&self, _: &Key, slot: &Slot<V>) -> u64 {
        slot.weight() as u64
    }
}

/// Counts what makes room, and carries what leaves out of the lock.
struct Evictions<V> {
    count: Arc<AtomicU64>,
    of: PhantomData<fn(V)>,
}

impl<V> Lifecycle<Key, Slot<V>> for Evictions<V> {
    type RequestState = Freed<V>;

    /// Not `on_evict`: that hears of replaced values, too, so that each refresh would count.
    fn before_evict(&self, _: &mut Freed<V>, _: &Key, _: &mut Slot<V>) {
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    fn on_evict(&self, freed: &mut Freed<V>, key: Key, slot: Slot<V>) {
        freed.push((key, slot));
    }
}

// Written by hand: a derived one would ask for `V: Clone`.
impl<V> Clone for Evictions<V> {
    fn clone(&self) -> Self {
        Self {
            count: Arc::clone(&self.count),
            of: PhantomData,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::Moment;
    use crate::entry::{Birth, Entry};
    use crate::invalidation::Epoch;
    use crate::key::KeyText;
    use crate::lifetime::Lifetime;
    use crate::tags::Tags;

    fn key(name: &str) -> Key {
        let mut text = KeyText::new("s");
        text.push(name.as_bytes());
        text.key().to_key()
    }

    fn slot(key: &Key, weight: usize) -> Slot<()> {
        holding((), key, weight, Moment::ORIGIN)
    }

    fn insert(store: &MemoryStore<()>, key: &Key, weight: usize) -> bool {
        store.insert_if(key.clone(), slot(key, weight), |_| true)
    }

    fn holding<V>(value: V, key: &Key, weight: usize, now: Moment) -> Slot<V> {
        let birth = Birth {
            now,
            weight,
            ..birth(key)
        };
        Slot::Kept(Arc::new(Entry::new(value, &birth)))
    }

    #[test]
    fn the_largest_entry_is_kept_whatever_number_of_shards_is_asked_for() {
        let many = NonZeroUsize::new(256).expect("256 is not zero");
        let settings = MemorySettings::new(64 << 20).with_shards(many);
        assert_eq!(settings.shard_count(), 8);
        let store = MemoryStore::new(&settings);
        for name in 0..8 {
            let key = key(&format!("{name}"));
            let room = slot(&key, 0).weight();
            assert!(insert(&store, &key, settings.largest_entry() - room));
            assert!(
                store.get(&key.borrowed()).is_some(),
                "entry {name} was dropped"
            );
        }
    }

    #[test]
    fn what_is_too_large_is_refused_and_counted_and_takes_the_older_value_with_it() {
        let store = MemoryStore::new(&MemorySettings::new(1 << 20));
        let key = key("a");
        assert!(insert(&store, &key, 10));
        assert!(!insert(&store, &key, 1 << 20));
        assert!(store.get(&key.borrowed()).is_none());
        assert_eq!(store.refused(), 1);
    }

    #[test]
    fn it_stays_within_its_bytes() {
        let store = MemoryStore::new(&MemorySettings::new(1 << 20));
        for name in 0..10_000 {
            let key = key(&format!("{name}"));
            insert(&store, &key, 1000);
        }
        assert!(store.weight() <= 1 << 20);
        assert!(store.evicted() > 0);
    }

    #[test]
    #[should_panic(
        expected = "entries of 2097152 bytes do not fit a memory store of 8388608 bytes"
    )]
    fn an_entry_limit_that_a_shard_cannot_hold_is_refused() {
        let _ = MemorySettings::new(8 << 20).with_largest_entry(2 << 20);
    }

    #[test]
    fn of_many_writers_the_newest_wins() {
        for _ in 0..200 {
            let store = MemoryStore::new(&MemorySettings::new(1 << 20));
            let key = key("a");
            std::thread::scope(|scope| {
                for nanos in [1, 2, 3, 4] {
                    let (store, key) = (&store, &key);
                    scope.spawn(move || {
                        let now = Moment::from_nanos(nanos);
                        let is_older = |there: Option<&Slot<u64>>| {
                            there.is_none_or(|there| there.stored_at() <= now)
                        };
                        store.insert_if(key.clone(), holding(nanos, key, 8, now), is_older);
                    });
                }
            });
            match store.get(&key.borrowed()) {
                Some(Slot::Kept(entry)) => assert_eq!(*entry.value(), 4),
                other => panic!("{other:?}"),
            }
        }
    }

    /// Looks into the store when it is dropped, as a value that holds a handle of its cache may.
    struct Looking(Arc<MemoryStore<Looking>>, Key);

    impl Drop for Looking {
        fn drop(&mut self) {
            let _ = self.0.get(&self.1.borrowed());
            self.0.remove_if(&self.1.borrowed(), |_| false);
            let next = Slot::Uncacheable(Arc::new(Entry::new((), &birth(&self.1))));
            self.0.insert_if(self.1.clone(), next, |_| false);
        }
    }

    fn birth(key: &Key) -> Birth<'_> {
        Birth {
            key: key.borrowed(),
            born: Epoch::default(),
            now: Moment::ORIGIN,
            initial_age: Duration::ZERO,
            lifetime: Lifetime::FOREVER,
            due_age: Duration::MAX,
            weight: 0,
            tags: Tags::default(),
            leads: false,
            far_version: None,
        }
    }

    #[test]
    fn values_are_dropped_without_a_lock() {
        let one = NonZeroUsize::new(1).expect("1 is not zero");
        let settings = MemorySettings::new(1 << 20).with_shards(one);
        let store = Arc::new(MemoryStore::new(&settings));
        let put = |name: &str, weight| {
            let key = key(name);
            let value = Looking(Arc::clone(&store), key.clone());
            let slot = holding(value, &key, weight, Moment::ORIGIN);
            store.insert_if(key, slot, |_| true);
        };
        put("a", 10);
        put("a", 10);
        put("a", 1 << 20);
        for name in 0..100 {
            put(&format!("{name}"), 100_000);
        }
        assert!(store.evicted() > 0);
        store.retain(|_| false);
        assert_eq!(store.len(), 0);
    }
}
