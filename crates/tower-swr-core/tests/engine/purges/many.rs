//! Purges in great number.

use crate::support::{House, key, minute};
use tower_swr_core::{Key, Made, Subject};

fn subject(number: usize) -> Subject {
    key(&format!("purged {number}")).borrowed().resource()
}

#[test]
fn seventy_thousand_purges_lose_nothing_valid_and_revive_nothing() {
    let house = House::new();
    let names: Vec<Key> = (0..100).map(|name| key(&format!("{name}"))).collect();
    for name in &names {
        house.keep(name, 1, minute());
    }
    let (purged, valid) = names.split_at(50);
    for name in purged {
        house.cache.purge(name.borrowed().resource());
    }
    let entries = house.cache.stats().entries;
    for number in 0..70_000 {
        house.cache.purge(subject(number));
    }
    assert!(purged.iter().all(|name| house.kept(name).is_none()));
    assert!(valid.iter().all(|name| house.kept(name) == Some(1)));
    assert_eq!(
        (entries, house.cache.stats().entries),
        (100, 50),
        "swept once"
    );
    for name in purged {
        house.keep(name, 2, minute());
    }
    assert!(purged.iter().all(|name| house.kept(name) == Some(2)));
}

#[test]
fn many_purges_do_not_detach_a_flight_that_none_of_them_concerns() {
    let house = House::new();
    let mut answers = Vec::new();
    for name in ["a", "purged"] {
        let (answer, origin) = house.origin.waits();
        let mut request = house.get(&key(name), origin);
        assert!(request.now().is_none());
        house.tasks.poll_all();
        answers.push((answer, request));
    }
    house.cache.purge(key("purged").borrowed().resource());
    for number in 0..70_000 {
        house.cache.purge(subject(number));
    }
    let attend = |name: &str| house.cache.attend(&key(name).borrowed(), &house.policy);
    assert!(attend("a").is_some() && attend("purged").is_none());
    for (answer, _request) in answers {
        answer.send(Made::new(1, minute())).expect("it runs");
    }
    house.tasks.poll_all();
    assert_eq!(house.kept(&key("a")), Some(1));
    assert_eq!(house.kept(&key("purged")), None);
}

#[test]
fn purging_all_gives_the_memory_back() {
    let house = House::new();
    for name in 0..100 {
        house.keep(&key(&format!("{name}")), 1, minute());
    }
    assert!(house.cache.stats().bytes > 0);
    house.cache.purge_all();
    let stats = house.cache.stats();
    assert_eq!((stats.entries, stats.bytes), (0, 0));
}
