//! Time as a port: ages and waits are measured on a monotonic clock, dates are written from the wall clock.
//!
//! A step of the wall clock (NTP, an operator, a suspended laptop) must neither expire nor revive what the near store
//! holds, so no age is ever computed from it.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

/// A point on a [`Clock`]'s monotonic scale, in whole nanoseconds since the clock's own origin.
///
/// Moments of different clocks do not compare.
///
/// ```
/// use std::time::Duration;
/// use tower_swr_core::Moment;
///
/// let start = Moment::ORIGIN;
/// let later = start.after(Duration::from_secs(60));
/// assert_eq!(later.since(start), Duration::from_secs(60));
/// assert_eq!(start.since(later), Duration::ZERO); // never negative
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

impl Moment {
    /// Where a clock's scale begins.
    pub const ORIGIN: Self = Self(0);

    /// The last moment there is, 584 years after the origin: "never".
    pub const NEVER: Self = Self(u64::MAX);

    /// The moment `span` later; [`Moment::NEVER`] where that leaves the scale.
    #[must_use]
    #[inline]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(nanos(span)))
    }

    /// The time passed since `earlier`; zero where `earlier` is the later of the two.
    #[must_use]
    #[inline]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    #[inline]
    pub(crate) fn to_nanos(self) -> u64 {
        self.0
    }

    #[inline]
    pub(crate) fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }
}

#[inline]
fn nanos(span: Duration) -> u64 {
    let whole = span.as_secs().saturating_mul(1_000_000_000);
    whole.saturating_add(u64::from(span.subsec_nanos()))
}

/// A wait that a [`Clock`] has begun.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where the engine reads the time and where it waits.
///
/// `now` and `sleep` belong to one trait so that they cannot disagree: a test that moves the one moves the other.
pub trait Clock: Debug + Send + Sync + 'static {
    /// The monotonic time. Never goes back.
    fn now(&self) -> Moment;

    /// The wall time, for dates that people and other machines read. No decision rests on it.
    fn wall(&self) -> SystemTime;

    /// Waits until `span` from now has passed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the wait ends it and has no other effect.
    fn sleep(&self, span: Duration) -> Sleep;
}

/// The machine's own clocks, through tokio, so that `tokio::time::pause` stops it in tests.
///
/// It waits on the runtime in whose context it is asked to. Outside of any runtime a wait never ends: whoever waits
/// there is woken by what they wait for, but not by a deadline.
///
/// # Panics
///
/// A wait panics on a tokio runtime that was built without timers (`enable_time`).
///
/// ```
/// use tower_swr_core::{Clock, SystemClock};
///
/// let clock = SystemClock::default();
/// assert!(clock.now() <= clock.now());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    origin: tokio::time::Instant,
}

impl Default for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this module is the port")]
    fn default() -> Self {
        Self {
            origin: tokio::time::Instant::now(),
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "this module is the port")]
impl Clock for SystemClock {
    fn now(&self) -> Moment {
        Moment::ORIGIN.after(tokio::time::Instant::now() - self.origin)
    }

    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }

    fn sleep(&self, span: Duration) -> Sleep {
        match tokio::runtime::Handle::try_current() {
            Ok(_runtime) => Box::pin(tokio::time::sleep(span)),
            Err(_none) => Box::pin(std::future::pending()),
        }
    }
}
