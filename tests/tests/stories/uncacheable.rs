//! Answers that may not be shared: a burst of requests costs one serial hop, the next one none, and each client gets an
//! answer of its own.

use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse as _, Response};
use house_tests::Protocol::Http1;
use house_tests::{Crowd, Gate, House, Told, gated};
use hyper::StatusCode;

const CROWD: usize = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_bursts_of_no_store() {
    let gate = Gate::default();
    let house = House::of(gated(&gate, no_store)).await;

    // Nobody knows yet that it may not be shared: one asks, the others wait.
    let first = Crowd::over_connections(house.server.address, CROWD, "/report").await;
    house.server.arrivals.reached(CROWD).await;
    gate.reached(1).await;
    assert_eq!(gate.begun(), 1);
    // That one answer sets all of them free at once: their calls are all at the origin before any of them is answered.
    gate.let_through(0);
    gate.reached(CROWD).await;
    (1..CROWD).for_each(|number| gate.let_through(number));
    assert_each_its_own(&first.told().await);

    // Now it is known, and nobody waits for anybody.
    let second = Crowd::over_connections(house.server.address, CROWD, "/report").await;
    gate.reached(2 * CROWD).await;
    gate.open();
    assert_each_its_own(&second.told().await);
    assert_eq!(house.origin_calls(), 2 * CROWD as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_may_be_shared_again_ends_it() {
    let gate = Gate::opened();
    let house = House::of(gated(&gate, no_store_once)).await;
    assert_eq!(house.report(Http1).await.verb(), "PASS");
    assert_eq!(house.report(Http1).await.verb(), "PASS", "it is remembered");
    assert_eq!(
        house.report(Http1).await.verb(),
        "MISS",
        "it was worth asking"
    );
    assert_eq!(house.report(Http1).await.verb(), "HIT");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_error_is_nobody_elses_and_is_not_remembered() {
    let gate = Gate::default();
    let house = House::of(gated(&gate, too_many_requests)).await;
    for burst in 0..2 {
        let crowd = Crowd::over_connections(house.server.address, CROWD, "/report").await;
        house.server.arrivals.reached((burst + 1) * CROWD).await;
        gate.reached(burst * CROWD + 1).await;
        assert_eq!(gate.begun(), burst * CROWD + 1, "the others wait again");
        gate.let_through(burst * CROWD);
        gate.reached((burst + 1) * CROWD).await;
        (burst * CROWD..(burst + 1) * CROWD).for_each(|number| gate.let_through(number));
        let told = crowd.told().await;
        assert_eq!(told.count("PASS"), CROWD);
        assert_eq!(told.bodies().len(), CROWD);
    }
}

fn assert_each_its_own(told: &Told) {
    assert_eq!(told.count("PASS"), CROWD);
    assert_eq!(told.bodies().len(), CROWD, "each has its own call's answer");
    for answer in told.answers() {
        assert_eq!(answer.status, StatusCode::OK);
        // What the handler says about caching is passed on, and nothing of ours is added to it.
        assert_eq!(answer.field("cache-control"), "no-store");
        assert_eq!(answer.field("age"), "");
    }
}

fn no_store(number: usize) -> Response {
    ([(CACHE_CONTROL, "no-store")], format!("answer {number}")).into_response()
}

fn no_store_once(number: usize) -> Response {
    match number {
        0 => no_store(0),
        _ => format!("answer {number}").into_response(),
    }
}

fn too_many_requests(number: usize) -> Response {
    let text = format!("slow down, number {number}");
    (StatusCode::TOO_MANY_REQUESTS, text).into_response()
}
