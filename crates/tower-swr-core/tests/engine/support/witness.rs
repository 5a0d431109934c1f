use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// Notes what it sees at the moment it is woken.
pub struct Witness<T> {
    look: Box<dyn Fn() -> T + Send + Sync>,
    seen: Mutex<Vec<T>>,
}

impl<T: Clone + Send + 'static> Witness<T> {
    pub fn new(look: impl Fn() -> T + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            look: Box::new(look),
            seen: Mutex::default(),
        })
    }

    /// Lets `future` wake this witness.
    pub fn watch<F: Future + Unpin>(self: &Arc<Self>, future: &mut F) -> Poll<F::Output> {
        let waker = Waker::from(Arc::clone(self));
        Pin::new(future).poll(&mut Context::from_waker(&waker))
    }

    pub fn seen(&self) -> Vec<T> {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl<T: Send + 'static> Wake for Witness<T> {
    fn wake(self: Arc<Self>) {
        let seen = (self.look)();
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(seen);
    }
}
