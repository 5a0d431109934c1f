//! What a hit costs, and how all of it ends.

use super::{both_hold, settle};
use crate::support::{SECOND, World, key, minute};
use futures_util::FutureExt;
use tower_swr_core::testing::FarFault;
use tower_swr_core::{Lifetime, NoPartial, Reach};

#[test]
fn a_hit_asks_nobody() {
    let world = World::new();
    let ((one, node), _) = (world.connected::<NoPartial>(), ());
    let a = key("a");
    one.answer(&a, one.origin.makes(1, minute()));
    node.suffer(FarFault::Silent(SECOND));
    let mut request = one.ask(&a, one.origin.makes(2, minute()));
    assert_eq!(request.answered(), 1);
}

#[test]
fn what_follows_the_log_ends_with_the_cache_and_is_not_waited_for() {
    let world = World::new();
    let (house, _node) = world.connected::<NoPartial>();
    house.answer(&key("a"), house.origin.makes(1, minute()));
    assert_eq!(house.tasks.len(), 1, "it listens");
    let drained = house.cache.drain(SECOND).now_or_never();
    assert_eq!(drained, Some(0));
    let tasks = house.tasks.clone();
    drop(house);
    tasks.poll_all();
    assert!(tasks.is_empty());
}

#[test]
fn whose_listener_was_dropped_starts_anew_with_an_empty_memory() {
    let world = World::new();
    let [one, other] = both_hold(&world);
    one.tasks.drop_all();
    other.cache.purge(key("a").borrowed().resource());
    settle(&[&other]);
    assert_eq!(one.kept(&key("a")), Some(1), "it is deaf");
    one.answer(&key("b"), one.origin.makes(2, minute()));
    assert_eq!(one.kept(&key("a")), None);
}

#[test]
fn a_purge_that_cannot_be_told_reaches_this_process() {
    let world = World::new();
    let [one, _] = both_hold(&world);
    let purged = one.cache.purge_all();
    one.tasks.drop_all();
    assert_eq!(purged.now_or_never(), Some(Reach::Local));
    assert_eq!(one.kept(&key("a")), None);
    let lifetime = Lifetime::fresh_for(SECOND);
    assert_eq!(one.answer(&key("b"), one.origin.makes(2, lifetime)), 2);
}
