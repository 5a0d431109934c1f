//! The layer on an axum route, in process: what each kind of answer looks like.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use axum::routing::get;
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;
use tower_swr::{HttpCache, MemorySettings};
use tower_swr_core::testing::ManualClock;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn request(path: &str) -> Request<Body> {
    Request::get(path)
        .header("host", "example.com")
        .body(Body::empty())
        .expect("a request")
}

fn field<'r, B>(response: &'r Response<B>, name: &str) -> &'r str {
    let value = response.headers().get(name);
    value.map_or("", |value| value.to_str().expect("text"))
}

struct House {
    app: Router,
    cache: HttpCache,
    clock: ManualClock,
    calls: Arc<AtomicUsize>,
}

fn house() -> House {
    let clock = ManualClock::default();
    let cache = HttpCache::builder(MemorySettings::new(1 << 20))
        .clock(clock.clone())
        .build();
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let handler =
        move || async move { format!("answer {}", counted.fetch_add(1, Ordering::SeqCst)) };
    let app = Router::new().route(
        "/report",
        get(handler).layer(cache.layer("report").max_age(secs(60))),
    );
    House {
        app,
        cache,
        clock,
        calls,
    }
}

async fn text<B: http_body::Body>(response: Response<B>) -> String
where
    B::Error: std::fmt::Debug,
{
    let body = response
        .into_body()
        .collect()
        .await
        .expect("a body")
        .to_bytes();
    String::from_utf8(body.to_vec()).expect("text")
}

#[tokio::test]
async fn a_miss_a_hit_a_stale_hit_and_a_refresh() {
    let house = house();
    let miss = house
        .app
        .clone()
        .oneshot(request("/report"))
        .await
        .expect("infallible");
    assert_eq!(miss.status(), StatusCode::OK);
    assert_eq!(field(&miss, "x-cache"), "MISS");
    assert_eq!(
        field(&miss, "cache-status"),
        "tower-swr; fwd=uri-miss; fwd-status=200; stored; ttl=60"
    );
    assert_eq!(
        field(&miss, "cache-control"),
        "max-age=60, stale-while-revalidate=120"
    );
    assert_eq!(field(&miss, "date"), "Thu, 01 Jan 2026 00:00:00 GMT");
    assert!(field(&miss, "x-cache-key").starts_with("report:"));
    assert_eq!(text(miss).await, "answer 0");

    house.clock.advance(secs(59));
    let hit = house
        .app
        .clone()
        .oneshot(request("/report"))
        .await
        .expect("infallible");
    assert_eq!(field(&hit, "x-cache"), "HIT");
    assert_eq!(field(&hit, "age"), "59");
    assert_eq!(field(&hit, "cache-status"), "tower-swr; hit; ttl=1");
    assert_eq!(text(hit).await, "answer 0");

    house.clock.advance(secs(1));
    let stale = house
        .app
        .clone()
        .oneshot(request("/report"))
        .await
        .expect("infallible");
    assert_eq!(field(&stale, "x-cache"), "STALE");
    assert_eq!(
        field(&stale, "cache-status"),
        "tower-swr; hit; ttl=0; detail=stale-while-revalidate"
    );
    assert_eq!(text(stale).await, "answer 0");
    while house.calls.load(Ordering::SeqCst) < 2 {
        tokio::task::yield_now().await;
    }
    tokio::task::yield_now().await;
    let hit = house
        .app
        .clone()
        .oneshot(request("/report"))
        .await
        .expect("infallible");
    assert_eq!((field(&hit, "x-cache"), field(&hit, "age")), ("HIT", "0"));
    assert_eq!(text(hit).await, "answer 1");
    let stats = house.cache.stats();
    assert_eq!(
        (stats.requests, stats.hits, stats.stale, stats.misses),
        (4, 2, 1, 1)
    );
    assert_eq!((stats.origin_calls, stats.stampede_violations), (2, 0));
}

#[tokio::test]
async fn a_cookie_bypasses_loudly() {
    let house = house();
    let mut asked = request("/report");
    asked
        .headers_mut()
        .insert("cookie", "session=1".parse().expect("a value"));
    let response = house.app.clone().oneshot(asked).await.expect("infallible");
    assert_eq!(field(&response, "x-cache"), "BYPASS");
    assert_eq!(
        field(&response, "cache-status"),
        "tower-swr; fwd=bypass; detail=cookie"
    );
    assert_eq!(field(&response, "cache-control"), "");
}
