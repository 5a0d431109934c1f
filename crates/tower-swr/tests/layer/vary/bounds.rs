//! Neither variants nor names gather without end.

use super::{in_language, speaking};
use crate::house::{House, Origin, With as _, ask, get, reply, secs, settle};
use tower::Layer as _;
use tower_swr::MemorySettings;

#[tokio::test]
async fn more_variants_than_are_kept_are_right_and_bounded() {
    let house = House::with(MemorySettings::new(1 << 20));
    let origin = speaking("accept-language");
    let service = house.layer().layer(origin.clone());
    for n in 0..300 {
        let language = format!("l{n}");
        assert_eq!(ask(&service, in_language(&language)).await.text(), language);
    }
    assert_eq!(house.entries(), 65, "64 variants and what leads to them");
    assert!(house.cache.stats().bytes < 1 << 20);
    assert_eq!(ask(&service, in_language("l299")).await.x_cache(), "HIT");
    assert_eq!(ask(&service, in_language("l0")).await.x_cache(), "MISS");
}

#[tokio::test]
async fn a_variant_that_is_too_long_to_be_a_key_is_nobody_elses() {
    let (house, origin) = (House::new(), speaking("accept-language"));
    let service = house.layer().layer(origin.clone());
    let long = || get("/").with("accept-language", "x".repeat(20_000));
    for _ in 0..2 {
        let answer = ask(&service, long()).await;
        assert_eq!(answer.x_cache(), "PASS");
        assert!(
            answer
                .field("cache-status")
                .ends_with("detail=vary-unusable")
        );
    }
    assert_eq!(house.entries(), 0);
}

#[tokio::test]
async fn the_variant_that_was_renewed_longest_ago_makes_room() {
    let (house, origin) = (House::new(), speaking("accept-language"));
    let service = house.layer().layer(origin.clone());
    let language = |number: usize| get("/").with("accept-language", number.to_string());
    for number in 0..64 {
        ask(&service, language(number)).await;
    }
    house.pass(secs(60)).await;
    ask(&service, language(0)).await;
    settle().await; // renewed
    ask(&service, language(64)).await;
    assert_eq!(ask(&service, language(0)).await.x_cache(), "HIT");
    assert_eq!(ask(&service, language(1)).await.x_cache(), "MISS");
}

#[tokio::test]
async fn names_without_end_do_not_gather() {
    let house = House::new();
    let origin = Origin::new(|call| {
        let names: Vec<String> = (0..10)
            .map(|name| format!("x-{}-{name}", call.number))
            .collect();
        Ok(reply(200)
            .with("vary", names.join(", "))
            .to_response(call.number))
    });
    let service = house.layer().layer(origin.clone());
    for number in 0..50 {
        // A value of the newest name makes it another variant.
        let request = get("/").with(&format!("x-{}-0", usize::max(number, 1) - 1), "new");
        ask(&service, request).await;
    }
    assert!(
        house.cache.stats().bytes < 256 * 1024,
        "{:?}",
        house.cache.stats()
    );
}
