//! Refreshes waiting for their turn: bounded, one per key, so many at a time.
//!
//! A stale hit offers a refresh and goes on. What is offered twice is taken once; what does not fit is turned down, and
//! the next stale hit offers it again. Nobody waits for a refresh, so turning one down costs a little more staleness and
//! nothing else.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::{HashMap, HashSet};

use crate::key::{BuildKeyHasher, Key, KeyRef};
use crate::spawn::{Spawn, Task};

/// How many refreshes run and wait.
///
/// ```
/// use tower_swr_core::QueueLimits;
///
/// let limits = QueueLimits { running: 16, ..QueueLimits::default() };
/// assert_eq!(limits.waiting, 1024);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// Refreshes that run at one time, in all scopes together. Default 64.
    pub running: usize,
    /// Refreshes that wait for their turn. Default 1024.
    pub waiting: usize,
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self {
            running: 64,
            waiting: 1024,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct RefreshQueue {
    shared: Arc<Shared>,
}

struct Shared {
    limits: QueueLimits,
    spawn: Arc<dyn Spawn>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Keys that wait or run.
    pending: HashSet<Key, BuildKeyHasher>,
    waiting: VecDeque<Job>,
    running: usize,
    running_in: HashMap<u64, usize, BuildKeyHasher>,
    /// Somebody is in `start_next` and will look again.
    starting: bool,
    closed: bool,
}

struct Job {
    ticket: Ticket,
    task: Task,
}

/// The right to refresh one key. While it lives, nobody else gets one for the same key.
#[derive(Debug)]
pub(crate) struct Ticket {
    shared: Arc<Shared>,
    key: Key,
    scope: u64,
    scope_limit: usize,
    running: bool,
}

/// Why there is no ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Declined {
    /// The same key waits or runs already.
    Duplicate,
    /// The queue is full or closed.
    Full,
}

impl RefreshQueue {
    pub(crate) fn new(limits: QueueLimits, spawn: Arc<dyn Spawn>) -> Self {
        Self {
            shared: Arc::new(Shared {
                limits,
                spawn,
                state: Mutex::default(),
            }),
        }
    }

    /// Asks for the right to refresh `key`; of its scope, at most `scope_limit` run at one time. A duplicate costs one
    /// look-up and allocates nothing.
    pub(crate) fn reserve(&self, key: &KeyRef<'_>, scope_limit: usize) -> Result<Ticket, Declined> {
        let mut state = self.shared.lock();
        if state.pending.contains(key) {
            return Err(Declined::Duplicate);
        }
        if state.closed || state.waiting.len() >= self.shared.limits.waiting {
            return Err(Declined::Full);
        }
        let key = key.to_key();
        state.pending.insert(key.clone());
        Ok(Ticket {
            shared: Arc::clone(&self.shared),
            scope: key.borrowed().scope_subject().bits(),
            key,
            scope_limit,
            running: false,
        })
    }

    /// Takes no more offers, and drops those that wait.
    pub(crate) fn close(&self) {
        let mut state = self.shared.lock();
        state.closed = true;
        let dropped = std::mem::take(&mut state.waiting);
        drop(state);
        drop(dropped);
    }

    /// Refreshes that wait for their turn.
    pub(crate) fn waiting(&self) -> usize {
        self.shared.lock().waiting.len()
    }
}

impl Ticket {
    /// Runs `refresh` when it is its turn. The ticket is given back when it ends, in whatever way.
    pub(crate) fn submit(self, refresh: impl Future<Output = ()> + Send + 'static) {
        let shared = Arc::clone(&self.shared);
        let job = Job {
            ticket: self,
            task: Box::pin(refresh),
        };
        let mut state = shared.lock();
        if state.closed {
            drop(state);
            return drop(job);
        }
        state.waiting.push_back(job);
        drop(state);
        shared.start_next();
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.pending.remove(&self.key);
        if self.running {
            state.running -= 1;
            state.leave_scope(self.scope);
        }
        drop(state);
        if self.running {
            self.shared.start_next();
        }
    }
}

impl Shared {
    /// Starts what may start now.
    ///
    /// A task that is dropped instead of run, as at a shutdown, gives its ticket back while it is being spawned: who
    /// is starting already goes on with the next one, so that a long queue is not dropped on the stack.
    fn start_next(self: &Arc<Self>) {
        loop {
            let mut state = self.lock();
            if state.starting {
                return;
            }
            let Some(Job { mut ticket, task }) = state.take_startable(self.limits.running) else {
                return;
            };
            state.starting = true;
            drop(state);
            let starting = Starting(self);
            ticket.running = true;
            self.spawn.spawn(Box::pin(async move {
                task.await;
                drop(ticket);
            }));
            drop(starting);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends when the task was spawned, or when that panics.
struct Starting<'a>(&'a Shared);

impl Drop for Starting<'_> {
    fn drop(&mut self) {
        self.0.lock().starting = false;
    }
}

impl State {
    /// The first that waits and whose scope is below its limit, counted as running from now on.
    fn take_startable(&mut self, limit: usize) -> Option<Job> {
        if self.running >= limit {
            return None;
        }
        let place = self.waiting.iter().position(|job| {
            let running = self.running_in.get(&job.ticket.scope).copied().unwrap_or(0);
            running < job.ticket.scope_limit
        })?;
        let job = self.waiting.remove(place)?;
        self.running += 1;
        *self.running_in.entry(job.ticket.scope).or_default() += 1;
        Some(job)
    }

    fn leave_scope(&mut self, scope: u64) {
        if let Some(running) = self.running_in.get_mut(&scope) {
            *running -= 1;
            if *running == 0 {
                self.running_in.remove(&scope);
            }
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("RefreshQueue")
            .field("limits", &self.limits)
            .field("waiting", &state.waiting.len())
            .field("running", &state.running)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::KeyText;

    /// Keeps tasks until the test drops them, which ends them as a shutdown would.
    #[derive(Debug, Default)]
    struct Held(Mutex<Vec<HeldTask>>);

    struct HeldTask(#[allow(dead_code, reason = "held, not run")] Task);

    impl fmt::Debug for HeldTask {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("HeldTask")
        }
    }

    impl Held {
        fn count(&self) -> usize {
            self.0.lock().expect("no test panics with it").len()
        }

        fn end_one(&self) {
            let task = self.0.lock().expect("no test panics with it").remove(0);
            drop(task);
        }
    }

    impl Spawn for Held {
        fn spawn(&self, task: Task) {
            self.0
                .lock()
                .expect("no test panics with it")
                .push(HeldTask(task));
        }
    }

    fn key(scope: &str, name: &str) -> Key {
        let mut text = KeyText::new(scope);
        text.push(name.as_bytes());
        text.key().to_key()
    }

    fn queue(running: usize, waiting: usize) -> (RefreshQueue, Arc<Held>) {
        let held = Arc::new(Held::default());
        let limits = QueueLimits { running, waiting };
        (RefreshQueue::new(limits, held.clone()), held)
    }

    fn offer(queue: &RefreshQueue, key: &Key, scope_limit: usize) -> Option<Declined> {
        match queue.reserve(&key.borrowed(), scope_limit) {
            Ok(ticket) => {
                ticket.submit(std::future::ready(()));
                None
            }
            Err(declined) => Some(declined),
        }
    }

    #[test]
    fn one_per_key_until_it_has_ended() {
        let (queue, held) = queue(4, 4);
        assert_eq!(offer(&queue, &key("s", "a"), 4), None);
        assert_eq!(offer(&queue, &key("s", "a"), 4), Some(Declined::Duplicate));
        held.end_one();
        assert_eq!(offer(&queue, &key("s", "a"), 4), None);
    }

    #[test]
    fn a_ticket_that_is_dropped_early_frees_its_key() {
        let (queue, _held) = queue(4, 4);
        drop(queue.reserve(&key("s", "a").borrowed(), 4));
        assert_eq!(offer(&queue, &key("s", "a"), 4), None);
    }

    #[test]
    fn a_full_scope_does_not_hold_up_another() {
        let (queue, held) = queue(4, 4);
        for name in ["a", "b", "c"] {
            assert_eq!(offer(&queue, &key("slow", name), 1), None);
        }
        assert_eq!(offer(&queue, &key("quick", "a"), 1), None);
        assert_eq!((held.count(), queue.waiting()), (2, 2));
        held.end_one();
        assert_eq!((held.count(), queue.waiting()), (2, 1));
    }

    #[test]
    fn what_does_not_fit_is_refused_and_may_be_offered_again() {
        let (queue, held) = queue(1, 1);
        assert_eq!(offer(&queue, &key("s", "a"), 9), None);
        assert_eq!(offer(&queue, &key("s", "b"), 9), None);
        assert_eq!(offer(&queue, &key("s", "c"), 9), Some(Declined::Full));
        held.end_one();
        assert_eq!(offer(&queue, &key("s", "c"), 9), None);
    }

    #[test]
    fn a_closed_queue_drops_what_waits() {
        let (queue, held) = queue(1, 8);
        for name in ["a", "b", "c"] {
            assert_eq!(offer(&queue, &key("s", name), 9), None);
        }
        queue.close();
        assert_eq!((held.count(), queue.waiting()), (1, 0));
        held.end_one();
        assert_eq!(held.count(), 0);
        assert_eq!(offer(&queue, &key("s", "d"), 9), Some(Declined::Full));
    }
}
