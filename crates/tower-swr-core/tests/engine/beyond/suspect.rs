//! How long is served what may have been purged unheard.

use super::{Plain, settle};
use crate::support::{House, SECOND, World, key, minute, secs};
use tower_swr_core::testing::{FarFault, FarNode};
use tower_swr_core::{CacheBuilder, FlightPolicy, MemorySettings};

/// A process that serves for ten seconds without the log, and fills by one call at a time.
fn cautious(world: &World) -> (Plain, FarNode) {
    let node = world.server.node();
    let mut house = House::built(FlightPolicy::default(), [], |builder| {
        let builder = builder.clock(world.clock.clone()).far(node.clone());
        builder.max_suspect(secs(10)).refills(1)
    });
    house.clock = world.clock.clone();
    (house, node)
}

fn pass(world: &World, house: &Plain, seconds: u64) {
    for _ in 0..seconds {
        world.clock.advance(SECOND);
        settle(&[house]);
    }
}

#[test]
fn nothing_is_served_beyond_the_limit_while_the_log_is_out_of_reach() {
    let world = World::new();
    let (house, node) = cautious(&world);
    let (a, b) = (key("a"), key("b"));
    house.answer(&a, house.origin.makes(1, minute()));
    house.answer(&b, house.origin.makes(1, minute()));
    pass(&world, &house, 20);
    assert_eq!(house.kept(&a), Some(1), "while nothing is missed");
    node.suffer(FarFault::Unavailable);
    settle(&[&house]);
    pass(&world, &house, 9);
    assert_eq!((house.kept(&a), house.kept(&b)), (Some(1), Some(1)));
    pass(&world, &house, 1);
    assert_eq!((house.kept(&a), house.kept(&b)), (None, None));

    let (answer, call) = house.origin.waits();
    let mut first = house.ask(&a, call);
    assert!(first.now().is_none());
    let mut second = house.ask(&b, house.origin.makes(2, minute()));
    assert!(second.now().is_none());
    settle(&[&house]);
    assert_eq!(house.origin.running(), 1, "a few at a time");
    answer
        .send(tower_swr_core::Made::new(2, minute()))
        .expect("it waits");
    settle(&[&house]);
    assert_eq!((first.answered(), second.answered()), (2, 2));

    // What is made meanwhile may be purged unheard, too.
    pass(&world, &house, 9);
    assert_eq!(house.kept(&a), Some(2));
    pass(&world, &house, 1);
    assert_eq!(house.kept(&a), None);
}

#[test]
fn a_log_that_is_found_again_in_time_costs_nothing() {
    let world = World::new();
    let (house, node) = cautious(&world);
    let a = key("a");
    house.answer(&a, house.origin.makes(1, minute()));
    for _ in 0..3 {
        node.suffer(FarFault::Unavailable);
        settle(&[&house]);
        pass(&world, &house, 9);
        node.recover();
        settle(&[&house]);
        pass(&world, &house, 9);
        assert_eq!(house.kept(&a), Some(1));
    }
}

#[test]
fn a_log_that_was_never_found_is_out_of_reach_from_the_beginning() {
    let world = World::new();
    let (house, node) = cautious(&world);
    node.suffer(FarFault::Unavailable);
    let a = key("a");
    house.answer(&a, house.origin.makes(1, minute()));
    pass(&world, &house, 9);
    assert_eq!(house.kept(&a), Some(1));
    pass(&world, &house, 1);
    assert_eq!(house.kept(&a), None);
    node.recover();
    settle(&[&house]);
    house.answer(&a, house.origin.makes(2, minute()));
    pass(&world, &house, 30);
    assert_eq!(house.kept(&a), Some(2));
}

#[test]
fn without_a_limit_what_is_kept_has_its_own_lifetime() {
    let world = World::new();
    let (house, node): (Plain, _) = world.connected();
    let a = key("a");
    house.answer(&a, house.origin.makes(1, minute()));
    node.suffer(FarFault::Unavailable);
    settle(&[&house]);
    pass(&world, &house, 59);
    assert_eq!(house.kept(&a), Some(1));
}

#[test]
#[should_panic(expected = "max_suspect(999ms): nothing would be kept")]
fn no_time_at_all_is_refused() {
    let node = World::new().server.node();
    let builder = CacheBuilder::new(MemorySettings::new(1 << 20)).far(node);
    let _ = builder.max_suspect(std::time::Duration::from_millis(999));
}

/// The far side keeps what a soft purge is about, and knows nothing of it.
#[test]
fn what_was_purged_softly_is_not_fresh_again_when_patience_is_over() {
    let world = World::new();
    let (house, node) = cautious(&world);
    let a = key("a");
    house.answer(&a, house.origin.makes(1, minute()));
    pass(&world, &house, 1);
    house.cache.soft_purge(a.borrowed().resource());
    settle(&[&house]);
    node.suffer(FarFault::Unavailable);
    settle(&[&house]);
    pass(&world, &house, 10);
    assert_eq!(house.kept(&a), None);
    node.recover();
    settle(&[&house]);
    assert_eq!(
        house.answer(&a, house.origin.makes(2, minute())),
        1,
        "stale"
    );
    assert_eq!(
        house.answer(&a, house.origin.makes(2, minute())),
        1,
        "and renewed"
    );
    settle(&[&house]);
    assert_eq!(house.answer(&a, house.origin.makes(3, minute())), 2);
}
