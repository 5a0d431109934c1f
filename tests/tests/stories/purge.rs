//! A purge while the cache is being filled: who waits gets the answer that is on its way, and nobody else ever does.

use std::time::Duration;

use axum::routing::get;
use house_tests::Protocol::Http1;
use house_tests::{Answer, Crowd, Gate, House, get as request, held_body, numbered, within};
use hyper::{StatusCode, Uri};
use tower_swr::HttpCache;

/// Each way to purge the report.
const PURGES: [fn(&HttpCache); 3] = [
    |cache| drop(cache.purge("report", &Uri::from_static("/report"))),
    |cache| drop(cache.purge_scope("report")),
    |cache| drop(cache.purge_all()),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_old_call_ends_before_the_new_one() {
    for purge in PURGES {
        assert_only_the_new_answer_is_kept(purge, [0, 1]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_old_call_ends_after_the_new_one() {
    for purge in PURGES {
        assert_only_the_new_answer_is_kept(purge, [1, 0]).await;
    }
}

async fn assert_only_the_new_answer_is_kept(purge: fn(&HttpCache), order: [usize; 2]) {
    let gate = Gate::default();
    let house = House::of(numbered(&gate)).await;
    let before = Crowd::over_connections(house.server.address, 10, "/report").await;
    house.server.arrivals.reached(10).await;
    gate.reached(1).await;

    purge(&house.cache);
    let after = Crowd::over_connections(house.server.address, 10, "/report").await;
    // The old call is still held, so this is another one, and only one for all who came after the purge.
    gate.reached(2).await;
    house.server.arrivals.reached(20).await;
    assert_eq!(gate.begun(), 2);

    let mut crowds = [Some(before), Some(after)];
    for number in order {
        gate.let_through(number);
        let crowd = crowds[number].take().expect("each call ends once");
        let told = crowd.told().await;
        assert_eq!(told.all(StatusCode::OK), format!("answer {number}"));
        assert_eq!((told.count("MISS"), told.count("COLLAPSED")), (1, 9));
    }
    assert_eq!(
        verb_and_text(&house.report(Http1).await),
        ("HIT", "answer 1")
    );
    assert_eq!(house.origin_calls(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_purge_between_a_body_and_its_end() {
    let (calls, gate) = (Gate::opened(), Gate::default());
    let body = gate.clone();
    let house = House::of(get(move || async move {
        match calls.enter().await {
            0 => held_body("an old beginning", &body, Ok(" and its end")),
            _ => "new".into(),
        }
    }))
    .await;
    let mut client = house.connect(Http1).await;
    let mut reading = client.begin(request("/report")).await;
    assert_eq!(reading.chunk().await, "an old beginning");

    house.cache.purge("report", &Uri::from_static("/report"));
    assert_eq!(verb_and_text(&house.report(Http1).await), ("MISS", "new"));
    gate.open();
    assert_eq!(reading.whole().await.text(), " and its end");
    assert_eq!(verb_and_text(&house.report(Http1).await), ("HIT", "new"));
    assert_eq!(house.origin_calls(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_purge_during_a_refresh() {
    let gate = Gate::default();
    gate.let_through(0);
    let house = House::of(numbered(&gate)).await;
    house.report(Http1).await;
    house.clock.advance(Duration::from_secs(61));
    assert_eq!(
        verb_and_text(&house.report(Http1).await),
        ("STALE", "answer 0")
    );
    gate.reached(2).await;

    // Whoever purges has changed something that the refresh may have read before.
    house.cache.purge("report", &Uri::from_static("/report"));
    gate.let_through(2);
    assert_eq!(
        verb_and_text(&house.report(Http1).await),
        ("MISS", "answer 2")
    );
    gate.let_through(1);
    gate.left(3).await;
    let drained = house.cache.drain(Duration::from_secs(60));
    assert_eq!(within("the cache to drain", drained).await, 0);
    assert_eq!(
        verb_and_text(&house.report(Http1).await),
        ("HIT", "answer 2")
    );
    assert_eq!(house.origin_calls(), 3);
}

fn verb_and_text(answer: &Answer) -> (&str, &str) {
    (answer.verb(), answer.text())
}
