//! An entry expires under load: one refresh runs, and nobody waits for it.

use std::io;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get};
use house_tests::Protocol::Http2;
use house_tests::{Crowd, Gate, House, gated, held_body, numbered, until, within};
use hyper::StatusCode;

/// Past the 60 s that an answer is fresh, within the 120 s that it may be served stale.
const STALE: Duration = Duration::from_secs(61);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_requests_find_it_stale_and_none_waits_for_the_refresh() {
    let (house, gate) = house_with_a_stale_report(numbered).await;

    // The origin is held: whoever waited for it would never be answered.
    let crowd = Crowd::over_streams(house.server.address, 10, 100, "/report").await;
    let told = crowd.told().await;
    assert_eq!(told.count("STALE"), 1_000);
    assert_eq!(told.all(StatusCode::OK), "answer 0");
    gate.reached(2).await;
    assert_eq!(house.origin_calls(), 2, "one fill and one refresh");

    gate.open();
    let renewed = house.report_until(Http2, "HIT").await;
    assert_eq!((renewed.text(), renewed.field("age")), ("answer 1", "0"));
    assert_eq!(house.origin_calls(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_the_stale_window_is_a_stampede_like_any_other() {
    let (house, gate) = house_with_a_stale_report(numbered).await;
    house.clock.advance(Duration::from_secs(180) - STALE);

    let crowd = Crowd::over_streams(house.server.address, 10, 100, "/report").await;
    house.server.arrivals.reached(1 + 1_000).await;
    gate.open();
    let told = crowd.told().await;
    assert_eq!(told.all(StatusCode::OK), "answer 1");
    assert_eq!((told.count("MISS"), told.count("COLLAPSED")), (1, 999));
    assert_eq!(house.origin_calls(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_that_fails_takes_nothing_away() {
    for refreshed in [error as fn(usize) -> Response, panic] {
        let (house, gate) = house_with_a_stale_report(|gate| gated(gate, refreshed)).await;
        gate.open();
        let first = Crowd::over_streams(house.server.address, 10, 10, "/report").await;
        assert_eq!(first.told().await.all(StatusCode::OK), "answer 0");
        gate.left(2).await;
        until("the refresh to end", || house.cache.stats().flights == 0).await;

        // The failing origin is left alone for a while, too.
        let second = Crowd::over_streams(house.server.address, 10, 10, "/report").await;
        let told = second.told().await;
        assert_eq!(told.all(StatusCode::OK), "answer 0");
        assert_eq!(told.count("STALE"), 100);
        let drained = house.cache.drain(Duration::from_secs(60));
        assert_eq!(within("the cache to drain", drained).await, 0);
        assert_eq!(gate.begun(), 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_whose_body_is_cut_takes_nothing_away() {
    let gate = Gate::opened();
    let (house, _) = house_with_a_stale_report(|fills| cut_after_the_first(fills, &gate)).await;
    assert_eq!(house.report(Http2).await.verb(), "STALE");
    gate.left(1).await;
    until("the refresh to end", || house.cache.stats().flights == 0).await;
    let crowd = Crowd::over_streams(house.server.address, 10, 10, "/report").await;
    assert_eq!(crowd.told().await.all(StatusCode::OK), "answer 0");
}

fn error(number: usize) -> Response {
    match number {
        0 => "answer 0".into_response(),
        _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn panic(number: usize) -> Response {
    match number {
        0 => "answer 0".into_response(),
        // Without the panic hook's lines in the log.
        _ => std::panic::resume_unwind(Box::new("a handler's bug")),
    }
}

fn cut_after_the_first(fills: &Gate, body: &Gate) -> MethodRouter {
    let (fills, body) = (fills.clone(), body.clone());
    fills.open();
    get(move || async move {
        match fills.enter().await {
            0 => Body::from("answer 0"),
            _ => held_body("answ", &body, Err(io::Error::other("a bug"))),
        }
    })
}

/// A house whose report was filled by the first call, and is stale; later calls are held by the gate.
async fn house_with_a_stale_report(report: impl FnOnce(&Gate) -> MethodRouter) -> (House, Gate) {
    let gate = Gate::default();
    gate.let_through(0);
    let house = House::of(report(&gate)).await;
    assert_eq!(house.report(Http2).await.text(), "answer 0");
    house.clock.advance(STALE);
    (house, gate)
}
