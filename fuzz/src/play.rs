use std::cell::RefCell;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use tokio::runtime::{Builder, Runtime};
use tower::{Layer as _, Service, ServiceExt as _, service_fn};
use tower_swr::{CacheLayer, HttpCache, MemorySettings};
use tower_swr_core::testing::ManualClock;

use crate::{Input, check};

/// The body of every answer.
pub const BODY: &str = "0123456789";

/// What a client was told.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The fields.
    pub fields: HeaderMap,
    /// The body, or nothing where it broke.
    pub body: Option<Bytes>,
}

impl Answer {
    /// The number of the origin's call that this comes from.
    pub fn call(&self) -> Option<usize> {
        let number = self.fields.get("x-call")?.to_str().ok()?;
        number.parse().ok()
    }
}

/// The layers that are asked.
pub type Layers = &'static [fn(CacheLayer) -> CacheLayer];

thread_local! {
    static RUNTIME: RefCell<Runtime> = RefCell::new(
        Builder::new_current_thread().build().expect("a runtime without drivers needs nothing"),
    );
}

/// Asks each of `layers` with all requests of `input`, a second apart, each by two clients at the same time, and checks
/// every answer. `make` is what the origin makes of a request but for the fields of `input`.
pub fn play(input: &Input, layers: Layers, uris: &[Uri], make: fn(&Uri, &HeaderMap) -> String) {
    for layer in layers {
        RUNTIME.with_borrow(|runtime| runtime.block_on(before(layer, input, uris, make)));
    }
}

async fn before(
    layer: &fn(CacheLayer) -> CacheLayer,
    input: &Input,
    uris: &[Uri],
    make: fn(&Uri, &HeaderMap) -> String,
) {
    let clock = ManualClock::default();
    let cache = HttpCache::builder(MemorySettings::new(1 << 20))
        .clock(clock.clone())
        .build();
    let (calls, fields) = (Arc::new(AtomicUsize::new(0)), input.answer.clone());
    let origin = service_fn(move |request: Request<Full<Bytes>>| {
        let number = calls.fetch_add(1, Ordering::SeqCst);
        let mut response = Response::new(Full::from(make(request.uri(), request.headers())));
        *response.headers_mut() = fields.clone();
        response.headers_mut().insert("x-call", number.into());
        async move {
            // A handler that never waits would hide what runs beside it.
            tokio::task::yield_now().await;
            Ok::<_, Infallible>(response)
        }
    });
    let service = layer(cache.layer("fuzz")).layer(origin);
    let mut answers = Vec::new();
    for (place, fields) in input.requests.iter().chain(&input.requests).enumerate() {
        let uri = &uris[place % uris.len()];
        let ask = || ask(service.clone(), uri, fields);
        let (first, second) = join(ask(), ask()).await;
        for answer in [first, second] {
            check(&answer, &make(uri, fields));
            answers.push(answer);
        }
        clock.advance(Duration::from_secs(1));
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }
    check::alone(input, &answers);
}

async fn ask<S, B>(service: S, uri: &Uri, fields: &HeaderMap) -> Answer
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = Infallible>,
    B: http_body::Body<Data = Bytes>,
{
    let mut request = Request::new(Full::default());
    (*request.uri_mut(), *request.method_mut()) = (uri.clone(), Method::GET);
    *request.headers_mut() = fields.clone();
    let Ok(response) = service.oneshot(request).await;
    let (parts, body) = response.into_parts();
    let body = body.collect().await.ok().map(|whole| whole.to_bytes());
    Answer {
        status: parts.status,
        fields: parts.headers,
        body,
    }
}
