//! `No-Vary-Search`: one answer for all URIs that differ in nothing that counts.

mod changes;
mod far;
mod flights;
mod oracle;
mod together;

use std::collections::HashSet;

use axum::Router;
use axum::routing::get as route;
use http::Uri;
use tower::Layer as _;
use tower_swr::{CacheLayer, CacheService, RouteConfig};

use crate::house::{House, Origin, Reply, ask, get, reply};

pub(super) const UTM: &str = "params=(\"utm\")";

/// A service whose answers say `line`.
pub(super) fn saying(house: &House, line: &str) -> (CacheService<Origin>, Origin) {
    let origin = Origin::always(reply(200).with("no-vary-search", line));
    (layer(house).layer(origin.clone()), origin)
}

pub(super) fn layer(house: &House) -> CacheLayer {
    house.layer().no_vary_search()
}

pub(super) fn plain() -> Reply {
    reply(200)
}

pub(super) async fn word(service: &CacheService<Origin>, path: &str) -> String {
    ask(service, get(path)).await.x_cache().to_owned()
}

#[tokio::test]
async fn one_answer_serves_all_that_differ_in_nothing_that_counts() {
    let house = House::new();
    let (service, origin) = saying(&house, "key-order, params=(\"utm\")");
    assert_eq!(word(&service, "/a?id=1&utm=x").await, "MISS");
    for path in [
        "/a?id=1&utm=x",
        "/a?id=1&utm=y",
        "/a?utm=z&id=1",
        "/a?id=1",
        "/a?id=%31&&utm",
        "/a?%69d=1&ut%6d=1&utm=2",
    ] {
        let answer = ask(&service, get(path)).await;
        assert_eq!(
            (answer.x_cache(), answer.text()),
            ("HIT", "call 0"),
            "{path}"
        );
        assert_eq!(answer.field("cache-status"), "tower-swr; hit; ttl=60");
        assert_eq!(
            answer.field("no-vary-search"),
            "key-order, params=(\"utm\")"
        );
    }
    for path in [
        "/a?id=2&utm=x",
        "/a?id=1&id=1",
        "/a?id=1&UTM=x",
        "/b?id=1",
        "/a",
    ] {
        assert_eq!(word(&service, path).await, "MISS", "{path}");
    }
    assert_eq!(origin.calls(), 6);
    assert_eq!(
        origin.seen()[0].uri,
        "/a?id=1&utm=x",
        "the handler sees all of it"
    );
}

#[tokio::test]
async fn the_field_says_nothing_where_the_route_does_not_heed_it() {
    let house = House::new();
    let origin = Origin::always(reply(200).with("no-vary-search", UTM));
    let service = house.layer().layer(origin.clone());
    for path in ["/a?utm=1", "/a?utm=2"] {
        let answer = ask(&service, get(path)).await;
        assert_eq!(answer.x_cache(), "MISS");
        assert_eq!(answer.field("no-vary-search"), UTM, "passed on");
    }
}

#[tokio::test]
async fn a_field_that_is_invalid_says_nothing() {
    for line in [
        "params",
        "params, except=(\"id\")",
        "params=(utm)",
        "params=(\"utm\"",
        "key-order=1",
    ] {
        let house = House::new();
        let (service, _) = saying(&house, line);
        assert_eq!(word(&service, "/a?utm=1").await, "MISS", "{line}");
        assert_eq!(word(&service, "/a?utm=2").await, "MISS", "{line}");
        assert_eq!(word(&service, "/a?utm=1").await, "HIT", "{line}");
    }
}

#[tokio::test]
async fn parameters_beyond_number_make_one_entry() {
    let house = House::new();
    let (service, origin) = saying(&house, "except=(\"id\")");
    for number in 0..2000 {
        let junk = format!("/a?r{number}={number}&id=1&utm={}", "x".repeat(number));
        ask(&service, get(&junk)).await;
    }
    assert_eq!((origin.calls(), house.entries()), (1, 1));
}

#[tokio::test]
async fn queries_that_nobody_should_send_are_answered() {
    let house = House::new();
    let (service, origin) = saying(&house, "key-order, params=(\"utm\")");
    ask(&service, get("/a?id=1")).await;
    for query in [
        "%",
        "%%%",
        "%zz=%f",
        "id=%ff%fe",
        "=",
        "&=&=",
        "id=1%00",
        "utm=%",
    ] {
        let path = format!("/a?{query}");
        let first = ask(&service, get(&path)).await;
        assert_eq!(first.status, 200, "{path}");
        assert_eq!(word(&service, &path).await, "HIT", "{path}");
    }
    // Each parameter takes more room in the key than in the URI: what no longer fits has a key of its own.
    let many = format!("/a?{}", "a&".repeat(4000));
    let calls = origin.calls();
    for _ in 0..2 {
        assert_eq!(ask(&service, get(&many)).await.status, 200);
    }
    assert_eq!(origin.calls(), calls + 1);
    let endless = format!("/a?id=1&utm={}", "x".repeat(20_000));
    assert_eq!(word(&service, &endless).await, "BYPASS");
}

#[tokio::test]
async fn one_key_is_told_of_all() {
    let house = House::new();
    let (service, _) = saying(&house, UTM);
    let mut keys = HashSet::new();
    for path in ["/a?utm=1", "/a?utm=2", "/a"] {
        keys.insert(
            ask(&service, get(path))
                .await
                .field("x-cache-key")
                .to_owned(),
        );
    }
    assert_eq!(keys.len(), 1);
}

#[tokio::test]
async fn each_host_is_another() {
    let house = House::new();
    let (service, _) = saying(&house, UTM);
    word(&service, "/a?utm=1").await;
    let mut elsewhere = get("/a?utm=2");
    let host = http::HeaderValue::from_static("example.org");
    elsewhere.headers_mut().insert("host", host);
    assert_eq!(ask(&service, elsewhere).await.x_cache(), "MISS");
}

#[tokio::test]
async fn what_the_route_says_of_the_query_counts_before() {
    let house = House::new();
    let origin = Origin::always(reply(200).with("no-vary-search", "params=(\"lang\")"));
    let service = layer(&house)
        .query_parameters(["id", "lang"])
        .layer(origin.clone());
    assert_eq!(word(&service, "/a?lang=en&id=1&x=1").await, "MISS");
    assert_eq!(word(&service, "/a?id=1&lang=fr&y=1").await, "HIT");
    assert_eq!(word(&service, "/a?id=2").await, "MISS");
    assert_eq!(origin.seen()[0].uri, "/a?id=1&lang=en");
}

#[tokio::test]
async fn behind_a_nested_router_it_is_the_same() {
    let house = House::new();
    let handler = || async { ([("no-vary-search", UTM)], "an article") };
    let nested = Router::new().route("/a", route(handler).layer(layer(&house)));
    let app: Router = Router::new().nest("/tenants/{id}", nested);
    for (path, expected) in [
        ("/tenants/1/a?utm=1", "MISS"),
        ("/tenants/1/a?utm=2", "HIT"),
        ("/tenants/2/a?utm=2", "MISS"),
        ("/tenants/2/a?utm=3", "HIT"),
    ] {
        assert_eq!(ask(&app, get(path)).await.x_cache(), expected, "{path}");
    }
    house
        .cache
        .purge("s", &Uri::from_static("/tenants/1/a?utm=9"));
    assert_eq!(ask(&app, get("/tenants/1/a?utm=2")).await.x_cache(), "MISS");
}

#[tokio::test]
async fn a_file_may_turn_it_on() {
    let mut config = RouteConfig::default();
    config.no_vary_search = Some(true);
    let house = House::new();
    let origin = Origin::always(reply(200).with("no-vary-search", UTM));
    let configured = house
        .layer()
        .configured(&config)
        .expect("the feature is there");
    let service = configured.layer(origin);
    assert_eq!(word(&service, "/a?utm=1").await, "MISS");
    assert_eq!(word(&service, "/a?utm=2").await, "HIT");
}
