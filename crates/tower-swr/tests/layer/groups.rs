//! Cache groups (RFC 9875).

use crate::house::{House, Origin, With as _, ask, get, reply};
use axum::body::Body;
use http::{Method, Request};
use tower::Layer as _;
use tower_swr::CacheService;

/// Pages whose group is their first segment; what is not a `GET` invalidates the group that its query names.
fn site(house: &House) -> CacheService<Origin> {
    house.layer().layer(Origin::new(|call| {
        let uri = &call.parts.uri;
        let status = if uri.path().starts_with("/broken") {
            500
        } else {
            200
        };
        let group = uri.path().split('/').nth(1).unwrap_or_default();
        let said = reply(status).with("cache-groups", format!("\"{group}\", \"all\""));
        let said = match uri.query() {
            Some(named) => said.with("cache-group-invalidation", format!("\"{named}\"")),
            None => said,
        };
        Ok(said.to_response(call.number))
    }))
}

fn change(path: &str) -> Request<Body> {
    let mut request = get(path);
    *request.method_mut() = Method::POST;
    request
}

async fn is_kept(site: &CacheService<Origin>, request: Request<Body>) -> bool {
    ask(site, request).await.x_cache() == "HIT"
}

#[tokio::test]
async fn an_unsafe_request_invalidates_the_groups_that_its_answer_names() {
    let house = House::new();
    let site = site(&house);
    for path in ["/news/1", "/news/2", "/shop/1"] {
        ask(&site, get(path)).await;
    }
    ask(&site, change("/editor?news")).await;
    assert!(is_kept(&site, get("/shop/1")).await);
    assert!(!is_kept(&site, get("/news/1")).await);
    assert!(!is_kept(&site, get("/news/2")).await);
}

#[tokio::test]
async fn groups_of_other_origins_stay() {
    let house = House::new();
    let site = site(&house);
    let there = |method: &Method| {
        let mut request = get("/news/1?news");
        *request.method_mut() = method.clone();
        request
            .headers_mut()
            .insert("host", "example.org".parse().expect("a host"));
        request
    };
    ask(&site, get("/news/1")).await;
    ask(&site, there(&Method::POST)).await;
    assert!(is_kept(&site, get("/news/1")).await);
    ask(&site, change("/editor?news")).await;
    assert!(!is_kept(&site, get("/news/1")).await);
}

#[tokio::test]
async fn a_safe_request_invalidates_no_group() {
    let house = House::new();
    let site = site(&house);
    ask(&site, get("/news/1")).await;
    for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
        let mut request = get("/editor?news");
        *request.method_mut() = method.clone();
        ask(&site, request.with("x-any", "1")).await;
        assert!(is_kept(&site, get("/news/1")).await, "{method}");
    }
}

#[tokio::test]
async fn invalidating_one_page_does_not_invalidate_its_groups() {
    let house = House::new();
    let site = site(&house);
    ask(&site, get("/news/1")).await;
    ask(&site, get("/news/2")).await;
    ask(&site, change("/news/1")).await;
    assert!(!is_kept(&site, get("/news/1")).await);
    assert!(is_kept(&site, get("/news/2")).await);
}

#[tokio::test]
async fn groups_are_invalidated_where_the_request_fails_too() {
    let house = House::new();
    let site = site(&house);
    ask(&site, get("/news/1")).await;
    ask(&site, change("/broken?news")).await;
    assert!(!is_kept(&site, get("/news/1")).await);
}
