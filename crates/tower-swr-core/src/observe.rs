//! What the engine tells about itself: the one hook for metrics, logs and traces.

use std::fmt::Debug;
use std::time::Duration;

use crate::flight::Lost;
use crate::key::Key;

/// Something that happened off the path of a hit.
///
/// A hit is not an event: whoever serves it knows, and it must cost nothing.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// An origin call for a shared answer has ended, or its task was dropped, before it began even. Each call ends with
    /// one event: this, [`Event::CutShort`] or [`Event::TooLarge`].
    Filled {
        /// Whose.
        key: &'a Key,
        /// What became of it.
        outcome: FillOutcome<'a>,
        /// From the call to the answer, or to the failure. Where there was no call, since somebody was to make it.
        took: Duration,
    },
    /// An answer that began well broke off: it was not stored, and its readers were told.
    CutShort {
        /// Whose.
        key: &'a Key,
    },
    /// An answer turned out larger than what is kept.
    TooLarge {
        /// Whose.
        key: &'a Key,
    },
    /// A refresh found the queue full, or the cache draining; the next stale hit offers it again.
    RefreshRefused,
    /// Somebody who waited for a flight gave up at its deadline.
    WaitTimedOut,
}

/// What became of an origin call.
#[derive(Debug)]
#[non_exhaustive]
pub enum FillOutcome<'a> {
    /// Stored and shared.
    Stored,
    /// Shared with those who waited, not stored.
    Shared,
    /// Shared with those who waited, as a failure: an older value stays.
    Failed,
    /// Found on the far side: there was no call.
    Found,
    /// Not to be shared.
    Passed,
    /// There was no answer.
    Lost(&'a Lost),
}

/// Hears of [`Event`]s. Called on the task that the event happened on: return quickly.
pub trait Observer: Debug + Send + Sync + 'static {
    /// Hears of one event.
    fn observe(&self, event: &Event<'_>);
}

/// Hears nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn observe(&self, _: &Event<'_>) {}
}
