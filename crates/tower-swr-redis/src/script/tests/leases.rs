//! Mutexes and values.

use std::time::Duration;

use super::super::{ACQUIRE, COMMIT, PURGE, RELEASE, RENEW};
use super::{Scripts, connect};

/// KEYS of a key's lease, as `ACQUIRE` has them.
const KEYS: [&str; 3] = ["v", "refresh", "fence"];

fn acquire(on: &mut Scripts, token: &str, have: &str) -> (u8, i64) {
    on.run(&ACQUIRE, &KEYS, &[token, "5000", have, "60000"])
}

fn renew(on: &mut Scripts, token: &str) -> u8 {
    on.run(&RENEW, &KEYS[1..], &[token, "90000"])
}

fn release(on: &mut Scripts, token: &str) -> u8 {
    on.run(&RELEASE, &KEYS[1..], &[token, "done", "released"])
}

fn commit(on: &mut Scripts, token: &str) -> u8 {
    let args = [token, "done", "stored", "one", "5000", "two", "9000"];
    on.run(&COMMIT, &["refresh", "fence", "v", "v.2"], &args)
}

fn purge(on: &mut Scripts) {
    let _: u8 = on.run(&PURGE, &KEYS, &["60000"]);
}

#[test]
fn acquire_gives_the_mutex_to_one_who_has_seen_what_is_there() {
    let mut on = Scripts::start();
    assert_eq!(acquire(&mut on, "one", ""), (1, 0));
    let (outcome, left) = acquire(&mut on, "two", "");
    assert!(outcome == 0 && (1..=5000).contains(&left), "{left}");
    let _: String = on.ask(&["SET", "v", "HC......version1 and more"]);
    assert_eq!(acquire(&mut on, "two", ""), (2, 0));
    assert_eq!(acquire(&mut on, "two", "version0"), (2, 0));
    assert_eq!(acquire(&mut on, "two", "version1").0, 0);
    let _: String = on.ask(&["SET", "v", "of somebody else, and long"]);
    assert_eq!(acquire(&mut on, "two", "").0, 0, "as if nothing were there");
}

#[test]
fn acquire_takes_what_nobody_can_write_by_for_free() {
    let mut on = Scripts::start();
    assert_eq!(acquire(&mut on, "one", ""), (1, 0));
    let _: u8 = on.ask(&["PERSIST", "refresh"]);
    assert_eq!(acquire(&mut on, "two", ""), (1, 0), "it would never end");
    let _: u8 = on.ask(&["PEXPIRE", "refresh", "3700000"]);
    assert_eq!(acquire(&mut on, "thr", ""), (1, 0), "not within an hour");
    let _: u8 = on.ask(&["DEL", "refresh"]);
    let _: u8 = on.ask(&["LPUSH", "refresh", "a list"]);
    assert_eq!(acquire(&mut on, "fou", ""), (1, 0), "of another type");
    assert_eq!(renew(&mut on, "fou"), 1);
    let _: String = on.ask(&["SET", "fence", "new", "PX", "1000"]);
    assert_eq!(acquire(&mut on, "fiv", ""), (1, 0), "before the last purge");
    assert_eq!((renew(&mut on, "fou"), renew(&mut on, "fiv")), (0, 1));
    assert!(on.left("fence") > 50_000, "it outlives the lease");
}

#[test]
fn acquire_knows_the_token_that_it_has_given_the_mutex_to() {
    let mut on = Scripts::start();
    assert_eq!(acquire(&mut on, "one", ""), (1, 0));
    let _: u8 = on.ask(&["PEXPIRE", "refresh", "1000"]);
    assert_eq!(acquire(&mut on, "one", ""), (1, 0));
    assert!(on.left("refresh") > 1000, "for as long as the first time");
    assert_eq!(acquire(&mut on, "two", "").0, 0);
    purge(&mut on);
    assert_eq!(acquire(&mut on, "two", "").0, 1);
    assert_eq!(acquire(&mut on, "one", "").0, 0, "it is another's by now");
    let _: String = on.ask(&["SET", "v", "HC......version1 and more"]);
    assert_eq!(acquire(&mut on, "two", ""), (2, 0));
}

#[test]
fn renew_and_release_are_for_who_holds_the_token_unless_there_was_a_purge() {
    let mut on = Scripts::start();
    assert_eq!(acquire(&mut on, "one", "").0, 1);
    assert_eq!((renew(&mut on, "two"), release(&mut on, "two")), (0, 0));
    assert!(on.left("refresh") <= 5000);
    assert_eq!(renew(&mut on, "one"), 1);
    assert!(on.left("refresh") > 5000);
    assert_eq!((release(&mut on, "one"), release(&mut on, "one")), (1, 0));
    assert_eq!(on.exists(&["refresh"]), 0);
    assert_eq!(acquire(&mut on, "one", "").0, 1);
    let _: String = on.ask(&["SET", "fence", "new"]);
    assert_eq!((renew(&mut on, "one"), release(&mut on, "one")), (0, 0));
    assert_eq!(on.exists(&["refresh"]), 1);
}

#[test]
fn commit_writes_all_or_nothing() {
    let mut on = Scripts::start();
    assert_eq!(commit(&mut on, "one"), 0, "no lease");
    assert_eq!(acquire(&mut on, "one", "").0, 1);
    assert_eq!(commit(&mut on, "two"), 0);
    assert_eq!(on.exists(&["v", "v.2"]), 0);
    assert_eq!(commit(&mut on, "one"), 1);
    let values: Vec<String> = on.ask(&["MGET", "v", "v.2"]);
    assert_eq!(values, ["one", "two"]);
    assert!((1..=5000).contains(&on.left("v")));
    assert!((5001..=9000).contains(&on.left("v.2")));
    assert_eq!(commit(&mut on, "one"), 0, "once");
}

/// Of a variant nothing is deleted but what its own key has: its lease ends by the fence alone.
#[test]
fn commit_after_a_purge_writes_nothing() {
    let mut on = Scripts::start();
    assert_eq!(acquire(&mut on, "one", "").0, 1);
    let mutex: String = on.ask(&["GET", "refresh"]);
    purge(&mut on);
    let _: String = on.ask(&["SET", "refresh", &mutex]);
    assert_eq!(commit(&mut on, "one"), 0);
    assert_eq!(on.exists(&["v", "v.2"]), 0);
}

#[test]
fn purge_takes_value_and_mutex_and_leaves_another_fence() {
    let mut on = Scripts::start();
    let _: String = on.ask(&["MSET", "v", "value", "refresh", "one", "other", "stays"]);
    purge(&mut on);
    assert_eq!(on.exists(&["v", "refresh", "other"]), 1);
    let first: String = on.ask(&["GET", "fence"]);
    assert!((50_000..=60_000).contains(&on.left("fence")));
    purge(&mut on);
    assert_ne!(on.ask::<String>(&["GET", "fence"]), first);
}

#[test]
fn those_who_wait_are_told_how_a_lease_ended() {
    let mut on = Scripts::start();
    let mut waiting = connect(&on.server);
    let patience = Some(Duration::from_secs(20));
    waiting.set_read_timeout(patience).unwrap();
    let mut waiting = waiting.as_pubsub();
    waiting.subscribe("done").unwrap();
    let mut told = || -> String { waiting.get_message().unwrap().get_payload().unwrap() };
    assert_eq!(acquire(&mut on, "one", "").0, 1);
    assert_eq!((commit(&mut on, "two"), release(&mut on, "two")), (0, 0));
    assert_eq!(commit(&mut on, "one"), 1);
    assert_eq!(told(), "stored", "and nothing before");
    assert_eq!(acquire(&mut on, "one", "").0, 1);
    assert_eq!(release(&mut on, "one"), 1);
    assert_eq!(told(), "released");
}

// --- The log ---------------------------------------------------------------------------------------------------------
