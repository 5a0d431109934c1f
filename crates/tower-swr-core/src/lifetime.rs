//! How long a value may be served, and in which capacity: plain arithmetic on ages.

use std::time::Duration;

/// How long a value is fresh, and how long it may be served once it is not.
///
/// The windows for stale answers both start when freshness ends (RFC 5861 sections 3 and 4). All arithmetic saturates:
/// no length of time is too long.
///
/// ```
/// use std::time::Duration;
/// use tower_swr_core::{Freshness, Lifetime};
///
/// let secs = Duration::from_secs;
/// let lifetime = Lifetime::fresh_for(secs(60)).stale_while_revalidate(secs(120));
/// assert_eq!(lifetime.freshness(secs(59)), Freshness::Fresh);
/// assert_eq!(lifetime.freshness(secs(60)), Freshness::Stale);
/// assert_eq!(lifetime.freshness(secs(180)), Freshness::Expired);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    fresh_for: Duration,
    stale_while_revalidate: Duration,
    stale_if_error: Duration,
    must_revalidate: bool,
}

/// What an age means under a [`Lifetime`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Serve it.
    Fresh,
    /// Serve it at once, while one refresh runs behind.
    Stale,
    /// Not to be served while the origin answers.
    Expired,
}

impl Lifetime {
    /// A lifetime without end.
    pub const FOREVER: Self = Self::fresh_for(Duration::MAX);

    /// Fresh for `span` from the moment the value was made, and of no use afterwards.
    #[must_use]
    pub const fn fresh_for(span: Duration) -> Self {
        Self {
            fresh_for: span,
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            must_revalidate: false,
        }
    }

    /// Serve it for `span` more, while a refresh runs behind (RFC 5861 section 3).
    #[must_use]
    pub const fn stale_while_revalidate(mut self, span: Duration) -> Self {
        self.stale_while_revalidate = span;
        self
    }

    /// Serve it for `span` more where the origin fails (RFC 5861 section 4).
    #[must_use]
    pub const fn stale_if_error(mut self, span: Duration) -> Self {
        self.stale_if_error = span;
        self
    }

    /// Never serve it stale, whatever a window or an operator says (RFC 9111 sections 5.2.2.2 and 5.2.2.8).
    #[must_use]
    pub const fn must_revalidate(mut self) -> Self {
        self.must_revalidate = true;
        self.stale_while_revalidate = Duration::ZERO;
        self.stale_if_error = Duration::ZERO;
        self
    }

    /// What `age` means.
    #[must_use]
    #[inline]
    pub fn freshness(&self, age: Duration) -> Freshness {
        if age < self.fresh_for {
            Freshness::Fresh
        } else if age < self.stale_until() {
            Freshness::Stale
        } else {
            Freshness::Expired
        }
    }

    /// Whether a value of `age` may stand in for an origin that fails.
    #[must_use]
    #[inline]
    pub fn usable_on_error(&self, age: Duration) -> bool {
        let until = self.fresh_for.saturating_add(self.stale_if_error);
        age < until.max(self.stale_until())
    }

    /// Whether serving it stale is forbidden.
    #[must_use]
    #[inline]
    pub const fn forbids_stale(&self) -> bool {
        self.must_revalidate
    }

    /// How long it is fresh.
    #[must_use]
    #[inline]
    pub const fn fresh(&self) -> Duration {
        self.fresh_for
    }

    /// The window after freshness in which it is served while a refresh runs.
    #[must_use]
    #[inline]
    pub const fn stale_window(&self) -> Duration {
        self.stale_while_revalidate
    }

    /// The window after freshness in which it stands in for a failing origin.
    #[must_use]
    pub const fn error_window(&self) -> Duration {
        self.stale_if_error
    }

    /// The same windows behind another span of freshness.
    #[must_use]
    pub(crate) const fn with_fresh(mut self, span: Duration) -> Self {
        self.fresh_for = span;
        self
    }

    /// The same windows, which begin at `age` at the latest.
    #[inline]
    pub(crate) fn ending_at(mut self, age: Duration) -> Self {
        self.fresh_for = self.fresh_for.min(age);
        self
    }

    #[inline]
    fn stale_until(&self) -> Duration {
        self.fresh_for.saturating_add(self.stale_while_revalidate)
    }
}
