//! Soft purges: what ends with them, and what goes on.

use crate::support::{House, key, minute, secs, whole};
use tower_swr_core::{
    Beside, Fetched, Joined, Keep, Lifetime, Look, NoPartial, Product, Purged, Purpose, Subject,
};

type Purge = fn(&House) -> Purged;

/// All ways to purge `a` softly.
const PURGES: [(&str, Purge); 4] = [
    ("resource", |house| {
        house.cache.soft_purge(key("a").borrowed().resource())
    }),
    ("scope", |house| {
        house.cache.soft_purge(key("a").borrowed().scope_subject())
    }),
    ("tag", |house| house.cache.soft_purge(Subject::tag(b"x"))),
    ("all", |house| house.cache.soft_purge_all()),
];

fn tagged(value: u32, lifetime: Lifetime) -> Fetched<u32, NoPartial> {
    Fetched::Whole {
        product: Product {
            value,
            keep: Keep::Store(lifetime),
            key: None,
            initial_age: std::time::Duration::ZERO,
            weight: 0,
            tags: [Subject::tag(b"x")].into_iter().collect(),
        },
        beside: None,
    }
}

#[test]
fn what_may_be_stale_is_served_at_once_and_renewed() {
    for (how, purge) in PURGES {
        let house = House::new();
        house.fill(&key("a"), tagged(1, minute()));
        assert!(!house.is_refresh_due(&key("a")), "by {how}");
        purge(&house);
        assert_eq!(house.kept(&key("a")), Some(1), "by {how}");
        assert!(house.is_refresh_due(&key("a")), "by {how}");
        assert_eq!(
            house.get_at_once(&key("a"), house.origin.makes(2, minute())),
            1
        );
        house.tasks.poll_all();
        assert_eq!(house.kept(&key("a")), Some(2), "by {how}");
        assert!(!house.is_refresh_due(&key("a")), "by {how}");
    }
}

#[test]
fn the_stale_window_begins_with_the_purge() {
    let house = House::new();
    house.fill(&key("a"), tagged(1, minute()));
    house.clock.advance(secs(10));
    house.cache.soft_purge(Subject::tag(b"x"));
    house.clock.advance(secs(100));
    assert_eq!(house.kept(&key("a")), Some(1), "100 s of 120");
    house.clock.advance(secs(20));
    assert_eq!(house.kept(&key("a")), None);
}

#[test]
fn a_purge_gives_what_was_stale_already_no_more_time() {
    let house = House::new();
    house.fill(&key("a"), tagged(1, minute()));
    house.clock.advance(secs(170));
    house.cache.soft_purge(Subject::tag(b"x"));
    house.clock.advance(secs(10));
    assert_eq!(house.kept(&key("a")), None);
}

#[test]
fn what_may_not_be_stale_is_asked_for_anew_and_can_be_confirmed() {
    let house = House::new();
    house.fill(&key("a"), tagged(1, minute().must_revalidate()));
    house.cache.soft_purge(Subject::tag(b"x"));
    let Look::Fetch { old, fallback } = house.look(&key("a")) else {
        panic!("it is served");
    };
    assert_eq!(old.map(|old| *old.value()), Some(1));
    assert!(!fallback);
}

#[test]
fn it_stands_in_for_a_failing_origin_where_it_may() {
    let house = House::new();
    let lifetime = Lifetime::fresh_for(secs(60)).stale_if_error(secs(60));
    house.fill(&key("a"), tagged(1, lifetime));
    house.cache.soft_purge(Subject::tag(b"x"));
    assert!(matches!(
        house.look(&key("a")),
        Look::Fetch { fallback: true, .. }
    ));
}

#[test]
fn a_call_that_runs_brings_what_is_stale() {
    let house = House::new();
    let fill = house.lead(&key("a"));
    house.cache.soft_purge(Subject::tag(b"x"));
    fill.spawn(std::future::ready(tagged(1, minute())));
    house.tasks.poll_all();
    assert_eq!(house.kept(&key("a")), Some(1));
    assert!(house.is_refresh_due(&key("a")));
}

#[test]
fn others_stay_as_they_are() {
    let house = House::new();
    house.keep(&key("b"), 1, minute());
    for (how, purge) in &PURGES[..1] {
        purge(&house);
        assert!(!house.is_refresh_due(&key("b")), "by {how}");
    }
    house.cache.soft_purge(Subject::tag(b"x"));
    assert!(!house.is_refresh_due(&key("b")));
}

#[test]
fn what_leads_to_others_stays() {
    let house = House::new();
    let beside = Beside {
        key: key("index"),
        value: 9,
        weight: 0,
    };
    let mut fetched = whole(1, Keep::Store(minute()));
    if let Fetched::Whole { beside: place, .. } = &mut fetched {
        *place = Some(beside);
    }
    house.fill(&key("a"), fetched);
    house.cache.soft_purge_all();
    assert_eq!(house.kept(&key("index")), Some(9));
    assert!(!house.is_refresh_due(&key("index")));
    assert!(house.is_refresh_due(&key("a")));
}

#[test]
fn the_memory_of_what_may_not_be_shared_ends() {
    let house = House::new();
    let remember = Some(tower_swr_core::Remember::default());
    house.fill(&key("a"), Fetched::Pass { remember });
    assert!(house.is_uncacheable(&key("a")));
    house.cache.soft_purge(key("a").borrowed().resource());
    assert!(!house.is_uncacheable(&key("a")));
}

#[test]
fn a_purge_after_a_soft_one_takes_it() {
    let house = House::new();
    house.fill(&key("a"), tagged(1, minute()));
    house.cache.soft_purge(Subject::tag(b"x"));
    assert_eq!(house.kept(&key("a")), Some(1));
    house.cache.purge(Subject::tag(b"x"));
    assert_eq!(house.kept(&key("a")), None);
}

#[test]
fn a_sweep_forgets_no_soft_purge() {
    let house = House::new();
    house.fill(&key("a"), tagged(1, minute()));
    house.cache.soft_purge(Subject::tag(b"x"));
    for number in 0..70_000_u32 {
        house.cache.purge(Subject::tag(&number.to_le_bytes()));
    }
    assert_eq!(house.kept(&key("a")), Some(1));
    assert!(house.is_refresh_due(&key("a")));
}

#[test]
fn a_refresh_that_runs_does_not_hide_the_next_one() {
    let house = House::new();
    house.fill(&key("a"), tagged(1, minute()));
    house.cache.soft_purge_all();
    let Joined::Lead(refresh) = house.join(&key("a"), Purpose::Refresh) else {
        panic!("a refresh is due");
    };
    house.cache.soft_purge_all();
    refresh.spawn(std::future::ready(whole(2, Keep::Store(minute()))));
    house.tasks.poll_all();
    assert_eq!(house.kept(&key("a")), Some(2));
    assert!(
        house.is_refresh_due(&key("a")),
        "it began before the second purge"
    );
}
