//! Refreshes behind the scenes: bounded, one per key, and none after the cache was drained.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use crate::support::{House, Origin, key, minute, secs};
use futures_util::FutureExt;
use tower_swr_core::testing::{Heard, ManualClock, ManualSpawn};
use tower_swr_core::{
    Cache, CacheBuilder, FlightPolicy, KeyText, Made, MemorySettings, Mode, NoPartial, QueueLimits,
    Spawn, Task,
};

/// `house` with these keys kept as 1 and stale.
fn with_stale(house: House, names: &[&str]) -> House {
    for name in names {
        house.keep(&key(name), 1, minute());
    }
    house.clock.advance(secs(60));
    house
}

/// A stale hit on `name`, whose refresh brings 2.
fn hit(house: &House, name: &str) {
    let renews = house.origin.makes(2, minute());
    assert_eq!(house.get_at_once(&key(name), renews), 1);
}

#[test]
fn so_many_run_so_many_wait_and_the_rest_is_offered_again() {
    let limits = QueueLimits {
        running: 1,
        waiting: 2,
        ..QueueLimits::default()
    };
    let house = with_stale(House::queueing(limits), &["a", "b", "c", "d"]);
    for name in ["a", "b", "c", "d", "d"] {
        hit(&house, name);
    }
    assert_eq!(house.tasks.len(), 1);
    assert_eq!(house.cache.stats().refreshes_waiting, 2);
    assert_eq!(house.observer.count(Heard::RefreshRefused), 2);
    house.tasks.poll_all();
    assert_eq!(
        ["a", "b", "c"].map(|name| house.kept(&key(name))),
        [Some(2); 3]
    );
    assert!(house.is_refresh_due(&key("d")));
    hit(&house, "d");
    house.tasks.poll_all();
    assert_eq!(house.kept(&key("d")), Some(2));
    assert_eq!(house.cache.stats().refreshes_waiting, 0);
}

#[test]
fn a_scope_has_a_limit_of_its_own() {
    let policy = FlightPolicy {
        refreshes: 1,
        ..FlightPolicy::default()
    };
    let house = House::under(policy, []);
    let elsewhere = KeyText::new("elsewhere").key().to_key();
    house.keep(&elsewhere, 1, minute());
    let house = with_stale(house, &["a", "b"]);
    hit(&house, "a");
    hit(&house, "b");
    assert_eq!(
        (house.tasks.len(), house.cache.stats().refreshes_waiting),
        (1, 1)
    );
    house.get_at_once(&elsewhere, house.origin.makes(2, minute()));
    assert_eq!(
        (house.tasks.len(), house.cache.stats().refreshes_waiting),
        (2, 1)
    );
}

#[test]
fn a_key_waits_once() {
    let limits = QueueLimits {
        running: 1,
        waiting: 9,
        ..QueueLimits::default()
    };
    let house = with_stale(House::queueing(limits), &["a", "b"]);
    hit(&house, "a");
    for _ in 0..10 {
        hit(&house, "b");
    }
    assert_eq!(house.cache.stats().refreshes_waiting, 1);
    assert_eq!(house.observer.count(Heard::RefreshRefused), 0);
}

#[test]
fn a_miss_does_not_wait_behind_the_queue() {
    let limits = QueueLimits {
        running: 1,
        waiting: 9,
        ..QueueLimits::default()
    };
    let house = with_stale(House::queueing(limits), &["a", "b"]);
    let (answer, origin) = house.origin.waits();
    house.get_at_once(&key("a"), origin);
    hit(&house, "b");
    house.tasks.poll_all();
    house.clock.advance(secs(55));
    house.cache.purge(key("b").borrowed().resource());
    let mut miss = house.get(&key("b"), house.origin.makes(3, minute()));
    assert!(miss.now().is_none());
    house.tasks.poll_all();
    assert_eq!(miss.now().map(Result::ok), Some(Some(3)));
    let calls = house.origin.calls();
    answer.send(Made::new(2, minute())).expect("it runs");
    house.tasks.poll_all();
    assert_eq!(
        house.origin.calls(),
        calls,
        "the refresh of b finds it fresh"
    );
    assert!(house.tasks.is_empty());
    house.assert_no_violation();
}

#[test]
fn a_refresh_that_waits_while_the_switch_is_thrown_does_not_run() {
    for mode in [Mode::ServeStale, Mode::Off] {
        let house = with_stale(House::new(), &["a"]);
        hit(&house, "a");
        house.cache.set_mode(mode);
        house.tasks.poll_all();
        house.cache.set_mode(Mode::Normal);
        assert_eq!((house.origin.calls(), house.kept(&key("a"))), (1, Some(1)));
        hit(&house, "a");
        house.tasks.poll_all();
        assert_eq!(house.kept(&key("a")), Some(2), "offered again");
    }
}

#[test]
#[should_panic(expected = "allow at least 1 of each")]
fn a_queue_that_runs_nothing_is_refused() {
    let limits = QueueLimits {
        running: 0,
        waiting: 9,
        ..QueueLimits::default()
    };
    let _ = House::<NoPartial>::queueing(limits);
}

#[test]
fn a_right_to_refresh_that_is_not_used_goes_back() {
    let house = House::new();
    let reserve = || {
        house
            .cache
            .reserve_refresh(&key("a").borrowed(), &house.policy)
    };
    let refresh = reserve().expect("nobody else has it");
    assert!(reserve().is_none());
    drop(refresh);
    let refresh = reserve().expect("it was given back");
    refresh.submit(std::future::ready(()));
    assert!(reserve().is_none(), "it has not run");
    house.tasks.poll_all();
    assert!(reserve().is_some());
    assert_eq!(house.observer.count(Heard::RefreshRefused), 0);
}

// --- Draining --------------------------------------------------------------------------------------------------------

#[test]
fn draining_waits_for_what_runs() {
    let house = House::new();
    let (answer, origin) = house.origin.waits();
    let mut request = house.get(&key("a"), origin);
    assert!(request.now().is_none());
    let mut drained = Box::pin(house.cache.drain(secs(30)));
    assert!(drained.as_mut().now_or_never().is_none());
    house.tasks.poll_all();
    assert!(drained.as_mut().now_or_never().is_none());
    answer.send(Made::new(1, minute())).expect("it runs");
    house.tasks.poll_all();
    assert_eq!(drained.now_or_never(), Some(0));
    assert_eq!(request.now().map(Result::ok), Some(Some(1)));
}

#[test]
fn draining_ends_at_its_deadline_with_the_number_that_still_run() {
    let house = House::new();
    let mut requests = ["a", "b"].map(|name| house.get(&key(name), house.origin.hangs()));
    assert!(requests.iter_mut().all(|request| request.now().is_none()));
    house.tasks.poll_all();
    let mut drained = Box::pin(house.cache.drain(secs(30)));
    assert!(drained.as_mut().now_or_never().is_none());
    house.clock.advance(secs(29));
    assert!(drained.as_mut().now_or_never().is_none());
    house.clock.advance(secs(1));
    assert_eq!(drained.now_or_never(), Some(2));
    assert_eq!(house.origin.running(), 2, "left to whoever drops them");
}

#[test]
fn draining_drops_what_waits_and_begins_nothing_more() {
    let limits = QueueLimits {
        running: 1,
        waiting: 9,
        ..QueueLimits::default()
    };
    let house = with_stale(House::queueing(limits), &["a", "b", "c"]);
    hit(&house, "a");
    hit(&house, "b");
    let mut drained = Box::pin(house.cache.drain(secs(30)));
    assert!(drained.as_mut().now_or_never().is_none(), "a runs");
    assert_eq!(house.cache.stats().refreshes_waiting, 0);
    house.tasks.poll_all();
    assert_eq!(drained.now_or_never(), Some(0));
    hit(&house, "b");
    hit(&house, "c");
    assert!(house.tasks.is_empty());
    assert_eq!(
        ["a", "b", "c"].map(|name| house.kept(&key(name))),
        [Some(2), Some(1), Some(1)]
    );
    assert_eq!(house.observer.count(Heard::RefreshRefused), 2);
    house.keep(&key("d"), 4, minute());
}

#[test]
fn a_drain_that_is_dropped_has_closed_the_queue_all_the_same() {
    let house = with_stale(House::new(), &["a", "b"]);
    hit(&house, "a");
    assert!(house.cache.drain(secs(30)).now_or_never().is_none());
    hit(&house, "b");
    assert_eq!(house.tasks.len(), 1, "the refresh of a");
}

// --- Spawners that drop or panic ------------------------------------------------------------------------------------

/// Holds tasks until it shuts down; drops every task from then on.
#[derive(Clone, Debug, Default)]
struct ShuttingDown {
    held: ManualSpawn,
    down: Arc<AtomicBool>,
}

impl ShuttingDown {
    fn shut_down(&self) {
        self.down.store(true, SeqCst);
        self.held.drop_all();
    }
}

impl Spawn for ShuttingDown {
    fn spawn(&self, task: Task) {
        if !self.down.load(SeqCst) {
            self.held.spawn(task);
        }
    }
}

/// Each refresh that is dropped makes room for the next, which is dropped in its turn. However many: not on the stack.
#[test]
fn a_shutdown_with_a_long_queue_drops_it_in_turn() {
    const QUEUED: usize = 100_000;
    let (clock, spawn) = (ManualClock::default(), ShuttingDown::default());
    let cache: Cache<u32> = CacheBuilder::new(MemorySettings::new(1 << 20))
        .clock(clock)
        .spawn(spawn.clone())
        .refreshes(QueueLimits {
            running: 1,
            waiting: QUEUED,
            waiting_per_scope: QUEUED,
        })
        .build();
    let (policy, origin) = (FlightPolicy::default(), Origin::default());
    for name in 0..QUEUED {
        let refresh = cache.reserve_refresh(&key(&format!("{name}")).borrowed(), &policy);
        let call = origin.call(std::future::pending());
        refresh.expect("there is room").submit(call);
    }
    assert_eq!(cache.stats().refreshes_waiting as usize, QUEUED - 1);
    spawn.shut_down();
    assert_eq!(cache.stats().refreshes_waiting, 0);
    assert_eq!(origin.calls(), 0);
}

/// Panics once, as `tokio::spawn` does outside of a runtime.
#[derive(Clone, Debug, Default)]
struct PanicsOnce {
    held: ManualSpawn,
    panicked: Arc<AtomicBool>,
}

impl Spawn for PanicsOnce {
    fn spawn(&self, task: Task) {
        if !self.panicked.swap(true, SeqCst) {
            resume_unwind(Box::new("a panic without a message"));
        }
        self.held.spawn(task);
    }
}

#[test]
fn a_spawner_that_panics_stops_no_later_refresh() {
    let spawn = PanicsOnce::default();
    let cache: Cache<u32> = CacheBuilder::new(MemorySettings::new(1 << 20))
        .spawn(spawn.clone())
        .build();
    let policy = FlightPolicy::default();
    let submit = || {
        let refresh = cache.reserve_refresh(&key("a").borrowed(), &policy);
        refresh.expect("nobody else has it").submit(async {});
    };
    assert!(catch_unwind(AssertUnwindSafe(submit)).is_err());
    submit();
    assert_eq!((spawn.held.len(), cache.stats().refreshes_waiting), (1, 0));
}
