//! What an origin sees after everything was purged.

use crate::support::{House, key, minute, secs, whole};
use tokio::sync::oneshot;
use tower_swr_core::{FlightPolicy, Keep};

fn house_of(entries: u32, at_one_time: usize) -> House {
    let house = House::built(FlightPolicy::default(), [], |builder| {
        builder.refills(at_one_time)
    });
    for entry in 0..entries {
        house.keep(&key(&entry.to_string()), entry, minute());
    }
    house
}

/// Asks for every entry, with an origin that the test answers by hand.
fn ask(house: &House, entries: u32) -> Vec<oneshot::Sender<()>> {
    (0..entries)
        .map(|entry| {
            let (answer, answered) = oneshot::channel();
            house.lead(&key(&entry.to_string())).spawn(async move {
                let _ = answered.await;
                whole(entry, Keep::Store(minute()))
            });
            house.tasks.poll_all();
            answer
        })
        .collect()
}

fn calls_since(house: &House, before: u64) -> u64 {
    house.cache.stats().fills - before
}

#[test]
fn a_few_calls_at_a_time_until_all_are_there_again() {
    let house = house_of(10, 3);
    house.cache.purge_all();
    let before = house.cache.stats().fills;
    let mut answers = ask(&house, 10).into_iter();
    assert_eq!(calls_since(&house, before), 3);
    for call in 4..=10 {
        let answer = answers.next().expect("ten have asked");
        assert!(answer.send(()).is_ok());
        house.tasks.poll_all();
        assert_eq!(calls_since(&house, before), call);
    }
    answers.for_each(|answer| assert!(answer.send(()).is_ok()));
    house.tasks.poll_all();
    assert_eq!(house.cache.stats().entries, 10);
    house.assert_no_violation();
}

#[test]
fn an_empty_cache_and_one_that_was_purged_in_part_are_not_limited() {
    let house = house_of(10, 3);
    house.cache.purge(key("0").borrowed().scope_subject());
    let before = house.cache.stats().fills;
    drop(ask(&house, 10));
    assert_eq!(calls_since(&house, before), 10);

    let house = house_of(0, 3);
    house.cache.purge_all();
    drop(ask(&house, 10));
    assert_eq!(calls_since(&house, 0), 10);
}

#[test]
fn who_waits_for_a_turn_gives_up_at_their_deadline_and_the_call_is_made() {
    let house = house_of(2, 1);
    house.cache.purge_all();
    let before = house.cache.stats().fills;
    let answers = ask(&house, 2);
    let mut waits = house.get(&key("1"), house.origin.makes(9, minute()));
    assert!(waits.now().is_none());
    house.clock.advance(secs(55));
    house.tasks.poll_all();
    assert!(waits.now().expect("an answer").is_err());
    drop(answers);
    house.tasks.poll_all();
    assert_eq!(calls_since(&house, before), 2);
}
