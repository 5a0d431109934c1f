//! What to do with a kept entry: a pure function of its age and of what the operator asks for.

use std::time::Duration;

use crate::clock::Moment;
use crate::lifetime::{Freshness, Lifetime};

/// A run-time switch for the bad night.
///
/// ```
/// use tower_swr_core::Mode;
///
/// assert_eq!(Mode::default(), Mode::Normal);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u8)]
pub enum Mode {
    /// As configured.
    #[default]
    Normal,
    /// Serve what is kept, however old, and refresh nothing; only what is not kept goes to the origin. An answer that
    /// its origin forbade to serve stale is not.
    ServeStale,
    /// As if the cache were not there: everything goes to the origin, nothing is stored, nothing shared.
    Off,
}

impl Mode {
    #[inline]
    pub(crate) fn from_bits(bits: u8) -> Self {
        match bits {
            1 => Self::ServeStale,
            2 => Self::Off,
            _ => Self::Normal,
        }
    }
}

/// What to do with a kept entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Answer with it.
    Serve,
    /// Answer with it, and offer a refresh.
    ServeAndRefresh,
    /// Ask the origin. With `fallback`, the entry may answer where the origin does not.
    Fetch { fallback: bool },
}

/// What the decision looks at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept<'a> {
    pub(crate) lifetime: &'a Lifetime,
    pub(crate) age: Duration,
    pub(crate) now: Moment,
    pub(crate) refresh_due: Moment,
    pub(crate) failing: bool,
}

#[inline]
pub(crate) fn decide(mode: Mode, kept: &Kept<'_>) -> Decision {
    let due = kept.now >= kept.refresh_due;
    match kept.lifetime.freshness(kept.age) {
        Freshness::Fresh => Decision::Serve,
        _ if mode == Mode::ServeStale && !kept.lifetime.forbids_stale() => Decision::Serve,
        Freshness::Stale if due => Decision::ServeAndRefresh,
        Freshness::Stale => Decision::Serve,
        Freshness::Expired => match kept.lifetime.usable_on_error(kept.age) {
            // The origin failed a moment ago and is left alone until the pause is over.
            true if kept.failing && !due => Decision::Serve,
            fallback => Decision::Fetch { fallback },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn decide_at(
        mode: Mode,
        lifetime: Lifetime,
        age: Duration,
        due: Duration,
        failing: bool,
    ) -> Decision {
        let kept = Kept {
            lifetime: &lifetime,
            age,
            now: Moment::ORIGIN.after(age),
            refresh_due: Moment::ORIGIN.after(due),
            failing,
        };
        decide(mode, &kept)
    }

    fn minute() -> Lifetime {
        Lifetime::fresh_for(60 * SECOND).stale_while_revalidate(120 * SECOND)
    }

    #[test]
    fn the_lifecycle_table() {
        let table = [
            (0, Decision::Serve),
            (59_999, Decision::Serve),
            (60_000, Decision::ServeAndRefresh),
            (179_999, Decision::ServeAndRefresh),
            (180_000, Decision::Fetch { fallback: false }),
        ];
        for (millis, expected) in table {
            let age = Duration::from_millis(millis);
            let decision = decide_at(Mode::Normal, minute(), age, 60 * SECOND, false);
            assert_eq!(decision, expected, "at {millis} ms");
        }
    }

    #[test]
    fn a_refresh_that_is_not_due_is_not_offered() {
        let decision = decide_at(Mode::Normal, minute(), 70 * SECOND, 71 * SECOND, false);
        assert_eq!(decision, Decision::Serve);
    }

    #[test]
    fn a_failing_origin_is_left_alone_until_the_pause_is_over() {
        let lifetime = Lifetime::fresh_for(SECOND).stale_if_error(3600 * SECOND);
        let at = |due, failing| decide_at(Mode::Normal, lifetime, 10 * SECOND, due, failing);
        assert_eq!(at(11 * SECOND, true), Decision::Serve);
        assert_eq!(at(10 * SECOND, true), Decision::Fetch { fallback: true });
        assert_eq!(at(11 * SECOND, false), Decision::Fetch { fallback: true });
    }

    #[test]
    fn serve_stale_serves_anything_but_what_forbids_it() {
        let day = 86_400 * SECOND;
        assert_eq!(
            decide_at(Mode::ServeStale, minute(), day, SECOND, false),
            Decision::Serve
        );
        let strict = minute().must_revalidate();
        let decision = decide_at(Mode::ServeStale, strict, day, SECOND, false);
        assert_eq!(decision, Decision::Fetch { fallback: false });
    }
}
