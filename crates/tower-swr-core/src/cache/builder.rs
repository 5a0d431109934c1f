use std::sync::Arc;
use std::sync::atomic::AtomicU8;
use std::time::Duration;

use tokio_util::task::TaskTracker;

use super::far::{Far, FarPorts, FarSettings};
use super::purge::Sweeps;
use super::refills::Refills;
use super::{Cache, Shared};
use crate::clock::{Clock, SystemClock};
use crate::far::{FarLog, FarStore, RemoteRefreshes};
use crate::flight::Flights;
use crate::invalidation::Invalidations;
use crate::observe::{Observer, Unobserved};
use crate::queue::{QueueLimits, RefreshQueue};
use crate::rng::{HasherRng, Rng};
use crate::spawn::{Spawn, Task, TokioSpawn};
use crate::store::{MemorySettings, MemoryStore};

/// Builds a [`Cache`].
///
/// ```
/// use tower_swr_core::{Cache, CacheBuilder, MemorySettings};
///
/// let cache: Cache<String> = CacheBuilder::new(MemorySettings::new(64 << 20)).build();
/// assert_eq!(cache.stats().entries, 0);
/// ```
#[derive(Clone, Debug)]
pub struct CacheBuilder {
    memory: MemorySettings,
    refreshes: QueueLimits,
    refills: usize,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    spawn: Arc<dyn Spawn>,
    observer: Arc<dyn Observer>,
    far: Option<FarPorts>,
    far_settings: FarSettings,
    workers: Option<Arc<dyn RemoteRefreshes>>,
}

/// A memory that is emptied more often is none.
const SHORTEST_SUSPECT: Duration = Duration::from_secs(1);

impl CacheBuilder {
    /// A cache on `memory`, with the machine's clock, tokio's tasks and nobody who observes.
    #[must_use]
    pub fn new(memory: MemorySettings) -> Self {
        Self {
            memory,
            refreshes: QueueLimits::default(),
            refills: 64,
            clock: Arc::new(SystemClock::default()),
            rng: Arc::new(HasherRng),
            spawn: Arc::new(TokioSpawn),
            observer: Arc::new(Unobserved),
            far: None,
            far_settings: FarSettings::default(),
            workers: None,
        }
    }

    /// How many refreshes run and wait.
    ///
    /// # Panics
    ///
    /// Where none may run or wait.
    #[must_use]
    #[track_caller]
    pub fn refreshes(mut self, limits: QueueLimits) -> Self {
        assert!(
            limits.running > 0 && limits.waiting > 0 && limits.waiting_per_scope > 0,
            "QueueLimits with running = {}, waiting = {} and waiting_per_scope = {}: allow at least 1 of each, or \
             nothing is ever refreshed in time",
            limits.running,
            limits.waiting,
            limits.waiting_per_scope
        );
        self.refreshes = limits;
        self
    }

    /// How many origin calls run at one time while the cache fills again after [`Cache::purge_all`]; with 0, one does.
    /// Default 64. Who waits for a call waits for its turn, too, as long as they wait for anything.
    ///
    /// ```
    /// # use tower_swr_core::{Cache, CacheBuilder, MemorySettings};
    /// let cache: Cache<u32> = CacheBuilder::new(MemorySettings::new(1 << 20)).refills(8).build();
    /// ```
    #[must_use]
    pub fn refills(mut self, at_one_time: usize) -> Self {
        self.refills = at_one_time;
        self
    }

    /// Where the time is read.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Where the dice for jitter and back-off are rolled.
    #[must_use]
    pub fn rng(mut self, rng: impl Rng) -> Self {
        self.rng = Arc::new(rng);
        self
    }

    /// Where fills and refreshes run.
    #[must_use]
    pub fn spawn(mut self, spawn: impl Spawn) -> Self {
        self.spawn = Arc::new(spawn);
        self
    }

    /// Who hears of events.
    #[must_use]
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.observer = Arc::new(observer);
        self
    }

    /// What is shared with other processes: values, the right to call the origin, and what is invalidated. Only flights that
    /// go [through a codec](crate::Fill::through) ask it, and [purges](Cache::purge) are recorded there; a hit never does.
    ///
    /// ```
    /// use tower_swr_core::testing::FarServer;
    /// use tower_swr_core::{Cache, CacheBuilder, MemorySettings};
    ///
    /// // In truth a handle on a server, such as `tower_swr_redis::Redis`.
    /// let node = FarServer::default().node();
    /// let cache: Cache<u32> = CacheBuilder::new(MemorySettings::new(1 << 20)).far(node).build();
    /// assert!(cache.is_far());
    /// ```
    #[must_use]
    pub fn far<F: FarStore + FarLog>(mut self, far: F) -> Self {
        self.far = Some(FarPorts::new(far));
        self
    }

    /// The largest value that is written to the far side, in bytes, with all that is written beside it. Default 1 MiB. What
    /// is larger stays in this process; the others make calls of their own.
    #[must_use]
    pub fn far_limit(mut self, bytes: usize) -> Self {
        self.far_settings.limit = bytes;
        self
    }

    /// How long anything is served while the log cannot be followed, and others may have purged it unheard. Default no
    /// limit but its own lifetime: a limit that ends all of it at once takes the memory away when it is needed most. With
    /// one, the memory is emptied each time that so much has passed since the log was lost, or since it was first looked
    /// for if it never was found, until it is found again; a little sooner as chance has it, so that not all processes do
    /// so at once. What is then asked for goes to the origin a few calls at a time, as after [`Cache::purge_all`]. So nothing
    /// is served for longer than this after it was purged elsewhere, and as long as it takes to notice the loss.
    ///
    /// It should be several times as long as the origin ever takes: an answer that is asked for before the memory is
    /// emptied and comes after that is given to those who wait, and not kept. At least a second.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_swr_core::testing::FarServer;
    /// use tower_swr_core::{Cache, CacheBuilder, MemorySettings};
    ///
    /// let node = FarServer::default().node();
    /// let builder = CacheBuilder::new(MemorySettings::new(1 << 20)).far(node);
    /// let cache: Cache<u32> = builder.max_suspect(Duration::from_secs(30)).build();
    /// ```
    ///
    /// # Panics
    ///
    /// For less than a second.
    #[must_use]
    #[track_caller]
    pub fn max_suspect(mut self, span: Duration) -> Self {
        assert!(
            span >= SHORTEST_SUSPECT,
            "max_suspect({span:?}): nothing would be kept for long while the log is out of reach; allow {SHORTEST_SUSPECT:?} \
             or more"
        );
        self.far_settings.max_suspect = Some(span);
        self
    }

    /// Where refreshes are [offered](Cache::refresh_elsewhere) to processes that do nothing else. Default nowhere: each process
    /// makes its own.
    ///
    /// ```
    /// use tower_swr_core::testing::FarServer;
    /// use tower_swr_core::{Cache, CacheBuilder, MemorySettings};
    ///
    /// let node = FarServer::default().node();
    /// let builder = CacheBuilder::new(MemorySettings::new(1 << 20)).far(node.clone());
    /// let cache: Cache<u32> = builder.remote_refreshes(node).build();
    /// assert!(cache.is_remote());
    /// ```
    #[must_use]
    pub fn remote_refreshes(mut self, queue: impl RemoteRefreshes) -> Self {
        self.workers = Some(Arc::new(queue));
        self
    }

    /// The cache.
    ///
    /// # Panics
    ///
    /// Where refreshes are offered to workers, but there is no [far side](Self::far) on which they could leave anything.
    #[must_use]
    #[track_caller]
    pub fn build<V: Send + Sync + 'static, P: Clone + Send + Sync + 'static>(self) -> Cache<V, P> {
        let tasks = TaskTracker::new();
        assert!(
            self.workers.is_none() || self.far.is_some(),
            "remote_refreshes without far: nobody would find what a worker has made; name the far side, too"
        );
        let far = self.far.map(|ports| {
            let ports = ports.with_workers(self.workers);
            Far::new(ports, self.far_settings, Arc::clone(&self.spawn))
        });
        let spawn: Arc<dyn Spawn> = Arc::new(Tracked {
            spawn: self.spawn,
            tasks: tasks.clone(),
        });
        Cache {
            shared: Arc::new(Shared {
                near: MemoryStore::new(&self.memory),
                flights: Flights::new(),
                invalidations: Invalidations::default(),
                sweeps: Sweeps::default(),
                origin_calls: Arc::default(),
                queue: RefreshQueue::new(self.refreshes, Arc::clone(&spawn), tasks.clone()),
                refills: Refills::new(self.refills),
                far,
                tasks,
                mode: AtomicU8::default(),
                clock: self.clock,
                rng: self.rng,
                spawn,
                observer: self.observer,
            }),
        }
    }
}

/// Counts the tasks that run, so that a shutdown can wait for them.
#[derive(Debug)]
struct Tracked {
    spawn: Arc<dyn Spawn>,
    tasks: TaskTracker,
}

impl Spawn for Tracked {
    fn spawn(&self, task: Task) {
        self.spawn.spawn(Box::pin(self.tasks.track_future(task)));
    }
}
