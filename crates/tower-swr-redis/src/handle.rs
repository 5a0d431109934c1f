//! The handle: one connection, one subscription and one log, shared by all clones.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;
use tower_swr_core::{FarError, FarHealth, FarStore};

use crate::builder::RedisBuilder;
use crate::connection::Link;
use crate::error::ConnectError;
use crate::invalidation::Log;
use crate::queue::Queue;
use crate::reader::follow;
use crate::store::Store;
use crate::supervisor::{supervise, until_closed};
use crate::wakeup::listen;

/// A Redis or Valkey server, as the engine's ports want it. Cheap to clone; what it started ends with the last clone.
///
/// One that is made outside of a tokio runtime connects when it is first used in one.
#[derive(Clone, Debug)]
pub struct Redis {
    inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) link: Arc<Link>,
    pub(crate) store: Store,
    pub(crate) log: Arc<Log>,
    pub(crate) queue: Queue,
    channel: String,
    /// Its end is the end of all tasks.
    closing: watch::Sender<()>,
    is_started: Arc<AtomicBool>,
}

/// What a handle is made of.
pub(crate) struct Parts {
    pub(crate) link: Arc<Link>,
    pub(crate) store: Store,
    pub(crate) log: Log,
    pub(crate) queue: Queue,
    pub(crate) channel: String,
}

/// How the server is doing, for people and for health checks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RedisHealth {
    /// The connection that values and leases use.
    pub connection: FarHealth,
    /// The invalidation log. Up: it has been read to its end, and nothing that others have invalidated is missed.
    pub log: FarHealth,
    /// Invalidations that wait to be recorded.
    pub queued_invalidations: usize,
    /// Connections that were given up since the handle was made.
    pub connections_given_up: u64,
    /// Steps that had no answer, or a refusal, since the handle was made.
    pub failed_steps: u64,
}

impl Redis {
    /// The server at `url`, with every setting as it is: see [`Redis::builder`].
    ///
    /// # Errors
    ///
    /// For a URL that is none of a Redis server. It does not wait for the network.
    pub fn connect(url: &str) -> Result<Self, ConnectError> {
        Self::builder(url).connect()
    }

    /// The server at `url`, to be connected to once everything is set:
    /// `redis://[user:password@]host[:port][/database]`, or one of the others in the [table](crate#where-servers-are).
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_swr_redis::Redis;
    ///
    /// # tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
    /// let redis = Redis::builder("redis://app:secret@localhost:6379/0")
    ///     .namespace("shop")
    ///     .lease(Duration::from_secs(5))
    ///     .connect()?;
    /// # drop(redis);
    /// # Ok::<_, tower_swr_redis::ConnectError>(()) }).expect("it is sound");
    /// ```
    pub fn builder(url: &str) -> RedisBuilder {
        RedisBuilder::new(url)
    }

    /// Waits until the server answers and the invalidation log is read, for those who would rather fail early than begin
    /// without it. Give it a limit of your own.
    ///
    /// # Errors
    ///
    /// Where the server has been asked and cannot be used. It is asked again all the same, and so may you.
    ///
    /// # Cancel safety
    ///
    /// May be dropped at any time.
    pub async fn ready(&self) -> Result<(), FarError> {
        let inner = self.inner();
        let (mut link, mut log) = (inner.link.changes(), inner.log.record.changes());
        loop {
            link.mark_unchanged();
            log.mark_unchanged();
            let of_log = inner.log.record.state().health.clone();
            match (self.health(), of_log) {
                (FarHealth::Up, FarHealth::Up) => return Ok(()),
                (FarHealth::Down { reason }, _) => return Err(reason),
                (FarHealth::Up, FarHealth::Down { reason }) => return Err(reason),
                _ => {}
            }
            let changed = (Box::pin(link.changed()), Box::pin(log.changed()));
            futures_util::future::select(changed.0, changed.1).await;
        }
    }

    /// How the server is doing, in more words than [`FarStore::health`].
    #[must_use]
    pub fn status(&self) -> RedisHealth {
        let Inner { link, log, .. } = self.inner();
        let record = log.record.state();
        RedisHealth {
            connection: link.health(),
            log: record.health.clone(),
            queued_invalidations: record.queued(),
            connections_given_up: link.counts.given_up.load(Ordering::Relaxed),
            failed_steps: link.counts.failed.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn new(parts: Parts) -> Self {
        let Parts {
            link,
            store,
            log,
            queue,
            channel,
        } = parts;
        let redis = Self {
            inner: Arc::new(Inner {
                link,
                store,
                log: Arc::new(log),
                queue,
                channel,
                closing: watch::Sender::default(),
                is_started: Arc::default(),
            }),
        };
        redis.inner.start();
        redis
    }

    pub(crate) fn inner(&self) -> &Inner {
        if !self.inner.is_started.load(Ordering::Relaxed) {
            self.inner.start();
        }
        &self.inner
    }
}

impl Inner {
    /// Starts what keeps the connection. Where there is no runtime the tasks are dropped, and the next use tries again.
    #[cold]
    fn start(&self) {
        if self.is_started.swap(true, Ordering::AcqRel) {
            return;
        }
        let running = Running(Arc::clone(&self.is_started));
        let connection = supervise(Arc::clone(&self.link));
        let wakeups = Arc::clone(&self.store.wakeups);
        let subscription = listen(Arc::clone(&self.link), wakeups, self.channel.clone());
        let log = follow(Arc::clone(&self.log));
        let all = async move {
            let _running = running;
            futures_util::future::join3(connection, subscription, log).await;
        };
        let task = until_closed(self.closing.subscribe(), all);
        self.link.ports().spawn(task);
    }
}

/// Tells when the tasks are gone, run or not.
#[derive(Debug)]
struct Running(Arc<AtomicBool>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
