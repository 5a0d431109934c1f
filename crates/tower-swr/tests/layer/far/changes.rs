//! What changes in one process is seen by all.

use super::{World, minute, post, service};
use crate::house::{Origin, ask, get, reply, secs, settle};
use http::Uri;
use tower::Layer as _;
use tower_swr::{HttpCache, Purged, Reach};

type Purge = fn(&HttpCache) -> Purged;

#[tokio::test]
async fn an_unsafe_request_here_is_seen_by_the_next_request_there() {
    let world = World::new();
    let (one, other) = (world.house(), world.house());
    let (here, _) = service(&one, reply(200).text("one"));
    let (there, origin) = service(&other, reply(200).text("other"));
    ask(&here, get("/a")).await;
    settle().await;
    assert_eq!(ask(&there, get("/a")).await.text(), "one");
    assert_eq!(ask(&here, post("/a")).await.x_cache(), "BYPASS");
    // It has been recorded when it is answered; that the log is read is a matter of the follower's turn.
    tokio::task::yield_now().await;
    let next = ask(&there, get("/a")).await;
    assert_eq!((next.x_cache(), next.text()), ("MISS", "other"));
    assert_eq!(origin.calls(), 1);
    settle().await;
    let here_too = ask(&here, get("/a")).await;
    assert_eq!((here_too.x_cache(), here_too.text()), ("HIT", "other"));
}

#[tokio::test]
async fn every_soft_purge_has_the_other_process_renew_what_it_serves() {
    let purges: [Purge; 4] = [
        |cache| cache.soft_purge("s", &Uri::from_static("/a")),
        |cache| cache.soft_purge_scope("s"),
        |cache| cache.soft_purge_tag("x"),
        HttpCache::soft_purge_all,
    ];
    for purge in purges {
        let world = World::new();
        let (one, other) = (world.house(), world.house());
        let (here, _) = service(&one, reply(200).with("cache-tag", "x").text("one"));
        let (there, origin) = service(&other, reply(200).with("cache-tag", "x").text("other"));
        ask(&here, get("/a")).await;
        settle().await;
        assert_eq!(ask(&there, get("/a")).await.text(), "one");
        assert_eq!(purge(&one.cache).await, Reach::Done);
        world.pass(secs(1)).await;
        let stale = ask(&there, get("/a")).await;
        assert_eq!((stale.x_cache(), stale.text()), ("STALE", "one"));
        settle().await;
        let renewed = ask(&there, get("/a")).await;
        assert_eq!((renewed.x_cache(), renewed.text()), ("HIT", "other"));
        assert_eq!(origin.calls(), 1);
    }
}

#[tokio::test]
async fn every_purge_reaches_the_other_process() {
    let purges: [Purge; 4] = [
        |cache| cache.purge("s", &Uri::from_static("/a")),
        |cache| cache.purge_scope("s"),
        |cache| cache.purge_tag("x"),
        HttpCache::purge_all,
    ];
    for purge in purges {
        let world = World::new();
        let (one, other) = (world.house(), world.house());
        let (here, _) = service(&one, reply(200).with("cache-tag", "x").text("one"));
        let (there, _) = service(&other, reply(200).with("cache-tag", "x").text("other"));
        ask(&here, get("/a")).await;
        settle().await;
        assert_eq!(ask(&there, get("/a")).await.text(), "one");
        assert_eq!(purge(&one.cache).await, Reach::Done);
        settle().await;
        assert_eq!(ask(&there, get("/a")).await.text(), "other");
    }
}

#[tokio::test]
async fn what_is_purged_while_another_process_is_waited_for_is_no_ground_for_a_condition() {
    let world = World::new();
    let (one, other, third) = (world.house(), world.house(), world.house());
    let (here, first) = service(&one, reply(200).with("etag", "\"x\"").text("one"));
    let origin = Origin::new(|call| {
        let is_conditional = call.parts.headers.contains_key("if-none-match");
        let reply = reply(if is_conditional { 304 } else { 200 });
        let reply = reply
            .with("etag", "\"x\"")
            .text(["other", ""][usize::from(is_conditional)]);
        Ok(reply.to_response(call.number))
    });
    let there = minute(&other).layer(origin.clone());
    ask(&here, get("/a")).await;
    settle().await;
    assert_eq!(ask(&there, get("/a")).await.text(), "one");
    world.pass(secs(61)).await;
    first.hold();
    assert_eq!(ask(&here, get("/a")).await.x_cache(), "STALE");
    settle().await;
    assert_eq!(ask(&there, get("/a")).await.x_cache(), "STALE");
    settle().await;
    assert_eq!(
        (first.calls(), origin.calls()),
        (2, 0),
        "there waits for here"
    );
    assert_eq!(
        third.cache.purge("s", &Uri::from_static("/a")).await,
        Reach::Done
    );
    world.pass(secs(1)).await;
    assert_eq!(ask(&there, get("/a")).await.text(), "other");
    assert_eq!(origin.calls(), 1);
}
