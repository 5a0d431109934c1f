use std::time::Duration;

/// A point on the far server's own clock, in milliseconds since 1970.
///
/// The one clock that all nodes share: each knows how far its own is from it, so that the differences between machines
/// cancel out.
///
/// ```
/// use std::time::Duration;
/// use tower_swr_core::ServerTime;
///
/// let stored = ServerTime::from_millis(1_000);
/// let now = ServerTime::from_millis(61_000);
/// assert_eq!(now.since(stored), Duration::from_secs(60));
/// assert_eq!(stored.since(now), Duration::ZERO); // never negative
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerTime(u64);

impl ServerTime {
    /// The time `millis` milliseconds after 1970 began.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970 began.
    #[must_use]
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// The time passed since `earlier`; zero where `earlier` is the later of the two.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// The time `span` later, in whole milliseconds.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(millis))
    }
}
