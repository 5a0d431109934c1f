//! The routes of the application, without the cache's own behaviour.

#![allow(clippy::unwrap_used, reason = "a test's panic is its report")]

mod support;

use axum::http::StatusCode;
use axum_db::Region;
use serde_json::Value;
use support::Shop;

#[tokio::test]
async fn every_region_has_a_report() {
    let shop = Shop::open().await;
    for region in Region::ALL {
        let answer = shop.get(&format!("/raw/report/{}", region.name())).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.header("content-type"), "application/json");
        let report = answer.json();
        assert_eq!(report["region"], region.name());
        assert!(
            !report["rows"].as_array().unwrap().is_empty(),
            "no rows for {}",
            region.name()
        );
    }
}

#[tokio::test]
async fn the_numbers_of_a_report_add_up() {
    let shop = Shop::open().await;
    let report = shop.get("/raw/report/east").await.json();
    let rows = report["rows"].as_array().unwrap();

    assert_eq!(report["grand_total"]["items"], sum(rows, "items"));
    assert_eq!(
        report["grand_total"]["revenue_cents"],
        sum(rows, "revenue_cents")
    );
    // The last running total of a category is its sum over the year.
    let toys: Vec<Value> = rows
        .iter()
        .filter(|row| row["category"] == "toys")
        .cloned()
        .collect();
    assert_eq!(
        toys.last().unwrap()["revenue_cents_so_far"],
        sum(&toys, "revenue_cents")
    );
    let date = report["generated_at"].as_str().unwrap();
    assert!(date.starts_with("20") && date.ends_with('Z'), "{date}");
}

#[tokio::test]
async fn the_shares_of_all_regions_make_a_whole() {
    let shop = Shop::open().await;
    let mut percent = 0.0;
    for region in Region::ALL {
        let report = shop
            .get(&format!("/raw/report/{}", region.name()))
            .await
            .json();
        let rows = report["rows"].as_array().unwrap();
        let row = rows
            .iter()
            .find(|row| row["month"] == "2025-01" && row["category"] == "books");
        percent += row.map_or(0.0, |row| row["percent_of_all_regions"].as_f64().unwrap());
    }
    assert!((percent - 100.0).abs() < 0.1, "{percent}");
}

#[tokio::test]
async fn both_routes_give_the_same_report() {
    let shop = Shop::open().await;
    let cached = shop.get("/report/coast").await;
    let raw = shop.get("/raw/report/coast").await;
    assert_eq!(cached.status, StatusCode::OK);
    assert_eq!(cached.json()["rows"], raw.json()["rows"]);
}

#[tokio::test]
async fn an_unknown_region_is_a_problem_and_no_query() {
    let shop = Shop::open().await;
    for path in ["/report/nowhere", "/raw/report/nowhere"] {
        let answer = shop.get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        assert_eq!(answer.header("content-type"), "application/problem+json");
        let problem = answer.json();
        assert_eq!(problem["status"], 404);
        let detail = problem["detail"].as_str().unwrap();
        assert!(
            detail.contains("nowhere") && detail.contains("north"),
            "{detail}"
        );
    }
    assert_eq!(shop.database.queries(), 0);
}

#[tokio::test]
async fn an_unknown_page_is_a_problem() {
    let shop = Shop::open().await;
    let answer = shop.get("/reports").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert!(
        answer.json()["detail"]
            .as_str()
            .unwrap()
            .contains("/report/north")
    );
}

#[tokio::test]
async fn a_failing_database_is_a_problem_that_tells_nothing_private() {
    let shop = Shop::open().await;
    shop.database.close().await;
    for path in ["/raw/report/north", "/report/north"] {
        let answer = shop.get(path).await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert_eq!(answer.json()["status"], 500);
        assert!(!answer.text.contains("pool"), "{}", answer.text);
    }
    assert_eq!(shop.database.queries(), 0, "no connection, so no query");
}

#[tokio::test]
async fn the_page_needs_nothing_from_elsewhere() {
    let shop = Shop::open().await;
    let page = shop.get("/").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(!page.text.contains("http://") && !page.text.contains("https://"));
    for region in Region::ALL {
        assert!(
            page.text.contains(&format!("\"{}\"", region.name())),
            "the page lacks {}",
            region.name()
        );
    }
    let stats = shop.get("/stats").await.json();
    for name in stats
        .as_object()
        .unwrap()
        .keys()
        .filter(|name| !["passed", "errors", "revalidated"].contains(&name.as_str()))
    {
        assert!(
            page.text.contains(&format!("\"{name}\"")),
            "the page does not show {name}"
        );
    }
}

#[tokio::test]
async fn stats_count_the_queries_and_are_never_stored() {
    let shop = Shop::open().await;
    shop.get("/raw/report/north").await;
    shop.get("/raw/report/north").await;

    let answer = shop.get("/stats").await;
    assert_eq!(answer.header("cache-control"), "no-store");
    let stats = answer.json();
    assert_eq!(stats["queries"], 2);
    for name in [
        "requests",
        "hits",
        "stale",
        "collapsed",
        "misses",
        "bypassed",
        "origin_calls",
        "stampede_violations",
    ] {
        assert_eq!(stats[name], 0, "{name}: the raw route has no cache");
    }
}

fn sum(rows: &[Value], field: &str) -> i64 {
    rows.iter().map(|row| row[field].as_i64().unwrap()).sum()
}
