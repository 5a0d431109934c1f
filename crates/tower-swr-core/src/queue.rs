//! Refreshes waiting for their turn: bounded, one per key, so many at a time.
//!
//! A stale hit offers a refresh and goes on. What is offered twice is taken once; what would have to wait and does not fit
//! is turned down, and the next stale hit offers it again. Nobody waits for a refresh, so turning one down costs a little
//! more staleness and nothing else.
//!
//! A scope has its own part of what runs and of what waits: one whose origin hangs fills that, and the others go on. Who
//! came first is first, among those whose scope may run one more.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::{HashMap, HashSet};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

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
    /// Refreshes that wait for their turn, in all scopes together; and as many that wait for a worker. Default 1024.
    pub waiting: usize,
    /// Refreshes of one scope that wait for their turn: a scope whose origin hangs fills its own part. And as many of it that
    /// wait for a worker. Default 256.
    pub waiting_per_scope: usize,
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self {
            running: 64,
            waiting: 1024,
            waiting_per_scope: 256,
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
    /// Counts what has left the queue and is not spawned yet, so that a shutdown waits for it.
    tasks: TaskTracker,
    state: Mutex<State>,
    closing: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    /// Keys that wait or run.
    pending: HashSet<Key, BuildKeyHasher>,
    /// Counted as running since they were reserved, to be spawned at once.
    ready: VecDeque<Job>,
    /// Those in which anything waits or runs.
    scopes: HashMap<u64, Scope, BuildKeyHasher>,
    waiting: usize,
    running: usize,
    /// How many have ever waited.
    numbered: u64,
    /// Somebody is in `start_next` and will look again.
    starting: bool,
    closed: bool,
}

#[derive(Default)]
struct Scope {
    running: usize,
    waiting: VecDeque<Waiting>,
    /// How many wait for something else than their turn.
    aside: usize,
}

struct Waiting {
    /// Who came first, in all scopes, has the lowest.
    number: u64,
    job: Job,
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
    is_aside: bool,
}

/// Why there is no ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Declined {
    /// The same key waits or runs already.
    Duplicate,
    /// It would have to wait and there is no room, or the queue is closed.
    Full,
}

impl RefreshQueue {
    pub(crate) fn new(limits: QueueLimits, spawn: Arc<dyn Spawn>, tasks: TaskTracker) -> Self {
        Self {
            shared: Arc::new(Shared {
                limits,
                spawn,
                tasks,
                state: Mutex::default(),
                closing: watch::Sender::default(),
            }),
        }
    }

    /// Asks for the right to refresh `key`; of its scope, at most `scope_limit` run at one time, and one at least. What
    /// may start counts as running from now on. A duplicate costs one look-up and allocates nothing.
    pub(crate) fn reserve(&self, key: &KeyRef<'_>, scope_limit: usize) -> Result<Ticket, Declined> {
        let (limits, scope_limit) = (&self.shared.limits, scope_limit.max(1));
        let mut state = self.shared.lock();
        if state.pending.contains(key) {
            return Err(Declined::Duplicate);
        }
        let scope = key.scope_subject().bits();
        let running = state.may_start(scope, scope_limit, limits);
        if state.closed || !(running || state.may_wait(scope, limits)) {
            return Err(Declined::Full);
        }
        let key = key.to_key();
        state.pending.insert(key.clone());
        if running {
            state.enter(scope);
        }
        Ok(Ticket {
            shared: Arc::clone(&self.shared),
            scope,
            key,
            scope_limit,
            running,
            is_aside: false,
        })
    }

    /// Takes no more offers, and drops those that wait.
    pub(crate) fn close(&self) {
        let mut state = self.shared.lock();
        state.closed = true;
        let dropped = state.take_waiting();
        drop(state);
        drop(dropped);
        self.shared.closing.send_replace(true);
    }

    /// Refreshes that wait for their turn.
    pub(crate) fn waiting(&self) -> usize {
        self.shared.lock().waiting
    }
}

impl Ticket {
    /// Runs `refresh` when it is its turn. The ticket is given back when it ends, in whatever way.
    pub(crate) fn submit(mut self, refresh: impl Future<Output = ()> + Send + 'static) {
        let shared = Arc::clone(&self.shared);
        self.step_back(&mut shared.lock());
        let job = Job {
            ticket: self,
            task: Box::pin(refresh),
        };
        let mut state = shared.lock();
        if state.closed {
            drop(state);
            return drop(job);
        }
        state.submit(job);
        drop(state);
        shared.start_next();
    }

    /// Whose.
    pub(crate) fn key(&self) -> &Key {
        &self.key
    }

    /// Gives its turn to others until it is submitted; its key stays taken. Of these there are as many as may wait, in all and
    /// of its scope; false where there are.
    pub(crate) fn step_aside(&mut self) -> bool {
        let mut state = self.shared.lock();
        if self.is_aside || !state.may_step_aside(self.scope, &self.shared.limits) {
            return self.is_aside;
        }
        state.scopes.entry(self.scope).or_default().aside += 1;
        self.is_aside = true;
        if std::mem::take(&mut self.running) {
            state.leave(self.scope);
            drop(state);
            self.shared.start_next();
        }
        true
    }

    fn step_back(&mut self, state: &mut State) {
        if std::mem::take(&mut self.is_aside) {
            state.change(self.scope, |scope| scope.aside -= 1);
        }
    }

    /// Ends when the queue is closed.
    pub(crate) fn closing(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let mut closing = self.shared.closing.subscribe();
        Box::pin(async move {
            // Its end is the end of the queue, too.
            let _ = closing.wait_for(|is_closed| *is_closed).await;
        })
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.lock();
        self.step_back(&mut state);
        state.pending.remove(&self.key);
        if self.running {
            state.leave(self.scope);
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
            let Some(Job { ticket, task }) = state.take_startable(self.limits.running) else {
                return;
            };
            state.starting = true;
            // Under the lock: who closes the queue next waits for what has left it.
            let leaving = self.tasks.token();
            drop(state);
            let starting = Starting(self);
            self.spawn.spawn(Box::pin(async move {
                task.await;
                drop(ticket);
            }));
            drop((starting, leaving));
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
    /// Whether one more may run now, with nobody of its scope before it.
    fn may_start(&self, scope: u64, scope_limit: usize, limits: &QueueLimits) -> bool {
        let scope_is_free = (self.scopes.get(&scope))
            .is_none_or(|scope| scope.running < scope_limit && scope.waiting.is_empty());
        self.running < limits.running && scope_is_free
    }

    fn may_wait(&self, scope: u64, limits: &QueueLimits) -> bool {
        let beside = (self.scopes.get(&scope)).map_or(0, |scope| scope.waiting.len());
        self.waiting < limits.waiting && beside < limits.waiting_per_scope
    }

    fn may_step_aside(&self, scope: u64, limits: &QueueLimits) -> bool {
        let all: usize = self.scopes.values().map(|scope| scope.aside).sum();
        let beside = self.scopes.get(&scope).map_or(0, |scope| scope.aside);
        all < limits.waiting && beside < limits.waiting_per_scope
    }

    fn submit(&mut self, job: Job) {
        if job.ticket.running {
            return self.ready.push_back(job);
        }
        let number = self.numbered;
        self.numbered += 1;
        self.waiting += 1;
        let scope = self.scopes.entry(job.ticket.scope).or_default();
        scope.waiting.push_back(Waiting { number, job });
    }

    /// The first that may run, counted as running from now on: one look at each scope, however many wait.
    fn take_startable(&mut self, limit: usize) -> Option<Job> {
        if let Some(job) = self.ready.pop_front() {
            return Some(job);
        }
        if self.running >= limit {
            return None;
        }
        let startable = self.scopes.values_mut().filter(|scope| scope.may_start());
        let first = startable.min_by_key(|scope| scope.waiting.front().map(|next| next.number))?;
        let Waiting { mut job, .. } = first.waiting.pop_front()?;
        self.waiting -= 1;
        self.enter(job.ticket.scope);
        job.ticket.running = true;
        Some(job)
    }

    fn take_waiting(&mut self) -> Vec<Job> {
        self.waiting = 0;
        let mut taken = Vec::from(std::mem::take(&mut self.ready));
        for scope in self.scopes.values_mut() {
            taken.extend(scope.waiting.drain(..).map(|waiting| waiting.job));
        }
        self.scopes.retain(|_, scope| !scope.is_empty());
        taken
    }

    fn enter(&mut self, scope: u64) {
        self.running += 1;
        self.scopes.entry(scope).or_default().running += 1;
    }

    fn leave(&mut self, scope: u64) {
        self.running -= 1;
        self.change(scope, |scope| scope.running -= 1);
    }

    /// Forgets the scope where nothing is left of it.
    fn change(&mut self, scope: u64, change: impl FnOnce(&mut Scope)) {
        if let Some(changed) = self.scopes.get_mut(&scope) {
            change(changed);
            if changed.is_empty() {
                self.scopes.remove(&scope);
            }
        }
    }
}

impl Scope {
    fn may_start(&self) -> bool {
        (self.waiting.front()).is_some_and(|it| self.running < it.job.ticket.scope_limit)
    }

    fn is_empty(&self) -> bool {
        self.running == 0 && self.aside == 0 && self.waiting.is_empty()
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("RefreshQueue")
            .field("limits", &self.limits)
            .field("waiting", &state.waiting)
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
    struct Held {
        held: Mutex<Vec<HeldTask>>,
        tasks: TaskTracker,
        /// How many tasks a shutdown would have waited for while one was spawned.
        counted: Mutex<Vec<usize>>,
    }

    struct HeldTask(Task);

    impl fmt::Debug for HeldTask {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("HeldTask")
        }
    }

    impl Held {
        fn count(&self) -> usize {
            self.held.lock().expect("no test panics with it").len()
        }

        fn run_one(&self) {
            let HeldTask(task) = self.held.lock().expect("no test panics with it").remove(0);
            futures_util::FutureExt::now_or_never(task).expect("it ends at once");
        }

        fn end_one(&self) {
            let task = self.held.lock().expect("no test panics with it").remove(0);
            drop(task);
        }
    }

    impl Spawn for Held {
        fn spawn(&self, task: Task) {
            let count = self.tasks.len();
            let mut counted = self.counted.lock().expect("no test panics with it");
            counted.push(count);
            let mut held = self.held.lock().expect("no test panics with it");
            held.push(HeldTask(task));
        }
    }

    fn key(scope: &str, name: &str) -> Key {
        let mut text = KeyText::new(scope);
        text.push(name.as_bytes());
        text.key().to_key()
    }

    fn queue(running: usize, waiting: usize) -> (RefreshQueue, Arc<Held>) {
        let held = Arc::new(Held::default());
        let limits = QueueLimits {
            running,
            waiting,
            waiting_per_scope: waiting,
        };
        (limited(limits, &held), held)
    }

    fn limited(limits: QueueLimits, held: &Arc<Held>) -> RefreshQueue {
        RefreshQueue::new(limits, held.clone(), held.tasks.clone())
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
    fn a_scope_that_waits_for_workers_leaves_room_to_others() {
        let held = Arc::new(Held::default());
        let limits = QueueLimits {
            running: 9,
            waiting: 3,
            waiting_per_scope: 2,
        };
        let queue = limited(limits, &held);
        let reserve = |scope, name| {
            let ticket = queue.reserve(&key(scope, name).borrowed(), 9);
            ticket.expect("there is room")
        };
        let mut slow = ["a", "b", "c"].map(|name| reserve("slow", name));
        let stepped = slow.each_mut().map(Ticket::step_aside);
        assert_eq!(stepped, [true, true, false], "its own part");
        assert!(slow[0].step_aside(), "once is enough");
        let mut quick = ["a", "b"].map(|name| reserve("quick", name));
        let stepped = quick.each_mut().map(Ticket::step_aside);
        assert_eq!(stepped, [true, false], "as many as may wait in all");
        let [a, b, c] = slow;
        a.submit(std::future::ready(()));
        drop(b);
        let mut d = reserve("slow", "d");
        assert!(d.step_aside(), "two have room again");
        drop((c, d, quick));
        held.end_one();
        let state = queue.shared.lock();
        assert_eq!((state.running, state.scopes.len()), (0, 0));
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

    #[test]
    fn a_scope_that_hangs_fills_its_own_part() {
        let held = Arc::new(Held::default());
        let limits = QueueLimits {
            running: 4,
            waiting: 4,
            waiting_per_scope: 2,
        };
        let queue = limited(limits, &held);
        let hanging = ["a", "b", "c", "d"].map(|name| offer(&queue, &key("slow", name), 1));
        assert_eq!(hanging, [None, None, None, Some(Declined::Full)]);
        assert_eq!(offer(&queue, &key("second", "a"), 1), None);
        assert_eq!(offer(&queue, &key("second", "b"), 1), None);
        assert_eq!(offer(&queue, &key("second", "c"), 1), None);
        assert_eq!((held.count(), queue.waiting()), (2, 4));
        assert_eq!(
            offer(&queue, &key("quick", "a"), 1),
            None,
            "it need not wait"
        );
        assert_eq!(held.count(), 3);
        assert_eq!(offer(&queue, &key("quick", "b"), 1), Some(Declined::Full));
    }

    #[test]
    fn a_scope_that_may_run_none_runs_one() {
        let (queue, held) = queue(4, 4);
        assert_eq!(offer(&queue, &key("s", "a"), 0), None);
        assert_eq!(offer(&queue, &key("s", "b"), 0), None);
        assert_eq!((held.count(), queue.waiting()), (1, 1));
        held.end_one();
        assert_eq!((held.count(), queue.waiting()), (1, 0));
    }

    #[test]
    fn who_came_first_is_first_in_all_scopes() {
        let (queue, held) = queue(1, 9);
        let names = [("s", "a"), ("s", "b"), ("t", "c"), ("s", "d"), ("t", "e")];
        let (order, began) = std::sync::mpsc::channel();
        for (scope, name) in names {
            let order = order.clone();
            let ticket = queue.reserve(&key(scope, name).borrowed(), 9);
            let ticket = ticket.expect("there is room");
            ticket.submit(async move { order.send(name).expect("the test listens") });
        }
        while held.count() > 0 {
            held.run_one();
        }
        assert_eq!(began.try_iter().collect::<String>(), "abcde");
        assert!(
            queue.shared.lock().scopes.is_empty(),
            "nothing is left behind"
        );
    }

    #[test]
    fn what_has_left_the_queue_is_waited_for_before_it_runs() {
        let (queue, held) = queue(4, 4);
        offer(&queue, &key("s", "a"), 4);
        assert_eq!(*held.counted.lock().expect("no test panics with it"), [1]);
        assert!(held.tasks.is_empty(), "the task counts itself from then on");
    }
}
