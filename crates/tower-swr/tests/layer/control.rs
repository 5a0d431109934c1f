//! Purges, the switch for the bad night, and draining.

use crate::house::{
    House, Origin, With as _, answers, ask, get, reply, secs, settle, start, start_all,
};
use axum::body::Body;
use http::header::HOST;
use http::{Request, Uri};
use tower::Layer as _;
use tower_swr::{CacheService, HttpCache, Mode, Purged};

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
async fn a_purge_during_a_call_leaves_its_answer_to_those_who_wait_and_to_nobody_else() {
    let purges: [fn(&HttpCache) -> Purged; 3] = [
        |cache| cache.purge("s", &uri("/")),
        |cache| cache.purge_scope("s"),
        HttpCache::purge_all,
    ];
    for purge in purges {
        let (house, origin, service) = standing();
        origin.hold();
        let before = start_all(&service, [get("/"), get("/")]).await;
        purge(&house.cache);
        let after = start_all(&service, [get("/"), get("/")]).await;
        assert_eq!(
            origin.calls(),
            2,
            "nobody joins a call that is older than the purge"
        );
        origin.release();
        let texts: Vec<String> = (answers(before).await.iter())
            .chain(&answers(after).await)
            .map(|answer| answer.text().to_owned())
            .collect();
        assert_eq!(texts, ["call 0", "call 0", "call 1", "call 1"]);
        assert_eq!(ask(&service, get("/")).await.text(), "call 1");
        assert_eq!(
            (origin.calls(), house.cache.stats().stampede_violations),
            (2, 0)
        );
    }
}

#[tokio::test]
async fn what_comes_back_after_a_purge_is_not_kept_and_says_so() {
    let (house, origin, service) = standing();
    origin.hold();
    let before = start(&service, get("/")).await;
    settle().await;
    house.cache.purge("s", &uri("/"));
    origin.release();
    let answer = before.await.expect("an answer");
    assert_eq!(
        answer.field("cache-status"),
        "tower-swr; fwd=uri-miss; fwd-status=200"
    );
    assert_eq!(house.entries(), 0);
    assert_eq!(ask(&service, get("/")).await.x_cache(), "MISS");
}

#[tokio::test]
async fn a_refresh_that_began_before_a_purge_brings_nothing_back() {
    let (house, origin, service) = standing();
    ask(&service, get("/")).await;
    house.pass(secs(61)).await;
    origin.hold();
    assert_eq!(ask(&service, get("/")).await.x_cache(), "STALE");
    settle().await;
    house.cache.purge("s", &uri("/"));
    origin.release();
    settle().await;
    let answer = ask(&service, get("/")).await;
    assert_eq!((answer.x_cache(), answer.text()), ("MISS", "call 2"));
}

/// Which of these are still kept: two hosts' `/a`, with a query, and another path and scope.
async fn kept_after(purge: impl Fn(&HttpCache) -> Purged) -> Vec<&'static str> {
    let (house, origin) = (House::new(), Origin::always(reply(200)));
    let (s, t) = (
        house.layer().layer(origin.clone()),
        house.cache.layer("t").layer(origin),
    );
    let requests = || {
        [
            ("x/a", &s, on("x.example", "/a")),
            ("y/a", &s, on("y.example", "/a")),
            ("x/a?q", &s, on("x.example", "/a?q")),
            ("x/a/b", &s, on("x.example", "/a/b")),
            ("t", &t, on("x.example", "/a")),
        ]
    };
    for (_, service, request) in requests() {
        ask(service, request).await;
    }
    purge(&house.cache);
    let mut kept = Vec::new();
    for (name, service, request) in requests() {
        if ask(service, request).await.x_cache() == "HIT" {
            kept.push(name);
        }
    }
    kept
}

#[tokio::test]
async fn a_purge_takes_what_it_names_and_nothing_else() {
    let path = kept_after(|cache| cache.purge("s", &uri("/a"))).await;
    assert_eq!(path, ["x/a?q", "x/a/b", "t"]);
    let host = kept_after(|cache| cache.purge("s", &uri("https://y.example/a"))).await;
    assert_eq!(host, ["x/a", "x/a?q", "x/a/b", "t"]);
    let query = kept_after(|cache| cache.purge("s", &uri("/a?q"))).await;
    assert_eq!(query, ["x/a", "y/a", "x/a/b", "t"]);
    let other = kept_after(|cache| cache.purge("s", &uri("http://z.example/a"))).await;
    assert_eq!(other.len(), 5);
    let scope = kept_after(|cache| cache.purge_scope("s")).await;
    assert_eq!(scope, ["t"]);
    assert_eq!(kept_after(HttpCache::purge_all).await, [""; 0]);
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
