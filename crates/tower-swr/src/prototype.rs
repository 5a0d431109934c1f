//! The inner service, as long as nobody calls it.

use std::sync::{Arc, Mutex, PoisonError};

/// The inner service that each call gets a clone of.
///
/// Most requests never call it, and cloning it may cost several allocations (a route of axum does), so what goes along
/// with a request is a share in the one that the layer was put around. A service need not be `Sync`: hence the lock,
/// which is held for the time of a clone.
#[derive(Debug)]
pub(crate) struct Prototype<S>(Arc<Mutex<S>>);

impl<S> Prototype<S> {
    pub(crate) fn new(service: S) -> Self {
        Self(Arc::new(Mutex::new(service)))
    }
}

impl<S: Clone> Prototype<S> {
    /// A clone of the service, for one call.
    pub(crate) fn service(&self) -> S {
        // A clone that panicked has changed nothing here.
        let service = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        service.clone()
    }
}

// Written by hand: a derived one would ask for `S: Clone`, and use it.
impl<S> Clone for Prototype<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}
