use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use crate::spawn::{Spawn, Task};

/// Keeps tasks until the test runs or drops them. Clones share them.
///
/// ```
/// use tower_swr_core::Spawn;
/// use tower_swr_core::testing::ManualSpawn;
///
/// let spawn = ManualSpawn::default();
/// spawn.spawn(Box::pin(async {}));
/// assert_eq!(spawn.len(), 1);
/// spawn.poll_all();
/// assert!(spawn.is_empty());
/// ```
#[derive(Clone, Default)]
pub struct ManualSpawn {
    tasks: Arc<Mutex<Vec<Task>>>,
}

impl ManualSpawn {
    /// Polls every task once, those included that are spawned meanwhile, and lets go of those that have ended.
    pub fn poll_all(&self) {
        let mut pending = Vec::new();
        loop {
            let tasks = std::mem::take(&mut *self.tasks());
            if tasks.is_empty() {
                break;
            }
            let mut cx = Context::from_waker(Waker::noop());
            pending.extend(tasks.into_iter().filter_map(|mut task| {
                let ended = task.as_mut().poll(&mut cx).is_ready();
                (!ended).then_some(task)
            }));
        }
        self.tasks().extend(pending);
    }

    /// Drops every task, as a shutdown would.
    pub fn drop_all(&self) {
        let tasks = std::mem::take(&mut *self.tasks());
        drop(tasks);
    }

    /// How many tasks have not ended.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tasks().len()
    }

    /// Whether every task has ended.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn tasks(&self) -> MutexGuard<'_, Vec<Task>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spawn for ManualSpawn {
    fn spawn(&self, task: Task) {
        self.tasks().push(task);
    }
}

impl fmt::Debug for ManualSpawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManualSpawn")
            .field("tasks", &self.len())
            .finish()
    }
}
