use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;
use tower_swr_core::{Lifetime, Made};

/// A call under way.
pub type Call = BoxFuture<'static, Result<Made<u32>, Refused>>;

/// An origin that does as it is told. Clones share the counts.
#[derive(Clone, Default)]
pub struct Origin {
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    calls: AtomicUsize,
    running: AtomicUsize,
    cancelled: AtomicUsize,
}

/// What a failing origin says.
#[derive(Debug)]
pub struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("refused")
    }
}

impl Error for Refused {}

impl Origin {
    /// How many calls began.
    pub fn calls(&self) -> usize {
        self.counts.calls.load(SeqCst)
    }

    /// How many calls run now.
    pub fn running(&self) -> usize {
        self.counts.running.load(SeqCst)
    }

    /// How many calls were dropped before they ended.
    pub fn cancelled(&self) -> usize {
        self.counts.cancelled.load(SeqCst)
    }

    /// A call, counted when it is first polled, that ends when `work` does.
    pub fn call<T>(&self, work: impl Future<Output = T> + Send + 'static) -> BoxFuture<'static, T> {
        let counts = Arc::clone(&self.counts);
        Box::pin(async move {
            let mut running = Running::begin(counts);
            let made = work.await;
            running.ended = true;
            made
        })
    }

    pub fn makes(&self, value: u32, lifetime: Lifetime) -> Call {
        self.call(async move { Ok(Made::new(value, lifetime)) })
    }

    pub fn fails(&self) -> Call {
        self.call(async { Err(Refused) })
    }

    pub fn panics(&self) -> Call {
        self.call(async { std::panic::resume_unwind(Box::new("a panic without a message")) })
    }

    pub fn hangs(&self) -> Call {
        self.call(std::future::pending())
    }

    /// A call that ends when it is told how, or fails when nobody can tell any more.
    pub fn waits(&self) -> (oneshot::Sender<Made<u32>>, Call) {
        let (answer, answered) = oneshot::channel();
        let call = self.call(async { answered.await.map_err(|_| Refused) });
        (answer, call)
    }
}

/// One running call.
struct Running {
    counts: Arc<Counts>,
    ended: bool,
}

impl Running {
    fn begin(counts: Arc<Counts>) -> Self {
        counts.calls.fetch_add(1, SeqCst);
        counts.running.fetch_add(1, SeqCst);
        Self {
            counts,
            ended: false,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.counts.running.fetch_sub(1, SeqCst);
        if !self.ended {
            self.counts.cancelled.fetch_add(1, SeqCst);
        }
    }
}
