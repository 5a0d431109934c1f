//! What the handler sees of the request that fills the cache, and what a client gets who asked for less than the whole.

use crate::house::{House, Origin, With as _, ask, get, head};
use tower::Layer as _;
use tower_swr::CacheService;

fn house() -> (House, Origin, CacheService<Origin>) {
    let origin = Origin::telling();
    let house = House::new();
    let service = house.layer().layer(origin.clone());
    (house, origin, service)
}

#[tokio::test]
async fn fields_that_rewrite_a_request_are_not_seen_by_the_handler() {
    let (_house, origin, service) = house();
    let plain = ask(&service, get("/")).await;
    for (name, value) in [
        ("x-original-url", "/admin"),
        ("x-rewrite-url", "/admin"),
        ("x-http-method-override", "DELETE"),
        ("forwarded", "host=evil.example"),
        ("connection", "x-forwarded-host, host, accept"),
        ("proxy-authorization", "Basic x"),
    ] {
        let (_, other_origin, other) = self::house();
        let first = ask(&other, get("/").with(name, value)).await;
        assert_eq!(first.text(), plain.text(), "{name} reached the handler");
        let answer = ask(&service, get("/").with(name, value)).await;
        assert_eq!(
            (answer.x_cache(), answer.text()),
            ("HIT", plain.text()),
            "{name}"
        );
        assert_eq!(other_origin.calls(), 1);
    }
    assert_eq!(origin.calls(), 1);
}

#[tokio::test]
async fn a_client_cannot_take_a_keyed_field_away_from_the_handler() {
    let request = || {
        let forwarded = get("/").with("x-forwarded-host", "tenant.example");
        forwarded.with("connection", "x-forwarded-host, host, cookie")
    };
    let (_house, _origin, service) = house();
    let answer = ask(&service, request()).await;
    assert!(
        answer.text().contains("x-forwarded-host=tenant.example"),
        "{}",
        answer.text()
    );
    assert!(
        answer.text().contains("host=example.com"),
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn the_handler_is_asked_for_the_whole_without_conditions() {
    for (name, value) in [
        ("range", "bytes=0-1"),
        ("if-range", "\"a\""),
        ("if-none-match", "\"a\""),
        ("if-match", "\"a\""),
        ("if-modified-since", "Thu, 01 Jan 2026 00:00:00 GMT"),
        ("if-unmodified-since", "Thu, 01 Jan 2026 00:00:00 GMT"),
    ] {
        let (_house, origin, service) = house();
        ask(&service, get("/").with(name, value)).await;
        assert!(!origin.seen()[0].fields.contains_key(name), "{name}");
        let whole = ask(&service, get("/")).await;
        assert_eq!(
            (whole.x_cache(), whole.text()),
            ("HIT", "GET / host=example.com")
        );
    }
}

#[tokio::test]
async fn head_and_get_share_what_get_left() {
    let (_house, origin, service) = house();
    let whole = ask(&service, get("/")).await;
    let answer = ask(&service, head("/")).await;
    assert_eq!(
        (answer.x_cache(), answer.text(), origin.calls()),
        ("HIT", "", 1)
    );
    assert_eq!(
        answer.field("content-length"),
        whole.text().len().to_string()
    );
}
