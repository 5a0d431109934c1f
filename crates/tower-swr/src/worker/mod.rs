//! A process that serves nobody: it makes the refreshes that others leave to it.

mod remarks;
mod shift;
mod stats;
mod toil;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use tower_service::Service;
use tower_swr_core::{Clock, HasherRng, RemoteRefreshes, Rng, Spawn, SystemClock, TokioSpawn};

use remarks::Remarks;
use shift::Shift;
use stats::Counts;
pub use stats::WorkerStats;

/// Works off the refreshes that other processes leave to workers: see
/// [`remote_refreshes`](crate::HttpCacheBuilder::remote_refreshes).
///
/// It hands the requests that they describe to `service`, which is the same tower service that they run, over a cache with the
/// same [far side](crate::HttpCacheBuilder::far). The layer in it knows such a request by an extension that no client can
/// send: it calls the handler under the refresh mutex, leaves the answer on the far side, and serves nothing old. A handler
/// sees the URI and the [fields that were told](crate::CacheLayer::refresh_fields), and no extension that a server would add,
/// such as the client's address.
///
/// Each refresh is handed out at least once, and again if its worker dies. One that fails is tried again after a pause, and put
/// aside after as many attempts as the queue allows. Where another process has been faster, nothing is called. One that cannot
/// be made here is given back to the process that asked for it, which then makes it at once; why is logged, once for each
/// scope and reason.
///
/// ```
/// use axum::{Router, routing::get};
/// use std::time::Duration;
/// use tower_swr::{HttpCache, MemorySettings, RefreshWorker};
/// # use tower_swr_core::testing::FarServer;
/// # let redis = FarServer::default().node();
///
/// // `redis` is a `tower_swr_redis::Redis`.
/// let cache = HttpCache::builder(MemorySettings::new(64 << 20)).far(redis.clone()).build();
/// let news = cache.layer("news").max_age(Duration::from_secs(60));
/// let app: Router = Router::new().route("/news", get(|| async { "news" }).layer(news));
///
/// # tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
/// let stop = async { /* Ctrl-C */ };
/// let worker = RefreshWorker::new(redis, app).concurrency(32);
/// let done = worker.run_until(stop).await;
/// assert_eq!(done.renewed, 0);
/// # });
/// ```
///
/// # What stands before the layer
///
/// A middleware around the layer runs in the worker, too, on a request that has no cookies, no credentials and no client
/// address. One that answers by itself (a login, a limit, a redirect) keeps the refresh from the layer; that counts as
/// [`unmet`](WorkerStats::unmet), and whoever asked makes the refresh. One that misses an extension and answers with an error
/// makes it [fail](WorkerStats::failed). So build the worker's service from the layer inwards: routes, layers and handlers,
/// without what is there for clients.
///
/// # When not to use it
///
/// While the processes that serve have time left to refresh: they do so behind the backs of their clients, one of them per
/// key. A worker is for handlers that are heavy enough to be felt by those who are served beside them.
#[must_use = "a worker does nothing until it is run"]
pub struct RefreshWorker<S, A = Empty<Bytes>> {
    service: S,
    desk: Arc<Desk>,
    body: PhantomData<fn() -> A>,
}

/// What a worker works by.
#[derive(Clone)]
struct Desk {
    queue: Arc<dyn RemoteRefreshes>,
    concurrency: usize,
    drain: Duration,
    limit: Duration,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    spawn: Arc<dyn Spawn>,
    counts: Arc<Counts>,
    remarks: Arc<Remarks>,
}

impl<S> RefreshWorker<S> {
    /// A worker that takes from `queue` and hands to `service`.
    pub fn new(queue: impl RemoteRefreshes, service: S) -> Self {
        Self {
            service,
            desk: Arc::new(Desk {
                queue: Arc::new(queue),
                concurrency: 16,
                drain: Duration::from_secs(10),
                limit: Duration::from_secs(75),
                clock: Arc::new(SystemClock::default()),
                rng: Arc::new(HasherRng),
                spawn: Arc::new(TokioSpawn),
                counts: Arc::default(),
                remarks: Arc::default(),
            }),
            body: PhantomData,
        }
    }
}

impl<S, A> RefreshWorker<S, A> {
    /// For a service that takes requests with bodies of another type than [`Empty`] alone; those of refreshes are `A`'s
    /// default, which has to be an empty one. A `Router` of axum takes any.
    ///
    /// ```
    /// use axum::{body::Body, routing::{MethodRouter, get}};
    /// use tower_swr::RefreshWorker;
    /// # use tower_swr_core::testing::FarServer;
    /// # let redis = FarServer::default().node();
    /// let service: MethodRouter = get(|| async { "news" });
    /// let worker = RefreshWorker::new(redis, service).with_body::<Body>();
    /// ```
    pub fn with_body<B>(self) -> RefreshWorker<S, B> {
        RefreshWorker {
            service: self.service,
            desk: self.desk,
            body: PhantomData,
        }
    }

    /// How many refreshes it makes at one time. Default 16.
    ///
    /// # Panics
    ///
    /// For zero.
    #[track_caller]
    pub fn concurrency(self, most: usize) -> Self {
        assert!(
            most > 0,
            "concurrency(0) of a worker: nothing would ever be refreshed; allow at least 1"
        );
        // No more than a semaphore can count.
        let most = most.min(tokio::sync::Semaphore::MAX_PERMITS);
        self.with(|desk| desk.concurrency = most)
    }

    /// How long it goes on after it was told to stop, for what it has in its hands. Default 10 s. What is not done by then is
    /// cancelled, and handed to another worker after a while.
    pub fn drain_deadline(self, span: Duration) -> Self {
        self.with(|desk| desk.drain = span)
    }

    /// How long one refresh may take; then it is cancelled and counts as failed. Default 75 s: longer than a handler has by
    /// [`origin_timeout`](crate::CacheLayer::origin_timeout), and less than the time after which a queue takes a worker for
    /// dead: 90 s by `rescue_after` of a `tower_swr_redis::Redis`, which is to be raised with this one. Where it is not, a job is
    /// handed to a second worker while the first still has it. The lease keeps that one from making the same call, but it
    /// counts as an attempt, of which there are five.
    pub fn limit(self, span: Duration) -> Self {
        self.with(|desk| desk.limit = span)
    }

    /// Where the time is read. Default: the machine's clocks, through tokio.
    pub fn clock(self, clock: impl Clock) -> Self {
        self.with(|desk| desk.clock = Arc::new(clock))
    }

    /// Where the dice for pauses are rolled.
    pub fn rng(self, rng: impl Rng) -> Self {
        self.with(|desk| desk.rng = Arc::new(rng))
    }

    /// Where refreshes run. Default: on the tokio runtime of the worker.
    pub fn spawn(self, spawn: impl Spawn) -> Self {
        self.with(|desk| desk.spawn = Arc::new(spawn))
    }

    /// What it has done so far. Clones of a worker count together.
    #[must_use]
    pub fn stats(&self) -> WorkerStats {
        self.desk.counts.read()
    }

    /// Works until `stop` ends; then it takes nothing more, ends what it has in its hands, and returns what it has done.
    ///
    /// Whatever the queue suffers (away, flushed, refusing), it keeps trying, with pauses. A question that is under way when
    /// it is told to stop is waited for, and what that brings is done, too.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it cancels what it has in its hands; that is handed to another worker after a while.
    pub async fn run_until<B>(self, stop: impl Future<Output = ()>) -> WorkerStats
    where
        S: Service<Request<A>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Send + 'static,
        A: Default + Send + 'static,
        B: Send + 'static,
    {
        let Self { service, desk, .. } = self;
        let counts = Arc::clone(&desk.counts);
        Shift::new(desk, service).run_until::<A, B>(stop).await;
        counts.read()
    }

    fn with(mut self, set: impl FnOnce(&mut Desk)) -> Self {
        set(Arc::make_mut(&mut self.desk));
        self
    }
}

// Written by hand: a derived one would ask for `A: Clone`.
impl<S: Clone, A> Clone for RefreshWorker<S, A> {
    fn clone(&self) -> Self {
        Self {
            service: self.service.clone(),
            desk: Arc::clone(&self.desk),
            body: PhantomData,
        }
    }
}

impl<S, A> fmt::Debug for RefreshWorker<S, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshWorker")
            .field("queue", &self.desk.queue)
            .field("concurrency", &self.desk.concurrency)
            .finish_non_exhaustive()
    }
}
