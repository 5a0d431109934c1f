//! The life of one value: fresh, stale, expired, and what jitter, failures and operators make of it.
#![cfg(feature = "test-util")]

mod support;

use std::time::{Duration, SystemTime};

use support::{House, SECOND, WEEK, key, minute, secs};
use tower_swr_core::testing::Heard;
use tower_swr_core::{
    FlightPolicy, GetError, Joined, Lifetime, Look, Made, Mode, Purpose, RefreshPolicy,
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

// --- Jitter ----------------------------------------------------------------------------------------------------------

fn jittered(refresh: RefreshPolicy, roll: f64) -> House {
    let policy = FlightPolicy {
        refresh,
        ..FlightPolicy::default()
    };
    let house = House::under(policy, [roll]);
    house.keep(&key("a"), 1, minute());
    house
}

#[test]
fn refresh_jitter_puts_a_refresh_off_and_the_stale_value_is_served_meanwhile() {
    let policy = RefreshPolicy {
        refresh_jitter: secs(30),
        ..RefreshPolicy::default()
    };
    let house = jittered(policy, 0.5);
    house.clock.advance(millis(74_999));
    assert_eq!(
        house.get_at_once(&key("a"), house.origin.makes(2, minute())),
        1
    );
    assert!(house.tasks.is_empty(), "not due");
    house.clock.advance(millis(1));
    assert_eq!(
        house.get_at_once(&key("a"), house.origin.makes(2, minute())),
        1
    );
    assert_eq!(house.tasks.len(), 1, "due at 60 s + 0.5 * 30 s");
}

#[test]
fn refresh_jitter_never_leads_past_the_stale_window() {
    let policy = RefreshPolicy {
        refresh_jitter: WEEK,
        ..RefreshPolicy::default()
    };
    let house = jittered(policy, 0.999);
    house.clock.advance(millis(179_879));
    assert!(!house.is_refresh_due(&key("a")));
    house.clock.advance(millis(1));
    assert!(
        house.is_refresh_due(&key("a")),
        "due at 60 s + 0.999 * 120 s"
    );
}

#[test]
fn ttl_jitter_goes_downwards() {
    let policy = RefreshPolicy {
        ttl_jitter: 0.5,
        ..RefreshPolicy::default()
    };
    let house = jittered(policy, 0.5);
    house.clock.advance(millis(44_999));
    assert!(!house.is_refresh_due(&key("a")), "fresh");
    house.clock.advance(millis(1));
    assert!(house.is_refresh_due(&key("a")), "60 s less 0.5 * 0.5 of it");
    house.clock.advance(secs(120));
    assert_eq!(house.kept(&key("a")), None, "the stale window moved along");
    let uncut = jittered(policy, 0.0);
    uncut.clock.advance(secs(60));
    assert!(
        uncut.is_refresh_due(&key("a")),
        "never later than was promised"
    );
}

// --- Stale if error --------------------------------------------------------------------------------------------------

/// A house in which `a` was kept as 1, is past its freshness, and may stand in for failures.
fn house_with_a_stand_in(policy: FlightPolicy, dice: impl IntoIterator<Item = f64>) -> House {
    let house = House::under(policy, dice);
    let lifetime = Lifetime::fresh_for(secs(60)).stale_if_error(secs(3600));
    house.keep(&key("a"), 1, lifetime);
    house.clock.advance(secs(60));
    house
}

#[test]
fn an_origin_that_hangs_is_stood_in_for_at_the_soft_timeout() {
    let house = house_with_a_stand_in(FlightPolicy::default(), []);
    let (answer, origin) = house.origin.waits();
    let mut request = house.get(&key("a"), origin);
    assert!(request.now().is_none());
    house.tasks.poll_all();
    house.clock.advance(millis(999));
    assert!(request.now().is_none(), "the origin has a second");
    house.clock.advance(millis(1));
    assert_eq!(request.now().map(Result::ok), Some(Some(1)));
    assert_eq!(house.origin.running(), 1, "and goes on afterwards");
    answer.send(Made::new(2, minute())).expect("it still runs");
    house.tasks.poll_all();
    assert_eq!(house.kept(&key("a")), Some(2));
    assert_eq!(
        house.observer.count(Heard::WaitTimedOut),
        0,
        "somebody was answered"
    );
}

#[test]
fn while_an_origin_is_known_to_be_slow_nobody_else_waits_for_it() {
    let house = house_with_a_stand_in(FlightPolicy::default(), [0.5]);
    let mut first = house.get(&key("a"), house.origin.hangs());
    assert!(first.now().is_none());
    house.tasks.poll_all();
    house.clock.advance(SECOND);
    house.tasks.poll_all();
    for _ in 0..10 {
        assert_eq!(house.get_at_once(&key("a"), house.origin.hangs()), 1);
    }
    house.clock.advance(secs(59));
    house.tasks.poll_all();
    assert_eq!((house.origin.calls(), house.origin.running()), (2, 0));
    assert_eq!(house.observer.count(Heard::TimedOut), 1);
    assert_eq!(
        house.get_at_once(&key("a"), house.origin.hangs()),
        1,
        "the pause"
    );
    house.clock.advance(secs(30));
    let mut next = house.get(&key("a"), house.origin.hangs());
    assert!(next.now().is_none(), "the origin has another second");
}

#[test]
fn an_origin_that_fails_or_panics_is_stood_in_for_at_once() {
    let house = house_with_a_stand_in(FlightPolicy::default(), []);
    for panics in [false, true] {
        let mut request = match panics {
            false => house.get(&key("a"), house.origin.fails()),
            true => house.get(&key("a"), house.origin.panics()),
        };
        assert!(request.now().is_none());
        house.tasks.poll_all();
        assert_eq!(
            request.now().map(Result::ok),
            Some(Some(1)),
            "panics: {panics}"
        );
    }
    assert_eq!(house.origin.calls(), 3);
}

#[test]
fn past_the_window_for_errors_the_error_is_the_answer() {
    let house = house_with_a_stand_in(FlightPolicy::default(), []);
    house.clock.advance(secs(3600));
    let mut request = house.get(&key("a"), house.origin.fails());
    assert!(request.now().is_none());
    house.tasks.poll_all();
    let answer = request.now().expect("the origin has failed");
    assert!(matches!(answer, Err(GetError::Failed(_))), "{answer:?}");
}

#[test]
fn a_failing_origin_is_left_alone_and_the_old_value_served_at_once() {
    let house = house_with_a_stand_in(FlightPolicy::default(), [0.5]);
    let mut request = house.get(&key("a"), house.origin.fails());
    assert!(request.now().is_none());
    house.tasks.poll_all();
    assert_eq!(request.now().map(Result::ok), Some(Some(1)));
    house.clock.advance(millis(49));
    for _ in 0..100 {
        assert_eq!(house.get_at_once(&key("a"), house.origin.fails()), 1);
    }
    assert_eq!(house.origin.calls(), 2, "none during the pause");
    house.clock.advance(millis(1));
    assert!(house.get(&key("a"), house.origin.fails()).now().is_none());
    house.tasks.poll_all();
    assert_eq!(house.origin.calls(), 3, "the pause is over");
}

// --- Back-off --------------------------------------------------------------------------------------------------------

/// Lets the refresh that is due fail; the pause after it.
fn pause_after_a_failure(house: &House) -> Duration {
    assert_eq!(house.get_at_once(&key("a"), house.origin.fails()), 1);
    house.tasks.poll_all();
    let failed_at = house.cache.now();
    while !house.is_refresh_due(&key("a")) {
        house.get_at_once(&key("a"), house.origin.fails());
        assert!(house.tasks.is_empty(), "no refresh during the pause");
        house.clock.advance(millis(25));
    }
    house.cache.now().since(failed_at)
}

fn backing_off(base: Duration, cap: Duration) -> FlightPolicy {
    FlightPolicy {
        refresh: RefreshPolicy {
            back_off_base: base,
            back_off_cap: cap,
            ..RefreshPolicy::default()
        },
        ..FlightPolicy::default()
    }
}

#[test]
fn failing_refreshes_back_off_twice_as_long_each_time_up_to_the_cap() {
    let house = House::under(backing_off(millis(100), millis(500)), [0.5; 6]);
    house.keep(&key("a"), 1, minute());
    house.clock.advance(secs(60));
    let pauses = [(); 5].map(|()| pause_after_a_failure(&house).as_millis());
    assert_eq!(pauses, [50, 100, 200, 250, 250]);
    assert_eq!(house.origin.calls(), 6);
}

#[test]
fn after_a_success_the_back_off_begins_anew() {
    let house = House::under(backing_off(millis(100), secs(30)), [0.5, 0.5, 0.5]);
    house.keep(&key("a"), 1, minute());
    house.clock.advance(secs(60));
    let pauses = [(); 2].map(|()| pause_after_a_failure(&house).as_millis());
    assert_eq!(pauses, [50, 100]);
    house.get_at_once(&key("a"), house.origin.makes(1, minute()));
    house.tasks.poll_all();
    house.clock.advance(millis(59_999));
    assert!(!house.is_refresh_due(&key("a")), "fresh");
    house.clock.advance(millis(1));
    assert!(house.is_refresh_due(&key("a")), "and stale on time");
    assert_eq!(pause_after_a_failure(&house).as_millis(), 50);
}

#[test]
fn a_refresh_that_panics_backs_off_too() {
    let house = House::under(backing_off(secs(10), secs(10)), [0.5]);
    house.keep(&key("a"), 1, minute());
    house.clock.advance(secs(60));
    assert_eq!(house.get_at_once(&key("a"), house.origin.panics()), 1);
    house.tasks.poll_all();
    assert_eq!(house.observer.count(Heard::Panicked), 1);
    house.clock.advance(millis(4_999));
    assert!(!house.is_refresh_due(&key("a")));
    house.clock.advance(millis(1));
    assert!(house.is_refresh_due(&key("a")));
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
