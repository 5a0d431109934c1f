//! What is on the tape and who stands where: plain arithmetic under the tape's lock.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::task::Waker;

use bytes::Bytes;
use http::HeaderMap;
use slab::Slab;

use super::parked::Parked;
use super::{NoReaders, TapeError};

/// What a chunk counts beside its bytes. Measured are up to 112 (the slot here, the allocator's own, and the counter
/// that `Bytes` makes when it is first cloned), so a limit filled by one-byte chunks takes 1.7 times its size.
pub(super) const CHUNK_OVERHEAD: usize = 64;

/// The chunks, and how many readers stand before each of them.
///
/// Readers are counted, not listed: each knows its own position, and the slowest ones are those before the first chunk.
/// So a step costs the same with ten thousand readers as with one, and nobody ever searches for the slowest.
///
/// Invariant, once the reel [forgets](Reel::forgets): if there are readers and chunks, some reader stands before the
/// first chunk.
pub(super) struct Reel {
    chunks: VecDeque<Chunk>,
    /// The position of the first chunk. A reader whose position is smaller was cut off.
    first: u64,
    /// How many readers have read everything there is.
    at_end: usize,
    /// How many readers there are, without those that were cut off.
    readers: usize,
    /// What the chunks cost together.
    held: usize,
    limit: usize,
    overflowed: bool,
    /// Counts the writer's waits, to tell who moved during the last one.
    wait: u64,
    end: Option<Result<(), TapeError>>,
    trailers: Option<Arc<HeaderMap>>,
    pub(super) parked: Parked,
    writer: Option<Waker>,
}

struct Chunk {
    bytes: Bytes,
    /// How many readers will read this one next.
    readers: usize,
    /// The writer's wait in which the last of them came here.
    arrival: u64,
}

/// What a reader finds at its position.
pub(super) enum Read {
    Chunk(Bytes),
    Nothing,
    End(Result<Option<Arc<HeaderMap>>, TapeError>),
}

/// Whether the writer may go on.
pub(super) enum Room {
    Yes,
    /// Not before the readers at this position, the slowest, have moved on.
    Behind(u64),
}

impl Reel {
    /// An empty reel with one reader.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            chunks: VecDeque::new(),
            first: 0,
            at_end: 1,
            readers: 1,
            held: 0,
            limit,
            overflowed: false,
            wait: 0,
            end: None,
            trailers: None,
            parked: Parked::default(),
            writer: None,
        }
    }

    pub(super) fn overflowed(&self) -> bool {
        self.overflowed
    }

    pub(super) fn readers(&self) -> usize {
        self.readers
    }

    /// All that was written, as long as all of it is here.
    pub(super) fn kept(&self) -> Option<Vec<Bytes>> {
        (!self.overflowed).then(|| {
            self.chunks
                .iter()
                .map(|chunk| chunk.bytes.clone())
                .collect()
        })
    }

    /// Returns the trailers it replaces.
    #[must_use]
    pub(super) fn set_trailers(&mut self, trailers: HeaderMap) -> Option<Arc<HeaderMap>> {
        self.trailers.replace(Arc::new(trailers))
    }

    // The readers' side.

    /// What stands at `next`, which moves on by what was read.
    pub(super) fn read(&mut self, next: &mut u64) -> Read {
        let Some(offset) = self.offset(*next) else {
            return Read::End(Err(TapeError::TooSlow));
        };
        let forgets = self.forgets();
        let Some(chunk) = self.chunks.get_mut(offset) else {
            return self.read_end();
        };
        chunk.readers -= 1;
        let passed = forgets && offset == 0 && chunk.readers == 0;
        let bytes = if passed {
            mem::take(&mut chunk.bytes)
        } else {
            chunk.bytes.clone()
        };
        *next += 1;
        self.arrive(offset + 1);
        if passed {
            // No other chunk is passed by all with this step, since this reader stands before the following one.
            self.chunks.pop_front();
            self.release(bytes.len());
        }
        Read::Chunk(bytes)
    }

    /// Whether the reader at `next` has nothing left to read, neither chunk nor trailers nor error.
    pub(super) fn is_end(&self, next: u64) -> bool {
        self.end == Some(Ok(()))
            && self.trailers.is_none()
            && self.offset(next) == Some(self.chunks.len())
    }

    /// Counts a further reader at `next`.
    pub(super) fn join(&mut self, next: u64) {
        if let Some(offset) = self.offset(next) {
            self.readers += 1;
            self.arrive(offset);
        }
    }

    /// Counts a reader out, and returns what only it was holding back.
    #[must_use]
    pub(super) fn leave(&mut self, next: u64) -> Vec<Bytes> {
        let Some(offset) = self.offset(next) else {
            return Vec::new(); // cut off, and counted out when it was
        };
        self.readers -= 1;
        match self.chunks.get_mut(offset) {
            Some(chunk) => chunk.readers -= 1,
            None => self.at_end -= 1,
        }
        self.sweep()
    }

    /// The position of the first chunk, to compare with later.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// The writer, where it waits and what happened since the first chunk was `first` lets it go on: the slowest reader
    /// has moved, or the last one has left.
    #[must_use]
    pub(super) fn writer_since(&mut self, first: u64) -> Option<Waker> {
        if self.moved_since(first) || self.readers == 0 {
            self.writer.take()
        } else {
            None
        }
    }

    // The writer's side.

    /// Whether a chunk of `len` bytes may be pushed now. The one that crosses the limit may: its writer has to hear of
    /// the overflow before it waits for readers, since one of them may be its own to drop.
    ///
    /// # Errors
    ///
    /// Returns [`NoReaders`] where the chunk is over the limit and nobody is there to read it.
    pub(super) fn room(&mut self, len: usize) -> Result<Room, NoReaders> {
        self.overflowed |= self.held.saturating_add(cost(len)) > self.limit;
        if self.overflowed && self.readers == 0 {
            return Err(NoReaders);
        }
        if self.held <= self.limit {
            return Ok(Room::Yes);
        }
        self.wait += 1;
        Ok(Room::Behind(self.first))
    }

    /// Appends a chunk that has [room](Reel::room), and returns the chunks that nobody needs any more.
    #[must_use]
    pub(super) fn push(&mut self, bytes: Bytes, woken: &mut Slab<Waker>) -> Vec<Bytes> {
        self.held = self.held.saturating_add(cost(bytes.len()));
        self.chunks.push_back(Chunk {
            bytes,
            readers: mem::take(&mut self.at_end),
            arrival: self.wait,
        });
        self.parked.take(woken);
        self.sweep()
    }

    /// Whether the slowest readers are no longer those at `first`, as when the last of all has left: over the limit a
    /// chunk goes with the last who stood before it.
    pub(super) fn moved_since(&self, first: u64) -> bool {
        self.first != first
    }

    /// Has the writer woken once the slowest reader moves; returns the waker it replaces.
    #[must_use]
    pub(super) fn park_writer(&mut self, waker: &Waker) -> Option<Waker> {
        match &self.writer {
            Some(known) if known.will_wake(waker) => None,
            _ => self.writer.replace(waker.clone()),
        }
    }

    /// Cuts off the slowest readers, if they did not move during the writer's last wait, and returns what they held.
    ///
    /// All who stood still go at once, wherever they stand: one after the other they would stop the rest once each.
    #[must_use]
    pub(super) fn cut_off(&mut self) -> Vec<Bytes> {
        let wait = self.wait;
        let mut spent = Vec::new();
        while let Some(chunk) = self.chunks.front()
            && (chunk.readers == 0 || chunk.arrival < wait)
        {
            self.readers -= chunk.readers;
            spent.extend(self.pop());
        }
        spent
    }

    /// Ends the tape, unless it has ended; returns the chunks that nobody needs any more.
    #[must_use]
    pub(super) fn close(
        &mut self,
        end: Result<(), TapeError>,
        woken: &mut Slab<Waker>,
    ) -> (Vec<Bytes>, Option<Waker>) {
        if self.end.is_some() {
            return (Vec::new(), None);
        }
        self.end = Some(end);
        self.parked.take(woken);
        // A waker is left here by a `write` that was dropped while it waited.
        (self.sweep(), self.writer.take())
    }

    // Below: private helpers.

    fn read_end(&self) -> Read {
        match self.end {
            None => Read::Nothing,
            Some(Ok(())) => Read::End(Ok(self.trailers.clone())),
            Some(Err(error)) => Read::End(Err(error)),
        }
    }

    /// Whether a chunk that every reader has passed is dropped: over the limit, since there is no room; after the end,
    /// since nobody asks for the whole any more. Before, all is kept.
    fn forgets(&self) -> bool {
        self.overflowed || self.end.is_some()
    }

    /// How far `next` is from the first chunk; none where it lies before it.
    fn offset(&self, next: u64) -> Option<usize> {
        usize::try_from(next.checked_sub(self.first)?).ok()
    }

    fn arrive(&mut self, offset: usize) {
        match self.chunks.get_mut(offset) {
            Some(chunk) => {
                chunk.readers += 1;
                chunk.arrival = self.wait;
            }
            None => self.at_end += 1,
        }
    }

    fn sweep(&mut self) -> Vec<Bytes> {
        let mut spent = Vec::new();
        if self.forgets() {
            while self.chunks.front().is_some_and(|chunk| chunk.readers == 0) {
                spent.extend(self.pop());
            }
        }
        spent
    }

    fn pop(&mut self) -> Option<Bytes> {
        let chunk = self.chunks.pop_front()?;
        self.release(chunk.bytes.len());
        Some(chunk.bytes)
    }

    fn release(&mut self, len: usize) {
        self.first += 1;
        self.held = self.held.saturating_sub(cost(len));
    }
}

fn cost(len: usize) -> usize {
    len.saturating_add(CHUNK_OVERHEAD)
}

#[cfg(test)]
impl Reel {
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// What the type's documentation promises.
    pub(super) fn check(&self) {
        let costs = self.chunks.iter().map(|chunk| cost(chunk.bytes.len()));
        assert_eq!(self.held, costs.clone().sum::<usize>());
        assert!(
            !self.overflowed || self.held <= self.limit + costs.last().unwrap_or(0),
            "{} held with a limit of {}",
            self.held,
            self.limit
        );
        let standing = self.chunks.iter().map(|chunk| chunk.readers);
        assert_eq!(self.readers, standing.sum::<usize>() + self.at_end);
        if let (true, Some(first)) = (self.forgets() && self.readers > 0, self.chunks.front()) {
            assert!(first.readers > 0, "a chunk that all have passed is kept");
        }
    }
}
