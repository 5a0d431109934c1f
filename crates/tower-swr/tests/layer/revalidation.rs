//! The origin is asked whether what is kept is still good, where it gave a validator (RFC 9111 section 4.3).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, Response, StatusCode};
use axum::response::IntoResponse as _;
use axum::routing::get;
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;
use tower_swr::{HttpCache, MemorySettings};
use tower_swr_core::testing::ManualClock;

struct House {
    app: Router,
    clock: ManualClock,
    /// How often the whole answer was made.
    made: Arc<AtomicUsize>,
}

/// A handler that knows conditions: version `"1"`, and what `confirm` says where it is asked about that.
fn house(confirm: &'static [(&'static str, &'static str)]) -> House {
    let clock = ManualClock::default();
    let cache = HttpCache::builder(MemorySettings::new(1 << 20))
        .clock(clock.clone())
        .build();
    let made = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&made);
    let handler = move |asked: HeaderMap| async move {
        if asked.get("if-none-match").is_some_and(|tag| tag == "\"1\"") {
            let mut response = StatusCode::NOT_MODIFIED.into_response();
            for (name, value) in confirm {
                response
                    .headers_mut()
                    .append(*name, value.parse().expect("a value"));
            }
            return response;
        }
        let number = counted.fetch_add(1, Ordering::SeqCst);
        (
            [("etag", "\"1\""), ("x-kind", "whole")],
            format!("answer {number}"),
        )
            .into_response()
    };
    let layer = cache.layer("report").stale_while_revalidate(Duration::ZERO);
    House {
        app: Router::new().route("/", get(handler).layer(layer)),
        clock,
        made,
    }
}

impl House {
    async fn ask(&self) -> Response<axum::body::Body> {
        let request = Request::get("/").body(Body::empty()).expect("a request");
        self.app.clone().oneshot(request).await.expect("infallible")
    }

    async fn expire(&self) {
        self.clock.advance(Duration::from_secs(60));
    }
}

fn field<'r>(response: &'r Response<Body>, name: &str) -> &'r str {
    let value = response.headers().get(name);
    value.map_or("", |value| value.to_str().expect("text"))
}

async fn text(response: Response<Body>) -> String {
    let body = response
        .into_body()
        .collect()
        .await
        .expect("a body")
        .to_bytes();
    String::from_utf8(body.to_vec()).expect("text")
}

#[tokio::test]
async fn a_304_freshens_what_is_kept_and_keeps_its_body() {
    let house = house(&[("etag", "\"1\""), ("x-kind", "confirmed")]);
    assert_eq!(field(&house.ask().await, "x-cache"), "MISS");
    house.expire().await;

    let confirmed = house.ask().await;
    assert_eq!(confirmed.status(), StatusCode::OK);
    assert_eq!(field(&confirmed, "x-cache"), "REVALIDATED");
    assert_eq!(
        field(&confirmed, "cache-status"),
        "tower-swr; fwd=stale; fwd-status=304; stored; ttl=60"
    );
    assert_eq!(field(&confirmed, "x-kind"), "confirmed");
    assert_eq!(field(&confirmed, "cache-control"), "max-age=60");
    assert_eq!(text(confirmed).await, "answer 0");

    let hit = house.ask().await;
    assert_eq!((field(&hit, "x-cache"), field(&hit, "age")), ("HIT", "0"));
    house.expire().await;
    assert_eq!(
        field(&house.ask().await, "x-cache"),
        "REVALIDATED",
        "again and again"
    );
    assert_eq!(house.made.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_304_about_another_answer_drops_what_is_kept() {
    let house = house(&[("etag", "\"2\"")]);
    house.ask().await;
    house.expire().await;
    let confirmed = house.ask().await;
    assert_eq!(
        field(&confirmed, "cache-status"),
        "tower-swr; fwd=stale; fwd-status=304; detail=etag"
    );
    assert_eq!(field(&confirmed, "x-cache"), "PASS");
    assert_eq!(field(&confirmed, "etag"), "\"1\"");
    assert_eq!(
        text(confirmed).await,
        "answer 0",
        "its own client has asked"
    );
    let fresh = house.ask().await;
    assert_eq!(field(&fresh, "x-cache"), "MISS");
    assert_eq!(text(fresh).await, "answer 1");
}

#[tokio::test]
async fn a_304_that_forbids_sharing_drops_what_is_kept() {
    let house = house(&[("cache-control", "private")]);
    house.ask().await;
    house.expire().await;
    let confirmed = house.ask().await;
    assert_eq!(
        (
            field(&confirmed, "x-cache"),
            field(&confirmed, "cache-control")
        ),
        ("PASS", "private")
    );
    assert_eq!(
        text(confirmed).await,
        "answer 0",
        "its own client has asked"
    );
    let own = house.ask().await;
    assert_eq!(field(&own, "x-cache"), "PASS");
    assert_eq!(text(own).await, "answer 1");
}

#[tokio::test]
async fn a_304_is_dated_when_it_came() {
    let house = house(&[]);
    let first = house.ask().await;
    assert_eq!(field(&first, "date"), "Thu, 01 Jan 2026 00:00:00 GMT");
    house.expire().await;
    for word in ["REVALIDATED", "HIT"] {
        let answer = house.ask().await;
        assert_eq!(field(&answer, "x-cache"), word);
        // With the old date a client would take it for a minute older than its `Age` says.
        assert_eq!(field(&answer, "date"), "Thu, 01 Jan 2026 00:01:00 GMT");
    }
}
