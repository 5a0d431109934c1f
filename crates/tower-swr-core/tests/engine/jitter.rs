//! Jitter: entries that were stored together are not refreshed together, and nobody is served longer than was promised.

use std::time::Duration;

use crate::support::{House, WEEK, key, minute, secs};
use tower_swr_core::{FlightPolicy, RefreshPolicy};

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

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
