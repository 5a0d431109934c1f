//! The services that are compared.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::hash::{BuildHasherDefault, Hasher};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use axum::body::{Body, HttpBody};
use axum::http::header::HOST;
use axum::http::{HeaderMap, Request, Response};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use quick_cache::UnitWeighter;
use quick_cache::sync::{Cache, DefaultLifecycle};
use tower::Service;
use tower_swr_core::{Key, KeyText};

/// An answer that is only to be cloned.
pub(crate) struct Prebuilt {
    fields: HeaderMap,
    body: Bytes,
}

impl Prebuilt {
    /// The very answer that `response` is, values and body shared with it.
    pub(crate) fn of<B: HttpBody<Data = Bytes>>(response: Response<B>) -> Self {
        let (parts, body) = response.into_parts();
        let mut body = pin!(body.collect());
        let Poll::Ready(Ok(body)) = body.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        else {
            panic!("the body of a hit is there at once");
        };
        Self {
            fields: parts.headers,
            body: body.to_bytes(),
        }
    }

    pub(crate) fn fields(&self) -> &HeaderMap {
        &self.fields
    }

    fn response(&self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body.clone()));
        *response.headers_mut() = self.fields.clone();
        response
    }
}

type Answering = Ready<Result<Response<Full<Bytes>>, Infallible>>;

/// The floor: one answer to everything, no look-up.
#[derive(Clone)]
pub(crate) struct Bare(pub(crate) Arc<Prebuilt>);

impl Service<Request<Body>> for Bare {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Answering {
        ready(Ok(self.0.response()))
    }
}

/// A look-up in `quick_cache` by path, query and host, and nothing else: no rule of HTTP, no clock.
#[derive(Clone)]
pub(crate) struct LookedUp(Arc<Cache<Key, Arc<Prebuilt>, UnitWeighter, BuildKeyHasher>>);

impl LookedUp {
    pub(crate) fn new(items: usize) -> Self {
        // Twice the room, since no shard fills exactly.
        Self(Arc::new(Cache::with(
            items,
            2 * items as u64,
            UnitWeighter,
            BuildKeyHasher::default(),
            DefaultLifecycle::default(),
        )))
    }

    pub(crate) fn insert(&self, request: &Request<()>, answer: Arc<Prebuilt>) {
        self.0.insert(key_text(request).key().to_key(), answer);
    }
}

impl Service<Request<Body>> for LookedUp {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Answering {
        let found = self.0.get(&key_text(&request).key());
        ready(Ok(found.expect("every key was inserted").response()))
    }
}

fn key_text<B>(request: &Request<B>) -> KeyText {
    let mut text = KeyText::new("hit");
    text.push(request.uri().path().as_bytes());
    text.push_optional(request.uri().query().map(str::as_bytes));
    let host = request.headers().get(HOST);
    text.push_optional(host.map(|host| host.as_bytes()));
    text
}

/// Keys bring their hash along.
#[derive(Default)]
pub(crate) struct KeyHasher(u64);

type BuildKeyHasher = BuildHasherDefault<KeyHasher>;

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("a key hashes as one number");
    }
}

/// Calls a service that has its answer at once.
pub(crate) fn answer_at_once<S>(service: &mut S, request: Request<Body>) -> S::Response
where
    S: Service<Request<Body>, Error = Infallible>,
{
    let mut cx = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut cx).is_ready(), "it is ready");
    match pin!(service.call(request)).poll(&mut cx) {
        Poll::Ready(Ok(response)) => response,
        Poll::Pending => panic!("it has its answer at once"),
    }
}
