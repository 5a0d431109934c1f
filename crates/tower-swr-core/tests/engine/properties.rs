//! The arithmetic of lifetimes, refreshes and moments, for all inputs: it never panics and keeps its bounds.

use std::time::Duration;

use proptest::prelude::*;
use tower_swr_core::{Freshness, Lifetime, Moment, RefreshPolicy};

fn spans() -> impl Strategy<Value = Duration> {
    prop_oneof![
        Just(Duration::ZERO),
        Just(Duration::MAX),
        (0_u64..200_000).prop_map(Duration::from_millis),
        (any::<u64>(), 0_u32..1_000_000_000).prop_map(|(secs, nanos)| Duration::new(secs, nanos)),
    ]
}

fn lifetimes() -> impl Strategy<Value = Lifetime> {
    (spans(), spans(), spans(), any::<bool>()).prop_map(|(fresh, stale, error, strict)| {
        let lifetime = Lifetime::fresh_for(fresh)
            .stale_while_revalidate(stale)
            .stale_if_error(error);
        if strict {
            lifetime.must_revalidate()
        } else {
            lifetime
        }
    })
}

/// Any number at all, the absurd ones often.
fn numbers() -> impl Strategy<Value = f64> {
    prop_oneof![
        0.0..1.0,
        any::<f64>(),
        Just(f64::NAN),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
    ]
}

fn policies() -> impl Strategy<Value = RefreshPolicy> {
    (spans(), numbers(), spans(), spans()).prop_map(
        |(refresh_jitter, ttl_jitter, back_off_base, back_off_cap)| RefreshPolicy {
            refresh_jitter,
            ttl_jitter,
            back_off_base,
            back_off_cap,
        },
    )
}

const fn rank(freshness: Freshness) -> u8 {
    match freshness {
        Freshness::Fresh => 0,
        Freshness::Stale => 1,
        Freshness::Expired => 2,
    }
}

fn config() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_value_never_gets_fresher(lifetime in lifetimes(), a in spans(), b in spans()) {
        let (younger, older) = (a.min(b), a.max(b));
        prop_assert!(rank(lifetime.freshness(younger)) <= rank(lifetime.freshness(older)));
        prop_assert!(lifetime.usable_on_error(younger) || !lifetime.usable_on_error(older));
    }

    #[test]
    fn freshness_ends_where_the_windows_say(lifetime in lifetimes(), age in spans()) {
        let fresh = lifetime.fresh();
        let stale_until = fresh.saturating_add(lifetime.stale_window());
        let error_until = fresh.saturating_add(lifetime.error_window());
        let freshness = lifetime.freshness(age);
        prop_assert_eq!(freshness == Freshness::Fresh, age < fresh);
        prop_assert_eq!(freshness == Freshness::Expired, age >= fresh && age >= stale_until);
        prop_assert_eq!(lifetime.usable_on_error(age), age < stale_until.max(error_until));
    }

    #[test]
    fn what_must_be_revalidated_is_never_stale(lifetime in lifetimes(), age in spans()) {
        let strict = lifetime.must_revalidate();
        prop_assert!(strict.forbids_stale());
        prop_assert!(strict.freshness(age) != Freshness::Stale);
        prop_assert_eq!(strict.usable_on_error(age), age < strict.fresh());
    }

    #[test]
    fn jitter_shortens_freshness_and_leaves_the_windows(
        policy in policies(), lifetime in lifetimes(), roll in 0.0..1.0,
    ) {
        let jittered = policy.jittered(lifetime, roll);
        prop_assert!(jittered.fresh() <= lifetime.fresh());
        prop_assert_eq!(jittered.stale_window(), lifetime.stale_window());
        prop_assert_eq!(jittered.error_window(), lifetime.error_window());
        prop_assert_eq!(jittered.forbids_stale(), lifetime.forbids_stale());
    }

    #[test]
    fn jitter_takes_the_share_that_was_rolled(
        fresh in 1_u64..1_000_000, jitter in 0.0..=1.0, roll in 0.0..1.0,
    ) {
        let policy = RefreshPolicy { ttl_jitter: jitter, ..RefreshPolicy::default() };
        let lifetime = Lifetime::fresh_for(Duration::from_secs(fresh));
        let left = policy.jittered(lifetime, roll).fresh().as_secs_f64();
        prop_assert!((left - fresh as f64 * (1.0 - jitter * roll)).abs() < 1e-3);
    }

    #[test]
    fn a_refresh_is_due_within_the_stale_window(
        policy in policies(), lifetime in lifetimes(), roll in 0.0..1.0,
    ) {
        let due = policy.due_age(&lifetime, roll);
        let spread = policy.refresh_jitter.min(lifetime.stale_window());
        prop_assert!(due >= lifetime.fresh());
        prop_assert!(due <= lifetime.fresh().saturating_add(spread));
    }

    #[test]
    fn a_pause_is_at_most_the_doubled_base_and_the_cap(
        policy in policies(), failures in any::<u32>(), roll in 0.0..1.0,
    ) {
        let pause = policy.back_off(failures, roll);
        prop_assert!(pause <= policy.back_off_cap);
        let doublings = failures.saturating_sub(1).min(31);
        prop_assert!(pause <= policy.back_off_base.saturating_mul(1 << doublings));
        prop_assert!(pause <= policy.back_off(failures.saturating_add(1), roll));
    }

    #[test]
    fn moments_saturate(nanos in any::<u64>(), span in spans()) {
        let start = Moment::ORIGIN.after(Duration::from_nanos(nanos));
        let end = start.after(span);
        prop_assert!(start <= end && end <= Moment::NEVER);
        prop_assert!(end == Moment::NEVER || end.since(start) == span);
        prop_assert_eq!(start.since(end), Duration::ZERO);
    }
}
