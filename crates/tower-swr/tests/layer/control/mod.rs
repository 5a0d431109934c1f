//! Purges, the switch for the bad night, and draining.

mod changes;
mod purges;

use crate::house::{
    House, Origin, With as _, answers, ask, get, reply, secs, settle, start, start_all,
};
use axum::body::Body;
use http::header::HOST;
use http::{Request, Uri};
use tower::Layer as _;
use tower_swr::{CacheService, Mode};

fn standing() -> (House, Origin, CacheService<Origin>) {
    let (house, origin) = (House::new(), Origin::always(reply(200)));
    let service = house.layer().layer(origin.clone());
    (house, origin, service)
}

fn uri(text: &str) -> Uri {
    text.parse().expect("a URI")
}

fn on(host: &str, path: &str) -> Request<Body> {
    let mut request = get(path);
    request.headers_mut().remove(HOST);
    request.with("host", host)
}

#[tokio::test]
async fn switched_off_it_is_as_if_it_were_not_there() {
    let (house, origin, service) = standing();
    ask(&service, get("/")).await;
    house.cache.mode(Mode::Off);
    origin.hold();
    let asking = start_all(
        &service,
        (0..3).map(|_| get("/").with("range", "bytes=0-1")),
    )
    .await;
    assert_eq!(origin.calls(), 4, "nothing is shared");
    assert!(
        origin.seen()[3].fields.contains_key("range"),
        "the request is left as it is"
    );
    origin.release();
    for answer in answers(asking).await {
        assert_eq!(
            answer.field("cache-status"),
            "tower-swr; fwd=bypass; detail=off"
        );
    }
    house.cache.mode(Mode::Normal);
    assert_eq!(ask(&service, get("/")).await.text(), "call 0");
}

#[tokio::test]
async fn serving_stale_asks_the_origin_only_for_what_is_not_there() {
    let (house, origin, service) = standing();
    ask(&service, get("/")).await;
    house.cache.mode(Mode::ServeStale);
    for (seconds, detail) in [(61, "stale-while-revalidate"), (86_400, "serve-stale")] {
        house.pass(secs(seconds)).await;
        let answer = ask(&service, get("/")).await;
        assert_eq!((answer.x_cache(), answer.text()), ("STALE", "call 0"));
        assert!(
            answer
                .field("cache-status")
                .ends_with(&format!("detail={detail}")),
            "{answer:?}"
        );
        settle().await;
    }
    assert_eq!(origin.calls(), 1);
    assert_eq!(ask(&service, get("/new")).await.x_cache(), "MISS");
}

#[tokio::test]
async fn a_scope_is_switched_by_itself_until_it_follows_the_whole_again() {
    let (house, _origin, service) = standing();
    let other = house.cache.layer("t").layer(Origin::always(reply(200)));
    assert!(house.cache.scope_mode("s", Some(Mode::Off)));
    assert_eq!(ask(&service, get("/")).await.x_cache(), "BYPASS");
    assert_eq!(ask(&other, get("/")).await.x_cache(), "MISS");
    house.cache.mode(Mode::Off);
    assert!(house.cache.scope_mode("s", Some(Mode::Normal)));
    assert_eq!(ask(&service, get("/")).await.x_cache(), "MISS");
    assert_eq!(ask(&other, get("/")).await.x_cache(), "BYPASS");
    assert!(house.cache.scope_mode("s", None));
    assert_eq!(ask(&service, get("/")).await.x_cache(), "BYPASS");
    assert!(!house.cache.scope_mode("nobody", Some(Mode::Off)));
}

#[tokio::test]
async fn a_scope_that_is_as_configured_coalesces_and_refreshes_while_the_whole_serves_stale() {
    let (house, origin, service) = standing();
    ask(&service, get("/")).await;
    house.cache.mode(Mode::ServeStale);
    house.cache.scope_mode("s", Some(Mode::Normal));
    house.pass(secs(61)).await;
    assert_eq!(ask(&service, get("/")).await.x_cache(), "STALE");
    settle().await;
    assert_eq!(origin.calls(), 2, "a refresh");
    house.pass(secs(1000)).await;
    origin.hold();
    let asking = start_all(&service, (0..10).map(|_| get("/"))).await;
    assert_eq!(origin.calls(), 3, "one call for all");
    origin.release();
    assert!(
        answers(asking)
            .await
            .iter()
            .all(|answer| answer.text() == "call 2")
    );
}

#[tokio::test]
async fn a_scope_that_serves_stale_by_itself_refreshes_nothing() {
    let (house, origin, service) = standing();
    ask(&service, get("/")).await;
    house.pass(secs(61)).await;
    house.cache.scope_mode("s", Some(Mode::ServeStale));
    assert_eq!(ask(&service, get("/")).await.x_cache(), "STALE");
    house.pass(secs(1000)).await;
    assert_eq!(
        (ask(&service, get("/")).await.x_cache(), origin.calls()),
        ("STALE", 1)
    );
}

#[tokio::test]
async fn draining_waits_for_calls_and_begins_no_refresh() {
    let (house, origin, service) = standing();
    ask(&service, get("/stale")).await;
    house.pass(secs(61)).await;
    origin.hold();
    let asking = start(&service, get("/")).await;
    settle().await;
    let drained = house.cache.drain(secs(10));
    let (left, answer) = futures_util::future::join(drained, async {
        settle().await;
        assert_eq!(ask(&service, get("/stale")).await.x_cache(), "STALE");
        settle().await;
        assert_eq!(origin.calls(), 2, "no refresh");
        origin.release();
        asking.await.expect("an answer")
    })
    .await;
    assert_eq!((left, answer.x_cache()), (0, "MISS"));
}

#[tokio::test]
async fn draining_gives_up_at_its_deadline() {
    let (house, origin, service) = standing();
    origin.hold();
    let _asking = start_all(&service, [get("/a"), get("/b")]).await;
    let drained = house.cache.drain(secs(10));
    let (left, ()) = futures_util::future::join(drained, async {
        settle().await;
        house.pass(secs(10)).await;
    })
    .await;
    assert_eq!(left, 2);
}
