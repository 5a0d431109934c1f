//! One body, written once and read by many: a detached task polls the origin's body and writes it down, while every
//! client reads it from the start at a pace of its own.
//!
//! Up to its limit the tape keeps everything and the writer never waits: a client that comes late misses nothing, and
//! the whole can be stored. Over the limit the tape is a window that moves with the slowest reader. The writer waits
//! for that reader, so from there on everybody reads as fast as the slowest one moves; a reader that stands still for
//! the idle time is cut off.
//!
//! What is dropped or woken is foreign code (a buffer's owner, an executor) and may come back to this very tape. So the
//! lock covers nothing but arithmetic in the [`Reel`]; chunks and wakers are carried out and let go behind it.

mod parked;
mod reader;
mod reel;
mod writer;

#[cfg(test)]
mod tests;

use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tower_swr_core::Clock;

pub(crate) use reader::TapeReader;
pub(crate) use writer::TapeWriter;

use reel::Reel;

/// A new tape: its writer and its first reader, from which all others are cloned.
///
/// `limit` counts bytes, and 64 more for each chunk: without them a body of one-byte chunks would take a hundred times
/// its limit. So a body of exactly `limit` bytes is over the limit. The chunk that crosses it is still taken whole.
///
/// `idle` is how long the writer waits, over the limit, for a reader that does not move.
pub(crate) fn tape(
    limit: usize,
    clock: Arc<dyn Clock>,
    idle: Duration,
) -> (TapeWriter, TapeReader) {
    let tape = Arc::new(Tape(Mutex::new(Reel::new(limit))));
    let reader = TapeReader::first(Arc::clone(&tape));
    (TapeWriter::new(tape, clock, idle), reader)
}

/// What writer and readers share.
struct Tape(Mutex<Reel>);

impl Tape {
    /// Poison is ignored: the only foreign code under the lock clones or compares a waker, before anything is changed.
    fn reel(&self) -> MutexGuard<'_, Reel> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The tape is over its limit and every reader has left: what follows is neither stored nor sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoReaders;

impl fmt::Display for NoReaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "every client left while the answer was larger than the body limit: cancel the origin's body",
        )
    }
}

impl Error for NoReaders {}

/// Why a body ended early, as its readers are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TapeError {
    /// The origin's body was no good.
    Cut(CutReason),
    /// This reader stood still for too long while the others waited for it.
    TooSlow,
    /// The writer was dropped before it came to an end: its task panicked or was shut down.
    Abandoned,
}

/// What was wrong with the origin's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CutReason {
    /// It returned an error.
    Failed,
    /// It sent nothing for the idle time.
    Stalled,
    /// It ended before its `Content-Length`.
    Short,
    /// It went on after its `Content-Length`.
    Long,
}

impl fmt::Display for TapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cut(CutReason::Failed) => {
                "the origin's body failed before its end: this answer is incomplete and was not stored, \
                 request it again"
            }
            Self::Cut(CutReason::Stalled) => {
                "the origin's body sent nothing for the idle timeout: this answer is incomplete and was not stored, \
                 request it again or raise the timeout"
            }
            Self::Cut(CutReason::Short) => {
                "the origin's body ended before its Content-Length: this answer is incomplete and was not stored, \
                 correct the origin"
            }
            Self::Cut(CutReason::Long) => {
                "the origin's body is longer than its Content-Length: this answer was not stored, correct the origin"
            }
            Self::TooSlow => {
                "this client stopped reading an answer larger than the body limit for the idle timeout and was cut \
                 off, so that the others could go on: read faster, or raise the limit or the timeout"
            }
            Self::Abandoned => {
                "the task that read the origin's body was stopped before the body's end: this answer is incomplete \
                 and was not stored, request it again"
            }
        })
    }
}

impl Error for TapeError {}
