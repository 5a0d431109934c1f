//! When a refresh is due: jitter, and back-off after failures. Pure functions of settings and a die roll.

use std::time::Duration;

use crate::lifetime::Lifetime;

/// How the refreshes of many keys and nodes are kept apart in time, and how often a failing origin is asked again.
///
/// ```
/// use std::time::Duration;
/// use tower_swr_core::{Lifetime, RefreshPolicy};
///
/// let secs = Duration::from_secs;
/// let lifetime = Lifetime::fresh_for(secs(60)).stale_while_revalidate(secs(120));
/// let policy = RefreshPolicy { refresh_jitter: secs(30), ..RefreshPolicy::default() };
/// assert_eq!(policy.due_age(&lifetime, 0.0), secs(60));
/// assert_eq!(policy.due_age(&lifetime, 0.5), secs(75));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RefreshPolicy {
    /// A refresh is due `U(0, refresh_jitter)` after freshness ended, drawn per node and entry, and never past the
    /// stale window. Default: zero.
    pub refresh_jitter: Duration,
    /// Freshness is shortened by `U(0, ttl_jitter)` of itself, so that entries stored together do not expire together.
    /// `0.0..=1.0`, default 0. Downwards only: nobody is served longer than was promised.
    pub ttl_jitter: f64,
    /// The first pause after a failed refresh is `U(0, back_off_base)`; it doubles with each failure in a row ("full
    /// jitter"). Default 100 ms.
    pub back_off_base: Duration,
    /// The longest pause after failed refreshes. Default 30 s.
    pub back_off_cap: Duration,
}

impl Default for RefreshPolicy {
    fn default() -> Self {
        Self {
            refresh_jitter: Duration::ZERO,
            ttl_jitter: 0.0,
            back_off_base: Duration::from_millis(100),
            back_off_cap: Duration::from_secs(30),
        }
    }
}

impl RefreshPolicy {
    /// `lifetime` with its freshness shortened by the jitter for `roll` in `0.0..1.0`.
    #[must_use]
    pub fn jittered(&self, lifetime: Lifetime, roll: f64) -> Lifetime {
        if self.ttl_jitter <= 0.0 || lifetime.fresh() == Duration::MAX {
            return lifetime;
        }
        let cut = scaled(lifetime.fresh(), self.ttl_jitter.min(1.0) * roll);
        lifetime.with_fresh(lifetime.fresh().saturating_sub(cut))
    }

    /// The age at which a refresh is due, for `roll` in `0.0..1.0`.
    #[must_use]
    pub fn due_age(&self, lifetime: &Lifetime, roll: f64) -> Duration {
        let spread = self.refresh_jitter.min(lifetime.stale_window());
        lifetime.fresh().saturating_add(scaled(spread, roll))
    }

    /// The pause after the `failures`-th failure in a row, counted from 1, for `roll` in `0.0..1.0`.
    #[must_use]
    pub fn back_off(&self, failures: u32, roll: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let ceiling = self.back_off_base.saturating_mul(1 << doublings);
        scaled(ceiling.min(self.back_off_cap), roll)
    }
}

/// `span * factor` for a factor in `0.0..=1.0`, without the overflow that `Duration::mul_f64` panics on.
fn scaled(span: Duration, factor: f64) -> Duration {
    Duration::try_from_secs_f64(span.as_secs_f64() * factor).map_or(span, |scaled| scaled.min(span))
}
