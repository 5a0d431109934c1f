use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::flight::Lost;
use crate::observe::{Event, FillOutcome, Observer};

/// Remembers what it hears. Clones share the memory.
///
/// ```
/// use tower_swr_core::testing::{Heard, RecordingObserver};
/// use tower_swr_core::{Event, Observer};
///
/// let observer = RecordingObserver::default();
/// observer.observe(&Event::WaitTimedOut);
/// assert_eq!(observer.heard(), [Heard::WaitTimedOut]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct RecordingObserver {
    heard: Arc<Mutex<Vec<Heard>>>,
}

/// An [`Event`] in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Heard {
    /// [`FillOutcome::Stored`].
    Stored,
    /// [`FillOutcome::Shared`].
    Shared,
    /// [`FillOutcome::Failed`]: an answer that tells of a failure.
    Failed,
    /// [`FillOutcome::Found`].
    Found,
    /// [`FillOutcome::Passed`].
    Passed,
    /// [`Lost::Failed`]: no answer but an error.
    Error,
    /// [`Lost::Panicked`].
    Panicked,
    /// [`Lost::TimedOut`].
    TimedOut,
    /// [`Lost::Dropped`].
    Dropped,
    /// [`Event::CutShort`].
    CutShort,
    /// [`Event::TooLarge`].
    TooLarge,
    /// [`Event::RefreshRefused`].
    RefreshRefused,
    /// [`Event::WaitTimedOut`].
    WaitTimedOut,
}

impl RecordingObserver {
    /// What it has heard, in order.
    #[must_use]
    pub fn heard(&self) -> Vec<Heard> {
        self.memory().clone()
    }

    /// How often it has heard `what`.
    #[must_use]
    pub fn count(&self, what: Heard) -> usize {
        self.memory().iter().filter(|heard| **heard == what).count()
    }

    fn memory(&self) -> MutexGuard<'_, Vec<Heard>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for RecordingObserver {
    fn observe(&self, event: &Event<'_>) {
        self.memory().push(match event {
            Event::Filled { outcome, .. } => heard_of(outcome),
            Event::CutShort { .. } => Heard::CutShort,
            Event::TooLarge { .. } => Heard::TooLarge,
            Event::RefreshRefused => Heard::RefreshRefused,
            Event::WaitTimedOut => Heard::WaitTimedOut,
        });
    }
}

fn heard_of(outcome: &FillOutcome<'_>) -> Heard {
    match outcome {
        FillOutcome::Stored => Heard::Stored,
        FillOutcome::Shared => Heard::Shared,
        FillOutcome::Failed => Heard::Failed,
        FillOutcome::Found => Heard::Found,
        FillOutcome::Passed => Heard::Passed,
        FillOutcome::Lost(Lost::Failed(_)) => Heard::Error,
        FillOutcome::Lost(Lost::Panicked) => Heard::Panicked,
        FillOutcome::Lost(Lost::TimedOut) => Heard::TimedOut,
        FillOutcome::Lost(Lost::Dropped) => Heard::Dropped,
    }
}
