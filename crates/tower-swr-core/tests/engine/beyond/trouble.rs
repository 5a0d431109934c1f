//! A far side that fails, lies, or is not asked.

use super::{Plain, far_value, settle};
use crate::support::{SECOND, World, key, minute, secs};
use bytes::Bytes;
use std::time::Duration;
use tower_swr_core::testing::FarFault;
use tower_swr_core::wire::Frame;
use tower_swr_core::{FarHealth, FarKey, Made, NoPartial};

#[test]
fn without_the_far_side_everything_goes_on_here() {
    let world = World::new();
    let (house, node) = world.connected::<NoPartial>();
    let budget = Duration::from_millis(50);
    node.suffer(FarFault::Unavailable);
    let a = key("a");
    let (answer, call) = house.origin.waits();
    let mut crowd: Vec<_> = [call]
        .into_iter()
        .chain((0..9).map(|_| house.origin.makes(2, minute())))
        .map(|call| house.ask(&a, call))
        .collect();
    assert!(crowd.iter_mut().all(|request| request.now().is_none()));
    settle(&[&house]);
    answer
        .send(Made::new(1, minute()))
        .expect("it was asked at once");
    settle(&[&house]);
    assert!(crowd.iter_mut().all(|request| request.answered() == 1));
    assert_eq!(house.origin.calls(), 1);
    assert!(matches!(
        house.cache.far_health(),
        Some(FarHealth::Down { .. })
    ));

    node.suffer(FarFault::Silent(budget));
    let mut slow = house.ask(&key("b"), house.origin.makes(3, minute()));
    assert!(slow.now().is_none());
    // One step may be late: two are too many.
    for _ in 0..2 {
        settle(&[&house]);
        assert_eq!(house.origin.calls(), 1);
        world.clock.advance(budget);
    }
    settle(&[&house]);
    assert_eq!(slow.answered(), 3);
    assert!(house.cache.stats().far.failures > 0);
}

#[test]
fn what_others_have_left_is_found_by_who_has_only_just_begun() {
    let world = World::new();
    let one = world.house::<NoPartial>();
    assert_eq!(one.answer(&key("a"), one.origin.makes(1, minute())), 1);
    let (begun, node) = world.connected::<NoPartial>();
    node.suffer(FarFault::Connecting(SECOND));
    let mut requests =
        ["a", "b"].map(|name| begun.ask(&key(name), begun.origin.makes(2, minute())));
    assert!(requests.iter_mut().all(|request| request.now().is_none()));
    settle(&[&begun]);
    assert_eq!(begun.origin.calls(), 0);
    node.recover();
    settle(&[&begun]);
    assert_eq!(requests.map(|mut request| request.answered()), [1, 2]);
    assert_eq!(
        (begun.kept(&key("a")), begun.kept(&key("b"))),
        (Some(1), Some(2))
    );
    assert!(far_value(&node, "b").is_some());
}

#[test]
fn a_far_side_that_is_not_there_when_a_process_begins_is_waited_for_once() {
    let world = World::new();
    let (house, node) = world.connected::<NoPartial>();
    node.suffer(FarFault::Connecting(SECOND));
    let mut first = house.ask(&key("a"), house.origin.makes(1, minute()));
    assert!(first.now().is_none());
    settle(&[&house]);
    assert_eq!(house.origin.calls(), 0);
    world.clock.advance(SECOND);
    settle(&[&house]);
    assert_eq!(first.answered(), 1);
    assert_eq!(house.answer(&key("b"), house.origin.makes(2, minute())), 2);
}

#[test]
fn an_outage_during_the_call_changes_nothing_for_who_waits() {
    let world = World::new();
    let ((one, node), other) = (world.connected(), world.house::<NoPartial>());
    let a = key("a");
    for fault in [
        FarFault::Unavailable,
        FarFault::Silent(SECOND),
        FarFault::Late(SECOND),
    ] {
        let (answer, call) = one.origin.waits();
        let mut first = one.ask(&a, call);
        assert!(first.now().is_none());
        settle(&[&one]);
        node.suffer(fault);
        answer.send(Made::new(1, minute())).expect("it waits");
        settle(&[&one]);
        assert_eq!(first.answered(), 1);
        assert_eq!(one.kept(&a), Some(1));
        world.clock.advance(secs(6));
        settle(&[&one]);
        node.recover();
        one.cache.purge(a.borrowed().resource());
        settle(&[&one, &other]);
    }
    assert_eq!(other.answer(&a, other.origin.makes(2, minute())), 2);
}

#[test]
fn what_is_not_sound_is_a_miss_and_replaced() {
    let world = World::new();
    let (house, node) = world.connected::<NoPartial>();
    let a = key("a");
    let far = FarKey::new(a.borrowed());
    let mut blob = Frame::new(tower_swr_core::Version::of_token(b"x"), minute())
        .encode(&far, 1 << 20)
        .expect("it fits")
        .to_vec();
    *blob.last_mut().expect("it has bytes") ^= 1;
    for blob in [Bytes::from_static(b"foreign"), Bytes::from(blob)] {
        world.server.put(&far, blob);
        assert_eq!(house.answer(&a, house.origin.makes(1, minute())), 1);
        assert!(far_value(&node, "a").is_some());
        house.cache.remove(&a.borrowed());
    }
    assert_eq!(house.origin.calls(), 2);
}

#[test]
fn what_is_too_large_stays_here() {
    let world = World::new();
    let (one, node) = world.limited::<NoPartial>(100);
    let other: Plain = world.house();
    assert_eq!(one.answer(&key("a"), one.origin.makes(1, minute())), 1);
    assert!(far_value(&node, "a").is_none());
    assert_eq!(one.kept(&key("a")), Some(1));
    assert_eq!(other.answer(&key("a"), other.origin.makes(2, minute())), 2);
}

#[test]
fn a_value_is_kept_as_long_as_it_can_be_served() {
    let world = World::new();
    let [one, other]: [Plain; 2] = world.houses();
    let a = key("a");
    let lifetime = minute().stale_if_error(secs(600));
    one.answer(&a, one.origin.makes(1, lifetime));
    let (_, node) = world.connected::<NoPartial>();
    world.clock.advance(secs(669));
    assert!(far_value(&node, "a").is_some());
    world.clock.advance(secs(1));
    assert!(far_value(&node, "a").is_none());
    drop(other);
}

#[test]
fn get_alone_stays_in_this_process() {
    let world = World::new();
    let [one, other]: [Plain; 2] = world.houses();
    one.keep(&key("a"), 1, minute());
    assert_eq!(other.answer(&key("a"), other.origin.makes(2, minute())), 2);
}
