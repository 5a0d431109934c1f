//! A crowd comes to a cold cache in front of a slow query, and the query runs once.

use house_tests::{Crowd, Shop, Told, require_descriptors};
use hyper::StatusCode;

const REPORT: &str = "/report/north";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_connections_cost_one_query() {
    // A socket at each end, and what the other stories have open.
    require_descriptors(2 * 1_000 + 500);
    let shop = Shop::open().await;
    // The query waits for this lock until the whole crowd waits for the query.
    let lock = shop.lock().await;
    let crowd = Crowd::over_connections(shop.server.address, 1_000, REPORT).await;
    shop.server.arrivals.reached(1_000).await;
    lock.release().await;
    assert_one_query(&shop, &crowd.told().await, 1_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_streams_cost_one_query() {
    require_descriptors(2 * 100 + 500);
    let shop = Shop::open().await;
    let lock = shop.lock().await;
    let crowd = Crowd::over_streams(shop.server.address, 100, 100, REPORT).await;
    shop.server.arrivals.reached(10_000).await;
    lock.release().await;
    assert_one_query(&shop, &crowd.told().await, 10_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_that_comes_and_goes_as_it_can_costs_one_query() {
    let shop = Shop::open().await;
    let crowd = Crowd::over_streams(shop.server.address, 20, 100, REPORT).await;
    let told = crowd.told().await;
    assert!(told.all(StatusCode::OK).starts_with(r#"{"region":"north""#));
    assert_eq!(told.count("MISS"), 1);
    assert_eq!(told.count("COLLAPSED") + told.count("HIT"), 2_000 - 1);
    assert_eq!(shop.database.queries(), 1);
    assert_eq!(shop.cache.stats().stampede_violations, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_cache_a_crowd_costs_a_query_each() {
    let shop = Shop::open().await;
    let crowd = Crowd::over_streams(shop.server.address, 1, 50, "/raw/report/north").await;
    assert_eq!(
        crowd.told().await.count(""),
        50,
        "the cache has no word in it"
    );
    assert_eq!(shop.database.queries(), 50);
}

fn assert_one_query(shop: &Shop, told: &Told, crowd: usize) {
    assert!(told.all(StatusCode::OK).starts_with(r#"{"region":"north""#));
    assert_eq!(told.count("MISS"), 1);
    assert_eq!(told.count("COLLAPSED"), crowd - 1);
    assert_eq!(shop.database.queries(), 1);
    let stats = shop.cache.stats();
    assert_eq!(stats.requests, crowd as u64);
    assert_eq!((stats.origin_calls, stats.stampede_violations), (1, 0));
}
