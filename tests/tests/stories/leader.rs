//! The client whose request fills the cache goes away, and nobody else notices.

use axum::routing::get;
use house_tests::Protocol::{Http1, Http2};
use house_tests::{Crowd, Gate, House, Wire, held_body, numbered};
use hyper::StatusCode;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_socket_is_closed_while_the_origin_works() {
    let gate = Gate::default();
    let house = House::of(numbered(&gate)).await;
    let mut leader = Wire::connect(house.server.address).await;
    leader.ask("GET /report").await;
    gate.reached(1).await;

    let early = Crowd::over_connections(house.server.address, 5, "/report").await;
    house.server.arrivals.reached(1 + 5).await;
    drop(leader);
    house.server.arrivals.abandoned(1).await;
    let late = Crowd::over_connections(house.server.address, 5, "/report").await;
    house.server.arrivals.reached(1 + 5 + 5).await;

    gate.open();
    for told in [early.told().await, late.told().await] {
        assert_eq!(told.all(StatusCode::OK), "answer 0");
        assert_eq!(told.count("COLLAPSED"), 5);
    }
    assert_stored(&house, "answer 0").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_stream_is_reset_while_the_origin_works() {
    let gate = Gate::default();
    let house = House::of(numbered(&gate)).await;
    let client = house.connect(Http2).await;
    let mut leader = client.stream();
    tokio::select! {
        answer = leader.get("/report") => panic!("{answer:?} from an origin that is held"),
        () = gate.reached(1) => {}
    }
    house.server.arrivals.abandoned(1).await;

    // On streams of a connection of their own, and on one beside the one that was reset.
    let others = Crowd::over_streams(house.server.address, 1, 5, "/report").await;
    house.server.arrivals.reached(1 + 5).await;
    gate.open();
    let told = others.told().await;
    assert_eq!(told.all(StatusCode::OK), "answer 0");
    assert_eq!(told.count("COLLAPSED"), 5);
    assert_eq!(client.stream().get("/report").await.verb(), "HIT");
    assert_eq!(house.origin_calls(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_goes_and_the_answer_is_stored_all_the_same() {
    let gate = Gate::default();
    let house = House::of(numbered(&gate)).await;
    let mut clients = Vec::new();
    for _ in 0..5 {
        let mut client = Wire::connect(house.server.address).await;
        client.ask("GET /report").await;
        clients.push(client);
    }
    house.server.arrivals.reached(5).await;
    gate.reached(1).await;
    clients.clear();
    house.server.arrivals.abandoned(5).await;
    gate.open();
    assert_stored(&house, "answer 0").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_socket_is_closed_in_the_middle_of_the_body() {
    let gate = Gate::default();
    let body = gate.clone();
    let report = get(move || async move { held_body("the beginning", &body, Ok(", the end")) });
    let house = House::of(report).await;
    let mut leader = house.connect(Http1).await;
    let mut reading = leader.begin(house_tests::get("/report")).await;
    assert_eq!(reading.chunk().await, "the beginning");
    let mut follower = house.connect(Http1).await;
    let mut following = follower.begin(house_tests::get("/report")).await;
    assert_eq!(following.chunk().await, "the beginning");
    assert_eq!(following.verb(), "COLLAPSED");

    drop((reading, leader));
    gate.open();
    assert_eq!(following.whole().await.text(), ", the end");
    assert_stored(&house, "the beginning, the end").await;
}

async fn assert_stored(house: &House, text: &str) {
    assert_eq!(house.report_until(Http1, "HIT").await.text(), text);
    assert_eq!(house.origin_calls(), 1);
}
