//! Purges while a flight is under way.

use super::{PURGES, landed_value, purge_a};
use crate::support::{House, key, minute, whole};
use futures_util::FutureExt;
use tower_swr_core::{Keep, Made};

#[test]
fn a_purge_detaches_the_flight_and_those_who_wait_get_its_answer() {
    for (how, purge) in PURGES {
        let house = House::new();
        let (answer, origin) = house.origin.waits();
        let mut before = house.get(&key("a"), origin);
        assert!(before.now().is_none(), "by {how}");
        house.tasks.poll_all();
        purge(&house);
        assert!(
            house
                .cache
                .attend(&key("a").borrowed(), &house.policy)
                .is_none()
        );
        let (newer, origin) = house.origin.waits();
        let mut after = house.get(&key("a"), origin);
        assert!(after.now().is_none());
        house.tasks.poll_all();
        assert_eq!(house.origin.running(), 2, "a call of its own, by {how}");
        house.assert_no_violation();
        answer.send(Made::new(1, minute())).expect("it runs");
        house.tasks.poll_all();
        assert_eq!(before.now().map(Result::ok), Some(Some(1)), "by {how}");
        assert!(
            after.now().is_none(),
            "not with the answer of a purged flight"
        );
        assert_eq!(house.kept(&key("a")), None, "stores nothing, by {how}");
        newer.send(Made::new(2, minute())).expect("it runs");
        house.tasks.poll_all();
        assert_eq!(after.now().map(Result::ok), Some(Some(2)));
        assert_eq!(house.kept(&key("a")), Some(2));
    }
}

#[test]
fn a_purge_of_something_else_leaves_the_flight_alone() {
    let house = House::new();
    let fill = house.lead(&key("a"));
    house.cache.purge(key("b").borrowed().resource());
    let waiting = house.follow(&key("a"));
    fill.spawn(std::future::ready(whole(1, Keep::Store(minute()))));
    house.tasks.poll_all();
    assert_eq!(landed_value(waiting.now_or_never()), Some(1));
    assert_eq!(house.kept(&key("a")), Some(1));
}

#[test]
fn a_flight_that_a_purge_overtook_before_its_call_began_violates_nothing() {
    let house = House::new();
    let detached = house.lead(&key("a"));
    purge_a(&house);
    let successor = house.lead(&key("a"));
    successor.spawn(house.origin.call(std::future::pending()));
    detached.spawn(house.origin.call(std::future::pending()));
    house.tasks.poll_all();
    assert_eq!(house.origin.running(), 2);
    house.assert_no_violation();
}
