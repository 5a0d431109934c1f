//! The end of the proxy, in order.

use tokio::net::TcpStream;

use crate::support::{Gate, House, Step, kept, until, within};

/// An origin that answers when the gate is opened.
async fn behind(gate: &Gate) -> House {
    let gate = gate.clone();
    House::before(move |_, _| {
        let mut script = vec![Step::Wait(gate.clone())];
        script.extend(kept("max-age=60", "hello"));
        script
    })
    .await
}

#[tokio::test]
async fn what_is_under_way_is_answered_and_nothing_new_begins() {
    let gate = Gate::default();
    let mut house = behind(&gate).await;
    let mut idle = house.connect().await;
    let mut wire = house.connect().await;
    wire.begin("GET /", "").await;
    house.origin.reached(1).await;
    house.stop();
    assert_eq!(
        idle.rest().await,
        "",
        "nobody waits for those who ask nothing"
    );
    let refused = async { while TcpStream::connect(house.address).await.is_ok() {} };
    within("the port to be free", refused).await;
    gate.open();
    let answer = wire.answer().await.unwrap();
    assert_eq!(
        (answer.body.as_str(), answer.field("connection")),
        ("hello", "close")
    );
    house.stopped().await;
}

#[tokio::test]
async fn a_client_that_never_finishes_is_cut_at_the_deadline() {
    let mut house = House::with(&["--stop-timeout", "0.1"], |_, _| {
        vec![Step::Wait(Gate::default())]
    })
    .await;
    let mut wire = house.connect().await;
    wire.begin("POST /", "").await;
    house.origin.reached(1).await;
    house.stop();
    house.stopped().await;
    assert_eq!(wire.rest().await, "");
}

/// Its client is gone, and yet it fills the cache: others will ask.
#[tokio::test]
async fn a_call_that_nobody_waits_for_any_more_is_finished() {
    let gate = Gate::default();
    let mut house = behind(&gate).await;
    let mut wire = house.connect().await;
    wire.begin("GET /", "").await;
    house.origin.reached(1).await;
    drop(wire);
    house.stop();
    gate.open();
    house.stopped().await;
    until("the answer to be kept", || house.cache.stats().entries == 1).await;
}
