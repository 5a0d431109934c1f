//! The wakers of the readers that wait for the next chunk.

use std::mem;
use std::task::Waker;

use slab::Slab;

/// The waiting readers. All are woken by the same events, so they are always taken out together.
#[derive(Default)]
pub(super) struct Parked {
    wakers: Slab<Waker>,
    round: u64,
}

/// Where a reader left its waker; void once the round is over, so that taking all of them out tells nobody one by one.
#[derive(Clone, Copy)]
pub(super) struct Seat {
    key: usize,
    round: u64,
}

impl Parked {
    /// Has `waker` woken in this round, and returns the one it replaces, for the caller to drop behind the lock.
    #[must_use]
    pub(super) fn park(&mut self, seat: &mut Option<Seat>, waker: &Waker) -> Option<Waker> {
        let round = self.round;
        match seat
            .filter(|seat| seat.round == round)
            .and_then(|seat| self.wakers.get_mut(seat.key))
        {
            Some(known) if known.will_wake(waker) => None,
            Some(known) => Some(mem::replace(known, waker.clone())),
            None => {
                let key = self.wakers.insert(waker.clone());
                *seat = Some(Seat { key, round });
                None
            }
        }
    }

    /// Forgets a reader, and returns its waker, for the caller to drop behind the lock.
    #[must_use]
    pub(super) fn leave(&mut self, seat: Option<Seat>) -> Option<Waker> {
        let seat = seat.filter(|seat| seat.round == self.round)?;
        self.wakers.try_remove(seat.key)
    }

    /// Ends the round: its wakers are swapped into `woken`, which must be empty, for the caller to wake behind the
    /// lock. The two slabs take turns, so that waking allocates nothing once both have grown.
    pub(super) fn take(&mut self, woken: &mut Slab<Waker>) {
        mem::swap(&mut self.wakers, woken);
        self.round += 1;
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.wakers.len()
    }
}
