//! Processes that serve and a process that refreshes for them: who calls the handler, with what, and how it ends.

mod declined;
mod done;
mod life;
mod told;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderName, Request, Response};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tower::{Layer as _, Service};
use tower_swr::{
    BoxError, CacheLayer, CacheService, HttpCache, MemorySettings, RefreshWorker, WorkerStats,
};
use tower_swr_core::testing::{FarNode, FarServer, ManualClock, RecordingObserver};
use tower_swr_core::{Enqueued, FarKey, KeyText, RemoteJob, RemoteRefreshes};

use crate::house::{
    Answer, Call, Half, House, Origin, Reply, With as _, ask, get, reply, secs, settle,
};

/// What the processes have in common.
struct World {
    clock: ManualClock,
    server: FarServer,
}

impl World {
    fn new() -> Self {
        let clock = ManualClock::default();
        let server = FarServer::new(clock.clone());
        Self { clock, server }
    }

    /// A process that leaves refreshes to workers.
    fn house(&self) -> House {
        let node = self.server.node();
        let builder = HttpCache::builder(MemorySettings::new(8 << 20)).far(node.clone());
        let builder = builder.remote_refreshes(node).clock(self.clock.clone());
        House {
            cache: builder.build(),
            clock: self.clock.clone(),
            heard: RecordingObserver::default(),
        }
    }

    /// A worker that runs `service` from now on.
    async fn work<S>(&self, service: S) -> Working
    where
        S: Service<Request<Body>, Response: Send, Error: Send, Future: Send>
            + Clone
            + Send
            + 'static,
        S: Service<Request<Body>, Response = Response<tower_swr::CacheBody<Body>>>,
    {
        let node = self.server.node();
        let worker = RefreshWorker::new(node.clone(), service).with_body::<Body>();
        let worker = worker.clock(self.clock.clone()).rng(Half);
        self.run(node, worker).await
    }

    #[allow(clippy::disallowed_methods, reason = "a worker is a task of its own")]
    async fn run<S, B>(&self, node: FarNode, worker: RefreshWorker<S, Body>) -> Working
    where
        S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Send + 'static,
        B: Send + 'static,
    {
        let (stop, stopped) = oneshot::channel();
        let read = {
            let worker = worker.clone();
            Box::new(move || worker.stats())
        };
        let running = tokio::spawn(worker.run_until(async {
            // Dropped, it stops as well.
            let _ = stopped.await;
        }));
        settle().await;
        Working {
            node,
            stop,
            running,
            read,
        }
    }

    async fn pass(&self, span: std::time::Duration) {
        // No more than a second at a time, as a clock does.
        let mut left = span;
        while !left.is_zero() {
            let step = left.min(secs(1));
            self.clock.advance(step);
            settle().await;
            left -= step;
        }
    }
}

/// A worker that runs.
struct Working {
    node: FarNode,
    stop: oneshot::Sender<()>,
    running: JoinHandle<WorkerStats>,
    read: Box<dyn Fn() -> WorkerStats + Send>,
}

impl Working {
    fn stats(&self) -> WorkerStats {
        (self.read)()
    }
}

fn minute(house: &House) -> CacheLayer {
    let layer = house.layer().max_age(secs(60));
    layer.stale_while_revalidate(secs(120))
}

/// The service of one process, with an origin that the others have no part in.
fn service(house: &House, reply: Reply) -> (CacheService<Origin>, Origin) {
    let origin = Origin::always(reply);
    (minute(house).layer(origin.clone()), origin)
}

/// A web process that keeps `web` under `/a`, which is stale now, and a worker whose handler says `worker`.
struct Stale {
    world: World,
    cache: HttpCache,
    web: CacheService<Origin>,
    here: Origin,
    there: Origin,
    working: Working,
}

impl Stale {
    async fn new() -> Self {
        Self::with(reply(200).text("worker")).await
    }

    async fn with(of_worker: Reply) -> Self {
        let world = World::new();
        let house = world.house();
        let (web, here) = service(&house, reply(200).text("web"));
        assert_eq!(ask(&web, get("/a")).await.text(), "web");
        // It would leave refreshes to others, too, if it ever left any.
        let (worked, there) = service(&world.house(), of_worker);
        let working = world.work(worked).await;
        world.pass(secs(60)).await;
        Self {
            world,
            cache: house.cache,
            web,
            here,
            there,
            working,
        }
    }

    /// Somebody asks, and what that sets off happens.
    async fn ask(&self) -> Answer {
        let answer = ask(&self.web, get("/a")).await;
        settle().await;
        answer
    }

    fn calls(&self) -> (usize, usize) {
        (self.here.calls(), self.there.calls())
    }
}
