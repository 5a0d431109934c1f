//! What a flight that a purge overtook must not do any more.

use super::{landed_value, purge_a};
use crate::support::{House, key, minute, secs, whole};
use futures_util::FutureExt;
use std::sync::Arc;
use tower_swr_core::{
    Fetched, Fill, Joined, Keep, NoPartial, Product, Purpose, Remember, Subject, Tags,
};

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

/// Where an answer belongs shows when it comes: what was purged there meanwhile was purged for it, too.
#[test]
fn a_late_writer_leaves_what_is_newer_where_its_answer_turns_out_to_belong() {
    let elsewhere = |fetched| match fetched {
        Fetched::Whole { product, beside } => Fetched::Whole {
            product: Product {
                key: Some(key("b")),
                ..product
            },
            beside,
        },
        Fetched::Pass { remember: Some(_) } => Fetched::Pass {
            remember: Some(Remember {
                key: Some(key("b")),
                beside: None,
            }),
        },
        other => other,
    };
    for fetched in late_answers().into_iter().map(elsewhere) {
        let (house, what) = (House::new(), format!("{fetched:?}"));
        let late = house.lead(&key("a"));
        house.cache.purge(Subject::key(key("b").borrowed()));
        house.keep(&key("b"), 2, minute());
        late.spawn(std::future::ready(fetched));
        house.tasks.poll_all();
        assert_eq!(house.kept(&key("b")), Some(2), "{what}");
        house.assert_no_violation();
    }
}
