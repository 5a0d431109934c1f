//! What the tests share: a cache whose clock stands still, requests, and answers read to their end.

#![allow(
    dead_code,
    unused_imports,
    reason = "each test uses what it needs of this"
)]

mod origin;
mod pipe;
mod stage;
mod wire;
mod words;

use std::error::Error;
use std::fmt::Debug;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use tokio::task::JoinHandle;
use tower::{Service, ServiceExt as _};
use tower_swr::{BoxError, CacheLayer, HttpCache, MemorySettings};
use tower_swr_core::Rng;
use tower_swr_core::testing::{ManualClock, RecordingObserver};

pub(crate) use origin::{Call, Origin, Reply, reply};
pub(crate) use pipe::{Pipe, pipe};
pub(crate) use stage::{Live, Stage, is_cut, next, stage};
pub(crate) use wire::{Sent, first_version, second_version, serve};
pub(crate) use words::every_word;

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Every die rolls a half.
#[derive(Debug)]
pub(crate) struct Half;

impl Rng for Half {
    fn roll(&self) -> f64 {
        0.5
    }
}

/// A cache of 8 MiB on a clock that the test moves.
pub(crate) struct House {
    pub(crate) cache: HttpCache,
    pub(crate) clock: ManualClock,
    pub(crate) heard: RecordingObserver,
}

impl House {
    pub(crate) fn new() -> Self {
        Self::with(MemorySettings::new(8 << 20))
    }

    pub(crate) fn with(memory: MemorySettings) -> Self {
        let (clock, heard) = (ManualClock::default(), RecordingObserver::default());
        let builder = HttpCache::builder(memory);
        let builder = builder
            .clock(clock.clone())
            .observer(heard.clone())
            .rng(Half);
        let cache = builder.build();
        Self {
            cache,
            clock,
            heard,
        }
    }

    /// The layer of scope `s`, one minute fresh and two stale as by default.
    pub(crate) fn layer(&self) -> CacheLayer {
        self.cache.layer("s")
    }

    /// Lets `span` pass, and then whatever it set off.
    pub(crate) async fn pass(&self, span: Duration) {
        self.clock.advance(span);
        settle().await;
    }

    pub(crate) fn origin_calls(&self) -> u64 {
        self.cache.stats().origin_calls
    }

    pub(crate) fn entries(&self) -> u64 {
        self.cache.stats().entries
    }
}

/// Keep it while you listen to a trace. Of a span or an event that another test's thread meets first, tracing asks all
/// listeners whether they care, but if there is only one, that thread's own: none.
pub(crate) fn second_listener() -> tracing::Dispatch {
    tracing::Dispatch::new(tracing_subscriber::registry())
}

/// Lets every task run until nothing moves any more.
pub(crate) async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

pub(crate) fn get(path: &str) -> Request<Body> {
    let request = Request::get(path).header("host", "example.com");
    request.body(Body::empty()).expect("a request")
}

pub(crate) fn head(path: &str) -> Request<Body> {
    let mut request = get(path);
    *request.method_mut() = Method::HEAD;
    request
}

/// A request with one more line of a field.
pub(crate) trait With: Sized {
    fn with(self, name: &str, value: impl AsRef<[u8]>) -> Self;
}

impl With for Request<Body> {
    fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
        let value = HeaderValue::from_bytes(value.as_ref()).expect("a value");
        self.headers_mut().append(name, value);
        self
    }
}

/// An answer that was read to its end.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) fields: HeaderMap,
    /// The whole body, or why there is none.
    pub(crate) body: Result<String, String>,
    pub(crate) trailers: Option<HeaderMap>,
    /// What the body said of its length before it was read.
    pub(crate) length: Option<u64>,
}

impl Answer {
    pub(crate) async fn read<B>(response: Response<B>) -> Self
    where
        B: http_body::Body<Data = Bytes>,
        B::Error: Into<BoxError>,
    {
        let (parts, body) = response.into_parts();
        let length = body.size_hint().exact();
        let (body, trailers) = match body.collect().await {
            Ok(whole) => {
                let trailers = whole.trailers().cloned();
                let text = String::from_utf8_lossy(&whole.to_bytes()).into_owned();
                (Ok(text), trailers)
            }
            Err(error) => (Err(error.into().to_string()), None),
        };
        let (status, fields) = (parts.status, parts.headers);
        Self {
            status,
            fields,
            body,
            trailers,
            length,
        }
    }

    /// The first line of a field; empty where there is none.
    pub(crate) fn field(&self, name: &str) -> &str {
        let value = self.fields.get(name);
        value.map_or("", |value| value.to_str().expect("text"))
    }

    pub(crate) fn lines(&self, name: &str) -> Vec<&str> {
        let lines = self.fields.get_all(name).into_iter();
        lines.map(|line| line.to_str().expect("text")).collect()
    }

    pub(crate) fn x_cache(&self) -> &str {
        self.field("x-cache")
    }

    pub(crate) fn text(&self) -> &str {
        self.body.as_ref().expect("a whole body")
    }

    /// Whether it is a problem of ours: RFC 9457, not to be stored, with a time to come again.
    pub(crate) fn is_problem(&self, status: u16) -> bool {
        self.status == status
            && self.x_cache() == "ERROR"
            && self.field("content-type") == "application/problem+json"
            && self.field("cache-control") == "no-store"
            && !self.field("retry-after").is_empty()
    }
}

/// The head of the answer, the body unread.
pub(crate) async fn open<S, B>(service: &S, request: Request<Body>) -> Response<B>
where
    S: Service<Request<Body>, Response = Response<B>> + Clone,
    S::Error: Debug,
{
    let answered = service.clone().oneshot(request).await;
    answered.expect("the service answers")
}

pub(crate) async fn ask<S, B>(service: &S, request: Request<Body>) -> Answer
where
    S: Service<Request<Body>, Response = Response<B>> + Clone,
    S::Error: Debug,
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    Answer::read(open(service, request).await).await
}

/// Asks in a task of its own, which has begun when this returns.
#[allow(
    clippy::disallowed_methods,
    reason = "the tests' clients are tasks of their own"
)]
pub(crate) async fn start<S, B>(service: &S, request: Request<Body>) -> JoinHandle<Answer>
where
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Debug,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let answered = service.clone().oneshot(request);
    let asking =
        tokio::spawn(async { Answer::read(answered.await.expect("the service answers")).await });
    tokio::task::yield_now().await;
    asking
}

/// Asks with all of `requests` at the same time.
pub(crate) async fn start_all<S, B>(
    service: &S,
    requests: impl IntoIterator<Item = Request<Body>>,
) -> Vec<JoinHandle<Answer>>
where
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Debug,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let mut asking = Vec::new();
    for request in requests {
        asking.push(start(service, request).await);
    }
    settle().await;
    asking
}

/// What all of them were answered with.
pub(crate) async fn answers(asking: Vec<JoinHandle<Answer>>) -> Vec<Answer> {
    let answered = futures_util::future::join_all(asking).await;
    let answers = answered.into_iter();
    answers
        .map(|answer| answer.expect("the client's task ends"))
        .collect()
}

/// How many of them say `word` in `X-Cache`.
pub(crate) fn count(answers: &[Answer], word: &str) -> usize {
    answers
        .iter()
        .filter(|answer| answer.x_cache() == word)
        .count()
}
