//! A private page whose address looks like that of a file, so that a cache that goes by addresses keeps it for all.

use crate::house::{House, Origin, ask, get, reply};
use tower::Layer as _;

/// Addresses that routers may take for `/account`, and caches for a file.
const PATHS: [&str; 8] = [
    "/account/x.css",
    "/account;.js",
    "/account%23.png",
    "/account%0a.css",
    "/static/..%2faccount",
    "/account?x=.css",
    "/account/.ico",
    "/account.css",
];

#[tokio::test]
async fn an_address_that_looks_like_a_file_makes_nothing_storable() {
    for path in PATHS {
        for line in ["private", "no-store", "private, max-age=60"] {
            let house = House::new();
            let origin = Origin::always(reply(200).with("cache-control", line));
            for layer in [house.layer(), house.cache.layer("proxy").as_proxy()] {
                let service = layer.layer(origin.clone());
                let before = origin.calls();
                ask(&service, get(path)).await;
                ask(&service, get(path)).await;
                assert_eq!(origin.calls(), before + 2, "{path}: {line}");
            }
        }
    }
}

#[tokio::test]
async fn a_proxy_keeps_no_file_that_its_server_does_not_call_fresh() {
    for path in PATHS {
        // A type that fits the name is no freshness either.
        for kind in ["text/css", "image/png", "text/html"] {
            let house = House::new();
            let origin = Origin::always(reply(200).with("content-type", kind));
            let service = house.layer().as_proxy().layer(origin.clone());
            ask(&service, get(path)).await;
            assert_eq!(ask(&service, get(path)).await.x_cache(), "MISS", "{path}");
            assert_eq!((origin.calls(), house.entries()), (2, 0), "{path}");
        }
    }
}
