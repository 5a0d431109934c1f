//! Routers in routers: no answer crosses from one place to another.

use super::{Calls, numbered, twice};
use crate::house::{House, With as _, answers, ask, get as asked, start_all};
use axum::Router;
use axum::extract::{OriginalUri, Path, RawQuery, Request};
use axum::http::StatusCode;
use axum::routing::get;
use tower::ServiceBuilder;

#[tokio::test]
async fn tenants_below_a_nested_parameter_share_nothing() {
    let house = House::new();
    let said = |Path(id): Path<String>| async move { format!("of {id}") };
    let on_route = Router::new().route("/", get(said).layer(house.cache.layer("route")));
    let on_router = Router::new()
        .route("/", get(said))
        .layer(house.cache.layer("router"));
    let around = Router::new().route("/", get(said));
    let app = Router::new()
        .nest("/a/{id}", on_route)
        .nest("/b/{id}", on_router)
        .nest(
            "/c/{id}",
            Router::new()
                .nest("/deep", around)
                .layer(house.cache.layer("deep")),
        )
        .nest_service(
            "/d/{id}",
            ServiceBuilder::new()
                .layer(house.cache.layer("service"))
                .service(get(said)),
        );
    for prefix in ["a", "b", "c", "d"] {
        let tail = if prefix == "c" { "/deep" } else { "" };
        let paths = ["1", "2"].map(|id| format!("/{prefix}/{id}{tail}"));
        let said = twice(&app, &[&paths[0], &paths[1]]).await;
        assert_eq!(said, ["of 1", "of 2"], "{prefix}");
    }
}

#[tokio::test]
async fn one_router_at_two_prefixes_has_answers_for_each() {
    let (house, calls) = (House::new(), Calls::default());
    let inner = Router::new()
        .route("/x", get(numbered(&calls, "x")))
        .layer(house.layer());
    let app = Router::new().nest("/v1", inner.clone()).nest("/v2", inner);
    assert_eq!(twice(&app, &["/v1/x", "/v2/x"]).await, ["x 0", "x 1"]);
}

#[tokio::test]
async fn a_nested_fallback_is_shared_per_uri_and_kept_where_it_says_how_long() {
    let house = House::new();
    let fallback = |Path(id): Path<String>, OriginalUri(uri): OriginalUri| async move {
        (
            StatusCode::NOT_FOUND,
            [("cache-control", "max-age=5")],
            format!("{id} has no {uri}"),
        )
    };
    let inner = Router::new().fallback(fallback).layer(house.layer());
    let app = Router::new().nest("/tenants/{id}", inner);
    let said = twice(&app, &["/tenants/1/x", "/tenants/2/x", "/tenants/1/y"]).await;
    assert_eq!(
        said,
        [
            "1 has no /tenants/1/x",
            "2 has no /tenants/2/x",
            "1 has no /tenants/1/y"
        ]
    );
}

#[tokio::test]
async fn the_path_in_a_purge_is_the_one_that_the_client_sent() {
    let (house, calls) = (House::new(), Calls::default());
    let inner = Router::new()
        .route("/x", get(numbered(&calls, "x")))
        .layer(house.layer());
    let app = Router::new().nest("/v1", inner.clone()).nest("/v2", inner);
    twice(&app, &["/v1/x", "/v2/x"]).await;
    house.cache.purge("s", &"/v1/x".parse().expect("a URI"));
    assert_eq!(ask(&app, asked("/v1/x")).await.x_cache(), "MISS");
    assert_eq!(ask(&app, asked("/v2/x")).await.x_cache(), "HIT");
}

#[tokio::test]
async fn a_burst_on_a_nested_route_is_one_call_per_tenant() {
    let (house, calls) = (House::new(), Calls::default());
    let counted = calls.clone();
    let said = move |Path(id): Path<String>| {
        counted.next();
        async move {
            tokio::task::yield_now().await;
            id
        }
    };
    let inner = Router::new().route("/", get(said)).layer(house.layer());
    let app = Router::new().nest("/{id}", inner);
    let requests = (0..100).map(|n| asked(&format!("/{}", n % 4)).with("x-n", n.to_string()));
    for (n, answer) in answers(start_all(&app, requests).await)
        .await
        .iter()
        .enumerate()
    {
        assert_eq!(answer.text(), (n % 4).to_string());
    }
    assert_eq!(calls.count(), 4);
}

#[tokio::test]
async fn an_address_that_a_middleware_rewrites_is_part_of_the_key() {
    let calls = Calls::default();
    let handler = {
        let calls = calls.clone();
        get(move |RawQuery(query): RawQuery| {
            let query = query.unwrap_or_default();
            std::future::ready(format!("{query} {}", calls.next()))
        })
    };
    let rewrite = axum::middleware::map_request(|mut request: Request| async move {
        let tenant = request.headers()["x-tenant"].to_str().expect("text");
        *request.uri_mut() = format!("/report?tenant={tenant}").parse().expect("a URI");
        request
    });
    let layer = House::new().layer();
    let app = Router::new().route("/report", handler.layer(layer).layer(rewrite));
    for expected in ["MISS", "HIT"] {
        for (tenant, text) in [("a", "tenant=a 0"), ("b", "tenant=b 1")] {
            let answer = ask(&app, asked("/report").with("x-tenant", tenant)).await;
            assert_eq!((answer.x_cache(), answer.text()), (expected, text));
        }
    }
}
