//! A long answer: leader and follower read its beginning while the origin still works at the rest.

use axum::response::IntoResponse as _;
use axum::routing::{MethodRouter, get};
use house_tests::Protocol::{self, Http1, Http2};
use house_tests::{Arriving, Gate, House, get as request, held_body};
use hyper::header::CONTENT_LENGTH;

const BEGINNING: &str = "the beginning";
const WHOLE: &str = "the beginning and the end";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_chunks() {
    for protocol in [Http1, Http2] {
        let gate = Gate::default();
        let house = House::of(held(&gate, None)).await;
        let readings = assert_both_begin(&house, protocol).await;
        for reading in &readings {
            assert_eq!(reading.field("content-length"), "");
            let framing = if protocol == Http1 { "chunked" } else { "" };
            assert_eq!(reading.field("transfer-encoding"), framing);
        }
        assert_both_end(&house, &gate, protocol, readings).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_length() {
    for protocol in [Http1, Http2] {
        let gate = Gate::default();
        let house = House::of(held(&gate, Some(WHOLE.len()))).await;
        let readings = assert_both_begin(&house, protocol).await;
        for reading in &readings {
            assert_eq!(reading.field("content-length"), WHOLE.len().to_string());
            assert_eq!(reading.field("transfer-encoding"), "");
        }
        assert_both_end(&house, &gate, protocol, readings).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_reads_to_the_end_and_it_is_kept_all_the_same() {
    let gate = Gate::default();
    let house = House::of(held(&gate, None)).await;
    drop(assert_both_begin(&house, Http1).await);
    gate.open();
    assert_eq!(house.report_until(Http1, "HIT").await.text(), WHOLE);
    assert_eq!(house.origin_calls(), 1);
}

fn held(gate: &Gate, length: Option<usize>) -> MethodRouter {
    let gate = gate.clone();
    get(move || async move {
        let mut answer = held_body(BEGINNING, &gate, Ok(" and the end")).into_response();
        if let Some(length) = length {
            answer.headers_mut().insert(CONTENT_LENGTH, length.into());
        }
        answer
    })
}

/// Leader and follower, each on a connection of its own, have read the beginning while the end is held.
async fn assert_both_begin(house: &House, protocol: Protocol) -> [Arriving; 2] {
    let mut readings = Vec::new();
    for verb in ["MISS", "COLLAPSED"] {
        let mut client = house.connect(protocol).await;
        let mut reading = client.begin(request("/report")).await;
        assert_eq!(reading.verb(), verb);
        assert_eq!(reading.chunk().await, BEGINNING);
        readings.push(reading);
    }
    readings.try_into().expect("two began")
}

async fn assert_both_end(house: &House, gate: &Gate, protocol: Protocol, readings: [Arriving; 2]) {
    gate.open();
    for reading in readings {
        assert_eq!(reading.whole().await.text(), " and the end");
    }
    let kept = house.report_until(protocol, "HIT").await;
    assert_eq!(kept.text(), WHOLE);
    assert_eq!(kept.field("content-length"), WHOLE.len().to_string());
    assert_eq!(house.origin_calls(), 1);
}
