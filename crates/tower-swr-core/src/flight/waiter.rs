use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

use super::{Flight, Landing, State};
use crate::sync::Arc;

/// Waits for a flight to land.
///
/// # Cancel safety
///
/// Dropping it leaves the flight and the other waiters as they are.
#[derive(Debug)]
#[must_use = "a future does nothing unless it is polled"]
pub struct Waiter<A> {
    flight: Arc<Flight<A>>,
    /// Where its waker is kept, once it has been polled.
    parked: Option<usize>,
}

impl<A> Waiter<A> {
    pub(super) fn new(flight: Arc<Flight<A>>) -> Self {
        Self {
            flight,
            parked: None,
        }
    }

    /// The epoch that the flight began in.
    #[cfg_attr(tower_swr_loom, allow(dead_code, reason = "not modelled"))]
    pub(crate) fn born(&self) -> u64 {
        self.flight.born
    }

    /// Lets nobody join the flight any more, since what it brings is outdated: the next one begins a new flight.
    #[cfg_attr(tower_swr_loom, allow(dead_code, reason = "not modelled"))]
    pub(crate) fn leave_behind(&self) {
        self.flight.outdated.store(true, Ordering::Relaxed);
    }
}

impl<A: Clone> Future for Waiter<A> {
    type Output = Landing<A>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Landing<A>> {
        let this = self.get_mut();
        let mut state = this.flight.state.lock();
        if let Some(landing) = &state.landing {
            let landing = Arc::clone(landing);
            drop(state);
            // The landing has taken all wakers with it.
            this.parked = None;
            return Poll::Ready(Landing::clone(&landing));
        }
        let replaced = park(&mut state, &mut this.parked, cx.waker());
        drop(state);
        drop(replaced);
        Poll::Pending
    }
}

/// Keeps `waker` until the landing. Hands back the one it takes the place of, to be dropped without the lock.
fn park<A>(state: &mut State<A>, parked: &mut Option<usize>, waker: &Waker) -> Option<Waker> {
    match *parked {
        Some(place) if state.wakers[place].will_wake(waker) => None,
        Some(place) => Some(std::mem::replace(&mut state.wakers[place], waker.clone())),
        None => {
            *parked = Some(state.wakers.insert(waker.clone()));
            None
        }
    }
}

impl<A> Drop for Waiter<A> {
    fn drop(&mut self) {
        let Some(place) = self.parked else { return };
        let mut state = self.flight.state.lock();
        // A landing has taken all wakers with it.
        let waker = match state.landing {
            None => Some(state.wakers.remove(place)),
            Some(_) => None,
        };
        drop(state);
        drop(waker);
    }
}
