//! Memory comes back: what is kept is bounded by bytes, what flies by what runs.

use std::time::Duration;

use crate::support::{House, key, minute, whole};
use tower_swr_core::{Fetched, Keep, Made, Product, Remember, Tags};

const CAPACITY: u64 = 1 << 20;

fn weighing(value: u32, weight: usize) -> Fetched<u32, tower_swr_core::NoPartial> {
    let product = Product {
        value,
        keep: Keep::Store(minute()),
        key: None,
        initial_age: Duration::ZERO,
        weight,
        tags: Tags::default(),
    };
    Fetched::Whole {
        product,
        beside: None,
    }
}

#[test]
fn values_stay_within_their_bytes() {
    let house = House::new();
    for name in 0..5_000 {
        house.fill(&key(&format!("{name}")), weighing(name, 1000));
        assert!(house.cache.stats().bytes <= CAPACITY);
    }
    let stats = house.cache.stats();
    assert!(stats.entries < 1024, "{stats:?}");
    assert!(stats.bytes > CAPACITY / 2, "{stats:?}");
    assert_eq!(stats.entries + stats.evictions, 5_000);
    assert_eq!((stats.flights, stats.refused), (0, 0));
}

#[test]
fn remembered_keys_count_too() {
    let house = House::new();
    for name in 0..10_000 {
        house.fill(
            &key(&format!("{name}")),
            Fetched::Pass {
                remember: Some(Remember::default()),
            },
        );
    }
    let stats = house.cache.stats();
    assert!(stats.bytes <= CAPACITY, "{stats:?}");
    assert!(stats.evictions > 0, "{stats:?}");
}

#[test]
fn a_value_that_is_replaced_gives_its_bytes_back() {
    let house = House::new();
    house.fill(&key("a"), weighing(1, 50_000));
    let heavy = house.cache.stats().bytes;
    house.clock.advance(crate::support::secs(180));
    house.fill(&key("a"), weighing(1, 50));
    let light = house.cache.stats().bytes;
    assert_eq!(heavy - light, 50_000 - 50);
    assert_eq!(house.cache.stats().evictions, 0, "it made room for itself");
    house.clock.advance(crate::support::secs(180));
    house.fill(&key("a"), whole(1, Keep::Share));
    assert_eq!(house.cache.stats().bytes, 0);
}

#[test]
fn a_value_weighs_what_it_says_and_its_key() {
    let house = House::new();
    let mut bytes = Vec::new();
    for (name, weight) in [("a", 0), ("b", 1000), ("long name", 0)] {
        let before = house.cache.stats().bytes;
        let made = house
            .origin
            .call(async move { Ok(Made::new(1, minute()).weighing(weight)) });
        let mut request = house.get(&key(name), made);
        assert!(request.now().is_none());
        house.tasks.poll_all();
        bytes.push(house.cache.stats().bytes - before);
    }
    assert_eq!(bytes[1] - bytes[0], 1000);
    assert_eq!(bytes[2] - bytes[0], 8, "the longer key");
}

#[test]
fn the_heaviest_that_is_kept_is_what_the_settings_say() {
    let house = House::new();
    let largest = house.cache.largest_entry();
    house.fill(&key("a"), weighing(1, 0));
    let overhead = house.cache.stats().bytes as usize;
    house.fill(&key("b"), weighing(2, largest - overhead));
    assert_eq!(house.kept(&key("b")), Some(2));
    house.fill(&key("c"), weighing(3, largest - overhead + 1));
    assert_eq!(house.kept(&key("c")), None);
    assert_eq!(house.cache.stats().refused, 1);
}

#[test]
fn flights_and_queued_refreshes_end_with_what_runs() {
    let house = House::new();
    let mut requests: Vec<_> = (0..1000)
        .map(|name| house.get(&key(&format!("{name}")), house.origin.hangs()))
        .collect();
    assert!(requests.iter_mut().all(|request| request.now().is_none()));
    house.tasks.poll_all();
    assert_eq!(house.cache.stats().flights, 1000);
    drop(requests);
    house.clock.advance(house.policy.origin_timeout);
    house.tasks.poll_all();
    let stats = house.cache.stats();
    assert_eq!((stats.flights, stats.entries, house.tasks.len()), (0, 0, 0));
    assert_eq!(house.clock.sleepers(), 0);
}

#[test]
fn the_largest_weight_there_is_is_too_large_and_nothing_worse() {
    let house = House::new();
    house.fill(&key("a"), weighing(1, usize::MAX));
    let stats = house.cache.stats();
    assert_eq!((stats.entries, stats.refused), (0, 1));
}
