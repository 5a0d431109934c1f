//! Purges by tag, and soft ones.

use crate::house::{
    House, Origin, Reply, answers, ask, get, reply, secs, settle, start, start_all,
};
use http::Uri;
use tower::Layer as _;
use tower_swr::Purged;

fn tagged(field: &str, names: &str) -> Reply {
    reply(200).with(field, names)
}

#[tokio::test]
async fn a_tag_finds_its_answers_in_all_scopes_and_variants() {
    let house = House::new();
    for (field, names) in [
        ("surrogate-key", "front product-7"),
        ("cache-tag", "front, product-7"),
        ("cache-groups", "\"front\", \"product-7\""),
    ] {
        let origin = Origin::always(tagged(field, names).with("vary", "accept"));
        let [one, other] =
            ["one", "other"].map(|scope| house.cache.layer(scope).layer(origin.clone()));
        for service in [&one, &other] {
            ask(service, get("/")).await;
            assert_eq!(ask(service, get("/")).await.x_cache(), "HIT");
        }
        house.cache.purge_tag("product-8");
        assert_eq!(ask(&one, get("/")).await.x_cache(), "HIT");
        house.cache.purge_tag("product-7");
        for service in [&one, &other] {
            assert_eq!(ask(service, get("/")).await.x_cache(), "MISS", "{field}");
        }
        house.cache.purge_all();
    }
}

#[tokio::test]
async fn who_asks_after_a_purge_by_tag_gets_no_answer_from_before() {
    let house = House::new();
    let origin = Origin::always(tagged("cache-tag", "a"));
    let service = house.layer().layer(origin.clone());
    origin.hold();
    let early = start_all(&service, [get("/"), get("/")]).await;
    house.cache.purge_tag("a");
    let late = start_all(&service, [get("/"), get("/")]).await;
    origin.release();
    for answer in answers(early).await {
        assert_eq!(answer.text(), "call 0");
    }
    for answer in answers(late).await {
        assert_eq!(answer.text(), "call 1");
    }
    assert_eq!(ask(&service, get("/")).await.text(), "call 1");
    assert_eq!(house.cache.stats().stampede_violations, 0);
}

#[tokio::test]
async fn an_answer_with_more_tags_than_are_kept_is_not_kept() {
    let house = House::new();
    let names: Vec<String> = (0..1025).map(|name| name.to_string()).collect();
    let service = house
        .layer()
        .layer(Origin::always(tagged("cache-tag", &names.join(","))));
    ask(&service, get("/")).await;
    assert_eq!(ask(&service, get("/")).await.x_cache(), "MISS");
}

#[tokio::test]
async fn a_304_keeps_the_tags_that_it_does_not_change() {
    let house = House::new();
    let origin = Origin::script([
        tagged("cache-tag", "a").with("etag", "\"1\""),
        reply(304).with("etag", "\"1\""),
        reply(200),
    ]);
    let service = house.layer().layer(origin);
    ask(&service, get("/")).await;
    house.pass(secs(180)).await;
    assert_eq!(ask(&service, get("/")).await.x_cache(), "REVALIDATED");
    house.cache.purge_tag("a");
    assert_eq!(ask(&service, get("/")).await.x_cache(), "MISS");
}

#[tokio::test]
async fn what_is_purged_softly_is_served_at_once_and_renewed() {
    type Purge = fn(&House) -> Purged;
    let purges: [(&str, Purge); 4] = [
        ("uri", |house| {
            house.cache.soft_purge("s", &Uri::from_static("/"))
        }),
        ("tag", |house| house.cache.soft_purge_tag("a")),
        ("scope", |house| house.cache.soft_purge_scope("s")),
        ("all", |house| house.cache.soft_purge_all()),
    ];
    for (how, purge) in purges {
        for vary in ["", "accept"] {
            let house = House::new();
            let reply = tagged("cache-tag", "a").with("vary", vary);
            let origin = Origin::always(reply);
            let service = house.layer().layer(origin.clone());
            ask(&service, get("/")).await;
            purge(&house);
            let stale = ask(&service, get("/")).await;
            assert_eq!(
                (stale.x_cache(), stale.text()),
                ("STALE", "call 0"),
                "by {how}"
            );
            assert!(
                stale
                    .field("cache-status")
                    .contains("stale-while-revalidate")
            );
            settle().await;
            let renewed = ask(&service, get("/")).await;
            assert_eq!(
                (renewed.x_cache(), renewed.text()),
                ("HIT", "call 1"),
                "by {how}"
            );
            assert_eq!(origin.calls(), 2);
        }
    }
}

#[tokio::test]
async fn a_soft_purge_of_what_may_not_be_stale_asks_whether_it_has_changed() {
    let house = House::new();
    let origin = Origin::script([
        reply(200)
            .with("cache-control", "max-age=60, must-revalidate")
            .with("etag", "\"1\""),
        reply(304).with("etag", "\"1\""),
    ]);
    let service = house.layer().layer(origin.clone());
    ask(&service, get("/")).await;
    house.cache.soft_purge("s", &Uri::from_static("/"));
    let answer = ask(&service, get("/")).await;
    assert_eq!((answer.x_cache(), answer.text()), ("REVALIDATED", "call 0"));
    assert_eq!(origin.seen()[1].fields["if-none-match"], "\"1\"");
    assert_eq!(ask(&service, get("/")).await.x_cache(), "HIT");
}

#[tokio::test]
async fn after_a_purge_of_everything_handlers_are_called_a_few_at_a_time() {
    let memory = tower_swr::MemorySettings::new(8 << 20);
    let clock = tower_swr_core::testing::ManualClock::default();
    let cache = tower_swr::HttpCache::builder(memory)
        .clock(clock)
        .refills(3)
        .build();
    let origin = Origin::always(reply(200));
    let service = cache.layer("s").layer(origin.clone());
    let paths: Vec<String> = (0..40).map(|page| format!("/{page}")).collect();
    for path in &paths {
        ask(&service, get(path)).await;
    }
    cache.purge_all();
    origin.hold();
    let asking = start_all(&service, paths.iter().map(|path| get(path))).await;
    assert_eq!(origin.calls(), 43);
    origin.release();
    for answer in answers(asking).await {
        assert_eq!(answer.status, 200);
    }
    assert_eq!(origin.calls(), 80);
    assert!(origin.most_at_once() <= 3);
    let free = start(&service, get("/another")).await;
    assert_eq!(free.await.expect("an answer").x_cache(), "MISS");
}

#[tokio::test]
async fn nobody_joins_a_call_that_began_before_a_soft_purge() {
    let house = House::new();
    let strict = reply(200).with("cache-control", "max-age=60, must-revalidate");
    let origin = Origin::always(strict);
    let service = house.layer().layer(origin.clone());
    origin.hold();
    let early = start(&service, get("/")).await;
    house.cache.soft_purge("s", &Uri::from_static("/"));
    let late = start(&service, get("/")).await;
    settle().await;
    origin.release();
    assert_eq!(early.await.expect("an answer").text(), "call 0");
    assert_eq!(late.await.expect("an answer").text(), "call 1");
    assert_eq!(house.cache.stats().stampede_violations, 0);
}

#[tokio::test]
async fn a_call_that_needs_another_answer_of_the_cache_does_not_wait_for_its_own_turn() {
    let cache = tower_swr::HttpCache::builder(tower_swr::MemorySettings::new(8 << 20))
        .clock(tower_swr_core::testing::ManualClock::default())
        .refills(1)
        .build();
    let inner = cache.layer("inner").layer(Origin::always(reply(200)));
    let outer = cache.layer("outer").layer(inner);
    for path in ["/a", "/b"] {
        ask(&outer, get(path)).await;
    }
    cache.purge_all();
    let asking = start_all(&outer, [get("/a"), get("/b")]).await;
    for answer in answers(asking).await {
        assert_eq!(answer.status, 200);
    }
}
