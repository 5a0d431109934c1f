//! `HEAD` beside `GET` on one connection: the fields of the `GET`, no body, and nothing out of step behind it.

use std::time::Duration;

use axum::routing::get;
use house_tests::Protocol::Http1;
use house_tests::{Gate, House, Wire, held_body, numbered, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hit_has_the_length_of_the_get_and_no_body() {
    let house = House::of(numbered(&Gate::opened())).await;
    let mut wire = Wire::connect(house.server.address).await;
    wire.ask("GET /report").await;
    assert_eq!(wire.answer().await.verb(), "MISS");

    let requests =
        ["HEAD", "GET", "HEAD", "GET"].map(|method| wire.request(&format!("{method} /report"), ""));
    wire.write(requests.concat()).await;
    for _ in 0..2 {
        let head = wire.answer_to_head().await;
        let get = wire.answer().await;
        assert_eq!((head.status, head.verb()), (200, "HIT"));
        assert_eq!(get.body, "answer 0");
        assert_eq!(head.fields, get.fields, "all fields of the GET");
        assert_eq!(head.field("content-length"), "8");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_miss_is_forwarded_and_fills_nothing() {
    let gate = Gate::opened();
    let house = House::of(numbered(&gate)).await;
    let mut wire = Wire::connect(house.server.address).await;
    for calls in 1..=2 {
        wire.ask("HEAD /report").await;
        let head = wire.answer_to_head().await;
        assert_eq!((head.status, head.verb()), (200, "MISS"));
        assert_eq!(gate.begun(), calls);
    }
    assert_eq!(house.cache.stats().entries, 0);
    wire.ask("GET /report").await;
    assert_eq!(wire.answer().await.body, "answer 2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_comes_during_a_get_waits_for_it() {
    let gate = Gate::default();
    let house = House::of(numbered(&gate)).await;
    let mut getting = Wire::connect(house.server.address).await;
    getting.ask("GET /report").await;
    gate.reached(1).await;
    let mut heading = Wire::connect(house.server.address).await;
    heading.ask("HEAD /report").await;
    house.server.arrivals.reached(2).await;
    gate.open();

    let head = heading.answer_to_head().await;
    assert_eq!((head.status, head.verb()), (200, "COLLAPSED"));
    assert_eq!(head.field("content-length"), "8");
    assert_eq!(getting.answer().await.body, "answer 0");
    heading.ask("GET /report").await;
    assert_eq!(heading.answer().await.body, "answer 0");
    assert_eq!(house.origin_calls(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_comes_during_a_body_of_unknown_length_claims_none() {
    let gate = Gate::default();
    let body = gate.clone();
    let report = get(move || async move { held_body("the beginning", &body, Ok(", the end")) });
    let house = House::of(report).await;
    let mut getting = Wire::connect(house.server.address).await;
    getting.ask("GET /report").await;
    gate.reached(1).await;

    let mut heading = Wire::connect(house.server.address).await;
    heading.ask("HEAD /report").await;
    let head = heading.answer_to_head().await;
    assert_eq!((head.status, head.verb()), (200, "COLLAPSED"));
    // RFC 9110 section 8.6: the length of the GET's body, or none.
    assert_eq!(head.field("content-length"), "");
    gate.open();
    assert_eq!(getting.answer().await.body, "the beginning, the end");
    heading.ask("GET /report").await;
    assert_eq!(heading.answer().await.body, "the beginning, the end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_hit_refreshes_nothing() {
    let gate = Gate::opened();
    let house = House::of(numbered(&gate)).await;
    assert_eq!(house.report(Http1).await.text(), "answer 0");
    house.clock.advance(Duration::from_secs(61));
    let mut wire = Wire::connect(house.server.address).await;
    wire.ask("HEAD /report").await;
    let head = wire.answer_to_head().await;
    assert_eq!((head.verb(), head.field("content-length")), ("STALE", "8"));
    // It cannot stand in for the GET: a route may have another handler for that.
    let drained = house.cache.drain(Duration::from_secs(60));
    assert_eq!(within("the cache to drain", drained).await, 0);
    assert_eq!(gate.begun(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_of_its_own_never_answers_the_get() {
    let report = get(|| async { "for GET" }).head(|| async { [("x-handler", "for HEAD")] });
    let house = House::of(report).await;
    let mut wire = Wire::connect(house.server.address).await;
    wire.ask("HEAD /report").await;
    assert_eq!(wire.answer_to_head().await.field("x-handler"), "for HEAD");
    for verb in ["MISS", "HIT"] {
        wire.ask("GET /report").await;
        let answer = wire.answer().await;
        assert_eq!((answer.verb(), answer.body.as_str()), (verb, "for GET"));
        assert_eq!(answer.field("x-handler"), "");
    }
}
