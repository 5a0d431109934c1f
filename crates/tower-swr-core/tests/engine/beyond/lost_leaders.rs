//! Leaders that are dropped, slow or unlucky.

use super::{Plain, lead, settle};
use crate::support::{SECOND, World, key, minute, secs, whole};
use futures_util::FutureExt as _;
use tower_swr_core::testing::LeaseSpan;
use tower_swr_core::{Acquired, FarKey, FarStore as _, Keep, Made, NoPartial};

#[test]
fn when_a_leader_is_dropped_another_leads() {
    let world = World::new();
    let [one, other]: [Plain; 2] = world.houses();
    let a = key("a");
    let mut first = one.ask(&a, one.origin.hangs());
    let mut second = other.ask(&a, other.origin.makes(2, minute()));
    assert!(first.now().is_none() && second.now().is_none());
    settle(&[&one, &other]);
    one.tasks.drop_all();
    settle(&[&other]);
    assert_eq!(second.answered(), 2);
    assert!(first.now().expect("it is told").is_err());
}

#[test]
fn when_a_lease_is_lost_both_are_answered_and_the_first_commit_is_refused() {
    let world = World::new();
    let ((one, node), other) = (world.connected(), world.house::<NoPartial>());
    let a = key("a");
    let (answer, call) = one.origin.waits();
    let (answer_two, call_two) = other.origin.waits();
    let (mut first, mut second) = (one.ask(&a, call), other.ask(&a, call_two));
    assert!(first.now().is_none() && second.now().is_none());
    settle(&[&one, &other]);
    node.stop_renewing();
    world.clock.advance(secs(6));
    settle(&[&one, &other]);
    assert_eq!((one.origin.running(), other.origin.running()), (1, 1));
    answer.send(Made::new(1, minute())).expect("it waits");
    settle(&[&one]);
    assert_eq!(first.answered(), 1);
    assert_eq!(one.cache.stats().far.refused, 1);
    assert_eq!(one.kept(&a), None, "the other's is to come");
    answer_two.send(Made::new(2, minute())).expect("it waits");
    settle(&[&other]);
    assert_eq!(second.answered(), 2);
    let third: Plain = world.house();
    assert_eq!(third.answer(&a, third.origin.makes(3, minute())), 2);
}

#[test]
fn what_comes_after_anothers_commit_is_kept_nowhere() {
    let world = World::new();
    let ((one, node), other) = (world.connected(), world.house::<NoPartial>());
    let a = key("a");
    let (answer, call) = one.origin.waits();
    let mut first = one.ask(&a, call);
    assert!(first.now().is_none());
    settle(&[&one, &other]);
    node.stop_renewing();
    world.clock.advance(secs(6));
    assert_eq!(other.answer(&a, other.origin.makes(2, minute())), 2);
    answer.send(Made::new(1, minute())).expect("it waits");
    settle(&[&one]);
    assert_eq!(first.answered(), 1);
    assert_eq!(one.kept(&a), None);
    assert_eq!(one.answer(&a, one.origin.makes(3, minute())), 2);
}

/// As where a server evicts leases: dropping what was made would only cost another call.
#[test]
fn when_a_lease_is_lost_to_nobody_the_value_is_kept_here() {
    let world = World::new();
    let (one, node) = world.connected::<NoPartial>();
    let a = key("a");
    let (answer, call) = one.origin.waits();
    let mut first = one.ask(&a, call);
    assert!(first.now().is_none());
    settle(&[&one]);
    node.stop_renewing();
    world.clock.advance(secs(6));
    answer.send(Made::new(1, minute())).expect("it waits");
    settle(&[&one]);
    assert_eq!(first.answered(), 1);
    assert_eq!(one.cache.stats().far.refused, 1);
    assert_eq!(one.kept(&a), Some(1));
    let other: Plain = world.house();
    assert_eq!(other.answer(&a, other.origin.makes(2, minute())), 2);
}

#[test]
fn an_origin_slower_than_the_lease_is_called_once() {
    let span = LeaseSpan {
        ttl: secs(2),
        ..LeaseSpan::default()
    };
    let world = World::leasing(span);
    let [one, other]: [Plain; 2] = world.houses();
    let a = key("a");
    let (answer, call) = one.origin.waits();
    let (mut first, mut second) = (
        one.ask(&a, call),
        other.ask(&a, other.origin.makes(2, minute())),
    );
    assert!(first.now().is_none() && second.now().is_none());
    for _ in 0..6 {
        settle(&[&one, &other]);
        world.clock.advance(SECOND);
    }
    answer.send(Made::new(1, minute())).expect("it waits");
    settle(&[&one, &other]);
    assert_eq!((first.answered(), second.answered()), (1, 1));
    assert_eq!(other.origin.calls(), 0);
}

#[test]
fn a_failure_gives_the_lease_back() {
    let world = World::new();
    let [one, other]: [Plain; 2] = world.houses();
    let a = key("a");
    for call in [one.origin.fails(), one.origin.panics()] {
        let mut first = one.ask(&a, call);
        assert!(first.now().is_none());
        settle(&[&one]);
        assert!(first.now().expect("it is told").is_err());
    }
    assert_eq!(other.answer(&a, other.origin.makes(2, minute())), 2);
}

#[test]
fn an_answer_that_is_not_kept_gives_the_lease_back() {
    let world = World::new();
    let [one, other]: [Plain; 2] = world.houses();
    let a = key("a");
    for keep in [Keep::Share, Keep::Failure] {
        lead(&one, &a).spawn(std::future::ready(whole(1, keep)));
        settle(&[&one]);
    }
    assert_eq!(other.answer(&a, other.origin.makes(2, minute())), 2);
    assert_eq!(one.answer(&a, one.origin.makes(3, minute())), 2);
}

#[test]
fn the_origin_timeout_is_for_the_wait_as_well() {
    let world = World::new();
    let [one, other]: [Plain; 2] = world.houses();
    let a = key("a");
    let mut first = one.ask(&a, one.origin.hangs());
    assert!(first.now().is_none());
    settle(&[&one]);
    world.clock.advance(secs(30));
    let mut second = other.ask(&a, other.origin.hangs());
    assert!(second.now().is_none());
    for _ in 0..60 {
        settle(&[&other]);
        world.clock.advance(SECOND);
    }
    settle(&[&other]);
    assert!(second.now().expect("it is told").is_err());
    assert_eq!(other.cache.stats().flights, 0);
}

#[test]
fn who_has_waited_for_a_call_that_was_purged_makes_one_that_counts_for_all() {
    let world = World::new();
    let [one, other]: [Plain; 2] = world.houses();
    let a = key("a");
    let (answer, call) = one.origin.waits();
    let mut first = one.ask(&a, call);
    let mut waiting = other.ask(&a, other.origin.makes(2, minute()));
    assert!(first.now().is_none() && waiting.now().is_none());
    settle(&[&one, &other]);
    one.cache.purge(a.borrowed().resource());
    settle(&[&one, &other]);
    assert_eq!(waiting.answered(), 2);
    assert_eq!(other.kept(&a), Some(2), "the call began after the purge");
    assert_eq!(one.answer(&a, one.origin.makes(3, minute())), 2);
    answer.send(Made::new(1, minute())).expect("it waits");
    settle(&[&one, &other]);
    assert_eq!(first.answered(), 1, "who asked before the purge");
    assert_eq!((one.kept(&a), other.kept(&a)), (Some(2), Some(2)));
    one.assert_no_violation();
    other.assert_no_violation();
}

#[test]
fn who_waits_where_purges_come_faster_than_answers_calls_without_the_others() {
    let world = World::new();
    let [one, other]: [Plain; 2] = world.houses();
    let (a, node) = (key("a"), world.server.node());
    let far = FarKey::new(a.borrowed());
    let busy = || match node.acquire(&far, None).now_or_never() {
        Some(Ok(Acquired::Lead(lease))) => lease,
        other => panic!("nobody else leads, yet: {other:?}"),
    };
    let mut lease = busy();
    let mut waiting = other.ask(&a, other.origin.makes(2, minute()));
    assert!(waiting.now().is_none());
    settle(&[&one, &other]);
    for purges in 1..=3 {
        assert_eq!(other.origin.calls(), 0, "{purges}");
        one.cache.purge(a.borrowed().resource());
        settle(&[&one, &other]);
        drop(lease);
        lease = busy();
        settle(&[&one, &other]);
    }
    assert_eq!(waiting.answered(), 2, "while somebody has the lease");
}
