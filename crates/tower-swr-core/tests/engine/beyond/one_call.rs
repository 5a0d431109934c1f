//! For a key one process calls the origin, and the others find what it made.

use super::{Plain, both_hold, settle, through};
use crate::support::{SECOND, World, key, minute, secs, whole};
use std::time::Duration;
use tower_swr_core::testing::{FarFault, Heard};
use tower_swr_core::{Joined, Keep, Made, NoPartial, Purpose};

#[test]
fn a_cold_key_is_made_by_one_process_and_found_by_the_other() {
    let world = World::new();
    let [one, other] = both_hold(&world);
    assert_eq!(one.cache.stats().far.commits, 1);
    assert_eq!(other.cache.stats().far.hits, 1);
    assert_eq!(other.observer.count(Heard::Found), 1);
    assert_eq!(other.kept(&key("a")), Some(1));
    assert_eq!(other.cache.stats().fills, 0);
}

#[test]
fn who_asks_while_another_process_calls_waits_for_its_value() {
    let world = World::new();
    let [one, other]: [Plain; 2] = world.houses();
    let a = key("a");
    let (answer, call) = one.origin.waits();
    let mut first = one.ask(&a, call);
    let mut second = other.ask(&a, other.origin.makes(2, minute()));
    assert!(first.now().is_none() && second.now().is_none());
    settle(&[&one, &other]);
    assert_eq!((one.origin.running(), other.origin.calls()), (1, 0));
    answer.send(Made::new(1, minute())).expect("it waits");
    settle(&[&one, &other]);
    assert_eq!((first.answered(), second.answered()), (1, 1));
    assert_eq!(other.cache.stats().far.collapsed, 1);
}

/// As where the machine is busy with the crowd that makes it ask.
#[test]
fn one_step_of_a_flight_may_be_late() {
    let budget = Duration::from_millis(50);
    for (late, calls) in [(1, 0), (2, 1)] {
        let world = World::new();
        let (one, (other, node)) = (world.house::<NoPartial>(), world.connected());
        let a = key("a");
        one.answer(&a, one.origin.makes(1, minute()));
        node.suffer(FarFault::Silent(budget));
        let mut asked = other.ask(&a, other.origin.makes(2, minute()));
        assert!(asked.now().is_none());
        for number in 1..=late {
            settle(&[&other]);
            if number == late {
                node.recover();
            }
            world.clock.advance(budget);
        }
        settle(&[&other]);
        assert_eq!(asked.answered(), 1 + calls);
        assert_eq!(other.origin.calls(), calls as usize, "{late}");
    }
}

/// As where the machine is busy with what the other's call has brought.
#[test]
fn who_has_waited_asks_once_more_where_a_step_is_late() {
    let budget = Duration::from_millis(50);
    for (late, calls) in [(1, 0), (2, 1)] {
        let world = World::new();
        let (one, (other, node)) = (world.house::<NoPartial>(), world.connected());
        let a = key("a");
        let (answer, call) = one.origin.waits();
        let mut first = one.ask(&a, call);
        assert!(first.now().is_none());
        settle(&[&one]);
        let mut second = other.ask(&a, other.origin.makes(2, minute()));
        assert!(second.now().is_none());
        settle(&[&other]);
        node.suffer(FarFault::Silent(budget));
        // It is time to look, which takes too long.
        world.clock.advance(SECOND);
        settle(&[&other]);
        for number in 1..=late {
            if number == late {
                node.recover();
            }
            world.clock.advance(budget);
            settle(&[&other]);
        }
        answer.send(Made::new(1, minute())).expect("it waits");
        settle(&[&one, &other]);
        assert_eq!(first.answered(), 1);
        assert_eq!(second.answered(), 1 + calls);
        assert_eq!(other.origin.calls(), calls as usize, "{late}");
    }
}

#[test]
fn the_age_of_a_value_is_the_same_everywhere() {
    let world = World::new();
    let [one, other]: [Plain; 2] = world.houses();
    let a = key("a");
    one.answer(&a, one.origin.makes(1, minute()));
    world.clock.advance(secs(40));
    other.answer(&a, other.origin.makes(2, minute()));
    world.clock.advance(secs(19));
    assert!(!other.is_refresh_due(&a));
    world.clock.advance(SECOND);
    assert!(other.is_refresh_due(&a));
}

#[test]
fn an_expired_value_is_made_anew_by_one_process() {
    let world = World::new();
    let [one, other] = both_hold(&world);
    world.clock.advance(secs(180));
    assert_eq!(other.answer(&key("a"), other.origin.makes(3, minute())), 3);
    assert_eq!(one.answer(&key("a"), one.origin.makes(4, minute())), 3);
    assert_eq!((one.origin.calls(), other.origin.calls()), (1, 1));
}

#[test]
fn a_stale_value_is_renewed_by_one_process_and_taken_by_the_other() {
    let world = World::new();
    let [one, other] = both_hold(&world);
    let a = key("a");
    world.clock.advance(secs(60));
    assert_eq!(other.answer(&a, other.origin.makes(3, minute())), 1);
    assert_eq!(one.answer(&a, one.origin.makes(4, minute())), 1);
    settle(&[&one, &other]);
    assert_eq!((one.kept(&a), other.kept(&a)), (Some(3), Some(3)));
    assert_eq!((one.origin.calls(), other.origin.calls()), (1, 1));
}

#[test]
fn a_value_that_is_found_stale_is_served_at_once_and_renewed_once() {
    let world = World::new();
    let [one, other]: [Plain; 2] = world.houses();
    let a = key("a");
    one.answer(&a, one.origin.makes(1, minute()));
    world.clock.advance(secs(90));
    assert_eq!(other.answer(&a, other.origin.makes(2, minute())), 1);
    assert!(other.is_refresh_due(&a), "at once");
    assert_eq!(other.answer(&a, other.origin.makes(3, minute())), 1);
    settle(&[&other]);
    assert_eq!((other.kept(&a), other.origin.calls()), (Some(3), 1));
    assert_eq!(one.answer(&a, one.origin.makes(4, minute())), 1);
    settle(&[&one]);
    assert_eq!((one.kept(&a), one.origin.calls()), (Some(3), 1));
}

#[test]
fn who_wants_the_origin_to_be_asked_does_not_get_what_was_there() {
    let world = World::new();
    let [_, other] = both_hold(&world);
    let third: Plain = world.house();
    let a = key("a");
    third.keep(&a, 9, minute());
    world.clock.advance(secs(30));
    let fill = match third.join(&a, Purpose::Revalidate) {
        Joined::Lead(fill) => through(fill),
        _ => panic!("it is to lead"),
    };
    fill.spawn(std::future::ready(whole(5, Keep::Store(minute()))));
    settle(&[&third]);
    assert_eq!(third.kept(&a), Some(5));
    world.clock.advance(secs(30));
    other.answer(&a, other.origin.makes(6, minute()));
    settle(&[&other]);
    assert_eq!(other.kept(&a), Some(5), "it is fresh, and newer");
}
