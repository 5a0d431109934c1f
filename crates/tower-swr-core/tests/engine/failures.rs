//! What stands in for an origin that fails or is slow, and how long the origin is left alone.

use std::time::Duration;

use crate::support::{House, SECOND, key, minute, secs};
use tower_swr_core::testing::Heard;
use tower_swr_core::{FlightPolicy, GetError, Lifetime, Made, RefreshPolicy};

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
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
fn a_slow_call_that_is_dropped_does_not_leave_the_old_value_in_its_place() {
    let house = house_with_a_stand_in(FlightPolicy::default(), []);
    let mut first = house.get(&key("a"), house.origin.hangs());
    assert!(first.now().is_none());
    house.tasks.poll_all();
    house.clock.advance(SECOND);
    house.tasks.poll_all();
    assert_eq!(house.get_at_once(&key("a"), house.origin.hangs()), 1);
    house.tasks.drop_all();
    let mut next = house.get(&key("a"), house.origin.makes(2, minute()));
    assert!(next.now().is_none(), "the origin is asked again");
    house.tasks.poll_all();
    assert_eq!(next.now().map(Result::ok), Some(Some(2)));
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

#[test]
fn a_failure_that_was_slow_counts_once() {
    let house = house_with_a_stand_in(backing_off(secs(10), secs(40)), [0.5; 2]);
    for pause in [5, 10] {
        assert!(house.get(&key("a"), house.origin.hangs()).now().is_none());
        house.tasks.poll_all();
        for span in [SECOND, secs(59)] {
            house.clock.advance(span);
            house.tasks.poll_all();
        }
        assert_eq!(house.origin.running(), 0);
        house.clock.advance(secs(pause) - millis(1));
        assert_eq!(house.get_at_once(&key("a"), house.origin.hangs()), 1);
        house.clock.advance(millis(1));
    }
    assert!(house.get(&key("a"), house.origin.hangs()).now().is_none());
}
