//! Clients that hold a connection: how many there may be, and for how long one may do nothing.

use crate::support::{Gate, House, Message, Script, Step, kept, until};

/// Long enough for a loopback, short enough for a test that has to live through it.
const IMPATIENT: [&str; 2] = ["--client-timeout", "0.5"];

async fn house(arguments: &[&str]) -> House {
    House::with(arguments, |_, _| kept("max-age=60", "hello")).await
}

#[tokio::test]
async fn a_client_that_never_begins_is_sent_away() {
    for begun in [
        "",
        "P",
        "PRI * HTTP/2.0\r\n\r\nSM",
        "GET / HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nHost: test\r\nX-Slow: a",
    ] {
        let house = house(&IMPATIENT).await;
        let mut wire = house.connect().await;
        wire.write(begun).await;
        assert_eq!(wire.rest().await, "", "{begun:?}");
        assert_eq!(house.origin.calls(), 0);
    }
}

/// Its request is shorter than the beginning by which HTTP/2 is told.
#[tokio::test]
async fn a_short_request_is_no_client_that_never_begins() {
    let gate = Gate::default();
    let held = gate.clone();
    let house = House::with(&IMPATIENT, move |_, _| {
        let wait = vec![Step::Wait(held.clone())];
        [wait, kept("no-store", "hello")].concat()
    })
    .await;
    let mut wire = house.connect().await;
    wire.write("GET / HTTP/1.0\r\n\r\n").await;
    house.origin.reached(1).await;
    // Who says nothing at all tells when the time is over.
    assert_eq!(house.connect().await.rest().await, "");
    gate.open();
    assert!(wire.rest().await.ends_with("hello"));
}

#[tokio::test]
async fn a_client_that_asks_no_more_is_sent_away() {
    let house = house(&IMPATIENT).await;
    let mut wire = house.connect().await;
    for verb in ["MISS", "HIT"] {
        assert_eq!(wire.get("/").await.verb(), verb);
    }
    assert_eq!(wire.rest().await, "");
}

/// It could keep an answer in memory, and its seat, for ever.
#[tokio::test]
async fn a_client_that_takes_nothing_of_its_answer_is_sent_away() {
    // Far more than the system takes in for a client that does not read.
    let large = "x".repeat(64 << 20);
    let arguments = [&IMPATIENT[..], &["--connections", "1"]].concat();
    let house = House::with(&arguments, move |request: &Message, _| -> Script {
        match request.start.contains("/large") {
            true => kept("no-store", &large),
            false => kept("no-store", "hello"),
        }
    })
    .await;
    let mut taking_nothing = house.connect().await;
    taking_nothing.begin("GET /large", "").await;
    assert_eq!(taking_nothing.head().await.unwrap().status(), 200);
    // There is one seat, and it is free once more.
    assert_eq!(house.get("/").await.body, "hello");
}

#[tokio::test]
async fn who_comes_when_all_seats_are_taken_waits_for_one() {
    let house = house(&["--connections", "2"]).await;
    let mut seated = [house.connect().await, house.connect().await];
    for wire in &mut seated {
        assert_eq!(wire.get("/").await.body, "hello");
    }
    let mut waiting = house.connect().await;
    waiting.begin("GET /late", "").await;
    // Those who have a seat are served as often as they ask.
    for number in 0..20 {
        for wire in &mut seated {
            wire.get(&format!("/{number}")).await;
        }
    }
    assert_eq!(house.origin.calls(), 21, "and who waits is not");
    let [first, _second] = seated;
    drop(first);
    assert_eq!(waiting.answer().await.unwrap().body, "hello");
}

#[tokio::test]
async fn a_tunnel_has_a_seat_until_it_ends() {
    let accepted =
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n";
    let house = House::with(
        &["--connections", "1"],
        move |request, number| match request.field("upgrade") {
            "" => kept("no-store", &number.to_string()),
            _ => vec![Step::Say(accepted.to_owned()), Step::Echo],
        },
    )
    .await;
    let mut tunnel = house.connect().await;
    let wanted = "Connection: Upgrade\r\nUpgrade: chat\r\n";
    tunnel.begin("GET /chat", wanted).await;
    assert_eq!(tunnel.head().await.unwrap().status(), 101);
    let mut waiting = house.connect().await;
    waiting.begin("GET /", "").await;
    for _ in 0..20 {
        tunnel.write("ping").await;
        assert_eq!(tunnel.exactly(4).await, "ping");
    }
    assert_eq!(house.origin.calls(), 1);
    drop(tunnel);
    assert_eq!(waiting.answer().await.unwrap().body, "1");
}

#[tokio::test]
async fn no_more_are_with_the_origin_than_may_be() {
    let gate = Gate::default();
    let held = gate.clone();
    let house = House::with(&["--origin-calls", "2"], move |_, _| {
        let wait = vec![Step::Wait(held.clone())];
        [wait, kept("no-store", "hello")].concat()
    })
    .await;
    let mut clients = Vec::new();
    for path in ["/a", "/b", "/c"] {
        let mut wire = house.connect().await;
        wire.begin(&format!("GET {path}"), "").await;
        clients.push(wire);
    }
    house.origin.reached(2).await;
    assert_eq!(house.origin.calls(), 2);
    gate.open();
    for mut client in clients {
        assert_eq!(client.answer().await.expect("an answer").body, "hello");
    }
    assert_eq!(house.origin.calls(), 3);
}

#[tokio::test]
async fn who_waits_too_long_for_a_call_is_told() {
    let gate = Gate::default();
    let held = gate.clone();
    let arguments = ["--origin-calls", "1", "--origin-timeout", "0.5"];
    let house = House::with(&arguments, move |request: &Message, _| -> Script {
        match request.start.contains("/held") {
            // Its head is there, so that it is in nobody's time, and its body is not.
            true => [
                vec![Step::Say(
                    "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: 5\r\n\r\n"
                        .to_owned(),
                )],
                vec![Step::Wait(held.clone())],
            ]
            .concat(),
            false => kept("no-store", "hello"),
        }
    })
    .await;
    let mut wire = house.connect().await;
    wire.begin("GET /held", "").await;
    assert_eq!(wire.head().await.expect("a head").status(), 200);
    house.get("/").await.assert_problem(503);
    drop(wire);
    until("the call ends with its reader", || {
        house.cache.stats().flights == 0
    })
    .await;
    gate.open();
}
