//! What a client costs that waits for somebody else's call of the handler.
//!
//! Counted is what is asked of the allocator while all wait, less what was asked before: requested sizes, without what
//! the allocator adds. In it are, for each waiter, the request (ten fields: a table of two pieces), the answer's
//! future with all it points to, its timer, and its share of the tables that hold wakers and tasks. Not in it: the
//! client's socket, its buffers, and the state of HTTP, which there are none of here.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use axum::routing::get;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use http_body_util::Full;
use tokio::runtime::Builder;
use tokio::sync::Notify;
use tokio::task::{JoinSet, yield_now};
use tower::{Layer as _, Service, service_fn};
use tower_swr::{CacheLayer, HttpCache};

use crate::live_bytes;
use crate::support::message::{KIB, body, sent, usual_request};
use crate::support::report::Report;

const WAITERS: usize = 10_000;

/// Where all meet: the clients before they ask, the handler before it answers.
#[derive(Default)]
struct Meeting {
    begin: Notify,
    waiting: AtomicUsize,
    answer: Notify,
}

pub(crate) fn run(report: &mut Report) {
    let runtime = Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime");
    let connected = runtime.block_on(on_connections(hyper));
    let spawned = runtime.block_on(in_tasks(hyper));
    let gathered = runtime.block_on(in_one_task(hyper));
    let routed = runtime.block_on(in_tasks(axum));
    for (what, bytes) in [
        ("on a connection's task that was there before", connected),
        ("in a task of its own, the task included", spawned),
        ("in a FuturesUnordered, its node included", gathered),
        ("in a task of its own, behind axum's router", routed),
    ] {
        println!("{what:<46} {bytes:>6.0} bytes, {:.2} KiB", bytes / 1024.0);
    }
    let what = "10,000 who wait: memory of each, its task included";
    report.at_most(what, spawned / 1024.0, 2.75, " KiB");
}

/// The bytes of each who waits on a task that stood ready, as a connection does that is kept alive.
async fn on_connections<S: Asked>(service: fn(Arc<Meeting>) -> S) -> f64 {
    let meeting = Arc::new(Meeting::default());
    let service = service(Arc::clone(&meeting));
    let mut tasks = JoinSet::new();
    for _ in 0..WAITERS {
        let (meeting, service) = (Arc::clone(&meeting), service.clone());
        tasks.spawn(async move {
            meeting.begin.notified().await;
            ask(service, &meeting).await;
        });
    }
    for _ in 0..WAITERS {
        yield_now().await;
    }
    let before = live_bytes();
    meeting.begin.notify_waiters();
    let bytes = meeting.bytes_since(before).await;
    tasks.join_all().await;
    bytes
}

async fn in_tasks<S: Asked>(service: fn(Arc<Meeting>) -> S) -> f64 {
    let meeting = Arc::new(Meeting::default());
    let service = service(Arc::clone(&meeting));
    let before = live_bytes();
    let mut tasks = JoinSet::new();
    for _ in 0..WAITERS {
        let (meeting, service) = (Arc::clone(&meeting), service.clone());
        tasks.spawn(async move { ask(service, &meeting).await });
    }
    let bytes = meeting.bytes_since(before).await;
    tasks.join_all().await;
    bytes
}

async fn in_one_task<S: Asked>(service: fn(Arc<Meeting>) -> S) -> f64 {
    let meeting = Arc::new(Meeting::default());
    let service = service(Arc::clone(&meeting));
    let before = live_bytes();
    let asking = (0..WAITERS).map(|_| {
        let (meeting, service) = (Arc::clone(&meeting), service.clone());
        async move { ask(service, &meeting).await }
    });
    let mut asking: FuturesUnordered<_> = asking.collect();
    let counting = meeting.bytes_since(before);
    let answering = async { while asking.next().await.is_some() {} };
    let (bytes, ()) = futures_util::join!(counting, answering);
    bytes
}

impl Meeting {
    /// The bytes for each, once all wait; then lets them have their answer.
    async fn bytes_since(&self, before: usize) -> f64 {
        while self.waiting.load(Ordering::Relaxed) < WAITERS {
            yield_now().await;
        }
        let bytes = live_bytes().saturating_sub(before);
        self.answer.notify_one();
        bytes as f64 / WAITERS as f64
    }

    async fn handle(&self) -> Response<Full<bytes::Bytes>> {
        self.answer.notified().await;
        Response::new(Full::new(body(KIB)))
    }
}

/// A service that waiters ask.
trait Asked:
    Service<Request<Body>, Error = Infallible, Future: Send, Response: Send> + Clone + Send + 'static
{
}

impl<S> Asked for S where
    S: Service<Request<Body>, Error = Infallible, Future: Send, Response: Send>
        + Clone
        + Send
        + 'static
{
}

/// The layer as it is around a service of hyper's.
fn hyper(meeting: Arc<Meeting>) -> impl Asked {
    layer().layer(service_fn(move |_: Request<Body>| {
        let meeting = Arc::clone(&meeting);
        async move { Ok(meeting.handle().await) }
    }))
}

fn axum(meeting: Arc<Meeting>) -> impl Asked {
    let handler = get(move || async move { meeting.handle().await });
    let router = Router::new().route("/report/{region}", handler.layer(layer()));
    // As a server does: until then axum makes its routes anew for every request.
    router.with_state(())
}

fn layer() -> CacheLayer {
    HttpCache::in_memory(64 << 20).layer("report")
}

async fn ask<S: Asked>(mut service: S, meeting: &Meeting) {
    let Ok(()) = poll_fn(|cx| service.poll_ready(cx)).await;
    let mut answering = pin!(service.call(sent(usual_request())));
    match futures_util::poll!(answering.as_mut()) {
        Poll::Ready(answer) => drop(answer),
        Poll::Pending => {
            meeting.waiting.fetch_add(1, Ordering::Relaxed);
            drop(answering.await);
        }
    }
}
