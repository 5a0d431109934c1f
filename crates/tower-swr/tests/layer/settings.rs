//! What is refused when a layer is built: at once, and with a message that names the value and the rule.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use http::header::{ACCEPT, ACCEPT_LANGUAGE, COOKIE, RANGE};
use tower::{Layer as _, service_fn};
use tower_swr::{CacheLayer, HttpCache, MemorySettings};

fn cache() -> HttpCache {
    HttpCache::in_memory(1 << 20)
}

/// What building panics with.
fn refusal<T>(build: impl FnOnce() -> T) -> String {
    let panic = catch_unwind(AssertUnwindSafe(build))
        .err()
        .expect("it is refused");
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
        .expect("text")
}

fn apply(layer: &CacheLayer) {
    drop(
        layer.layer(service_fn(|_: http::Request<axum::body::Body>| async {
            Ok::<_, std::convert::Infallible>(http::Response::new(axum::body::Body::empty()))
        })),
    );
}

#[test]
fn a_bad_value_is_named_with_its_scope_and_the_rule() {
    type Setter = fn(CacheLayer) -> CacheLayer;
    let refused: [(Setter, &str, &str); 15] = [
        (
            |layer| layer.ttl_jitter(1.5),
            "ttl_jitter(1.5)",
            "0.0..=1.0",
        ),
        (
            |layer| layer.ttl_jitter(-0.1),
            "ttl_jitter(-0.1)",
            "0.0..=1.0",
        ),
        (
            |layer| layer.ttl_jitter(f64::NAN),
            "ttl_jitter(NaN)",
            "0.0..=1.0",
        ),
        (
            |layer| layer.refresh_limit(0),
            "refresh_limit(0)",
            "at least 1",
        ),
        (
            |layer| layer.origin_timeout(Duration::ZERO),
            "origin_timeout(0",
            "above zero",
        ),
        (
            |layer| layer.wait_timeout(Duration::ZERO),
            "wait_timeout(0",
            "above zero",
        ),
        (
            |layer| layer.body_idle_timeout(Duration::ZERO),
            "body_idle_timeout(0",
            "above zero",
        ),
        (|layer| layer.max_body(0), "max_body(0)", "1 to 122880"),
        (
            |layer| layer.max_body(122_881),
            "max_body(122881)",
            "with_largest_entry",
        ),
        (
            |layer| layer.bypass_on_cookies(["a b"]),
            "bypass_on_cookies",
            "\"a b\" cannot name a cookie",
        ),
        (
            |layer| layer.key_cookies([""]),
            "key_cookies",
            "\"\" cannot name a cookie",
        ),
        (
            |layer| layer.key_cookies(["a", "b=c"]),
            "key_cookies",
            "RFC 6265",
        ),
        (
            |layer| layer.vary(["*".parse().expect("a token")]),
            "vary",
            "names no field",
        ),
        (|layer| layer.vary([COOKIE]), "vary", ".key_cookies([…])"),
        (|layer| layer.vary([RANGE]), "vary", "does not see range"),
    ];
    for (set, setter, rule) in refused {
        let text = refusal(|| set(cache().layer("report")));
        for part in [setter, rule, "scope \"report\""] {
            assert!(text.contains(part), "{part:?} is not in {text:?}");
        }
    }
}

#[test]
fn the_ends_of_each_range_are_allowed() {
    let layer = cache()
        .layer("report")
        .ttl_jitter(0.0)
        .ttl_jitter(1.0)
        .refresh_limit(1);
    let layer = layer
        .max_body(1)
        .max_body(122_880)
        .soft_timeout(Duration::ZERO);
    let layer = layer
        .max_age(Duration::MAX)
        .stale_while_revalidate(Duration::MAX);
    let layer = layer
        .stale_if_error(Duration::MAX)
        .client_max_age(Duration::MAX);
    let layer = layer
        .refresh_jitter(Duration::MAX)
        .origin_timeout(Duration::MAX);
    apply(
        &layer
            .wait_timeout(Duration::MAX)
            .body_idle_timeout(Duration::MAX),
    );
}

#[test]
fn a_name_that_is_none_is_refused() {
    for name in ["", "Stocks", "a b", "a/b", "ä", "a:b"] {
        let text = refusal(|| cache().layer(name));
        assert!(
            text.contains(&format!("{name:?} cannot name a scope")),
            "{text}"
        );
    }
    let long: &'static str = "a".repeat(65).leak();
    assert!(refusal(|| cache().layer(long)).contains("1 to 64"));
    drop(cache().layer(&long[1..]));
    for name in ["", "1a", "a b", "a;b", "\"a\""] {
        let text = refusal(|| HttpCache::builder(MemorySettings::new(1 << 20)).name(name));
        assert!(
            text.contains(&format!("{name:?} cannot name a cache")),
            "{text}"
        );
    }
    assert!(refusal(|| HttpCache::in_memory(65_535)).contains("65535 bytes is too small"));
}

#[test]
fn two_layers_of_one_scope_must_agree() {
    type Setter = fn(CacheLayer) -> CacheLayer;
    let different: [Setter; 21] = [
        |layer| layer.max_age(Duration::from_secs(1)),
        |layer| layer.stale_while_revalidate(Duration::from_secs(120)),
        |layer| layer.stale_if_error(Duration::from_secs(1)),
        CacheLayer::override_origin,
        |layer| layer.client_max_age(Duration::from_secs(1)),
        |layer| layer.refresh_jitter(Duration::from_secs(1)),
        |layer| layer.ttl_jitter(0.5),
        |layer| layer.refresh_limit(1),
        |layer| layer.origin_timeout(Duration::from_secs(1)),
        |layer| layer.wait_timeout(Duration::from_secs(1)),
        |layer| layer.soft_timeout(Duration::from_secs(9)),
        |layer| layer.body_idle_timeout(Duration::from_secs(1)),
        |layer| layer.max_body(1),
        |layer| layer.vary([ACCEPT]),
        CacheLayer::ignore_cookies,
        |layer| layer.bypass_on_cookies(["a"]),
        |layer| layer.key_cookies(["a"]),
        CacheLayer::ignore_authorization,
        |layer| layer.x_cache(false),
        |layer| layer.cache_status(false),
        |layer| layer.cache_control(false),
    ];
    for set in different {
        let cache = cache();
        apply(&cache.layer("report"));
        let text = refusal(|| apply(&set(cache.layer("report"))));
        assert!(
            text.contains("two layers of scope \"report\" have different settings"),
            "{text}"
        );
        apply(&cache.layer("report"));
        apply(&set(cache.layer("other")));
    }
}

#[test]
fn the_same_settings_in_another_order_agree() {
    let cache = cache();
    let languages = || [ACCEPT_LANGUAGE, ACCEPT, ACCEPT_LANGUAGE];
    apply(&cache.layer("report").vary(languages()).ignore_cookies());
    apply(
        &cache
            .layer("report")
            .ignore_cookies()
            .vary([ACCEPT, ACCEPT_LANGUAGE]),
    );
}
