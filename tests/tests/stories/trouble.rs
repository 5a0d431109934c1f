//! The origin is in trouble before its answer begins: everybody who waits is told, nothing is kept, and the next
//! request is answered.

use std::time::Duration;

use axum::response::{IntoResponse as _, Response};
use house_tests::Protocol::Http1;
use house_tests::{Crowd, Gate, House, Told, gated, numbered};
use hyper::StatusCode;

const CROWD: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_panics() {
    let gate = Gate::default();
    let house = House::of(gated(&gate, panic_first)).await;
    let told = crowd_at(&house, &gate, || gate.open()).await;
    assert_problem(&told, StatusCode::INTERNAL_SERVER_ERROR, "origin-panicked");
    assert_recovers(&house).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_hangs_until_its_deadline_which_cancels_the_call() {
    let gate = Gate::default();
    // The clients' own deadline is the later one here.
    let house = House::with(numbered(&gate), |layer| {
        layer
            .origin_timeout(Duration::from_secs(30))
            .wait_timeout(Duration::from_secs(60))
    })
    .await;
    let told = crowd_at(&house, &gate, || {
        house.clock.advance(Duration::from_secs(30));
    })
    .await;
    assert_problem(&told, StatusCode::GATEWAY_TIMEOUT, "origin-timed-out");
    // Nobody has let the call through: it was cancelled.
    gate.left(1).await;
    gate.open();
    assert_recovers(&house).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_takes_longer_than_anybody_waits() {
    let gate = Gate::default();
    let house = House::of(numbered(&gate)).await;
    // The clients' deadline is 55 s, the origin's 60 s.
    let told = crowd_at(&house, &gate, || {
        house.clock.advance(Duration::from_secs(55));
    })
    .await;
    assert_problem(&told, StatusCode::SERVICE_UNAVAILABLE, "wait-timed-out");

    // The call goes on, and serves those who come again.
    gate.open();
    assert_eq!(house.report_until(Http1, "HIT").await.text(), "answer 0");
    assert_eq!(house.origin_calls(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_answers_500() {
    let gate = Gate::default();
    let house = House::of(gated(&gate, error_first)).await;
    let told = crowd_at(&house, &gate, || gate.open()).await;
    let text = told.all(StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(text, "the handler's own words");
    assert_eq!(
        (told.count("MISS"), told.count("COLLAPSED")),
        (1, CROWD - 1)
    );
    assert_recovers(&house).await;
}

/// What a crowd is told that waits for the first call when `then` happens.
async fn crowd_at(house: &House, gate: &Gate, then: impl FnOnce()) -> Told {
    let crowd = Crowd::over_connections(house.server.address, CROWD, "/report").await;
    house.server.arrivals.reached(CROWD).await;
    gate.reached(1).await;
    then();
    crowd.told().await
}

/// Everybody, the client whose request it was included, gets a problem of ours (RFC 9457) and is told to come again.
fn assert_problem(told: &Told, status: StatusCode, code: &str) {
    let text = told.all(status);
    assert!(text.contains(&format!(r#""code":"{code}""#)), "{text}");
    assert_eq!(told.count("ERROR"), CROWD);
    for answer in told.answers() {
        assert_eq!(answer.field("content-type"), "application/problem+json");
        assert_eq!(answer.field("cache-control"), "no-store");
        assert_eq!(answer.field("retry-after"), "1");
    }
}

/// One call was made for all, nothing of it is kept, and the second call's answer is.
async fn assert_recovers(house: &House) {
    assert_eq!(house.origin_calls(), 1);
    assert_eq!(house.cache.stats().entries, 0);
    for verb in ["MISS", "HIT"] {
        let answer = house.report(Http1).await;
        assert_eq!((answer.verb(), answer.text()), (verb, "answer 1"));
    }
    assert_eq!(house.origin_calls(), 2);
}

fn panic_first(number: usize) -> Response {
    if number == 0 {
        // Not `panic!`, whose hook would write of it into the log of a test that passes.
        std::panic::resume_unwind(Box::new("a bug of the handler's"));
    }
    format!("answer {number}").into_response()
}

fn error_first(number: usize) -> Response {
    match number {
        0 => (StatusCode::INTERNAL_SERVER_ERROR, "the handler's own words").into_response(),
        _ => format!("answer {number}").into_response(),
    }
}
