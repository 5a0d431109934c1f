use std::convert::Infallible;
use std::future::ready;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CACHE_CONTROL, COOKIE, HOST, HeaderValue, PROXY_AUTHORIZATION};
use http::{Method, Request, Response};
use http_body_util::{Empty, Full};
use tokio::runtime::Builder;
use tokio::sync::Notify;
use tower::{Layer as _, Service, ServiceExt as _, service_fn};
use tower_swr::{
    CacheBody, HttpCache, HttpCacheBuilder, MemorySettings, RefreshWorker, WorkerStats,
};
use tower_swr_core::testing::{FarServer, ManualClock};
use tower_swr_core::{Digest, Enqueued, FarError, FarFuture, RemoteJob, RemoteRefreshes, TakenJob};

/// What a worker has done that was handed `job`.
///
/// # Panics
///
/// Where the handler is told a secret or another method than GET.
pub fn work_off(job: RemoteJob) -> WorkerStats {
    on_a_runtime(async {
        let clock = ManualClock::default();
        let service = service(process(&clock));
        let queue = Queue::with(job);
        let done = Arc::clone(&queue.done);
        let worker = RefreshWorker::new(queue, service).clock(clock);
        worker.run_until(async move { done.notified().await }).await
    })
}

/// A job as a process leaves it to workers whose answer is stale.
///
/// # Panics
///
/// Where it leaves none.
pub fn left() -> RemoteJob {
    let queue = Queue::default();
    let offered = Arc::clone(&queue.offered);
    on_a_runtime(async {
        let clock = ManualClock::default();
        let service = service(process(&clock).remote_refreshes(queue));
        for _ in 0..2 {
            let mut request = Request::new(Empty::<Bytes>::new());
            *request.uri_mut() = "/a?b=1".parse().expect("a path");
            let host = HeaderValue::from_static("example.com");
            request.headers_mut().insert(HOST, host);
            let Ok(_) = service.clone().oneshot(request).await;
            for _ in 0..50 {
                tokio::task::yield_now().await;
            }
            clock.advance(Duration::from_secs(61));
        }
    });
    let mut offered = offered.lock().expect("nobody panics with it");
    offered.take().expect("a stale answer is left to a worker")
}

fn on_a_runtime<T>(work: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread().build();
    let runtime = runtime.expect("a runtime without drivers needs nothing");
    runtime.block_on(work)
}

fn process(clock: &ManualClock) -> HttpCacheBuilder {
    HttpCache::builder(MemorySettings::new(1 << 20))
        .far(FarServer::new(clock.clone()).node())
        .clock(clock.clone())
}

fn service(
    process: HttpCacheBuilder,
) -> impl Service<
    Request<Empty<Bytes>>,
    Response = Response<CacheBody<Full<Bytes>>>,
    Error = Infallible,
    Future: Send,
> + Clone
+ Send {
    let handler = service_fn(|request: Request<Empty<Bytes>>| async move {
        assert_eq!(request.method(), Method::GET);
        for secret in [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION] {
            assert!(!request.headers().contains_key(secret), "{request:?}");
        }
        let mut response = Response::new(Full::from("an answer"));
        let lifetime = HeaderValue::from_static("max-age=60, stale-while-revalidate=60");
        response.headers_mut().insert(CACHE_CONTROL, lifetime);
        Ok::<_, Infallible>(response)
    });
    let layer = process.build().layer("fuzz").no_vary_search();
    layer.layer(handler)
}

/// A queue that hands out one job, and keeps the last that it is offered.
#[derive(Debug, Default)]
struct Queue {
    job: Mutex<Option<RemoteJob>>,
    offered: Arc<Mutex<Option<RemoteJob>>>,
    done: Arc<Notify>,
}

impl Queue {
    fn with(job: RemoteJob) -> Self {
        Self {
            job: Mutex::new(Some(job)),
            ..Self::default()
        }
    }

    fn give_back(&self) -> FarFuture<'_, Result<(), FarError>> {
        self.done.notify_one();
        Box::pin(ready(Ok(())))
    }
}

impl RemoteRefreshes for Queue {
    fn attend(&self) -> FarFuture<'_, Result<(), FarError>> {
        Box::pin(ready(Ok(())))
    }

    fn enqueue(&self, job: RemoteJob) -> FarFuture<'_, Result<Enqueued, FarError>> {
        *self.offered.lock().expect("nobody panics with it") = Some(job);
        Box::pin(ready(Ok(Enqueued::Queued)))
    }

    fn take(&self, _: usize) -> FarFuture<'_, Result<Vec<TakenJob>, FarError>> {
        let job = self.job.lock().expect("nobody panics with it").take();
        Box::pin(async {
            // A worker asks on until it is told to stop.
            tokio::task::yield_now().await;
            let taken = job.into_iter().map(|RemoteJob { key, payload }| TakenJob {
                key,
                payload,
                attempt: 1,
                receipt: Bytes::new(),
            });
            Ok(taken.collect())
        })
    }

    fn done(&self, _: TakenJob) -> FarFuture<'_, Result<(), FarError>> {
        self.give_back()
    }

    fn decline(&self, _: TakenJob) -> FarFuture<'_, Result<(), FarError>> {
        self.give_back()
    }

    fn retry(&self, _: TakenJob, _: Duration) -> FarFuture<'_, Result<(), FarError>> {
        self.give_back()
    }
}

/// A job of whatever bytes.
pub fn job_of(payload: &[u8]) -> RemoteJob {
    RemoteJob {
        key: Digest::of(payload),
        payload: Bytes::copy_from_slice(payload),
    }
}
