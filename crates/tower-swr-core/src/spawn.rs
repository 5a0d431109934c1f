//! Spawning as a port: where fills and refreshes run, apart from the requests that asked for them.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;

/// A task, ready to be spawned.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where detached tasks run.
pub trait Spawn: Debug + Send + Sync + 'static {
    /// Runs `task` to its end, whoever still waits for it. A task that cannot run is dropped, which its waiters see.
    fn spawn(&self, task: Task);
}

/// Spawns on the tokio runtime in whose context it is called. Outside of any runtime the task is dropped: its waiters
/// get an answer that says so, and nothing panics.
///
/// So a fill runs on the runtime of whoever was first to ask. Where several runtimes share a cache and one of them is
/// no longer driven, though not shut down, its fills stand still: who asks for their keys on another runtime waits until
/// their `wait_timeout`.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokioSpawn;

#[allow(clippy::disallowed_methods, reason = "this module is the port")]
impl Spawn for TokioSpawn {
    fn spawn(&self, task: Task) {
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            drop(runtime.spawn(task));
        }
    }
}
