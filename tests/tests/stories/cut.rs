//! The origin's body breaks off: no client takes the beginning for the whole, nothing is kept, and the next request is
//! answered.

use std::io;

use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get};
use house_tests::Protocol::{self, Http1, Http2};
use house_tests::{Answer, Arriving, Gate, House, get as request, held_body, is_incomplete};
use hyper::header::CONTENT_LENGTH;

/// How a body goes wrong after its first bytes.
#[derive(Clone, Copy, Debug)]
enum Wrong {
    Fails,
    FailsBeforeItsLength,
    EndsBeforeItsLength,
    GoesOnBehindItsLength,
}

const WAYS: [Wrong; 4] = [
    Wrong::Fails,
    Wrong::FailsBeforeItsLength,
    Wrong::EndsBeforeItsLength,
    Wrong::GoesOnBehindItsLength,
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_http_1_see_that_it_is_incomplete() {
    for wrong in WAYS {
        for end in ends(wrong, Http1).await {
            let error = end.expect_err(&format!("{wrong:?} looks like a whole answer"));
            assert!(is_incomplete(&error), "{wrong:?}: {error:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_http_2_see_their_streams_reset() {
    for wrong in WAYS {
        for end in ends(wrong, Http2).await {
            let error = end.expect_err(&format!("{wrong:?} looks like a whole answer"));
            let text = format!("{error:?}");
            assert!(text.contains("Reset("), "{wrong:?}: {text}");
        }
    }
}

/// How a leader and a follower see the end of a first answer that goes `wrong`, in a house that then recovers.
async fn ends(wrong: Wrong, protocol: Protocol) -> Vec<hyper::Result<Answer>> {
    let gate = Gate::default();
    let house = House::of(wrong_first(wrong, &gate)).await;
    let mut ends = Vec::new();
    // Connections stay open, so that it is the server who ends what comes over them.
    let mut clients = [house.connect(protocol).await, house.connect(protocol).await];
    let mut readings = Vec::new();
    for (client, verb) in clients.iter_mut().zip(["MISS", "COLLAPSED"]) {
        let mut reading = client.begin(request("/report")).await;
        assert_eq!(reading.verb(), verb);
        assert_eq!(reading.chunk().await, "the beginning");
        readings.push(reading);
    }
    gate.open();
    for reading in readings {
        ends.push(Arriving::rest(reading).await);
    }
    assert_recovers(&house, protocol).await;
    ends
}

/// One call was made for both, nothing of it is kept, and the second call's answer is.
async fn assert_recovers(house: &House, protocol: Protocol) {
    assert_eq!(house.origin_calls(), 1);
    assert_eq!(house.cache.stats().entries, 0);
    for verb in ["MISS", "HIT"] {
        let answer = house.report(protocol).await;
        assert_eq!((answer.verb(), answer.text()), (verb, "whole"));
    }
    assert_eq!(house.origin_calls(), 2);
}

fn wrong_first(wrong: Wrong, gate: &Gate) -> MethodRouter {
    let (calls, gate) = (Gate::opened(), gate.clone());
    get(move || async move {
        match calls.enter().await {
            0 => wrong_answer(wrong, &gate),
            _ => "whole".into_response(),
        }
    })
}

fn wrong_answer(wrong: Wrong, gate: &Gate) -> Response {
    let failure = Err(io::Error::other("the origin's disk"));
    let longer = "the beginning".len() + 10;
    let (length, rest) = match wrong {
        Wrong::Fails => (None, failure),
        Wrong::FailsBeforeItsLength => (Some(longer), failure),
        Wrong::EndsBeforeItsLength => (Some(longer), Ok("short")),
        Wrong::GoesOnBehindItsLength => (Some(longer), Ok("longer than announced")),
    };
    let mut answer = held_body("the beginning", gate, rest).into_response();
    if let Some(length) = length {
        answer.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    answer
}
