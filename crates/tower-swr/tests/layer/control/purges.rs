//! Purges of the running cache.

use super::{on, standing, uri};
use crate::house::{House, Origin, answers, ask, get, reply, secs, settle, start, start_all};
use tower::Layer as _;
use tower_swr::{HttpCache, Purged};

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
