use loom::future::block_on;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tower_swr_core::{Flights, Join, Landing, Leader};

use crate::{Answer, Key, answer, join};

/// A cache in small: a store of one value, an origin, and requests that go the engine's way.
pub(crate) struct House {
    pub(crate) flights: Flights<Key, Answer>,
    stored: AtomicUsize,
    pub(crate) calls: AtomicUsize,
    running: AtomicUsize,
}

impl House {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            flights: Flights::new(),
            stored: AtomicUsize::new(0),
            calls: AtomicUsize::new(0),
            running: AtomicUsize::new(0),
        })
    }

    pub(crate) fn request(&self) -> Answer {
        match join(&self.flights) {
            Join::Leader(leader) => self.fill(leader),
            Join::Waiter(waiter) => answer(block_on(waiter)),
        }
    }

    fn fill(&self, mut leader: Leader<Key, Answer>) -> Answer {
        let kept = self.stored.load(Relaxed);
        if kept != 0 {
            leader.land(Landing::Answer(kept));
            return kept;
        }
        let made = self.call_origin();
        // Commit before close.
        self.stored.store(made, Relaxed);
        leader.land(Landing::Answer(made));
        leader.close();
        made
    }

    fn call_origin(&self) -> Answer {
        let beside = self.running.fetch_add(1, Relaxed);
        assert_eq!(beside, 0, "two origin calls side by side");
        let made = self.calls.fetch_add(1, Relaxed) + 1;
        self.running.fetch_sub(1, Relaxed);
        made
    }
}
