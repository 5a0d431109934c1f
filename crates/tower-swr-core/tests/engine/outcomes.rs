//! Store, Share, Failure, Pass: who receives an answer, who may still join, and what is kept afterwards.

use std::sync::Arc;
use std::time::Duration;

use crate::support::{House, Request, Witness, key, minute, secs, whole};
use futures_util::FutureExt;
use tower_swr_core::testing::Heard;
use tower_swr_core::{
    Answer, Fate, Fetched, GetError, Joined, Keep, Landed, Lifetime, Made, NoPartial, Outcome,
    Product, Purpose, Remember, Tags, Waiting,
};

const PASS: Fetched<u32, NoPartial> = Fetched::Pass { remember: None };
const PASS_AND_REMEMBER: Fetched<u32, NoPartial> = Fetched::Pass {
    remember: Some(Remember {
        key: None,
        beside: None,
    }),
};

fn failed() -> Fetched<u32, NoPartial> {
    Fetched::Failed(Arc::new(crate::support::Refused))
}

/// A house where `a` is kept as 1 and its refresh has brought `fetched`.
fn refreshed(fetched: Fetched<u32, NoPartial>) -> House {
    let house = House::new();
    house.keep(&key("a"), 1, minute());
    house.clock.advance(secs(60));
    let Joined::Lead(refresh) = house.join(&key("a"), Purpose::Refresh) else {
        panic!("a refresh is due and nobody flies");
    };
    refresh.spawn(std::future::ready(fetched));
    house.tasks.poll_all();
    house
}

/// What ten who wait receive when the origin brings `fetched`.
fn received(house: &House, fetched: Fetched<u32, NoPartial>) -> Vec<Outcome<u32, NoPartial>> {
    let fill = house.lead(&key("a"));
    let mut waiting = vec![fill.waiting()];
    waiting.extend((1..10).map(|_| house.follow(&key("a"))));
    let pending = |waiting: &mut Waiting<_, _>| waiting.now_or_never().is_none();
    assert!(waiting.iter_mut().all(pending));
    fill.spawn(std::future::ready(fetched));
    house.tasks.poll_all();
    let outcome = |waiting: Waiting<_, _>| waiting.now_or_never().expect("it has landed");
    waiting.into_iter().map(outcome).collect()
}

fn value_and_fate(outcome: &Outcome<u32, NoPartial>) -> Option<(u32, Fate)> {
    match outcome {
        Outcome::Landed(Landed {
            answer: Answer::Whole(entry),
            fate,
            ..
        }) => Some((*entry.value(), *fate)),
        _ => None,
    }
}

// --- Who receives it -------------------------------------------------------------------------------------------------

#[test]
fn a_stored_answer_reaches_all_who_wait_and_is_kept() {
    let house = House::new();
    for outcome in received(&house, whole(5, Keep::Store(minute()))) {
        assert_eq!(value_and_fate(&outcome), Some((5, Fate::Stored)));
    }
    assert_eq!(house.kept(&key("a")), Some(5));
}

#[test]
fn a_shared_answer_reaches_all_who_wait_and_is_not_kept() {
    for (keep, fate) in [(Keep::Share, Fate::Shared), (Keep::Failure, Fate::Failed)] {
        let house = House::new();
        for outcome in received(&house, whole(5, keep)) {
            assert_eq!(value_and_fate(&outcome), Some((5, fate)));
        }
        assert_eq!(house.cache.stats().entries, 0);
        house.keep(&key("a"), 6, minute());
    }
}

#[test]
fn a_failure_is_stood_in_for_where_something_may() {
    let house = House::new();
    let lifetime = Lifetime::fresh_for(secs(60)).stale_if_error(secs(60));
    house.keep(&key("a"), 1, lifetime);
    house.clock.advance(secs(60));
    let fill = house.lead(&key("a"));
    let old = Arc::clone(fill.old().expect("it is kept"));
    let (stands_in, without) = (fill.waiting().or_stale(old), fill.waiting());
    fill.spawn(std::future::ready(whole(5, Keep::Failure)));
    house.tasks.poll_all();
    assert!(matches!(stands_in.now_or_never(), Some(Outcome::Stale(old, _)) if *old.value() == 1));
    let outcome = without.now_or_never().expect("it has landed");
    assert_eq!(value_and_fate(&outcome), Some((5, Fate::Failed)));
}

#[test]
fn a_pass_releases_all_who_wait_at_once() {
    for fetched in [PASS, PASS_AND_REMEMBER] {
        let house = House::new();
        for outcome in received(&house, fetched) {
            assert!(matches!(outcome, Outcome::Pass));
        }
        assert_eq!(house.observer.heard(), [Heard::Passed]);
        assert_eq!(house.cache.stats().flights, 0);
    }
}

#[test]
fn an_answer_without_a_lifetime_reaches_those_who_wait_only() {
    let house = House::new();
    let momentary = Keep::Store(Lifetime::fresh_for(Duration::ZERO));
    for outcome in received(&house, whole(5, momentary)) {
        assert!(matches!(value_and_fate(&outcome), Some((5, _))));
    }
    assert_eq!(house.kept(&key("a")), None);
    let mut next = house.get(&key("a"), house.origin.makes(6, minute()));
    assert!(next.now().is_none());
}

// --- Who may still join ----------------------------------------------------------------------------------------------

/// What somebody sees who is woken by the landing: whether the flight is open to newcomers, and what is kept.
fn seen_at_the_landing(fetched: Fetched<u32, NoPartial>) -> Vec<(bool, Option<u32>)> {
    let house = House::new();
    let fill = house.lead(&key("a"));
    let mut waiting = fill.waiting();
    let inside = house.clone();
    let witness = Witness::new(move || {
        let cache = &inside.cache;
        let attending = cache.attend(&key("a").borrowed(), &inside.policy);
        (attending.is_some(), inside.kept(&key("a")))
    });
    assert!(witness.watch(&mut waiting).is_pending());
    fill.spawn(std::future::ready(fetched));
    house.tasks.poll_all();
    witness.seen()
}

#[test]
fn what_is_kept_is_kept_before_anybody_hears_of_it() {
    let seen = seen_at_the_landing(whole(5, Keep::Store(minute())));
    assert_eq!(seen, [(true, Some(5))]);
}

#[test]
fn what_is_not_kept_is_closed_before_anybody_hears_of_it() {
    let not_kept = [
        whole(5, Keep::Share),
        whole(5, Keep::Failure),
        PASS,
        PASS_AND_REMEMBER,
        failed(),
        too_large(5),
    ];
    for fetched in not_kept {
        let what = format!("{fetched:?}");
        assert_eq!(seen_at_the_landing(fetched), [(false, None)], "{what}");
    }
}

// --- What is kept afterwards -----------------------------------------------------------------------------------------

#[test]
fn a_refresh_that_may_be_kept_takes_the_old_ones_place() {
    let house = refreshed(whole(2, Keep::Store(minute())));
    assert_eq!(house.kept(&key("a")), Some(2));
}

#[test]
fn a_refresh_that_may_not_be_kept_removes_the_old_value_at_once() {
    for fetched in [whole(2, Keep::Share), PASS, PASS_AND_REMEMBER, too_large(2)] {
        let what = format!("{fetched:?}");
        assert_eq!(refreshed(fetched).kept(&key("a")), None, "{what}");
    }
}

#[test]
fn a_refresh_that_fails_keeps_the_old_value() {
    for fetched in [whole(2, Keep::Failure), failed()] {
        let what = format!("{fetched:?}");
        assert_eq!(refreshed(fetched).kept(&key("a")), Some(1), "{what}");
    }
}

fn too_large(value: u32) -> Fetched<u32, NoPartial> {
    let product = Product {
        value,
        keep: Keep::Store(minute()),
        key: None,
        initial_age: Duration::ZERO,
        weight: 1 << 20,
        tags: Tags::default(),
    };
    Fetched::Whole {
        product,
        beside: None,
    }
}

#[test]
fn what_the_store_refuses_is_shared_and_not_lost() {
    let house = House::new();
    for outcome in received(&house, too_large(5)) {
        assert_eq!(value_and_fate(&outcome), Some((5, Fate::Shared)));
    }
    let stats = house.cache.stats();
    assert_eq!((stats.refused, stats.entries, stats.bytes), (1, 0, 0));
    assert_eq!(house.observer.heard(), [Heard::Shared]);
}

#[test]
fn values_that_are_not_to_be_kept() {
    let house = House::new();
    let unkept = |value| house.origin.call(async move { Ok(Made::unkept(value)) });
    let mut requests = [unkept(1), unkept(2)].map(|origin| house.get(&key("a"), origin));
    assert!(requests.iter_mut().all(|request| request.now().is_none()));
    house.tasks.poll_all();
    let answered = |mut request: Request| request.now().map(Result::ok);
    assert_eq!(requests.map(answered), [Some(Some(1)), Some(Some(1))]);
    assert_eq!(house.kept(&key("a")), None);
}

// --- The memory of uncacheable keys ----------------------------------------------------------------------------------

#[test]
fn an_uncacheable_key_is_remembered_for_its_time_if_so_asked() {
    let house = House::new();
    house.fill(&key("a"), PASS);
    assert!(!house.is_uncacheable(&key("a")));
    house.fill(&key("a"), PASS_AND_REMEMBER);
    house.clock.advance(Duration::from_millis(119_999));
    assert!(house.is_uncacheable(&key("a")));
    let joined = house.join(&key("a"), Purpose::Miss);
    assert!(matches!(joined, Joined::Again(_)), "no flight for it");
    house.clock.advance(Duration::from_millis(1));
    assert!(!house.is_uncacheable(&key("a")));
    house.keep(&key("a"), 1, minute());
}

#[test]
fn the_memory_ends_when_it_is_told_to() {
    let house = House::new();
    house.fill(&key("a"), PASS_AND_REMEMBER);
    house.cache.forget_uncacheable(&key("a").borrowed());
    assert!(!house.is_uncacheable(&key("a")));
    house.keep(&key("a"), 1, minute());
    house.cache.forget_uncacheable(&key("a").borrowed());
    assert_eq!(house.kept(&key("a")), Some(1), "not a memory");
}

#[test]
fn who_asks_for_an_uncacheable_key_makes_a_call_of_their_own() {
    let house = House::new();
    house.fill(&key("a"), PASS_AND_REMEMBER);
    let calls = [(); 3].map(|()| house.origin.waits());
    let (answers, mut requests): (Vec<_>, Vec<_>) = calls
        .into_iter()
        .map(|(answer, origin)| (answer, house.get(&key("a"), origin)))
        .unzip();
    assert!(requests.iter_mut().all(|request| request.now().is_none()));
    assert_eq!(house.origin.running(), 3, "side by side");
    for (value, answer) in (0..).zip(answers) {
        answer.send(Made::new(value, minute())).expect("it runs");
    }
    for (value, request) in (0..).zip(&mut requests) {
        assert_eq!(request.now().map(Result::ok), Some(Some(value)));
    }
    assert!(house.is_uncacheable(&key("a")), "nothing was kept");
    house.assert_no_violation();
}

#[test]
fn who_waited_for_a_pass_makes_a_call_of_their_own() {
    let house = House::new();
    let fill = house.lead(&key("a"));
    let mut makes = house.get(&key("a"), house.origin.makes(1, minute()));
    let mut fails = house.get(&key("a"), house.origin.fails());
    assert!(makes.now().is_none() && fails.now().is_none());
    fill.spawn(std::future::ready(PASS));
    house.tasks.poll_all();
    assert_eq!(makes.now().map(Result::ok), Some(Some(1)));
    assert!(matches!(fails.now(), Some(Err(GetError::Failed(_)))));
    assert_eq!(house.cache.stats().entries, 0);
    house.assert_no_violation();
}
