//! Unsafe requests drop what they change.

use super::standing;
use crate::house::{House, Origin, ask, get, reply, secs, settle, start};
use tower::Layer as _;
use tower_swr::Mode;

#[tokio::test]
async fn a_change_that_succeeds_drops_what_is_kept_of_its_target() {
    let house = House::new();
    let origin = Origin::new(|call| {
        let failed = call.parts.uri.query() == Some("fail") && call.parts.method != "GET";
        Ok(reply(if failed { 409 } else { 200 }).to_response(call.number))
    });
    let service = house.layer().layer(origin.clone());
    let with = |method: &str, path: &str| {
        let mut request = get(path);
        *request.method_mut() = method.parse().expect("a method");
        request
    };
    for (method, path, after) in [
        ("POST", "/", "MISS"),
        ("PUT", "/", "MISS"),
        ("DELETE", "/", "MISS"),
        ("PURGE", "/", "MISS"),
        ("OPTIONS", "/", "HIT"),
        ("POST", "/other", "HIT"),
        ("POST", "/?other", "HIT"),
    ] {
        ask(&service, get("/")).await;
        assert_eq!(ask(&service, with(method, path)).await.x_cache(), "BYPASS");
        let after_it = ask(&service, get("/")).await;
        assert_eq!(after_it.x_cache(), after, "{method} {path}");
    }
    ask(&service, get("/?fail")).await;
    ask(&service, with("POST", "/?fail")).await;
    assert_eq!(
        ask(&service, get("/?fail")).await.x_cache(),
        "HIT",
        "nothing has changed"
    );
}

#[tokio::test]
async fn a_change_counts_while_the_cache_is_switched_off() {
    let (house, origin, service) = standing();
    ask(&service, get("/")).await;
    house.cache.mode(Mode::Off);
    let mut change = get("/");
    *change.method_mut() = http::Method::POST;
    ask(&service, change).await;
    house.cache.mode(Mode::Normal);
    assert_eq!(ask(&service, get("/")).await.x_cache(), "MISS");
    assert_eq!(origin.calls(), 3);
}

#[tokio::test]
async fn a_change_drops_what_its_answer_names_here() {
    for (location, after) in [
        ("/a", "MISS"),
        ("http://example.com/a", "MISS"),
        ("http://EXAMPLE.com/a#part", "MISS"),
        ("http://example.org/a", "HIT"),
        ("a", "HIT"),
        ("", "HIT"),
    ] {
        for name in ["location", "content-location"] {
            let house = House::new();
            let origin = Origin::always(reply(201).with(name, location));
            let kept = house.layer().layer(Origin::always(reply(200)));
            let service = house.layer().layer(origin);
            ask(&kept, get("/a")).await;
            let mut change = get("/");
            *change.method_mut() = http::Method::POST;
            ask(&service, change).await;
            assert_eq!(
                ask(&kept, get("/a")).await.x_cache(),
                after,
                "{name}: {location}"
            );
        }
    }
}

#[tokio::test]
async fn a_change_whose_client_hangs_up_has_its_target_renewed() {
    let house = House::new();
    let origin = Origin::always(reply(200));
    let layer = house.layer().max_age(secs(60));
    let service = layer
        .stale_while_revalidate(secs(120))
        .layer(origin.clone());
    ask(&service, get("/")).await;
    let mut change = get("/");
    *change.method_mut() = http::Method::POST;
    origin.hold();
    let changing = start(&service, change).await;
    settle().await;
    assert_eq!(origin.calls(), 2);
    changing.abort();
    settle().await;
    assert_eq!(origin.cancelled(), 1);
    origin.release();
    house.clock.advance(secs(1));
    assert_eq!(ask(&service, get("/")).await.x_cache(), "STALE");
    settle().await;
    assert_eq!(ask(&service, get("/")).await.x_cache(), "HIT");
    assert_eq!(origin.calls(), 3);
}
