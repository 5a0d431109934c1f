//! Real threads, tokio's tasks and the machine's own clock: nothing here is in the test's hands, and what must hold holds
//! all the same.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use crate::support::{Origin, key, minute};
use tokio::sync::watch;
use tokio::task::{JoinSet, yield_now};
use tower_swr_core::{Cache, CacheBuilder, FlightPolicy, Made, MemorySettings};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn those_who_ask_together_make_one_call() {
    let cache: Cache<u32> = CacheBuilder::new(MemorySettings::new(1 << 20)).build();
    let (policy, origin) = (Arc::new(FlightPolicy::default()), Origin::default());
    for round in 0..20 {
        let (begin, _) = watch::channel(false);
        let mut requests = JoinSet::new();
        for _ in 0..200 {
            let (cache, policy, origin) = (cache.clone(), Arc::clone(&policy), origin.clone());
            let mut begun = begin.subscribe();
            requests.spawn(async move {
                let key = key(&format!("round {round}"));
                begun.wait_for(|begun| *begun).await.expect("it begins");
                let made = origin.makes(round, minute());
                let entry = cache.get(&key.borrowed(), &policy, made).await;
                *entry.expect("the origin answers").value()
            });
        }
        begin.send_replace(true);
        assert_eq!(requests.join_all().await, [round; 200]);
    }
    assert_eq!(origin.calls(), 20);
    assert_eq!(cache.stats().stampede_violations, 0);
}

/// A database row, in generations, and a cache in front of it.
struct Row {
    cache: Cache<u32>,
    policy: Arc<FlightPolicy>,
    generation: AtomicU32,
    /// The newest generation whose purge has returned.
    purged: AtomicU32,
}

impl Row {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            cache: CacheBuilder::new(MemorySettings::new(1 << 20)).build(),
            policy: Arc::default(),
            generation: AtomicU32::new(0),
            purged: AtomicU32::new(0),
        })
    }

    async fn write(&self) {
        let written = self.generation.fetch_add(1, SeqCst) + 1;
        self.cache.purge(key("row").borrowed().resource());
        self.purged.fetch_max(written, SeqCst);
        yield_now().await;
    }

    async fn read(self: &Arc<Self>) {
        let at_least = self.purged.load(SeqCst);
        let row = Arc::clone(self);
        let select = async move {
            let generation = row.generation.load(SeqCst);
            yield_now().await;
            Ok::<_, Infallible>(Made::new(generation, minute()))
        };
        let key = key("row");
        let read = self.cache.get(&key.borrowed(), &self.policy, select).await;
        let read = *read.expect("the row is there").value();
        assert!(read >= at_least, "{read} after the purge of {at_least}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_reads_after_a_write_reads_what_was_written() {
    let row = Row::new();
    let mut tasks = JoinSet::new();
    for _ in 0..3 {
        let (writer, reader) = (Arc::clone(&row), Arc::clone(&row));
        tasks.spawn(async move {
            for _ in 0..2000 {
                writer.write().await;
            }
        });
        tasks.spawn(async move {
            for _ in 0..4000 {
                reader.read().await;
            }
        });
    }
    tasks.join_all().await;
    row.read().await;
    assert_eq!(row.cache.stats().stampede_violations, 0);
}
