//! The connection to the server, and the rule that nobody ever waits for one.
//!
//! A step takes the connection that is there, or fails at once. It races with its budget, whatever the client below does.
//! What breaks is given up by whoever notices, and dialled anew by the [supervisor](crate::supervisor) alone: it is the one
//! that finds out whether the server is back, never a request.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{Either, select};
use redis::{FromRedisValue, RedisResult, ScriptInvocation};
use tokio::sync::{Notify, watch};
use tower_swr_core::{Clock, FarError, FarHealth, Moment, Rng, ServerTime, Spawn, Task};

use crate::budget::Budgets;
use crate::dialer::Dialer;
use crate::error::{ends_connection, far_error};
use crate::line::Connection;

/// So many steps in a row without an answer, and the connection is given up without asking further.
const MOST_TIMEOUTS: u32 = 5;

/// The engine's ports to time, tasks and chance.
#[derive(Clone, Debug)]
pub(crate) struct Ports {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) spawn: Arc<dyn Spawn>,
    pub(crate) rng: Arc<dyn Rng>,
}

impl Ports {
    /// `step`, if it takes no longer than `budget`.
    pub(crate) async fn within<T>(
        &self,
        budget: Duration,
        step: impl Future<Output = T>,
    ) -> Result<T, FarError> {
        let limit = self.clock.sleep(budget);
        match select(Box::pin(step), limit).await {
            Either::Left((answer, _)) => Ok(answer),
            Either::Right(_) => Err(FarError::TimedOut { budget }),
        }
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let task: Task = Box::pin(task);
        self.spawn.spawn(task);
    }
}

/// The one connection that all steps share, or the reason why there is none.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) dialer: Dialer,
    state: Mutex<State>,
    /// Wakes the supervisor.
    pub(crate) trouble: Notify,
    /// Told after every change of the state.
    changed: watch::Sender<()>,
    /// What the server refuses to do although it answers.
    complaint: Mutex<Option<FarError>>,
    has_complaint: AtomicBool,
    /// How many connections there have been.
    numbered: AtomicU64,
    /// Steps in a row that had no answer.
    timeouts: AtomicU32,
    /// The server's milliseconds less the clock's.
    offset: AtomicI64,
    knows_offset: AtomicBool,
    pub(crate) counts: Counts,
}

#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) given_up: AtomicU64,
    pub(crate) failed: AtomicU64,
}

/// Tells a connection from its successors.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct LineNumber {
    number: u64,
    /// What is asked on it is read in that order. The servers of a Cluster are connected to anew without a word.
    pub(crate) keeps_order: bool,
}

#[derive(Clone)]
enum State {
    Connecting,
    Up {
        connection: Connection,
        /// Tells this connection from its successors.
        number: u64,
    },
    Down(FarError),
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Connecting => f.write_str("Connecting"),
            Self::Up { .. } => f.write_str("Up"),
            Self::Down(reason) => write!(f, "Down({reason})"),
        }
    }
}

impl Link {
    pub(crate) fn new(dialer: Dialer) -> Self {
        Self {
            dialer,
            state: Mutex::new(State::Connecting),
            trouble: Notify::new(),
            changed: watch::Sender::default(),
            complaint: Mutex::default(),
            has_complaint: AtomicBool::new(false),
            numbered: AtomicU64::new(0),
            timeouts: AtomicU32::new(0),
            offset: AtomicI64::new(0),
            knows_offset: AtomicBool::new(false),
            counts: Counts::default(),
        }
    }

    pub(crate) fn ports(&self) -> &Ports {
        &self.dialer.ports
    }

    pub(crate) fn budgets(&self) -> Budgets {
        self.dialer.budgets
    }

    /// `step`, done beside those of requests, if it takes no longer than they may.
    pub(crate) async fn in_time<T>(&self, step: impl Future<Output = T>) -> Result<T, FarError> {
        self.ports().within(self.budgets().step, step).await
    }

    /// Does one step on the connection that is there.
    pub(crate) async fn ask<T, F>(
        &self,
        name: &'static str,
        budget: Duration,
        step: impl FnOnce(Connection) -> F,
    ) -> Result<T, FarError>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let answer = self.try_ask(name, budget, step).await;
        if answer.is_err() {
            self.counts.failed.fetch_add(1, Ordering::Relaxed);
        }
        answer
    }

    /// Runs a script that may change something. That it does tells that the server is of use (again), but not that it takes
    /// what is new: a script that finds nothing to change, or something to remove, also succeeds where memory is full or
    /// nothing may be written.
    pub(crate) async fn change<T: FromRedisValue>(
        &self,
        name: &'static str,
        script: ScriptInvocation<'static>,
    ) -> Result<T, FarError> {
        let step = |mut connection| async move { script.invoke_async::<T>(&mut connection).await };
        let answer = self.ask(name, self.budgets().step, step).await;
        if answer.is_ok() {
            self.settle_complaint(|reason| {
                !matches!(reason, FarError::OutOfMemory | FarError::ReadOnly)
            });
        }
        answer
    }

    /// More than a lease was written, so the server refuses nothing (any more).
    pub(crate) fn note_written(&self) {
        self.settle_complaint(|_| true);
    }

    /// Forgets what the server refused if that `is_over`.
    fn settle_complaint(&self, is_over: impl FnOnce(&FarError) -> bool) {
        if self.has_complaint.load(Ordering::Relaxed)
            && self.complaint().as_ref().is_none_or(is_over)
        {
            self.complain(None);
        }
    }

    async fn try_ask<T, F>(
        &self,
        name: &'static str,
        budget: Duration,
        step: impl FnOnce(Connection) -> F,
    ) -> Result<T, FarError>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let (connection, number) = self.connection().ok_or(FarError::Unavailable)?;
        // What one server of several does is no reason to part with the others.
        let is_one_server = connection.is_one_server();
        let answer = self.ports().within(budget, step(connection)).await;
        match answer {
            Err(timed_out) => {
                let in_a_row = self.timeouts.fetch_add(1, Ordering::Relaxed) + 1;
                if in_a_row >= MOST_TIMEOUTS && is_one_server {
                    self.give_up(number, timed_out.clone());
                }
                Err(timed_out)
            }
            Ok(Err(error)) => {
                let reason = far_error(&error, name);
                self.timeouts.store(0, Ordering::Relaxed);
                let is_replaced = reason == FarError::ReadOnly && self.dialer.leads_elsewhere();
                if is_one_server && (is_replaced || ends_connection(&error)) {
                    self.give_up(number, reason.clone());
                } else {
                    self.complain(Some(reason.clone()));
                }
                Err(reason)
            }
            Ok(Ok(answer)) => {
                self.timeouts.store(0, Ordering::Relaxed);
                Ok(answer)
            }
        }
    }

    /// The connection that is there, and its number.
    pub(crate) fn connection(&self) -> Option<(Connection, u64)> {
        match &*self.state() {
            State::Up { connection, number } => Some((connection.clone(), *number)),
            State::Connecting | State::Down(_) => None,
        }
    }

    /// On what a step would be taken now.
    pub(crate) fn line(&self) -> Option<LineNumber> {
        let (connection, number) = self.connection()?;
        Some(LineNumber {
            number,
            keeps_order: connection.is_one_server(),
        })
    }

    pub(crate) fn is_up(&self) -> bool {
        matches!(*self.state(), State::Up { .. })
    }

    /// Connected anew.
    pub(crate) fn come_up(&self, connection: Connection) {
        let number = self.numbered.fetch_add(1, Ordering::Relaxed);
        self.timeouts.store(0, Ordering::Relaxed);
        self.complain(None);
        self.replace(|_| Some(State::Up { connection, number }));
        tracing::info!("connected");
    }

    /// Not connected, for this reason.
    pub(crate) fn stay_down(&self, reason: FarError) {
        let told = reason.clone();
        let mut is_news = true;
        self.replace(|state| {
            is_news = !matches!(state, State::Down(known) if *known == reason || is_away(&reason));
            Some(State::Down(reason))
        });
        if is_news {
            tracing::warn!(reason = %told, "not connected");
        }
    }

    /// Parts with the connection of this number, unless it has gone already, and has the supervisor dial.
    pub(crate) fn give_up(&self, given_up: u64, reason: FarError) {
        let told = reason.clone();
        let gone = self.replace(|state| match state {
            State::Up { number, .. } if *number == given_up => Some(State::Down(reason)),
            _ => None,
        });
        if gone {
            tracing::warn!(reason = %told, "connection given up");
            self.counts.given_up.fetch_add(1, Ordering::Relaxed);
            self.trouble.notify_one();
        }
    }

    /// Notes what the server refuses to do although it answers, or that it refuses nothing any more.
    fn complain(&self, reason: Option<FarError>) {
        let is_first = reason.is_some() && !self.has_complaint.load(Ordering::Relaxed);
        if let (true, Some(reason)) = (is_first, &reason) {
            tracing::warn!(%reason, "the server refuses a step");
        }
        self.has_complaint
            .store(reason.is_some(), Ordering::Relaxed);
        let old = std::mem::replace(&mut *self.complaint(), reason);
        drop(old);
    }

    fn complaint(&self) -> MutexGuard<'_, Option<FarError>> {
        self.complaint
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn health(&self) -> FarHealth {
        let down = |reason: &FarError| FarHealth::Down {
            reason: reason.clone(),
        };
        match &*self.state() {
            State::Connecting => FarHealth::Connecting,
            State::Down(reason) => down(reason),
            State::Up { .. } => self.complaint().as_ref().map_or(FarHealth::Up, down),
        }
    }

    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Notes what the server's clock said half-way between two moments.
    pub(crate) fn set_clock(&self, asked: Moment, answered: Moment, server_millis: u64) {
        let half_way = asked.after(answered.since(asked) / 2);
        let own = millis(half_way.since(Moment::ORIGIN));
        let offset = i64::try_from(server_millis).unwrap_or(i64::MAX) - own;
        self.offset.store(offset, Ordering::Relaxed);
        self.knows_offset.store(true, Ordering::Release);
    }

    pub(crate) fn server_now(&self) -> Option<ServerTime> {
        if !self.knows_offset.load(Ordering::Acquire) {
            return None;
        }
        let own = millis(self.ports().clock.now().since(Moment::ORIGIN));
        let now = own.saturating_add(self.offset.load(Ordering::Relaxed));
        Some(ServerTime::from_millis(u64::try_from(now).unwrap_or(0)))
    }

    /// Puts another state in place of what is there, if `change` has one. True where it had.
    fn replace(&self, change: impl FnOnce(&State) -> Option<State>) -> bool {
        let mut state = self.state();
        let Some(next) = change(&state) else {
            return false;
        };
        let old = std::mem::replace(&mut *state, next);
        drop(state);
        // Dropping a connection ends its task: not under the lock.
        drop(old);
        self.changed.send_replace(());
        true
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nothing that a server says: the same trouble, whichever of them it is.
fn is_away(reason: &FarError) -> bool {
    use FarError::{Disconnected, TimedOut, Unavailable};
    matches!(reason, Disconnected | TimedOut { .. } | Unavailable)
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
