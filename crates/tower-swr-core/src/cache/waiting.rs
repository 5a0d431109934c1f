use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::{Cache, Fate, FlightPolicy, Landed};
use crate::clock::Sleep;
use crate::entry::Entry;
use crate::flight::{Landing, Lost, Waiter};
use crate::invalidation::Epoch;
use crate::observe::Event;

/// Waits for a flight, but not for ever, and less long where something older may be served.
///
/// # Cancel safety
///
/// Dropping it leaves the flight and everybody else who waits as they are.
#[must_use = "a future does nothing unless it is polled"]
pub struct Waiting<V, P> {
    cache: Cache<V, P>,
    waiter: Waiter<Landed<V, P>>,
    /// When it joined.
    joined: Epoch,
    policy: Arc<FlightPolicy>,
    fallback: Option<Arc<Entry<V>>>,
    within: Duration,
    /// Set when there is something to wait for: who joins after the landing needs no timer.
    deadline: Option<Sleep>,
}

/// What came of waiting. Whoever waits has an answer for each.
#[derive(Debug)]
pub enum Outcome<V, P> {
    /// An answer.
    Landed(Landed<V, P>),
    /// The older value stands in.
    Stale(Arc<Entry<V>>, StaleReason),
    /// The answer may not be shared: make a call of your own.
    Pass,
    /// The answer was purged by one of its tags before this request joined: look again.
    Outdated,
    /// There is no answer, and nothing stands in.
    Lost(Lost),
    /// The flight took too long, and nothing stands in.
    WaitTimedOut,
}

/// Why an older value stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StaleReason {
    /// The origin failed.
    Error,
    /// The origin did not answer within the soft timeout.
    SoftTimeout,
}

impl<V, P> Waiting<V, P> {
    pub(super) fn new(
        cache: Cache<V, P>,
        waiter: Waiter<Landed<V, P>>,
        joined: Epoch,
        policy: Arc<FlightPolicy>,
    ) -> Self {
        Self {
            cache,
            waiter,
            joined,
            policy,
            fallback: None,
            within: Duration::MAX,
            deadline: None,
        }
    }

    /// Lets `old` stand in where the origin fails, or does not answer within the soft timeout (RFC 5861 section 4).
    pub fn or_stale(mut self, old: Arc<Entry<V>>) -> Self {
        self.fallback = Some(old);
        self
    }

    /// Waits for `span` at most, from when it is first polled: for a request that has waited before. The timeouts of the
    /// policy hold all the same.
    pub fn within(mut self, span: Duration) -> Self {
        self.within = span;
        self
    }
}

impl<V: Send + Sync + 'static, P: Clone + Send + Sync + 'static> Waiting<V, P> {
    fn resolve(&mut self, landing: Landing<Landed<V, P>>) -> Outcome<V, P> {
        match landing {
            Landing::Answer(landed) if self.is_outdated(&landed) => {
                self.waiter.leave_behind();
                Outcome::Outdated
            }
            Landing::Answer(landed) if landed.fate != Fate::Failed => Outcome::Landed(landed),
            Landing::Answer(landed) => self
                .stand_in(StaleReason::Error)
                .unwrap_or(Outcome::Landed(landed)),
            Landing::Lost(lost) => self
                .stand_in(StaleReason::Error)
                .unwrap_or(Outcome::Lost(lost)),
            Landing::Pass => Outcome::Pass,
        }
    }

    /// Which tags an answer has is not known before it lands, so that a purge of one of them does not keep anybody from
    /// joining. Who joined after a purge of any kind does not get what a purge of a tag has made outdated by then.
    fn is_outdated(&self, landed: &Landed<V, P>) -> bool {
        let born = self.waiter.born();
        let invalidations = &self.cache.shared.invalidations;
        !landed.tags.is_empty()
            && self.joined.count() > born
            && invalidations
                .newest_of_any_kind(|| landed.tags.as_slice())
                .count()
                > born
    }

    fn time_out(&mut self) -> Outcome<V, P> {
        self.stand_in(StaleReason::SoftTimeout).unwrap_or_else(|| {
            self.cache.observe(&Event::WaitTimedOut);
            Outcome::WaitTimedOut
        })
    }

    fn stand_in(&mut self, reason: StaleReason) -> Option<Outcome<V, P>> {
        let invalidations = &self.cache.shared.invalidations;
        // It may have been purged while this waited.
        let old = self
            .fallback
            .take()
            .filter(|old| old.admitted_by(invalidations))?;
        Some(Outcome::Stale(old, reason))
    }

    fn begin_deadline(&self) -> Sleep {
        let span = match self.fallback {
            Some(_) => self.policy.soft_timeout.min(self.policy.wait_timeout),
            None => self.policy.wait_timeout,
        };
        self.cache.clock().sleep(span.min(self.within))
    }
}

impl<V: Send + Sync + 'static, P: Clone + Send + Sync + 'static> Future for Waiting<V, P> {
    type Output = Outcome<V, P>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome<V, P>> {
        let this = self.get_mut();
        if let Poll::Ready(landing) = Pin::new(&mut this.waiter).poll(cx) {
            return Poll::Ready(this.resolve(landing));
        }
        let mut deadline = this
            .deadline
            .take()
            .unwrap_or_else(|| this.begin_deadline());
        if deadline.as_mut().poll(cx).is_ready() {
            return Poll::Ready(this.time_out());
        }
        this.deadline = Some(deadline);
        Poll::Pending
    }
}

impl<V, P> fmt::Debug for Waiting<V, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting")
            .field("has_fallback", &self.fallback.is_some())
            .finish_non_exhaustive()
    }
}
