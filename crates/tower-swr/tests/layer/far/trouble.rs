//! What the far side cannot help with.

use super::{World, minute, post, service};
use crate::house::{
    Origin, answers, ask, count, get, millis, reply, secs, settle, start, start_all,
};
use tower::{Layer as _, Service};
use tower_swr::{HttpCache, MemorySettings};
use tower_swr_core::testing::FarFault;

#[tokio::test]
async fn without_the_far_side_clients_see_nothing_of_it() {
    let world = World::new();
    let (house, node) = world.process();
    let (service, origin) = service(&house, reply(200));
    let budget = millis(50);
    node.suffer(FarFault::Unavailable);
    origin.hold();
    let asking = start_all(&service, (0..100).map(|_| get("/a"))).await;
    origin.release();
    let all = answers(asking).await;
    assert_eq!((count(&all, "MISS"), count(&all, "COLLAPSED")), (1, 99));
    assert_eq!(ask(&service, post("/a")).await.x_cache(), "BYPASS");
    assert_eq!(ask(&service, get("/a")).await.x_cache(), "MISS");
    node.suffer(FarFault::Silent(budget));
    let asking = start(&service, get("/b")).await;
    for _ in 0..2 {
        settle().await;
        assert_eq!(origin.calls(), 3, "one step may be late");
        world.pass(budget).await;
    }
    assert_eq!(answers(vec![asking]).await[0].x_cache(), "MISS");
    assert!(!house.cache.far_health().expect("there is one").is_up());
    node.recover();
    settle().await;
    assert_eq!(ask(&service, get("/c")).await.x_cache(), "MISS");
    assert_eq!(house.cache.stats().stampede_violations, 0);
}

#[tokio::test]
async fn an_error_of_the_handler_is_the_leaders_own() {
    let world = World::new();
    let (one, other) = (world.house(), world.house());
    let origin = Origin::new(|_| Err("refused".into()));
    let mut here = minute(&one).layer(origin);
    let failed = here.call(get("/a")).await;
    assert!(failed.is_err_and(|error| error.to_string() == "refused"));
    settle().await;
    let (there, _) = service(&other, reply(200).text("other"));
    assert_eq!(ask(&there, get("/a")).await.text(), "other");
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_called_for_in_each_process() {
    let world = World::new();
    let node = world.server.node();
    let builder = HttpCache::builder(MemorySettings::new(8 << 20)).far(node);
    let cache = builder.far_limit(1000).clock(world.clock.clone()).build();
    let large = reply(200).text("x".repeat(1000));
    let origin = Origin::always(large.clone());
    let here = cache.layer("s").max_age(secs(60)).layer(origin);
    assert_eq!(ask(&here, get("/a")).await.x_cache(), "MISS");
    settle().await;
    assert_eq!(ask(&here, get("/a")).await.x_cache(), "HIT");
    let other = world.house();
    let (there, _) = service(&other, large);
    assert_eq!(ask(&there, get("/a")).await.x_cache(), "MISS");
}
