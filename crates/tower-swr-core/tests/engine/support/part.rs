use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};

/// The beginning of a streamed answer, counted wherever a copy of it is held.
#[derive(Debug)]
pub struct Part {
    pub number: u32,
    held: Arc<AtomicUsize>,
}

/// Makes [`Part`]s and knows how many are held.
#[derive(Clone, Default)]
pub struct Parts {
    held: Arc<AtomicUsize>,
}

impl Parts {
    pub fn part(&self, number: u32) -> Part {
        self.held.fetch_add(1, SeqCst);
        Part {
            number,
            held: Arc::clone(&self.held),
        }
    }

    pub fn held(&self) -> usize {
        self.held.load(SeqCst)
    }
}

impl Clone for Part {
    fn clone(&self) -> Self {
        self.held.fetch_add(1, SeqCst);
        Self {
            number: self.number,
            held: Arc::clone(&self.held),
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.held.fetch_sub(1, SeqCst);
    }
}

/// What was told to the readers of a stream, in order.
#[derive(Clone, Default)]
pub struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    pub fn tell(&self, what: impl Into<String>) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.push(what.into());
    }

    pub fn all(&self) -> Vec<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
