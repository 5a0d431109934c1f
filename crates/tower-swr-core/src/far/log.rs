use std::fmt::Debug;

use crate::far::{FarError, FarFuture};
use crate::key::Subject;

/// The record of what was invalidated, kept where all processes can read it, and read again by those that were away.
///
/// A value carries the [`LogPosition`] that its node had reached before the origin was called. It counts as long as nothing
/// that concerns it was recorded later ([`admits`](Self::admits)). A node that lags behind writes an older position than it
/// might: its values are refused too soon, never too late.
///
/// ```
/// use tower_swr_core::testing::FarServer;
/// use tower_swr_core::{FarError, FarLog, Subject, Invalidation, LogEvent};
///
/// # tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
/// let server = FarServer::default();
/// let (here, there) = (server.node(), server.node());
/// let mut news = there.follow();
/// assert_eq!(news.next().await, LogEvent::Replayed);
///
/// let born = there.position();
/// let purge = Invalidation::hard(Subject::scope("stocks"), 1);
/// here.invalidate(purge).await;
/// assert!(matches!(news.next().await, LogEvent::Invalidated { invalidation, .. } if invalidation == purge));
/// assert!(!there.admits(born, &[Subject::scope("stocks")]).await?);
/// # Ok::<_, FarError>(()) }).expect("the far side answers");
/// ```
pub trait FarLog: Debug + Send + Sync + 'static {
    /// Records that `invalidation` took place, after its key's value and lease, if it is one of a key, are gone. A
    /// [soft](Invalidation::is_soft) one takes away nothing, and is told alone.
    ///
    /// It never fails: what could not be recorded is [`Recorded::Queued`] and sent on recovery. Until it is sent,
    /// [`admits`](Self::admits) counts it as recorded on this node.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it may or may not have been recorded.
    fn invalidate(&self, invalidation: Invalidation) -> FarFuture<'_, Recorded>;

    /// Follows the log from here on.
    fn follow(&self) -> Box<dyn LogFollower>;

    /// What a value is born at whose origin call begins now: everything up to here was recorded before.
    fn position(&self) -> LogPosition;

    /// Whether nothing that concerns any of `subjects` was recorded after `born`, but softly. Answered from what this
    /// node has heard, as far as that reaches back; otherwise by the far side.
    ///
    /// # Errors
    ///
    /// Where the far side had to be asked and did not answer in time. The value is then not to be used.
    ///
    /// # Cancel safety
    ///
    /// May be dropped at any time.
    fn admits<'a>(
        &'a self,
        born: LogPosition,
        subjects: &'a [Subject],
    ) -> FarFuture<'a, Result<bool, FarError>>;
}

/// What is invalidated, and by whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Invalidation {
    /// What no longer counts.
    pub subject: Subject,
    /// Any number that tells the cache that invalidates from others: it hears of its own invalidations, too, and has
    /// carried them out already.
    pub source: u64,
    /// Only its freshness has ended: what is kept stays, to be served while it is renewed.
    pub is_soft: bool,
}

impl Invalidation {
    /// `subject` no longer counts, says `source`.
    #[must_use]
    pub fn hard(subject: Subject, source: u64) -> Self {
        Self {
            subject,
            source,
            is_soft: false,
        }
    }

    /// `subject` is no longer fresh, says `source`.
    #[must_use]
    pub fn soft(subject: Subject, source: u64) -> Self {
        Self {
            subject,
            source,
            is_soft: true,
        }
    }
}

/// What became of an invalidation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It is in the log, at this position.
    Done(LogPosition),
    /// The far side is away: it will be sent on recovery.
    Queued,
}

/// A place in the log. Positions of one log compare; later is greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogPosition {
    /// What counts first. Of a stream of Redis: milliseconds.
    pub major: u64,
    /// What counts among equals.
    pub minor: u64,
}

impl LogPosition {
    /// Before everything.
    pub const ORIGIN: Self = Self { major: 0, minor: 0 };
}

/// One reader of the log. Begins with [`LogEvent::Replayed`], at once where the node has read what is recorded and as soon
/// as it has where it has not; [`LogEvent::HistoryLost`] takes its place where the node reads the log for the first time,
/// since nobody knows what it kept before. Until then the node may have missed something.
pub trait LogFollower: Debug + Send + 'static {
    /// The next event. Never ends: while the far side is away there is none.
    ///
    /// # Cancel safety
    ///
    /// May be dropped at any time; no event is lost.
    fn next(&mut self) -> FarFuture<'_, LogEvent>;
}

/// What a node hears from the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogEvent {
    /// Something was invalidated, here or elsewhere.
    Invalidated {
        /// What, and by whom.
        invalidation: Invalidation,
        /// Where it is in the log.
        position: LogPosition,
    },
    /// The log is out of reach: from now on something may be missed.
    Suspect,
    /// Everything recorded meanwhile has been told: nothing was missed.
    Replayed,
    /// Something was missed that nobody can tell any more: clear what is kept nearby. After that nothing is missing.
    HistoryLost,
}
