//! Several processes behind one far side: the handler is called once for all, and what changes in one is seen by all.

use http::{Method, Uri};
use tower::{Layer as _, Service};
use tower_swr::{CacheLayer, CachePolicy, CacheService, HttpCache, MemorySettings, Reach};
use tower_swr_core::testing::{FarFault, FarNode, FarServer, ManualClock, RecordingObserver};

use crate::house::{
    Answer, House, Origin, Reply, With as _, answers, ask, count, get, head, millis, open, reply,
    secs, settle, stage, start, start_all,
};

/// What several processes have in common.
struct World {
    clock: ManualClock,
    server: FarServer,
}

impl World {
    fn new() -> Self {
        let clock = ManualClock::default();
        let server = FarServer::new(clock.clone());
        Self { clock, server }
    }

    fn process(&self) -> (House, FarNode) {
        let (node, heard) = (self.server.node(), RecordingObserver::default());
        let builder = HttpCache::builder(MemorySettings::new(8 << 20)).far(node.clone());
        let builder = builder.clock(self.clock.clone()).observer(heard.clone());
        let house = House {
            cache: builder.build(),
            clock: self.clock.clone(),
            heard,
        };
        (house, node)
    }

    fn house(&self) -> House {
        self.process().0
    }

    async fn pass(&self, span: std::time::Duration) {
        self.clock.advance(span);
        settle().await;
    }
}

fn minute(house: &House) -> CacheLayer {
    let layer = house.layer().max_age(secs(60));
    layer.stale_while_revalidate(secs(120))
}

/// The service of one process, with an origin that the other has no part in.
fn service(house: &House, reply: Reply) -> (CacheService<Origin>, Origin) {
    let origin = Origin::always(reply);
    (minute(house).layer(origin.clone()), origin)
}

fn post(path: &str) -> http::Request<axum::body::Body> {
    let mut request = get(path);
    *request.method_mut() = Method::POST;
    request
}

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
async fn variants_are_found_and_told_apart() {
    let world = World::new();
    let (one, other) = (world.house(), world.house());
    let telling = || {
        Origin::new(|call| {
            let language = call.parts.headers["accept-language"]
                .to_str()
                .expect("text")
                .to_owned();
            let reply = reply(200).with("vary", "accept-language").text(language);
            Ok(reply.to_response(call.number))
        })
    };
    let (origin, elsewhere) = (telling(), telling());
    let (here, there) = (
        minute(&one).layer(origin.clone()),
        minute(&other).layer(elsewhere.clone()),
    );
    let in_language = |language: &str| get("/a").with("accept-language", language);
    for language in ["de", "fr"] {
        assert_eq!(ask(&here, in_language(language)).await.text(), language);
        settle().await;
    }
    for language in ["de", "fr"] {
        let found = ask(&there, in_language(language)).await;
        assert_eq!((found.x_cache(), found.text()), ("HIT", language));
    }
    assert_eq!(elsewhere.calls(), 0);
    let asking = ["de", "it", "fr"].map(in_language);
    let third = world.house();
    let third = minute(&third).layer(elsewhere.clone());
    let all = answers(start_all(&third, asking).await).await;
    assert_eq!(
        all.iter().map(Answer::text).collect::<Vec<_>>(),
        ["de", "it", "fr"]
    );
    assert_eq!(elsewhere.calls(), 1, "for the one that nobody has");
}

#[tokio::test]
async fn what_may_not_be_shared_is_passed_at_once_elsewhere() {
    let world = World::new();
    let (one, other) = (world.house(), world.house());
    let (here, _) = service(&one, reply(200).with("cache-control", "private"));
    let (there, origin) = service(&other, reply(200).with("cache-control", "private"));
    assert_eq!(ask(&here, get("/a")).await.x_cache(), "PASS");
    settle().await;
    origin.hold();
    let asking = start_all(&there, (0..10).map(|_| get("/a"))).await;
    assert_eq!(origin.most_at_once(), 10, "nobody waits for anybody");
    origin.release();
    assert_eq!(count(&answers(asking).await, "PASS"), 10);
}

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
async fn every_purge_reaches_the_other_process() {
    type Purge = fn(&HttpCache) -> tower_swr::Purged;
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
async fn a_confirmed_answer_is_confirmed_elsewhere() {
    let world = World::new();
    let (one, other) = (world.house(), world.house());
    let said = |text: &str| reply(200).with("etag", "\"x\"").text(text);
    let (here, _) = service(&one, said("one"));
    let confirming = Origin::script([reply(304).with("etag", "\"x\"").text("")]);
    let there = minute(&other).layer(confirming.clone());
    ask(&here, get("/a")).await;
    settle().await;
    assert_eq!(ask(&there, get("/a")).await.text(), "one");
    world.pass(secs(180)).await;
    let confirmed = ask(&there, get("/a")).await;
    assert_eq!(
        (confirmed.x_cache(), confirmed.text()),
        ("REVALIDATED", "one")
    );
    assert_eq!(confirming.seen()[0].fields["if-none-match"], "\"x\"");
    settle().await;
    let found = ask(&here, get("/a")).await;
    assert_eq!(
        (found.x_cache(), found.text(), found.field("age")),
        ("HIT", "one", "0")
    );
}

#[tokio::test]
async fn a_handlers_own_word_travels_with_its_answer() {
    let world = World::new();
    let (one, other) = (world.house(), world.house());
    let origin = Origin::new(|call| {
        let mut response = reply(404).to_response(call.number);
        let policy = CachePolicy::new().max_age(secs(5)).tag("missing");
        response.extensions_mut().insert(policy);
        Ok(response)
    });
    let (here, there) = (
        minute(&one).layer(origin.clone()),
        minute(&other).layer(origin.clone()),
    );
    ask(&here, get("/a")).await;
    settle().await;
    let found = ask(&there, get("/a")).await;
    assert_eq!((found.x_cache(), found.status.as_u16()), ("HIT", 404));
    one.cache.purge_tag("missing");
    settle().await;
    assert_eq!(ask(&there, get("/a")).await.x_cache(), "MISS");
    assert_eq!(origin.calls(), 2);
}

#[tokio::test]
async fn conditions_ranges_and_heads_are_answered_from_what_is_found() {
    let world = World::new();
    let (one, other) = (world.house(), world.house());
    let said = reply(200).with("etag", "\"x\"").text("0123456789");
    let (here, _) = service(&one, said.clone());
    ask(&here, get("/a")).await;
    settle().await;
    for (request, status, body) in [
        (get("/a").with("if-none-match", "\"x\""), 304, ""),
        (get("/a").with("range", "bytes=2-4"), 206, "234"),
        (get("/a"), 200, "0123456789"),
    ] {
        let fresh = world.house();
        let (there, origin) = service(&fresh, said.clone());
        let found = ask(&there, request).await;
        assert_eq!((found.status.as_u16(), found.text()), (status, body));
        assert_eq!((found.x_cache(), origin.calls()), ("HIT", 0));
    }
    let (there, origin) = service(&other, said);
    ask(&there, get("/a")).await;
    let found = ask(&there, head("/a")).await;
    assert_eq!(
        (found.x_cache(), found.field("content-length")),
        ("HIT", "10")
    );
    assert_eq!(origin.calls(), 0);
}

#[tokio::test]
async fn a_stream_is_found_once_it_is_whole() {
    let world = World::new();
    let (one, other) = (world.house(), world.house());
    let mut live = stage(reply(200), |_| minute(&one));
    let (there, origin) = service(&other, reply(200).text("other"));
    let response = open(&live.service, get("/")).await;
    let asking = start(&there, get("/")).await;
    settle().await;
    assert_eq!(origin.calls(), 0, "it waits for the whole");
    let pipe = &mut live.pipes[0];
    pipe.send("to the ");
    pipe.send("end");
    pipe.end();
    assert_eq!(Answer::read(response).await.text(), "to the end");
    settle().await;
    let found = answers(vec![asking]).await.remove(0);
    assert_eq!((found.x_cache(), found.text()), ("COLLAPSED", "to the end"));
    assert_eq!(origin.calls(), 0);
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
    settle().await;
    assert_eq!(origin.calls(), 3, "it waits for the budget");
    world.pass(budget).await;
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
