//! The fill's end of the tape.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use slab::Slab;
use tower_swr_core::Clock;

use super::reel::Room;
use super::{NoReaders, Tape, TapeError};

/// A chunk smaller than this is copied: it is often a slice of a connection's whole read buffer, which it would pin for
/// as long as anybody may read it. `Bytes` does not tell; a larger chunk pins little beside itself.
const COPY_BELOW: usize = 4 * 1024;

/// Fills the tape.
///
/// Dropped before [`finish`](Self::finish) or [`cut`](Self::cut) it ends the tape with [`TapeError::Abandoned`]: a
/// truncated body never passes as complete.
pub(crate) struct TapeWriter {
    pub(super) tape: Arc<Tape>,
    clock: Arc<dyn Clock>,
    idle: Duration,
    /// Takes turns with the reel's wakers; empty between the calls.
    woken: Slab<Waker>,
}

impl TapeWriter {
    pub(super) fn new(tape: Arc<Tape>, clock: Arc<dyn Clock>, idle: Duration) -> Self {
        Self {
            tape,
            clock,
            idle,
            woken: Slab::new(),
        }
    }

    /// Appends a chunk and wakes the readers.
    ///
    /// Up to the limit it never waits, and neither does the chunk that crosses it: see [`overflowed`](Self::overflowed)
    /// after each call and drop, in time, a reader of your own that nobody polls. Over the limit it waits until the
    /// slowest reader has made room, and cuts it off if it has not moved for the idle time.
    ///
    /// # Errors
    ///
    /// Returns [`NoReaders`] over the limit where no reader is left, or the last one leaves during the wait. The chunk
    /// is not written. The writer remains usable; what remains to do is to cancel the origin's body.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses its chunk and nothing that was written before. A body with a hole must not go on, so
    /// after that only [`cut`](Self::cut), or a drop, is right.
    pub(crate) async fn write(&mut self, chunk: Bytes) -> Result<(), NoReaders> {
        if chunk.is_empty() {
            return Ok(());
        }
        while let Room::Behind(slowest) = self.room(chunk.len())? {
            if !self.moves_on(slowest).await {
                self.cut_off();
            }
        }
        self.push(unpinned(chunk));
        Ok(())
    }

    /// What follows the last chunk of a body that comes to a clean end.
    pub(crate) fn set_trailers(&mut self, trailers: HeaderMap) {
        let replaced = self.tape.reel().set_trailers(trailers);
        drop(replaced);
    }

    /// Whether more than the limit was written, or refused for want of readers: the whole is not here.
    pub(crate) fn overflowed(&self) -> bool {
        self.tape.reel().overflowed()
    }

    /// How many readers there are, without those that were cut off.
    #[cfg(test)]
    pub(crate) fn readers(&self) -> usize {
        self.tape.reel().readers()
    }

    /// Waits until there is no reader left. Under the limit there may be new ones later.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    pub(crate) async fn unread(&self) {
        poll_fn(|cx| {
            let mut reel = self.tape.reel();
            if reel.readers() == 0 {
                return Poll::Ready(());
            }
            let replaced = reel.park_writer(cx.waker());
            drop(reel);

            drop(replaced);
            Poll::Pending
        })
        .await;
    }

    /// All that was written, copied into one allocation of exactly its size, so that what is stored pins nothing else;
    /// none once the tape has [overflowed](Self::overflowed).
    pub(crate) fn whole(&self) -> Option<Bytes> {
        let chunks = self.tape.reel().kept()?;
        let mut whole = Vec::with_capacity(chunks.iter().map(Bytes::len).sum());
        for chunk in &chunks {
            whole.extend_from_slice(chunk);
        }
        Some(Bytes::from(whole))
    }

    /// Ends the tape: the readers reach a clean end.
    pub(crate) fn finish(mut self) {
        self.close(Ok(()));
    }

    /// Ends the tape early: the readers get `error` after what was written.
    pub(crate) fn cut(mut self, error: TapeError) {
        self.close(Err(error));
    }

    fn room(&self, len: usize) -> Result<Room, NoReaders> {
        self.tape.reel().room(len)
    }

    /// Waits for the slowest readers, those at `slowest`; false if they are still there after the idle time.
    async fn moves_on(&self, slowest: u64) -> bool {
        let mut alarm = self.clock.sleep(self.idle);
        poll_fn(|cx| {
            if self.poll_moved(slowest, cx).is_ready() {
                return Poll::Ready(true);
            }
            alarm.as_mut().poll(cx).map(|()| false)
        })
        .await
    }

    fn poll_moved(&self, slowest: u64, cx: &Context<'_>) -> Poll<()> {
        let mut reel = self.tape.reel();
        if reel.moved_since(slowest) {
            return Poll::Ready(());
        }
        let replaced = reel.park_writer(cx.waker());
        drop(reel);

        drop(replaced);
        Poll::Pending
    }

    fn cut_off(&self) {
        // Two statements: a guard lives to the end of its own, and the chunks must outlive it.
        let spent = self.tape.reel().cut_off();
        drop(spent);
    }

    fn push(&mut self, chunk: Bytes) {
        let spent = self.tape.reel().push(chunk, &mut self.woken);
        drop(spent);
        self.wake();
    }

    fn close(&mut self, end: Result<(), TapeError>) {
        let spent = self.tape.reel().close(end, &mut self.woken);
        drop(spent);
        self.wake();
    }

    fn wake(&mut self) {
        for waker in self.woken.drain() {
            waker.wake();
        }
    }
}

fn unpinned(chunk: Bytes) -> Bytes {
    if chunk.len() < COPY_BELOW {
        Bytes::copy_from_slice(&chunk)
    } else {
        chunk
    }
}

/// No reader takes a truncated body for a complete one, whatever became of the task.
impl Drop for TapeWriter {
    fn drop(&mut self) {
        self.close(Err(TapeError::Abandoned));
    }
}
