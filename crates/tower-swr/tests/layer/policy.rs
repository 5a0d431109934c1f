//! What a handler says to this cache alone.

use std::time::Duration;

use crate::house::{House, Origin, Reply, answers, ask, get, reply, secs, start_all};
use tower::Layer as _;
use tower_swr::{CacheLayer, CachePolicy, CacheService};

/// An origin that always answers so, and has said `policy`.
fn saying(reply: Reply, policy: CachePolicy) -> Origin {
    Origin::new(move |call| {
        let mut response = reply.to_response(call.number);
        response.extensions_mut().insert(policy.clone());
        Ok(response)
    })
}

fn layered(house: &House, reply: Reply, policy: CachePolicy) -> CacheService<Origin> {
    house.layer().layer(saying(reply, policy))
}

/// What is said at each of these ages, in seconds.
async fn words(
    reply: Reply,
    policy: CachePolicy,
    layer: impl FnOnce(&House) -> CacheLayer,
    ages: &[u64],
) -> Vec<String> {
    let house = House::new();
    let service = layer(&house).layer(saying(reply, policy));
    let (mut words, mut age) = (Vec::new(), 0);
    ask(&service, get("/")).await;
    house.cache.drain(Duration::ZERO).await;
    for next in ages {
        house.pass(secs(next - age)).await;
        age = *next;
        words.push(ask(&service, get("/")).await.x_cache().to_owned());
    }
    words
}

#[tokio::test]
async fn its_lifetimes_go_before_the_layers_and_before_cache_control() {
    let policy = CachePolicy::new()
        .max_age(secs(5))
        .stale_while_revalidate(secs(5));
    for line in ["", "max-age=500", "s-maxage=1"] {
        let reply = reply(200).with("cache-control", line);
        let words = words(reply, policy.clone(), House::layer, &[4, 5, 9, 10]).await;
        assert_eq!(words, ["HIT", "STALE", "STALE", "MISS"], "{line:?}");
    }
    let overriding = |house: &House| house.layer().override_origin();
    let words = words(reply(200), policy, overriding, &[4, 5, 10]).await;
    assert_eq!(words, ["HIT", "STALE", "MISS"]);
}

#[tokio::test]
async fn an_answer_of_any_status_is_kept_as_long_as_it_says() {
    for status in [404, 302, 401, 500, 503] {
        let policy = CachePolicy::new().max_age(secs(5));
        let words = words(reply(status), policy, House::layer, &[4, 5]).await;
        assert_eq!(words[0], "HIT", "{status}");
        assert_ne!(words[1], "HIT", "{status}");
    }
}

#[tokio::test]
async fn no_prohibition_is_lifted() {
    for (name, value) in [
        ("cache-control", "private"),
        ("cache-control", "no-store"),
        ("set-cookie", "a=1"),
        ("vary", "*"),
    ] {
        let house = House::new();
        let policy = CachePolicy::new().max_age(secs(60));
        let service = layered(&house, reply(200).with(name, value), policy);
        ask(&service, get("/")).await;
        assert_eq!(
            ask(&service, get("/")).await.x_cache(),
            "PASS",
            "{name}: {value}"
        );
    }
    let policy = CachePolicy::new()
        .max_age(secs(5))
        .stale_while_revalidate(secs(60));
    let strict = reply(200).with("cache-control", "must-revalidate");
    let words = words(strict, policy, House::layer, &[4, 5]).await;
    assert_eq!(words, ["HIT", "MISS"]);
}

#[tokio::test]
async fn clients_are_told_of_a_lifetime_that_the_fields_do_not_state() {
    let house = House::new();
    let policy = CachePolicy::new().max_age(secs(5)).stale_if_error(secs(9));
    let service = layered(&house, reply(200), policy.clone());
    let answer = ask(&service, get("/")).await;
    assert_eq!(answer.field("cache-control"), "max-age=5, stale-if-error=9");

    let house = House::new();
    let stated = reply(200).with("cache-control", "max-age=1");
    let service = layered(&house, stated, policy);
    assert_eq!(
        ask(&service, get("/")).await.lines("cache-control"),
        ["max-age=1"]
    );
}

#[tokio::test]
async fn an_answer_that_is_for_nobody_else_is_passed_and_that_is_remembered() {
    let house = House::new();
    let origin = saying(reply(200), CachePolicy::new().pass());
    let service = house.layer().layer(origin.clone());
    let first = ask(&service, get("/")).await;
    assert_eq!(first.x_cache(), "PASS");
    assert!(first.field("cache-status").contains("detail=policy"));
    origin.hold();
    let asking = start_all(&service, (0..5).map(|_| get("/"))).await;
    assert_eq!(origin.calls(), 6, "nobody waits for another");
    origin.release();
    assert_eq!(answers(asking).await.len(), 5);
}

#[tokio::test]
async fn its_tags_are_purged_and_outlive_a_304() {
    let house = House::new();
    let origin = Origin::new(|call| {
        let is_asked = call.parts.headers.contains_key("if-none-match");
        let said = reply(if is_asked { 304 } else { 200 }).with("etag", "\"1\"");
        let mut response = said.to_response(call.number);
        if !is_asked {
            let policy = CachePolicy::new().max_age(secs(5)).tag("a").tag("b");
            response.extensions_mut().insert(policy);
        }
        Ok(response)
    });
    let service = house.layer().layer(origin);
    ask(&service, get("/")).await;
    house.pass(secs(5)).await;
    assert_eq!(ask(&service, get("/")).await.x_cache(), "REVALIDATED");
    house.pass(secs(4)).await;
    assert_eq!(ask(&service, get("/")).await.x_cache(), "HIT");
    house.cache.purge_tag("b");
    let purged = ask(&service, get("/")).await;
    assert_eq!((purged.x_cache(), purged.text()), ("MISS", "call 2"));
}

#[tokio::test]
async fn clients_are_not_told_of_two_lifetimes() {
    let house = House::new();
    let policy = CachePolicy::new().stale_while_revalidate(secs(30));
    let said = reply(200)
        .with("cdn-cache-control", "public")
        .with("cache-control", "max-age=0");
    let layer = house
        .layer()
        .targeted_fields([http::HeaderName::from_static("cdn-cache-control")]);
    let service = layer.layer(saying(said, policy));
    let first = ask(&service, get("/")).await;
    assert_eq!(first.lines("cache-control"), ["max-age=0"]);
    assert_eq!(ask(&service, get("/")).await.x_cache(), "HIT");
}

#[tokio::test]
async fn its_windows_go_before_those_of_a_layer_that_overrides() {
    let policy = CachePolicy::new().stale_while_revalidate(secs(300));
    let layer = |house: &House| house.layer().max_age(secs(10)).override_origin();
    let words = words(reply(200), policy, layer, &[9, 10, 309, 310]).await;
    assert_eq!(words, ["HIT", "STALE", "STALE", "MISS"]);
}

#[tokio::test]
async fn its_tags_count_for_the_memory_that_they_take() {
    let bytes = async |policy: CachePolicy| {
        let house = House::new();
        ask(&layered(&house, reply(200), policy), get("/")).await;
        house.cache.stats().bytes
    };
    let plain = bytes(CachePolicy::new()).await;
    let tagged = bytes((0..100).fold(CachePolicy::new(), |policy, tag| {
        policy.tag(format!("{tag:0>100}"))
    }))
    .await;
    assert!(tagged >= plain + 100 * 100, "{plain} and {tagged}");
}
