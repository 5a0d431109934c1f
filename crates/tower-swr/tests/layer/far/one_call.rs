//! One call for all processes.

use super::{World, minute, service};
use crate::house::{Origin, answers, ask, count, get, reply, secs, settle, start, start_all};
use tower::Layer as _;

#[tokio::test]
async fn what_one_process_has_is_a_hit_in_the_other() {
    let world = World::new();
    let ((one, other), text) = ((world.house(), world.house()), reply(200).text("one"));
    let (here, _) = service(&one, text.with("etag", "\"x\"").with("x-own", "a"));
    let (there, origin) = service(&other, reply(200).text("other"));
    let first = ask(&here, get("/a")).await;
    assert_eq!((first.x_cache(), first.text()), ("MISS", "one"));
    settle().await;
    world.pass(secs(20)).await;

    let found = ask(&there, get("/a")).await;
    assert_eq!((found.x_cache(), found.text()), ("HIT", "one"));
    assert_eq!(found.field("age"), "20");
    assert_eq!(found.field("cache-status"), "tower-swr; hit; ttl=40");
    let hit = ask(&there, get("/a")).await;
    for name in [
        "etag",
        "x-own",
        "cache-control",
        "date",
        "x-cache-key",
        "vary",
    ] {
        assert_eq!(found.lines(name), first.lines(name), "{name}");
        assert_eq!(hit.lines(name), first.lines(name), "{name}");
    }
    assert_eq!((hit.x_cache(), hit.text()), ("HIT", "one"));
    assert_eq!(origin.calls(), 0);
    let stats = other.cache.stats();
    assert_eq!((stats.hits, stats.far.hits, stats.misses), (2, 1, 0));
}

#[tokio::test]
async fn a_crowd_at_two_processes_makes_one_call() {
    let world = World::new();
    let (one, other) = (world.house(), world.house());
    let origin = Origin::always(reply(200));
    let (here, there) = (
        minute(&one).layer(origin.clone()),
        minute(&other).layer(origin.clone()),
    );
    origin.hold();
    let near = start_all(&here, (0..100).map(|_| get("/a"))).await;
    let far = start_all(&there, (0..100).map(|_| get("/a"))).await;
    assert_eq!(origin.calls(), 1);
    origin.release();
    settle().await;
    let (near, far) = (answers(near).await, answers(far).await);
    assert_eq!((count(&near, "MISS"), count(&near, "COLLAPSED")), (1, 99));
    assert_eq!(count(&far, "COLLAPSED"), 100);
    assert!(
        near.iter()
            .chain(&far)
            .all(|answer| answer.text() == "call 0")
    );
    assert!(far[0].field("cache-status").contains("collapsed"));
    assert_eq!(origin.calls(), 1);

    world.pass(secs(180)).await;
    let near = start_all(&here, (0..50).map(|_| get("/a"))).await;
    let far = start_all(&there, (0..50).map(|_| get("/a"))).await;
    settle().await;
    let all = [answers(near).await, answers(far).await].concat();
    assert!(all.iter().all(|answer| answer.text() == "call 1"));
    assert_eq!(origin.calls(), 2);
}

#[tokio::test]
async fn what_is_found_stale_is_served_at_once_and_renewed_once() {
    let world = World::new();
    let (one, other) = (world.house(), world.house());
    let (here, _) = service(&one, reply(200).text("one"));
    let (there, origin) = service(&other, reply(200).text("other"));
    ask(&here, get("/a")).await;
    settle().await;
    world.pass(secs(90)).await;
    let found = ask(&there, get("/a")).await;
    assert_eq!((found.x_cache(), found.text()), ("STALE", "one"));
    assert_eq!(found.field("age"), "90");
    settle().await;
    assert_eq!(origin.calls(), 1);
    let renewed = ask(&there, get("/a")).await;
    assert_eq!((renewed.x_cache(), renewed.text()), ("HIT", "other"));
    let stale = ask(&here, get("/a")).await;
    assert_eq!((stale.x_cache(), stale.text()), ("STALE", "one"));
    settle().await;
    assert_eq!(ask(&here, get("/a")).await.text(), "other");
}

#[tokio::test]
async fn a_leader_whose_client_hangs_up_still_calls_for_all() {
    let world = World::new();
    let (one, other) = (world.house(), world.house());
    let (here, origin) = service(&one, reply(200).text("one"));
    let (there, elsewhere) = service(&other, reply(200).text("other"));
    origin.hold();
    let leader = start(&here, get("/a")).await;
    let waiting = start(&there, get("/a")).await;
    settle().await;
    leader.abort();
    settle().await;
    origin.release();
    settle().await;
    let found = answers(vec![waiting]).await.remove(0);
    assert_eq!((found.x_cache(), found.text()), ("COLLAPSED", "one"));
    assert_eq!(elsewhere.calls(), 0);
}
