//! A client's end of the tape.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;

use super::parked::Seat;
use super::reel::Read;
use super::{Tape, TapeError};

/// Reads the tape from the start.
///
/// It counts as a reader from its making to its drop, polled or not: over the limit the writer waits for it.
pub(crate) struct TapeReader {
    tape: Arc<Tape>,
    /// The position of the chunk to read next.
    next: u64,
    /// Where the waker of the last poll is, if it found nothing.
    seat: Option<Seat>,
    /// Whether the last frame or the error was handed out.
    ended: bool,
}

impl TapeReader {
    /// The reader that a new reel has counted already.
    pub(super) fn first(tape: Arc<Tape>) -> Self {
        Self {
            tape,
            next: 0,
            seat: None,
            ended: false,
        }
    }

    /// The next chunk, then the trailers if there are any, then nothing for ever; or an error in place of what is
    /// missing, then nothing.
    ///
    /// # Cancel safety
    ///
    /// A poll that returned `Pending` has taken nothing.
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, TapeError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        match self.read(cx) {
            Read::Chunk(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            Read::Nothing => Poll::Pending,
            Read::End(end) => {
                self.ended = true;
                Poll::Ready(last_frame(end))
            }
        }
    }

    /// Whether `poll_frame` has nothing left to return: no chunk, no trailers, no error.
    pub(crate) fn is_end(&self) -> bool {
        self.ended || self.tape.reel().is_end(self.next)
    }

    fn read(&mut self, cx: &Context<'_>) -> Read {
        let mut reel = self.tape.reel();
        let first = reel.first();
        let read = reel.read(&mut self.next);
        let replaced = match read {
            Read::Nothing => reel.parked.park(&mut self.seat, cx.waker()),
            Read::Chunk(_) | Read::End(_) => None,
        };
        let writer = reel.writer_since(first);
        drop(reel);

        drop(replaced);
        if let Some(writer) = writer {
            writer.wake();
        }
        read
    }
}

fn last_frame(
    end: Result<Option<Arc<HeaderMap>>, TapeError>,
) -> Option<Result<Frame<Bytes>, TapeError>> {
    let trailers = end.transpose()?;
    Some(trailers.map(|trailers| Frame::trailers(HeaderMap::clone(&trailers))))
}

/// A further reader at the same position: at the start, for one that nobody has polled.
impl Clone for TapeReader {
    fn clone(&self) -> Self {
        self.tape.reel().join(self.next);
        Self {
            tape: Arc::clone(&self.tape),
            next: self.next,
            seat: None,
            ended: self.ended,
        }
    }
}

/// Nobody waits for a reader that is gone.
impl Drop for TapeReader {
    fn drop(&mut self) {
        let mut reel = self.tape.reel();
        let first = reel.first();
        let parked = reel.parked.leave(self.seat);
        let spent = reel.leave(self.next);
        let writer = reel.writer_since(first);
        drop(reel);

        drop((parked, spent));
        if let Some(writer) = writer {
            writer.wake();
        }
    }
}
