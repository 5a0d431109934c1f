//! Fields for caches like this one alone (RFC 9213).

use crate::house::{Answer, House, Origin, Reply, With as _, ask, get, reply, secs};
use http::HeaderName;
use tower::Layer as _;
use tower_swr::CacheLayer;

const CDN: HeaderName = HeaderName::from_static("cdn-cache-control");

fn heeding(house: &House) -> CacheLayer {
    house.layer().targeted_fields([CDN])
}

/// What the second of two requests is answered with, half a minute after the first.
async fn second(reply: Reply, layer: impl FnOnce(&House) -> CacheLayer) -> Answer {
    let house = House::new();
    let service = layer(&house).layer(Origin::always(reply));
    ask(&service, get("/")).await;
    house.pass(secs(30)).await;
    ask(&service, get("/")).await
}

#[tokio::test]
async fn a_targeted_field_goes_before_cache_control_and_expires() {
    let kept = reply(200)
        .with("cdn-cache-control", "max-age=60")
        .with("cache-control", "private, no-store")
        .with("expires", "0");
    let answer = second(kept, heeding).await;
    assert_eq!(answer.x_cache(), "HIT");
    assert_eq!(
        answer.field("cdn-cache-control"),
        "max-age=60",
        "it is passed on"
    );
    assert_eq!(answer.field("cache-control"), "private, no-store");

    let passed = reply(200)
        .with("cdn-cache-control", "no-store")
        .with("cache-control", "max-age=60");
    assert_eq!(second(passed, heeding).await.x_cache(), "PASS");
}

#[tokio::test]
async fn expires_says_nothing_beside_a_targeted_field() {
    let silent = reply(200)
        .with("cdn-cache-control", "public")
        .with("expires", "Thu, 01 Jan 1970 00:00:00 GMT");
    // The layer's own minute counts.
    assert_eq!(second(silent, heeding).await.x_cache(), "HIT");
}

#[tokio::test]
async fn a_targeted_field_that_cannot_be_read_counts_for_nothing() {
    for broken in ["", "max-age=60, &&&", "MAX-AGE=60"] {
        let reply = reply(200)
            .with("cdn-cache-control", broken)
            .with("cache-control", "no-store");
        assert_eq!(second(reply, heeding).await.x_cache(), "PASS", "{broken:?}");
    }
}

#[tokio::test]
async fn the_layer_heeds_none_unless_it_is_told_and_the_proxy_heeds_cdns() {
    let reply = reply(200)
        .with("cdn-cache-control", "max-age=60")
        .with("cache-control", "no-store");
    let told_nothing = second(reply.clone(), House::layer).await;
    assert_eq!(told_nothing.x_cache(), "PASS");
    let proxy = second(reply, |house| house.layer().as_proxy()).await;
    assert_eq!(proxy.x_cache(), "HIT");
}

#[tokio::test]
async fn a_targeted_field_says_who_may_share_an_authorized_answer() {
    for (targeted, word) in [("public, max-age=60", "HIT"), ("max-age=60", "PASS")] {
        let house = House::new();
        let reply = reply(200)
            .with("cdn-cache-control", targeted)
            .with("cache-control", "public");
        let layer = house.layer().as_proxy();
        let service = layer.layer(Origin::always(reply));
        let request = || get("/").with("authorization", "Bearer 1");
        ask(&service, request()).await;
        assert_eq!(ask(&service, request()).await.x_cache(), word, "{targeted}");
    }
}

#[tokio::test]
#[should_panic(
    expected = "targeted_fields([\"cache-control\"]) of scope \"s\": cache-control is what other caches"
)]
async fn cache_control_is_no_targeted_field() {
    let house = House::new();
    let _ = house.layer().targeted_fields([http::header::CACHE_CONTROL]);
}
