//! What the cache in front of the report does for it.

#![allow(clippy::unwrap_used, reason = "a test's panic is its report")]

mod support;

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use futures_util::future::join_all;
use support::{CACHE_BYTES, Shop, ask};
use tower_swr::{HttpCache, MemorySettings};
use tower_swr_core::testing::ManualClock;

#[tokio::test]
async fn a_crowd_costs_one_query() {
    let shop = Shop::open().await;
    let crowd = join_all((0..50).map(|_| shop.get("/report/north"))).await;

    assert_eq!(shop.database.queries(), 1);
    for answer in &crowd {
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.text, crowd[0].text);
    }
    let stats = shop.get("/stats").await.json();
    assert_eq!(stats["requests"], 50);
    assert_eq!(stats["misses"], 1);
    assert_eq!(stats["origin_calls"], 1);
    assert_eq!(
        stats["hits"].as_u64().unwrap() + stats["collapsed"].as_u64().unwrap(),
        49
    );
    assert_eq!(stats["stampede_violations"], 0);
}

#[tokio::test]
async fn a_query_makes_no_other_report() {
    let shop = Shop::open().await;
    for (path, verb) in [("?x=1", "MISS"), ("?x=2", "HIT"), ("", "HIT")] {
        let answer = shop.get(&format!("/report/north{path}")).await;
        assert_eq!(answer.header("x-cache"), verb, "{path:?}");
    }
    assert_eq!(shop.database.queries(), 1);
}

#[tokio::test]
async fn an_answer_says_where_it_comes_from() {
    let shop = Shop::open().await;
    assert_eq!(shop.get("/report/north").await.header("x-cache"), "MISS");
    assert_eq!(shop.get("/report/north").await.header("x-cache"), "HIT");
    assert_eq!(shop.get("/raw/report/north").await.header("x-cache"), "");
}

#[tokio::test]
async fn nobody_waits_for_a_refresh() {
    let clock = ManualClock::default();
    let memory = MemorySettings::new(CACHE_BYTES);
    let shop = Shop::behind(HttpCache::builder(memory).clock(clock.clone()).build()).await;
    let first = shop.get("/report/north").await;

    // Over the maximum age, within the stale window.
    clock.advance(Duration::from_secs(90));
    let crowd = join_all((0..20).map(|_| shop.get("/report/north"))).await;
    for answer in &crowd {
        assert_eq!(answer.header("x-cache"), "STALE");
        assert_eq!(answer.text, first.text);
    }
    assert_eq!(shop.cache.drain(Duration::from_secs(60)).await, 0);
    assert_eq!(shop.database.queries(), 2, "one refresh for all of them");
    assert_eq!(shop.get("/report/north").await.header("x-cache"), "HIT");
}

#[tokio::test]
async fn every_region_is_kept_apart() {
    let shop = Shop::open().await;
    for region in ["north", "south", "north", "south"] {
        assert_eq!(
            shop.get(&format!("/report/{region}")).await.json()["region"],
            region
        );
    }
    assert_eq!(shop.database.queries(), 2);
}

#[tokio::test]
async fn a_cookie_makes_no_difference() {
    let shop = Shop::open().await;
    for visitor in ["session=ann", "session=bob"] {
        let request = Request::get("/report/north").header("cookie", visitor);
        let answer = ask(&shop.router, request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::OK);
    }
    assert_eq!(shop.database.queries(), 1);
    assert_eq!(shop.get("/stats").await.json()["bypassed"], 0);
}

#[tokio::test]
async fn a_failure_is_not_kept() {
    let shop = Shop::open().await;
    shop.database.close().await;
    for _ in 0..2 {
        let answer = shop.get("/report/north").await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    }
    assert_eq!(shop.get("/stats").await.json()["origin_calls"], 2);
}
