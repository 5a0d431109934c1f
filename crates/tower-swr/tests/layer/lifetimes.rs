//! How long an answer is served, and what clients are told of it: the handler's word before the layer's.

use crate::house::{Answer, House, Origin, Reply, ask, get, reply, secs, settle};
use tower::Layer as _;
use tower_swr::{CacheLayer, CacheService};

fn said(line: &str) -> Reply {
    reply(200).with("cache-control", line)
}

fn layered(
    reply: Reply,
    layer: impl FnOnce(&House) -> CacheLayer,
) -> (House, CacheService<Origin>) {
    let house = House::new();
    let service = layer(&house).layer(Origin::always(reply));
    (house, service)
}

/// What a client is told at each of these ages, in seconds, by a route that was asked once before.
async fn words(
    reply: Reply,
    layer: impl FnOnce(&House) -> CacheLayer,
    ages: &[u64],
) -> Vec<String> {
    let (house, service) = layered(reply, layer);
    let (mut words, mut age) = (Vec::new(), 0);
    ask(&service, get("/")).await;
    // A refresh would begin the ages anew.
    house.cache.drain(secs(0)).await;
    for next in ages {
        house.pass(secs(next - age)).await;
        age = *next;
        words.push(ask(&service, get("/")).await.x_cache().to_owned());
    }
    words
}

async fn first(reply: Reply, layer: impl FnOnce(&House) -> CacheLayer) -> Answer {
    let (_house, service) = layered(reply, layer);
    ask(&service, get("/")).await
}

#[tokio::test]
async fn a_minute_fresh_and_two_stale_where_nobody_says_more() {
    let words = words(reply(200), House::layer, &[0, 59, 60, 179, 180]).await;
    assert_eq!(words, ["HIT", "HIT", "STALE", "STALE", "MISS"]);
}

#[tokio::test]
async fn what_the_handler_says_goes_before_the_layer() {
    for (line, ages, expected) in [
        ("max-age=5", [4, 5, 6], ["HIT", "MISS", "HIT"]),
        ("max-age=600", [60, 599, 600], ["HIT", "HIT", "MISS"]),
        ("s-maxage=5, max-age=600", [4, 5, 6], ["HIT", "MISS", "HIT"]),
        (
            "max-age=5, stale-while-revalidate=5",
            [5, 9, 10],
            ["STALE", "STALE", "MISS"],
        ),
        (
            "stale-while-revalidate=5",
            [59, 64, 65],
            ["HIT", "STALE", "MISS"],
        ),
        ("must-revalidate", [59, 60, 61], ["HIT", "MISS", "HIT"]),
        (
            "max-age=0, stale-while-revalidate=5",
            [0, 4, 5],
            ["STALE", "STALE", "MISS"],
        ),
    ] {
        assert_eq!(
            words(said(line), House::layer, &ages).await,
            expected,
            "{line}"
        );
    }
    let expires = reply(200)
        .with("date", "Thu, 01 Jan 2026 00:00:00 GMT")
        .with("expires", "Thu, 01 Jan 2026 00:00:05 GMT");
    assert_eq!(words(expires, House::layer, &[4, 5]).await, ["HIT", "MISS"]);
}

#[tokio::test]
async fn a_window_that_is_set_on_the_layer_follows_a_lifetime_of_the_handlers() {
    let layer = |house: &House| house.layer().stale_while_revalidate(secs(5));
    let ages = [9, 10, 14, 15];
    assert_eq!(
        words(said("max-age=10"), layer, &ages).await,
        ["HIT", "STALE", "STALE", "MISS"]
    );
    assert_eq!(words(said("s-maxage=10"), layer, &ages).await[1], "MISS");
    let strict = said("max-age=10, must-revalidate");
    assert_eq!(words(strict, layer, &ages).await[1], "MISS");
}

#[tokio::test]
async fn a_layer_that_overrides_is_believed_but_for_what_forbids_sharing() {
    let layer = |house: &House| house.layer().max_age(secs(10)).override_origin();
    for line in [
        "max-age=1",
        "max-age=600",
        "s-maxage=0",
        "max-age=0, stale-while-revalidate=600",
    ] {
        assert_eq!(
            words(said(line), layer, &[9, 10]).await,
            ["HIT", "STALE"],
            "{line}"
        );
    }
    for line in ["no-store", "private", "no-cache"] {
        assert_eq!(first(said(line), layer).await.x_cache(), "PASS", "{line}");
    }
}

#[tokio::test]
async fn a_layer_that_overrides_tells_one_lifetime_and_leaves_the_rest_as_it_is() {
    let layer = |house: &House| house.layer().max_age(secs(10)).override_origin();
    let ours = "max-age=10, stale-while-revalidate=120";
    for (line, rest) in [
        ("max-age=1", ""),
        (
            "s-maxage=1, max-age=2, stale-while-revalidate=3, stale-if-error=4",
            "",
        ),
        (
            "public, max-age=1, x=\"a, max-age=9\"",
            "public, x=\"a, max-age=9\"",
        ),
        ("immutable", "immutable"),
    ] {
        let told = first(said(line), layer)
            .await
            .lines("cache-control")
            .join(", ");
        let expected = if rest.is_empty() {
            ours.to_owned()
        } else {
            format!("{rest}, {ours}")
        };
        assert_eq!(told, expected, "{line}");
    }
}

#[tokio::test]
async fn clients_may_be_told_less_than_is_kept() {
    let layer = |house: &House| house.layer().max_age(secs(600)).client_max_age(secs(5));
    let told = first(reply(200), layer).await;
    assert_eq!(
        told.field("cache-control"),
        "max-age=5, stale-while-revalidate=120"
    );
    assert_eq!(words(reply(200), layer, &[599]).await, ["HIT"]);
    let handlers = first(said("max-age=7"), layer).await;
    assert_eq!(handlers.field("cache-control"), "max-age=7");
}

#[tokio::test]
async fn no_lifetime_at_all_is_for_those_who_ask_at_the_same_time() {
    let layer = |house: &House| house.layer().max_age(secs(0));
    assert_eq!(words(reply(200), layer, &[0]).await, ["MISS"]);
    assert_eq!(words(said("max-age=5"), layer, &[4]).await, ["HIT"]);
    assert_eq!(first(reply(200), layer).await.field("cache-control"), "");
}

#[tokio::test]
async fn jitter_shortens_what_is_kept_and_not_what_clients_are_told() {
    // The die always rolls a half.
    let layer = |house: &House| house.layer().ttl_jitter(0.5);
    assert_eq!(words(reply(200), layer, &[44, 45]).await, ["HIT", "STALE"]);
    let told = first(reply(200), layer).await;
    assert_eq!(
        told.field("cache-control"),
        "max-age=60, stale-while-revalidate=120"
    );
}

#[tokio::test]
async fn a_refresh_is_put_off_by_its_jitter_and_no_longer_than_the_stale_window() {
    let (house, origin) = (House::new(), Origin::always(reply(200)));
    let service = house.layer().refresh_jitter(secs(30)).layer(origin.clone());
    ask(&service, get("/")).await;
    for (passed, calls) in [(74, 1), (1, 2)] {
        house.pass(secs(passed)).await;
        assert_eq!(ask(&service, get("/")).await.x_cache(), "STALE");
        settle().await;
        assert_eq!(origin.calls(), calls);
    }
}

#[tokio::test]
async fn endless_lifetimes_are_served_for_ever() {
    let huge = "max-age=99999999999999999999, stale-while-revalidate=99999999999999999999";
    let years = 60 * 60 * 24 * 365;
    assert_eq!(
        words(said(huge), House::layer, &[years, 60 * years]).await,
        ["HIT", "HIT"]
    );
    let layer = |house: &House| house.layer().max_age(std::time::Duration::MAX);
    assert_eq!(
        words(reply(200), layer, &[years, 100 * years]).await,
        ["HIT", "HIT"]
    );
    let told = first(reply(200), layer).await;
    assert_eq!(
        told.field("cache-control"),
        "max-age=2147483648, stale-while-revalidate=120"
    );
}
