//! Origins that fail, panic or hang, tasks that are dropped, runtimes that are missing: everybody gets an answer, and
//! the key is free afterwards.

use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::support::{Call, House, Origin, Request, key, minute, secs};
use futures_util::FutureExt;
use tower_swr_core::testing::{Heard, ManualClock, ManualSpawn};
use tower_swr_core::{
    Cache, CacheBuilder, FlightPolicy, GetError, Look, Made, MemorySettings, Outcome, TokioSpawn,
};

/// Two who ask for `a`, the first with `origin`, and the origin's task has run as far as it can.
fn two_asking(house: &House, origin: Call) -> [Request; 2] {
    let unused = house.origin.makes(99, minute());
    let mut requests = [house.get(&key("a"), origin), house.get(&key("a"), unused)];
    assert!(requests.iter_mut().all(|request| request.now().is_none()));
    house.tasks.poll_all();
    requests
}

/// The key is free: the next request makes a call of its own and its value is kept.
fn assert_free(house: &House) {
    assert_eq!(house.cache.stats().flights, 0);
    let calls = house.origin.calls();
    house.keep(&key("a"), 7, minute());
    assert_eq!(house.origin.calls(), calls + 1);
    house.assert_no_violation();
}

#[test]
fn an_error_reaches_all_who_wait() {
    let house = House::new();
    for mut request in two_asking(&house, house.origin.fails()) {
        match request.now() {
            Some(Err(GetError::Failed(error))) => assert_eq!(error.to_string(), "refused"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(house.observer.heard(), [Heard::Error]);
    assert_free(&house);
}

#[test]
fn a_panic_is_caught_and_told_to_all_who_wait() {
    let house = House::new();
    for mut request in two_asking(&house, house.origin.panics()) {
        assert!(matches!(request.now(), Some(Err(GetError::Panicked))));
    }
    assert_eq!(house.observer.heard(), [Heard::Panicked]);
    assert_eq!(house.origin.running(), 0);
    assert_free(&house);
}

/// Panics when it is dropped, as what an origin holds may.
struct PanicsOnDrop;

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        std::panic::resume_unwind(Box::new("a panic without a message"));
    }
}

#[test]
fn a_panic_while_a_slow_call_is_cancelled_is_caught() {
    let house = impatient(secs(5), secs(60));
    let origin = house.origin.call(async {
        let _held = PanicsOnDrop;
        std::future::pending().await
    });
    let requests = two_asking(&house, origin);
    house.clock.advance(secs(5));
    house.tasks.poll_all();
    for mut request in requests {
        assert!(matches!(request.now(), Some(Err(GetError::OriginTimedOut))));
    }
    assert_eq!(house.observer.heard(), [Heard::TimedOut]);
    assert_free(&house);
}

#[test]
fn a_hundred_failures_are_one_call_each_time() {
    let house = House::new();
    for round in 1..=3 {
        let mut requests: Vec<Request> = (0..100)
            .map(|_| house.get(&key("a"), house.origin.fails()))
            .collect();
        assert!(requests.iter_mut().all(|request| request.now().is_none()));
        house.tasks.poll_all();
        let failed =
            |request: &mut Request| matches!(request.now(), Some(Err(GetError::Failed(_))));
        assert!(requests.iter_mut().all(failed));
        assert_eq!(house.origin.calls(), round);
    }
    assert_free(&house);
}

fn impatient(origin_timeout: Duration, wait_timeout: Duration) -> House {
    let policy = FlightPolicy {
        origin_timeout,
        wait_timeout,
        ..FlightPolicy::default()
    };
    House::under(policy, [])
}

#[test]
fn an_origin_that_hangs_is_cancelled_at_its_deadline() {
    let house = impatient(secs(5), secs(60));
    let mut requests = two_asking(&house, house.origin.hangs());
    house.clock.advance(Duration::from_millis(4_999));
    house.tasks.poll_all();
    assert!(requests.iter_mut().all(|request| request.now().is_none()));
    assert_eq!((house.origin.running(), house.origin.cancelled()), (1, 0));
    house.clock.advance(Duration::from_millis(1));
    house.tasks.poll_all();
    assert_eq!((house.origin.running(), house.origin.cancelled()), (0, 1));
    for mut request in requests {
        assert!(matches!(request.now(), Some(Err(GetError::OriginTimedOut))));
    }
    assert_eq!(house.observer.heard(), [Heard::TimedOut]);
    assert!(house.tasks.is_empty());
    assert_free(&house);
}

#[test]
fn who_waits_has_a_deadline_of_their_own_and_the_fill_goes_on() {
    let house = impatient(secs(60), secs(5));
    let (answer, origin) = house.origin.waits();
    let mut requests = two_asking(&house, origin);
    house.clock.advance(Duration::from_millis(4_999));
    assert!(requests.iter_mut().all(|request| request.now().is_none()));
    let mut late = house.get(&key("a"), house.origin.makes(99, minute()));
    assert!(late.now().is_none());
    house.clock.advance(Duration::from_millis(1));
    for request in &mut requests {
        assert!(matches!(request.now(), Some(Err(GetError::WaitTimedOut))));
    }
    assert_eq!(house.observer.heard(), [Heard::WaitTimedOut; 2]);
    house.tasks.poll_all();
    assert_eq!(
        (house.origin.running(), house.cache.stats().flights),
        (1, 1)
    );
    assert!(late.now().is_none(), "it came later and waits longer");
    answer.send(Made::new(1, minute())).expect("it still runs");
    house.tasks.poll_all();
    assert_eq!(late.now().map(Result::ok), Some(Some(1)));
    assert_eq!(house.kept(&key("a")), Some(1));
    assert_eq!(house.origin.calls(), 1);
}

#[test]
fn who_has_waited_before_waits_for_what_is_left() {
    let house = impatient(secs(60), secs(5));
    let fill = house.lead(&key("a"));
    let mut waiting = [3, 9].map(|left| fill.waiting().within(secs(left)));
    assert!(waiting.iter_mut().all(|one| one.now_or_never().is_none()));
    house.clock.advance(secs(3));
    let timed_out = waiting.each_mut().map(|one| one.now_or_never().is_some());
    assert_eq!(timed_out, [true, false]);
    house.clock.advance(secs(2));
    let [_, policy] = waiting;
    assert!(matches!(policy.now_or_never(), Some(Outcome::WaitTimedOut)));
}

#[test]
fn a_call_that_nothing_can_stand_in_for_has_one_timer() {
    let house = House::new();
    let fill = house.lead(&key("a"));
    fill.spawn(std::future::pending());
    house.tasks.poll_all();
    assert_eq!(house.clock.sleepers(), 1);
}

#[test]
fn no_timer_is_left_behind() {
    let house = House::new();
    let requests = two_asking(&house, house.origin.hangs());
    assert!(house.clock.sleepers() > 0);
    drop(requests);
    house.tasks.drop_all();
    assert_eq!(house.clock.sleepers(), 0);
}

#[test]
fn tasks_that_are_dropped_leave_nobody_hanging() {
    let house = House::new();
    for begun in [false, true] {
        let mut requests =
            [house.origin.hangs(), house.origin.hangs()].map(|origin| house.get(&key("a"), origin));
        assert!(requests.iter_mut().all(|request| request.now().is_none()));
        if begun {
            house.tasks.poll_all();
        }
        house.tasks.drop_all();
        for request in &mut requests {
            assert!(matches!(request.now(), Some(Err(GetError::Dropped))));
        }
        assert_eq!(house.origin.running(), 0);
    }
    assert_eq!(house.origin.cancelled(), 1, "the one that had begun");
    assert_eq!(house.observer.heard(), [Heard::Dropped; 2]);
    assert_free(&house);
}

#[test]
fn a_refresh_that_is_dropped_leaves_the_old_value_and_the_right_to_refresh() {
    let house = House::new();
    house.keep(&key("a"), 1, minute());
    house.clock.advance(secs(60));
    for _ in 0..3 {
        assert_eq!(house.get_at_once(&key("a"), house.origin.hangs()), 1);
        assert_eq!(house.tasks.len(), 1);
        house.tasks.poll_all();
        house.tasks.drop_all();
    }
    assert_eq!((house.origin.calls(), house.origin.cancelled()), (4, 3));
    assert_eq!(house.cache.stats().flights, 0);
    house.assert_no_violation();
}

/// On no runtime at all: [`TokioSpawn`] drops the task, and the system's clock is not asked to wait.
#[test]
fn without_a_runtime_there_is_an_error_and_no_panic() {
    let cache: Cache<u32> = CacheBuilder::new(MemorySettings::new(1 << 20))
        .spawn(TokioSpawn)
        .build();
    let (policy, origin) = (Arc::new(FlightPolicy::default()), Origin::default());
    let key = key("a");
    for _ in 0..2 {
        let made = origin.makes(1, minute());
        let answer = cache.get(&key.borrowed(), &policy, made).now_or_never();
        assert!(matches!(answer, Some(Err(GetError::Dropped))));
    }
    assert_eq!((origin.calls(), cache.stats().flights), (0, 0));
}

/// A task that runs elsewhere is waited for without a runtime of one's own; only deadlines need one.
#[test]
fn without_a_runtime_a_wait_on_the_systems_clock_does_not_panic() {
    let tasks = ManualSpawn::default();
    let builder = CacheBuilder::new(MemorySettings::new(1 << 20));
    let cache: Cache<u32> = builder.spawn(tasks.clone()).build();
    let (policy, origin) = (Arc::new(FlightPolicy::default()), Origin::default());
    let key = key("a");
    let key = key.borrowed();
    let mut request = Box::pin(cache.get(&key, &policy, origin.makes(1, minute())));
    assert!(request.as_mut().now_or_never().is_none());
    tasks.poll_all();
    let answer = request.now_or_never().expect("the origin has answered");
    assert_eq!(answer.map(|entry| *entry.value()).ok(), Some(1));
}

/// What is kept is served without a runtime, too; only its refreshes are lost.
#[test]
fn without_a_runtime_stale_values_are_served() {
    let clock = ManualClock::default();
    let builder = CacheBuilder::new(MemorySettings::new(1 << 20));
    let cache: Cache<u32> = builder.spawn(TokioSpawn).clock(clock.clone()).build();
    let (policy, origin, key) = (
        Arc::new(FlightPolicy::default()),
        Origin::default(),
        key("a"),
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let kept = runtime.block_on(cache.get(&key.borrowed(), &policy, origin.makes(1, minute())));
    assert_eq!(kept.map(|entry| *entry.value()).ok(), Some(1));
    clock.advance(secs(60));
    for _ in 0..3 {
        let made = origin.makes(2, minute());
        let served = cache.get(&key.borrowed(), &policy, made).now_or_never();
        let served = served.expect("it waits");
        assert_eq!(served.map(|entry| *entry.value()).ok(), Some(1));
    }
    assert_eq!(origin.calls(), 1);
    let look = cache.look(&key.borrowed(), cache.mode(), cache.now());
    assert!(matches!(look, Look::Serve { refresh: true, .. }));
}

/// A runtime that shuts down with a fill under way: whoever waits on another one is told.
#[test]
fn a_runtime_that_shuts_down_leaves_nobody_hanging() {
    let cache: Cache<u32> = CacheBuilder::new(MemorySettings::new(1 << 20)).build();
    let (policy, origin, key) = (
        Arc::new(FlightPolicy::default()),
        Origin::default(),
        key("a"),
    );
    let doomed = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    let key = key.borrowed();
    let mut request = Box::pin(cache.get(&key, &policy, origin.hangs()));
    let mut cx = Context::from_waker(Waker::noop());
    doomed.block_on(async {
        assert!(request.as_mut().poll(&mut cx).is_pending());
        tokio::task::yield_now().await;
    });
    assert_eq!(origin.running(), 1);
    drop(doomed);
    assert_eq!(origin.cancelled(), 1);
    let answer = request.as_mut().poll(&mut cx);
    assert!(matches!(answer, Poll::Ready(Err(GetError::Dropped))));
}
