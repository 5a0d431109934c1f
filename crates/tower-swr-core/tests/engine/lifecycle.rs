//! The life of one value: fresh, stale, expired, and what jitter, failures and operators make of it.

use std::time::{Duration, SystemTime};

use crate::support::{House, SECOND, WEEK, key, minute, secs};
use tower_swr_core::{
    Fetched, GetError, Joined, Keep, Key, Look, Made, Mode, Product, Purpose, Remember, Tags,
};

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A house in which `a` was kept as 1, `age` ago.
fn house_aged(age: Duration) -> House {
    let house = House::new();
    house.keep(&key("a"), 1, minute());
    house.clock.advance(age);
    house
}

// --- The table -------------------------------------------------------------------------------------------------------

#[test]
fn what_is_fresh_is_served_and_nobody_asks_the_origin() {
    for age in [0, 1, 30_000, 59_999] {
        let house = house_aged(millis(age));
        for _ in 0..10 {
            let served = house.get_at_once(&key("a"), house.origin.makes(2, minute()));
            assert_eq!(served, 1, "at {age} ms");
        }
        assert!(house.tasks.is_empty(), "at {age} ms");
        assert_eq!(house.origin.calls(), 1, "at {age} ms");
    }
}

#[test]
fn what_is_stale_is_served_at_once_while_one_refresh_runs() {
    for age in [60_000, 60_001, 179_999] {
        let house = house_aged(millis(age));
        for _ in 0..50 {
            let served = house.get_at_once(&key("a"), house.origin.makes(2, minute()));
            assert_eq!(served, 1, "at {age} ms");
        }
        assert_eq!(house.tasks.len(), 1, "at {age} ms");
        house.tasks.poll_all();
        assert_eq!(house.origin.calls(), 2, "at {age} ms");
        let served = house.get_at_once(&key("a"), house.origin.makes(3, minute()));
        assert_eq!(served, 2, "renewed");
        assert!(house.tasks.is_empty(), "fresh again");
    }
}

#[test]
fn what_has_expired_is_a_miss() {
    for age in [secs(180), secs(181), WEEK] {
        let house = house_aged(age);
        let mut request = house.get(&key("a"), house.origin.makes(2, minute()));
        assert!(request.now().is_none(), "it waits for the origin");
        house.tasks.poll_all();
        assert_eq!(request.now().map(Result::ok), Some(Some(2)));
        assert_eq!(house.origin.calls(), 2);
    }
}

#[test]
fn the_table_by_hand() {
    let rows = [
        (0, "serve"),
        (59_999, "serve"),
        (60_000, "serve and refresh"),
        (179_999, "serve and refresh"),
        (180_000, "fetch"),
    ];
    for (age, expected) in rows {
        let house = house_aged(millis(age));
        let decided = match house.look(&key("a")) {
            Look::Serve {
                entry,
                age: told,
                refresh,
            } => {
                assert_eq!((*entry.value(), told), (1, millis(age)));
                if refresh {
                    "serve and refresh"
                } else {
                    "serve"
                }
            }
            Look::Fetch { old, fallback } => {
                assert_eq!(old.map(|old| *old.value()), Some(1));
                assert!(!fallback, "there is no window for errors");
                "fetch"
            }
            Look::Uncacheable => "uncacheable",
        };
        assert_eq!(decided, expected, "at {age} ms");
    }
}

#[test]
fn a_value_that_comes_with_an_age_is_that_much_older() {
    let house = House::new();
    let product = Product {
        value: 1,
        keep: Keep::Store(minute()),
        key: None,
        initial_age: secs(40),
        weight: 4,
        tags: Tags::default(),
    };
    let beside = None;
    house.fill(&key("a"), Fetched::Whole { product, beside });
    assert!(matches!(house.look(&key("a")), Look::Serve { age, .. } if age == secs(40)));
    house.clock.advance(millis(19_999));
    assert!(!house.is_refresh_due(&key("a")), "fresh");
    house.clock.advance(millis(1));
    assert!(house.is_refresh_due(&key("a")), "stale");
    house.clock.advance(millis(119_999));
    assert_eq!(house.kept(&key("a")), Some(1));
    house.clock.advance(millis(1));
    assert_eq!(house.kept(&key("a")), None, "expired");
}

#[test]
fn joining_looks_again_before_it_leads() {
    let fresh = house_aged(secs(59));
    for purpose in [Purpose::Miss, Purpose::Refresh] {
        let joined = fresh.join(&key("a"), purpose);
        assert!(matches!(
            joined,
            Joined::Again(Look::Serve { refresh: false, .. })
        ));
    }
    let stale = house_aged(secs(60));
    let joined = stale.join(&key("a"), Purpose::Miss);
    assert!(matches!(
        joined,
        Joined::Again(Look::Serve { refresh: true, .. })
    ));
    let Joined::Lead(fill) = stale.join(&key("a"), Purpose::Refresh) else {
        panic!("a refresh is due and nobody flies");
    };
    assert_eq!(fill.old().map(|old| *old.value()), Some(1));
    assert!(matches!(
        stale.join(&key("a"), Purpose::Refresh),
        Joined::Wait(_)
    ));
    assert_eq!(stale.kept(&key("a")), Some(1), "served all the while");
    drop(fill);
    assert_eq!(stale.cache.stats().flights, 0);
}

#[test]
fn one_refresh_however_long_it_takes() {
    let house = house_aged(secs(60));
    house.get_at_once(&key("a"), house.origin.hangs());
    house.tasks.poll_all();
    for _ in 0..10 {
        house.clock.advance(SECOND);
        assert_eq!(
            house.get_at_once(&key("a"), house.origin.makes(3, minute())),
            1
        );
        house.tasks.poll_all();
    }
    assert_eq!((house.origin.calls(), house.origin.running()), (2, 1));
    house.assert_no_violation();
}

// --- Modes and the wall clock ----------------------------------------------------------------------------------------

#[test]
fn serve_stale_serves_what_is_kept_however_old_and_refreshes_nothing() {
    let house = house_aged(secs(60));
    house.cache.set_mode(Mode::ServeStale);
    for age in [Duration::ZERO, secs(120), WEEK] {
        house.clock.advance(age);
        assert_eq!(
            house.get_at_once(&key("a"), house.origin.makes(2, minute())),
            1
        );
        assert!(house.tasks.is_empty());
    }
    house.keep(&key("b"), 7, minute());
    house.cache.set_mode(Mode::Normal);
    assert!(
        house
            .get(&key("a"), house.origin.makes(2, minute()))
            .now()
            .is_none()
    );
}

#[test]
fn serve_stale_does_not_serve_what_its_origin_forbade_to() {
    let house = House::new();
    house.keep(&key("a"), 1, minute().must_revalidate());
    house.cache.set_mode(Mode::ServeStale);
    house.clock.advance(secs(59));
    assert_eq!(house.kept(&key("a")), Some(1), "fresh");
    house.clock.advance(secs(1));
    assert_eq!(house.kept(&key("a")), None);
}

#[test]
fn in_mode_off_the_cache_is_not_there() {
    let house = House::new();
    house.keep(&key("a"), 1, minute());
    house.cache.set_mode(Mode::Off);
    for value in 2..5 {
        let made = house.get_at_once(&key("a"), house.origin.makes(value, minute()));
        assert_eq!(made, value, "every request asks the origin itself");
    }
    let mut request = house.get(&key("a"), house.origin.fails());
    assert!(matches!(request.now(), Some(Err(GetError::Failed(_)))));
    assert_eq!((house.origin.calls(), house.tasks.len()), (5, 0));
    house.cache.set_mode(Mode::Normal);
    assert_eq!(house.kept(&key("a")), Some(1), "nothing was stored");
}

#[test]
fn in_mode_off_a_call_that_hangs_or_panics_is_an_error_like_any_other() {
    let house = House::new();
    house.cache.set_mode(Mode::Off);
    let mut panics = house.get(&key("a"), house.origin.panics());
    assert!(matches!(panics.now(), Some(Err(GetError::Panicked))));
    let mut hangs = [(); 2].map(|()| house.get(&key("a"), house.origin.hangs()));
    assert!(hangs.iter_mut().all(|request| request.now().is_none()));
    house.clock.advance(secs(60));
    let [mut in_time, dropped] = hangs;
    assert!(matches!(in_time.now(), Some(Err(GetError::OriginTimedOut))));
    drop(dropped);
    assert_eq!(
        house.origin.cancelled(),
        3,
        "the one that panicked included"
    );
}

#[test]
fn in_mode_off_nothing_is_found() {
    let house = house_aged(secs(60));
    let off = |key: &Key| {
        house
            .cache
            .look(&key.borrowed(), Mode::Off, house.cache.now())
    };
    let remember = Some(Remember::default());
    house.fill(&key("b"), Fetched::Pass { remember });
    for name in ["a", "b"] {
        let look = off(&key(name));
        assert!(
            matches!(
                look,
                Look::Fetch {
                    old: None,
                    fallback: false
                }
            ),
            "{name}"
        );
    }
}

#[test]
fn a_call_that_ends_in_mode_off_leaves_nothing() {
    let house = House::new();
    let (answer, origin) = house.origin.waits();
    let mut request = house.get(&key("a"), origin);
    assert!(request.now().is_none());
    house.tasks.poll_all();
    house.cache.set_mode(Mode::Off);
    answer.send(Made::new(1, minute())).expect("it runs");
    house.tasks.poll_all();
    assert_eq!(request.now().map(Result::ok), Some(Some(1)));
    house.cache.set_mode(Mode::Normal);
    assert_eq!(house.kept(&key("a")), None);
}

#[test]
fn steps_of_the_wall_clock_neither_expire_nor_revive() {
    let house = house_aged(secs(59));
    let year_3000 = SystemTime::UNIX_EPOCH + secs(32_503_680_000);
    for wall in [year_3000, SystemTime::UNIX_EPOCH] {
        house.clock.step_wall(wall);
        assert_eq!(house.kept(&key("a")), Some(1));
        assert!(!house.is_refresh_due(&key("a")), "fresh on {wall:?}");
    }
    house.clock.advance(secs(121));
    for wall in [year_3000, SystemTime::UNIX_EPOCH] {
        house.clock.step_wall(wall);
        assert_eq!(house.kept(&key("a")), None, "expired on {wall:?}");
    }
}
