//! Purges: what they take, what they leave, and what late writers may not do afterwards.

use std::sync::Arc;

use crate::support::{House, key, minute, secs, whole};
use futures_util::FutureExt;
use tower_swr_core::{
    Answer, Fetched, Fill, Joined, Keep, Key, KeyText, Landed, Lifetime, Made, NoPartial, Outcome,
    Product, Purpose, Remember, Subject, Tags,
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

// --- During a flight -------------------------------------------------------------------------------------------------

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

// --- Late writers ----------------------------------------------------------------------------------------------------

/// A fill that was purged, and whose successor has kept 2.
fn overtaken(house: &House) -> Fill<u32, NoPartial> {
    let late = house.lead(&key("a"));
    purge_a(house);
    house.keep(&key("a"), 2, minute());
    late
}

fn late_answers() -> Vec<Fetched<u32, NoPartial>> {
    let too_large = Product {
        value: 1,
        keep: Keep::Store(minute()),
        key: None,
        initial_age: secs(0),
        weight: 1 << 20,
        tags: Tags::default(),
    };
    vec![
        whole(1, Keep::Store(minute())),
        whole(1, Keep::Share),
        whole(1, Keep::Failure),
        Fetched::Whole {
            product: too_large,
            beside: None,
        },
        Fetched::Pass { remember: None },
        Fetched::Pass {
            remember: Some(Remember::default()),
        },
        Fetched::Failed(Arc::new(crate::support::Refused)),
    ]
}

#[test]
fn a_late_writer_neither_overwrites_nor_removes_what_is_newer() {
    for fetched in late_answers() {
        let (house, what) = (House::new(), format!("{fetched:?}"));
        let late = overtaken(&house);
        late.spawn(std::future::ready(fetched));
        house.tasks.poll_all();
        assert_eq!(house.kept(&key("a")), Some(2), "{what}");
        assert!(!house.is_refresh_due(&key("a")), "{what}");
        house.assert_no_violation();
    }
}

#[test]
fn a_late_writer_does_not_close_the_flight_of_its_successor() {
    for fetched in late_answers() {
        let (house, what) = (House::new(), format!("{fetched:?}"));
        let late = house.lead(&key("a"));
        purge_a(&house);
        let successor = house.lead(&key("a"));
        late.spawn(std::future::ready(fetched));
        house.tasks.poll_all();
        let waiting = house.follow(&key("a"));
        successor.spawn(std::future::ready(whole(2, Keep::Store(minute()))));
        house.tasks.poll_all();
        assert_eq!(landed_value(waiting.now_or_never()), Some(2), "{what}");
    }
}

#[test]
fn a_late_failure_does_not_put_off_the_refresh_of_what_is_newer() {
    let house = House::new();
    house.keep(&key("a"), 1, minute());
    house.clock.advance(secs(60));
    let Joined::Lead(late) = house.join(&key("a"), Purpose::Refresh) else {
        panic!("nobody flies");
    };
    purge_a(&house);
    house.keep(&key("a"), 2, minute());
    late.spawn(std::future::ready(Fetched::Failed(Arc::new(
        crate::support::Refused,
    ))));
    house.tasks.poll_all();
    house.clock.advance(secs(60));
    assert_eq!(house.kept(&key("a")), Some(2));
    assert!(house.is_refresh_due(&key("a")));
}

#[test]
fn a_refresh_that_waits_while_its_key_is_purged_brings_a_new_value() {
    let house = House::new();
    house.keep(&key("a"), 1, minute());
    house.clock.advance(secs(60));
    house.get_at_once(&key("a"), house.origin.makes(2, minute()));
    purge_a(&house);
    assert_eq!(house.kept(&key("a")), None);
    house.tasks.poll_all();
    assert_eq!(
        house.kept(&key("a")),
        Some(2),
        "its call began after the purge"
    );
}

// --- Many purges -----------------------------------------------------------------------------------------------------

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
