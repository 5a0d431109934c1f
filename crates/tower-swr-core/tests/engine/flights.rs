//! One origin call for all who ask at one time, whoever of them stays.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use crate::support::{House, Origin, Request, key, minute, secs, whole};
use futures_util::future::join_all;
use tower_swr_core::testing::Heard;
use tower_swr_core::{
    Answer, Cache, CacheBuilder, Fate, FlightPolicy, GetError, Joined, Keep, Made, MemorySettings,
    Outcome, Purpose,
};

#[test]
fn a_thousand_who_ask_together_make_one_call() {
    let house = House::new();
    let mut requests: Vec<Request> = (0..1000)
        .map(|value| house.get(&key("a"), house.origin.makes(value, minute())))
        .collect();
    assert!(requests.iter_mut().all(|request| request.now().is_none()));
    assert_eq!(house.cache.stats().flights, 1);
    house.tasks.poll_all();
    for request in &mut requests {
        assert_eq!(request.now().map(Result::ok), Some(Some(0)));
    }
    assert_eq!(house.origin.calls(), 1);
    assert_eq!(house.cache.stats().fills, 1);
    assert_eq!(house.cache.stats().flights, 0);
    assert_eq!(house.observer.heard(), [Heard::Stored]);
    house.assert_no_violation();
}

#[test]
fn keys_do_not_wait_for_each_other() {
    let house = House::new();
    let mut hangs = house.get(&key("a"), house.origin.hangs());
    assert!(hangs.now().is_none());
    house.tasks.poll_all();
    house.keep(&key("b"), 2, minute());
    assert!(hangs.now().is_none());
    assert_eq!(house.cache.stats().flights, 1);
}

#[test]
fn who_asked_first_may_hang_up() {
    let house = House::new();
    let (answer, origin) = house.origin.waits();
    let mut first = house.get(&key("a"), origin);
    let mut second = house.get(&key("a"), house.origin.makes(2, minute()));
    assert!(first.now().is_none() && second.now().is_none());
    house.tasks.poll_all();
    drop(first);
    house.tasks.poll_all();
    assert_eq!((house.origin.running(), house.origin.cancelled()), (1, 0));
    answer.send(Made::new(1, minute())).expect("it still runs");
    house.tasks.poll_all();
    assert_eq!(second.now().map(Result::ok), Some(Some(1)));
    assert_eq!(house.kept(&key("a")), Some(1));
    assert_eq!(house.origin.calls(), 1);
}

#[test]
fn all_may_hang_up_and_the_value_is_kept_all_the_same() {
    let house = House::new();
    let (answer, origin) = house.origin.waits();
    let mut only = house.get(&key("a"), origin);
    assert!(only.now().is_none());
    drop(only);
    house.tasks.poll_all();
    answer.send(Made::new(1, minute())).expect("it still runs");
    house.tasks.poll_all();
    assert_eq!(house.kept(&key("a")), Some(1));
}

#[test]
fn who_asked_first_may_hang_up_before_the_call_has_begun() {
    let house = House::new();
    let mut first = house.get(&key("a"), house.origin.makes(1, minute()));
    assert!(first.now().is_none());
    drop(first);
    let mut second = house.get(&key("a"), house.origin.makes(2, minute()));
    assert!(second.now().is_none());
    house.tasks.poll_all();
    assert_eq!(second.now().map(Result::ok), Some(Some(1)));
    assert_eq!(house.origin.calls(), 1);
}

#[test]
fn a_fill_that_is_dropped_tells_those_who_wait_and_frees_the_key() {
    let house = House::new();
    let fill = house.lead(&key("a"));
    let mut waiting = house.get(&key("a"), house.origin.makes(2, minute()));
    assert!(waiting.now().is_none());
    drop(fill);
    assert!(matches!(waiting.now(), Some(Err(GetError::Dropped))));
    house.keep(&key("a"), 3, minute());
    house.assert_no_violation();
}

#[test]
fn a_fill_that_is_dropped_half_way_cancels_its_call() {
    let house = House::new();
    let fill = house.lead(&key("a"));
    let waiting = fill.waiting();
    let origin = house.origin.call(std::future::pending());
    let mut running = Box::pin(fill.run(origin));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(running.as_mut().poll(&mut cx).is_pending());
    drop(running);
    assert_eq!((house.origin.running(), house.origin.cancelled()), (0, 1));
    let outcome = pin!(waiting).poll(&mut cx);
    assert!(
        format!("{outcome:?}").contains("Lost(Dropped)"),
        "{outcome:?}"
    );
    house.keep(&key("a"), 3, minute());
    house.assert_no_violation();
}

#[tokio::test]
async fn who_attends_waits_but_never_begins() {
    let house = House::new();
    let attend = || house.cache.attend(&key("a").borrowed(), &house.policy);
    assert!(attend().is_none());
    assert_eq!(house.cache.stats().flights, 0);
    let mut leads = house.get(&key("a"), house.origin.makes(1, minute()));
    assert!(leads.now().is_none());
    let attending = attend().expect("a flight is open");
    house.tasks.poll_all();
    let Outcome::Landed(landed) = attending.await else {
        panic!("the origin answers");
    };
    assert_eq!(landed.fate, Fate::Stored);
    assert!(matches!(landed.answer, Answer::Whole(entry) if *entry.value() == 1));
    assert!(attend().is_none());
}

#[test]
fn a_waiter_that_hangs_up_leaves_no_waker_behind() {
    struct Counted;
    impl Wake for Counted {
        fn wake(self: Arc<Self>) {}
    }
    let house = House::new();
    let fill = house.lead(&key("a"));
    let counted = Arc::new(Counted);
    let waker = Waker::from(Arc::clone(&counted));
    let mut cx = Context::from_waker(&waker);
    let mut waiting: Vec<_> = (0..100).map(|_| Box::pin(fill.waiting())).collect();
    for waiting in &mut waiting {
        assert!(waiting.as_mut().poll(&mut cx).is_pending());
    }
    assert!(Arc::strong_count(&counted) > 100);
    drop(waiting);
    assert_eq!(Arc::strong_count(&counted), 2, "the waker's own, and ours");
    assert_eq!(house.clock.sleepers(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_and_a_miss_share_a_flight() {
    let house = House::new();
    house.keep(&key("a"), 1, minute());
    house.clock.advance(secs(60));
    let Joined::Lead(refresh) = house.join(&key("a"), Purpose::Refresh) else {
        panic!("nobody else refreshes");
    };
    house.clock.advance(secs(120));
    let misses = (0..10).map(|_| house.get(&key("a"), house.origin.makes(9, minute())));
    let mut misses: Vec<Request> = misses.collect();
    assert!(misses.iter_mut().all(|miss| miss.now().is_none()));
    refresh
        .run(std::future::ready(whole(2, Keep::Store(minute()))))
        .await;
    for mut miss in misses {
        assert_eq!(miss.now().map(Result::ok), Some(Some(2)));
    }
    assert_eq!(house.origin.calls(), 1, "the one at the beginning");
}

/// Futures polled by an executor with wake-ups, not by hand: nobody depends on being polled again.
#[tokio::test(start_paused = true)]
async fn everybody_is_woken() {
    let cache: Cache<u32> = CacheBuilder::new(MemorySettings::new(1 << 20)).build();
    let (policy, origin) = (Arc::new(FlightPolicy::default()), Origin::default());
    let clock = Arc::clone(cache.clock());
    let requests = (0..1000).map(|value| {
        let slowly = clock.sleep(secs(20));
        let made = origin.call(async move {
            slowly.await;
            Ok::<_, crate::support::Refused>(Made::new(value, minute()))
        });
        let (cache, policy) = (&cache, &policy);
        async move { cache.get(&key("a").borrowed(), policy, made).await }
    });
    let answers = join_all(requests).await;
    assert!(
        answers
            .into_iter()
            .all(|made| *made.expect("a value").value() == 0)
    );
    assert_eq!(origin.calls(), 1);
}
