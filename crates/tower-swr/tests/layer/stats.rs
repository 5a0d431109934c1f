//! What is counted: every request once, under what its client was told.

use crate::house::{House, Origin, With as _, ask, every_word, get, head, pipe, reply};
use axum::body::Body;
use http::{Method, Request};
use tower::{Layer as _, ServiceExt as _};
use tower_swr::Mode;

#[tokio::test]
async fn each_request_counts_once() {
    let house = House::new();
    every_word(&house, None).await;
    let stats = house.cache.stats();
    let counted = (
        stats.misses,
        stats.collapsed,
        stats.hits,
        stats.stale,
        stats.passed,
    );
    assert_eq!(counted, (2, 1, 1, 1, 1));
    assert_eq!((stats.bypassed, stats.errors), (1, 2), "{stats:?}");
    assert_eq!((stats.requests, stats.origin_calls), (9, 7), "{stats:?}");
    assert_eq!(stats.scopes["s"].bypass_reasons, [("cookie", 1)].into());
    assert_eq!(
        (stats.stampede_violations, stats.flights, stats.entries),
        (0, 0, 2)
    );
    assert_eq!(stats.evictions, 0, "a refresh takes nobody's room");
}

#[tokio::test]
async fn what_a_service_returns_as_its_error_counts_wherever_it_happens() {
    let failing = Origin::new(|_| Err("as it should".into()));
    let house = House::new();
    let service = house.layer().layer(failing);
    let requests: [Request<Body>; 3] = [get("/"), head("/"), get("/").with("cookie", "a=1")];
    for request in requests {
        assert!(service.clone().oneshot(request).await.is_err());
    }
    let stats = house.cache.stats();
    assert_eq!((stats.requests, stats.errors, stats.bypassed), (3, 2, 1));
}

#[tokio::test]
async fn bypasses_are_counted_by_their_reason() {
    let house = House::new();
    let service = house.layer().layer(Origin::always(reply(200)));
    let mut post = get("/");
    *post.method_mut() = Method::POST;
    let (_open, body) = pipe();
    let mut fat = get("/").map(|_| body);
    *fat.version_mut() = http::Version::HTTP_2;
    let twice = get("/").with("host", "other.example");
    let fields = [
        ("cookie", "a=1"),
        ("authorization", "x"),
        ("upgrade", "h2c"),
    ];
    let with = fields.map(|(name, value)| get("/").with(name, value));
    for request in with.into_iter().chain([post, fat, twice]) {
        assert_eq!(ask(&service, request).await.x_cache(), "BYPASS");
    }
    house.cache.mode(Mode::Off);
    assert_eq!(
        ask(&service, get("/")).await.field("cache-status"),
        "tower-swr; fwd=bypass; detail=off"
    );
    let reasons = house.cache.stats().scopes["s"].bypass_reasons.clone();
    let words = [
        "authorization",
        "body",
        "cookie",
        "key",
        "method",
        "off",
        "upgrade",
    ];
    assert_eq!(reasons, words.map(|word| (word, 1)).into());
}
