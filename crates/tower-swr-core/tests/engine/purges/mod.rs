//! Purges: what they take, what they leave, and what late writers may not do afterwards.

mod flights;
mod late_writers;
mod many;

use crate::support::{House, key, minute, secs};
use futures_util::FutureExt;
use std::sync::Arc;
use tower_swr_core::{
    Answer, Fetched, Key, KeyText, Landed, Lifetime, NoPartial, Outcome, Remember,
};

type Purge = fn(&House);

/// All ways to purge `a`.
const PURGES: [(&str, Purge); 3] = [
    ("resource", |house| {
        house.cache.purge(key("a").borrowed().resource());
    }),
    ("scope", |house| {
        house.cache.purge(key("a").borrowed().scope_subject());
    }),
    ("all", |house| {
        house.cache.purge_all();
    }),
];

fn purge_a(house: &House) {
    house.cache.purge(key("a").borrowed().resource());
}

fn landed_value(outcome: Option<Outcome<u32, NoPartial>>) -> Option<u32> {
    match outcome? {
        Outcome::Landed(Landed {
            answer: Answer::Whole(entry),
            ..
        }) => Some(*entry.value()),
        _ => None,
    }
}

#[test]
fn what_is_purged_is_not_served_any_more() {
    for (how, purge) in PURGES {
        let house = House::new();
        house.keep(&key("a"), 1, minute());
        purge(&house);
        assert_eq!(house.kept(&key("a")), None, "by {how}");
        house.keep(&key("a"), 2, minute());
        assert_eq!(house.kept(&key("a")), Some(2), "by {how}");
    }
}

#[test]
fn what_is_purged_does_not_stand_in_for_failures_either() {
    let house = House::new();
    house.keep(&key("a"), 1, minute().stale_if_error(secs(3600)));
    purge_a(&house);
    house.clock.advance(secs(200));
    let fill = house.lead(&key("a"));
    assert!(fill.old().is_none());
}

#[test]
fn what_is_purged_while_somebody_waits_does_not_stand_in_for_them() {
    let house = House::new();
    house.keep(
        &key("a"),
        1,
        Lifetime::fresh_for(secs(60)).stale_if_error(secs(3600)),
    );
    house.clock.advance(secs(60));
    let fill = house.lead(&key("a"));
    let old = Arc::clone(fill.old().expect("it is kept"));
    let [mut lost, mut late] = [(); 2].map(|()| fill.waiting().or_stale(Arc::clone(&old)));
    assert!((&mut lost).now_or_never().is_none() && (&mut late).now_or_never().is_none());
    purge_a(&house);
    house.clock.advance(secs(1));
    assert!(matches!(late.now_or_never(), Some(Outcome::WaitTimedOut)));
    drop(fill);
    assert!(matches!(lost.now_or_never(), Some(Outcome::Lost(_))));
}

#[test]
fn a_purge_takes_what_it_names_and_nothing_else() {
    let elsewhere = KeyText::new("elsewhere").key().to_key();
    let house = House::new();
    for kept in [&key("a"), &key("b"), &elsewhere] {
        house.keep(kept, 1, minute());
    }
    purge_a(&house);
    assert_eq!(house.kept(&key("b")), Some(1), "another resource");
    house.cache.purge(key("a").borrowed().scope_subject());
    assert_eq!(house.kept(&key("b")), None);
    assert_eq!(house.kept(&elsewhere), Some(1), "another scope");
}

#[test]
fn of_several_purges_the_newest_counts() {
    let house = House::new();
    for (how, purge) in PURGES.iter().chain(PURGES.iter().rev()).chain(&PURGES) {
        house.keep(&key("a"), 1, minute());
        purge(&house);
        assert_eq!(house.kept(&key("a")), None, "by {how}");
    }
}

/// A path on any host, then on one, then a variant.
fn nested(path: &str, host: &str, variant: &str) -> Key {
    let mut text = KeyText::new("scope");
    text.push(path.as_bytes());
    text.end_resource();
    text.push(host.as_bytes());
    text.end_resource();
    text.push(variant.as_bytes());
    text.key().to_key()
}

#[test]
fn a_resource_is_purged_with_its_variants_narrowly_or_widely() {
    let house = House::new();
    let (gzip, plain) = (nested("/a", "h", "gzip"), nested("/a", "h", "plain"));
    let (other_host, other_path) = (nested("/a", "i", "gzip"), nested("/b", "h", "gzip"));
    for kept in [&gzip, &plain, &other_host, &other_path] {
        house.keep(kept, 1, minute());
    }
    house.cache.purge(gzip.borrowed().resource());
    let kept = [&gzip, &plain, &other_host, &other_path].map(|key| house.kept(key));
    assert_eq!(kept, [None, None, Some(1), Some(1)]);
    let mut path = KeyText::new("scope");
    path.push(b"/a");
    house.cache.purge(path.key().resource());
    assert_eq!(
        [&other_host, &other_path].map(|key| house.kept(key)),
        [None, Some(1)]
    );
}

#[test]
fn an_uncacheable_key_is_forgotten_by_a_purge() {
    for (how, purge) in PURGES {
        let house = House::new();
        house.fill(
            &key("a"),
            Fetched::Pass {
                remember: Some(Remember::default()),
            },
        );
        assert!(house.is_uncacheable(&key("a")), "by {how}");
        purge(&house);
        assert!(!house.is_uncacheable(&key("a")), "by {how}");
    }
}
