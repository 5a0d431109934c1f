//! What of a query tells answers apart, and what the handler sees of it.

use crate::house::{House, Origin, ask, get, reply};
use axum::Router;
use axum::body::Body;
use axum::extract::{OriginalUri, RawQuery};
use axum::routing::get as route;
use http::{Method, Uri};
use tower::Layer as _;
use tower_swr::{CacheLayer, CacheService};

fn site(layer: &CacheLayer) -> (CacheService<Origin>, Origin) {
    let origin = Origin::always(reply(200));
    (layer.layer(origin.clone()), origin)
}

async fn word(service: &CacheService<Origin>, path: &str) -> String {
    ask(service, get(path)).await.x_cache().to_owned()
}

#[tokio::test]
async fn as_it_is_unless_the_layer_says_more() {
    let house = House::new();
    let (service, origin) = site(&house.layer());
    for path in ["/a?x=1&y=2", "/a?y=2&x=1", "/a", "/a?", "/a?x=1&y=2&"] {
        assert_eq!(word(&service, path).await, "MISS", "{path}");
    }
    assert_eq!(origin.seen()[1].uri, "/a?y=2&x=1");
}

#[tokio::test]
async fn sorted_the_order_makes_no_difference() {
    let house = House::new();
    let (service, origin) = site(&house.layer().sort_query());
    assert_eq!(word(&service, "/a?y=2&x=1&x=0").await, "MISS");
    assert_eq!(word(&service, "/a?x=1&y=2&x=0").await, "HIT");
    assert_eq!(word(&service, "/a?x=0&y=2&x=1").await, "MISS");
    assert_eq!(origin.seen()[0].uri, "/a?x=1&x=0&y=2");
}

#[tokio::test]
async fn parameters_that_do_not_count_never_reach_the_handler() {
    let house = House::new();
    let (service, origin) = site(&house.layer().query_parameters(["page"]));
    assert_eq!(
        word(&service, "/a?utm_source=%3Cscript%3E&page=2").await,
        "MISS"
    );
    assert_eq!(word(&service, "/a?page=2&fbclid=7").await, "HIT");
    assert_eq!(word(&service, "/a?page=3").await, "MISS");
    assert_eq!(word(&service, "/a?utm_source=x").await, "MISS");
    assert_eq!(word(&service, "/a").await, "HIT");
    let seen: Vec<String> = origin
        .seen()
        .iter()
        .map(|seen| seen.uri.to_string())
        .collect();
    assert_eq!(seen, ["/a?page=2", "/a?page=3", "/a"]);
}

#[tokio::test]
async fn ignored_it_makes_no_difference() {
    let house = House::new();
    let (service, origin) = site(&house.layer().ignore_query());
    assert_eq!(word(&service, "/a?x").await, "MISS");
    assert_eq!(word(&service, "/a?y").await, "HIT");
    assert_eq!(word(&service, "/a").await, "HIT");
    assert_eq!(origin.seen()[0].uri, "/a");
}

#[tokio::test]
async fn purges_and_changes_go_by_the_same_rule() {
    let house = House::new();
    let (service, _) = site(&house.layer().query_parameters(["page"]));
    word(&service, "/a?page=2&x=1").await;
    house.cache.purge("s", &Uri::from_static("/a?y=1&page=2"));
    assert_eq!(word(&service, "/a?page=2").await, "MISS");
    let mut change = get("/a?z=1&page=2");
    *change.method_mut() = Method::DELETE;
    ask(&service, change).await;
    assert_eq!(word(&service, "/a?page=2").await, "MISS");
}

#[tokio::test]
async fn behind_a_nested_router_no_extractor_shows_more_of_it() {
    let house = House::new();
    let layer = house.layer().query_parameters(["page"]);
    let handler = |RawQuery(query): RawQuery, OriginalUri(uri): OriginalUri| async move {
        format!("{} {uri}", query.unwrap_or_default())
    };
    let nested = Router::new().route("/a", route(handler).layer(layer));
    let app: Router = Router::new().nest("/tenants/{id}", nested);
    let first = ask(&app, get("/tenants/1/a?x=1&page=2")).await;
    assert_eq!(first.text(), "page=2 /tenants/1/a?page=2");
    assert_eq!(
        ask(&app, get("/tenants/1/a?page=2&y=1")).await.x_cache(),
        "HIT"
    );
    assert_eq!(
        ask(&app, get("/tenants/2/a?page=2")).await.x_cache(),
        "MISS"
    );
}

#[tokio::test]
async fn who_goes_alone_is_seen_as_they_are() {
    let house = House::new();
    let (service, origin) = site(&house.layer().ignore_query());
    let mut request = get("/a?x=1");
    *request.method_mut() = Method::POST;
    *request.body_mut() = Body::from("all of it");
    ask(&service, request).await;
    assert_eq!(origin.seen()[0].uri, "/a?x=1");
}

#[tokio::test]
async fn who_makes_a_call_of_their_own_is_seen_as_all_others() {
    let house = House::new();
    let origin = Origin::always(reply(200).with("cache-control", "private"));
    let service = house.layer().ignore_query().layer(origin.clone());
    for path in ["/a?x=1", "/a?x=2"] {
        assert_eq!(ask(&service, get(path)).await.x_cache(), "PASS");
    }
    assert!(origin.seen().iter().all(|seen| seen.uri == "/a"));
}

#[tokio::test]
#[should_panic(expected = "query_parameters([]) of scope \"s\": none would count")]
async fn a_query_of_no_parameters_is_no_rule() {
    let house = House::new();
    let _ = house.layer().query_parameters(Vec::<String>::new());
}
