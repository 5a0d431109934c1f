//! The server stops while the cache is being filled: who waits is answered, and what nobody waits for is awaited.

use std::io::{self, ErrorKind};
use std::time::Duration;

use axum::routing::get;
use futures_util::FutureExt as _;
use house_tests::Protocol::Http1;
use house_tests::{Crowd, Gate, House, get as request, held_body, numbered, within};
use hyper::StatusCode;
use tokio::net::TcpStream;
use tokio::task::yield_now;
use tower_swr::HttpCache;

const DEADLINE: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_is_answered_and_the_fill_awaited() {
    let gate = Gate::default();
    let mut house = House::of(numbered(&gate)).await;
    let crowd = Crowd::over_connections(house.server.address, 10, "/report").await;
    house.server.arrivals.reached(10).await;
    gate.reached(1).await;

    house.server.stop();
    assert_closed(&house).await;
    let drained = begin_to_drain(&house.cache);
    gate.open();
    assert_eq!(crowd.told().await.all(StatusCode::OK), "answer 0");
    assert_eq!(drained.await, 0);
    house.server.ended().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_comes_to_its_end_before_the_server_does() {
    let gate = Gate::default();
    let body = gate.clone();
    let report = get(move || async move { held_body("the beginning", &body, Ok(", the end")) });
    let mut house = House::of(report).await;
    let mut client = house.connect(Http1).await;
    let mut reading = client.begin(request("/report")).await;
    assert_eq!(reading.chunk().await, "the beginning");

    house.server.stop();
    assert_closed(&house).await;
    let drained = begin_to_drain(&house.cache);
    gate.open();
    assert_eq!(reading.whole().await.text(), ", the end");
    assert_eq!(drained.await, 0);
    house.server.ended().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_that_no_connection_waits_for_is_awaited() {
    let gate = Gate::default();
    gate.let_through(0);
    let mut house = House::of(numbered(&gate)).await;
    house.report(Http1).await;
    house.clock.advance(Duration::from_secs(61));
    assert_eq!(house.report(Http1).await.verb(), "STALE");
    gate.reached(2).await;

    house.server.stop();
    house.server.ended().await;
    let drained = begin_to_drain(&house.cache);
    gate.open();
    assert_eq!(drained.await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_still_runs_at_the_deadline_is_told() {
    let gate = Gate::default();
    let house = House::open(|cache| {
        let routes = ["/a", "/b", "/c"];
        routes.into_iter().fold(axum::Router::new(), |app, path| {
            app.route(path, numbered(&gate).layer(cache.layer("report")))
        })
    })
    .await;
    let mut crowds = Vec::new();
    for path in ["/a", "/b", "/c"] {
        crowds.push(Crowd::over_connections(house.server.address, 2, path).await);
    }
    house.server.arrivals.reached(6).await;
    gate.reached(3).await;

    let before = house.clock.sleepers();
    let drained = begin_to_drain(&house.cache);
    assert_eq!(house.clock.sleepers(), before + 1, "it waits by this clock");
    house.clock.advance(DEADLINE);
    assert_eq!(drained.await, 3);

    // They go on for as long as the process lets them.
    gate.open();
    for crowd in crowds {
        assert_eq!(crowd.told().await.answers()[0].status, StatusCode::OK);
    }
    assert_eq!(drain(&house.cache).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_refresh_begins_after_a_drain() {
    let gate = Gate::opened();
    let house = House::of(numbered(&gate)).await;
    house.report(Http1).await;
    assert_eq!(drain(&house.cache).await, 0);
    house.clock.advance(Duration::from_secs(61));
    assert_eq!(house.report(Http1).await.verb(), "STALE");
    assert_eq!(drain(&house.cache).await, 0);
    assert_eq!(gate.begun(), 1);
}

/// A drain that waits for what runs: not over by itself.
fn begin_to_drain(cache: &HttpCache) -> impl Future<Output = usize> {
    let mut drained = Box::pin(drain(cache));
    assert_eq!(drained.as_mut().now_or_never(), None);
    drained
}

async fn drain(cache: &HttpCache) -> usize {
    within("the cache to drain", cache.drain(DEADLINE)).await
}

/// Waits until the server accepts no more connections.
async fn assert_closed(house: &House) {
    let is_refused = |error: io::Error| error.kind() == ErrorKind::ConnectionRefused;
    let refused = async {
        while !TcpStream::connect(house.server.address)
            .await
            .is_err_and(is_refused)
        {
            yield_now().await;
        }
    };
    within("the server to refuse connections", refused).await;
}
