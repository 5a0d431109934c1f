//! Bodies on their way, in both directions.

use crate::support::{Gate, House, Step, kept, said, until};

const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n";

#[tokio::test]
async fn an_answer_is_handed_on_while_it_comes() {
    for control in ["max-age=60", "no-store"] {
        let gate = Gate::default();
        let held = gate.clone();
        let house = House::before(move |_, _| {
            vec![
                Step::Say(format!(
                    "{CHUNKED}Cache-Control: {control}\r\n\r\n5\r\nfirst\r\n"
                )),
                Step::Wait(held.clone()),
                Step::Say("4\r\nlast\r\n0\r\n\r\n".to_owned()),
            ]
        })
        .await;
        let mut wire = house.connect().await;
        wire.begin("GET /", "").await;
        assert_eq!(
            wire.head().await.unwrap().field("transfer-encoding"),
            "chunked"
        );
        assert_eq!(wire.chunk().await, "first");
        gate.open();
        assert_eq!(wire.chunk().await, "last");
        assert_eq!(wire.exactly(5).await, "0\r\n\r\n");
    }
}

#[tokio::test]
async fn a_request_is_handed_on_while_it_comes() {
    let house = House::before(|request, _| match request.start.starts_with("GET /") {
        true => vec![Step::Read, Step::Say(kept_text("whole"))],
        false => vec![Step::Say(kept_text("early")), Step::Read],
    })
    .await;
    let mut wire = house.connect().await;
    wire.begin("POST /", "Transfer-Encoding: chunked\r\n").await;
    wire.write("5\r\nfirst\r\n").await;
    // The origin answers before it has seen the end.
    let early = wire.answer().await.unwrap();
    assert_eq!(early.body, "early");
    wire.write("4\r\nlast\r\n0\r\n\r\n").await;
    let received = || house.origin.received(0);
    until("the rest to arrive", || received().body == "firstlast").await;
    assert_eq!(received().field("transfer-encoding"), "chunked");
}

fn kept_text(body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: {length}\r\n\r\n{body}")
}

#[tokio::test]
async fn requests_keep_their_framing() {
    let house = House::before(|_, _| kept("max-age=60", "hello")).await;
    for (number, method) in ["POST", "GET"].into_iter().enumerate() {
        let mut wire = house.connect().await;
        let line = format!("{method} /");
        wire.begin(&line, "Content-Length: 5\r\n").await;
        wire.write("sized").await;
        assert_eq!(wire.answer().await.unwrap().verb(), "BYPASS");
        let sized = house.origin.received(2 * number);
        assert_eq!(
            (sized.field("content-length"), sized.body.as_str()),
            ("5", "sized")
        );

        wire.begin(&line, "Transfer-Encoding: chunked\r\n").await;
        wire.write("7\r\nchunked\r\n0\r\n\r\n").await;
        assert_eq!(wire.answer().await.unwrap().verb(), "BYPASS");
        let chunked = house.origin.received(2 * number + 1);
        assert_eq!(chunked.field("transfer-encoding"), "chunked");
        assert_eq!(chunked.body, "chunked");
    }
}

#[tokio::test]
async fn trailers_pass_both_ways() {
    let house = House::before(|_, _| {
        said(format!(
            "{CHUNKED}Trailer: X-Sum\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"
        ))
    })
    .await;
    let mut wire = house.connect().await;
    wire.begin(
        "POST /",
        "TE: trailers\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n",
    )
    .await;
    wire.write("2\r\nhi\r\n0\r\nX-Sum: 2\r\n\r\n").await;
    let answer = wire.answer().await.unwrap();
    let trailer = |value: &str| vec![("x-sum".to_owned(), value.to_owned())];
    assert_eq!(
        (answer.body.as_str(), answer.trailers),
        ("hello", trailer("1"))
    );
    let received = house.origin.received(0);
    assert_eq!(
        (received.body.as_str(), &received.trailers),
        ("hi", &trailer("2"))
    );
    assert_eq!(
        (received.field("te"), received.field("connection")),
        ("trailers", "te")
    );
}

#[tokio::test]
async fn a_client_that_leaves_takes_the_call_that_was_its_own_with_it() {
    let gate = Gate::default();
    let house = House::before(move |_, _| {
        vec![
            Step::Say(format!("{CHUNKED}Cache-Control: no-store\r\n\r\n")),
            Step::Wait(gate.clone()),
        ]
    })
    .await;
    let mut wire = house.connect().await;
    wire.begin("GET /", "").await;
    assert_eq!(wire.head().await.unwrap().status(), 200);
    drop(wire);
    house.settled().await;
}

#[tokio::test]
async fn events_pass_as_they_come() {
    let gate = Gate::default();
    let held = gate.clone();
    let house = House::before(move |_, _| {
        vec![
            Step::Say(format!(
                "{CHUNKED}Content-Type: text/event-stream\r\n\r\n9\r\ndata: 1\n\n\r\n"
            )),
            Step::Wait(held.clone()),
        ]
    })
    .await;
    for _ in 0..2 {
        let mut wire = house.connect().await;
        wire.begin("GET /", "").await;
        assert_eq!(wire.head().await.unwrap().verb(), "PASS");
        assert_eq!(wire.chunk().await, "data: 1\n\n");
    }
    assert_eq!(house.origin.calls(), 2);
    gate.open();
}

/// Whoever reads the one and whoever reads the other would not agree where the next request begins.
#[tokio::test]
async fn of_two_framings_one_goes_on() {
    let house = House::before(|_, _| kept("no-store", "hello")).await;
    let mut wire = house.connect().await;
    wire.begin(
        "POST /",
        "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
    )
    .await;
    wire.write("2\r\nhi\r\n0\r\n\r\n").await;
    if wire
        .answer()
        .await
        .is_some_and(|answer| answer.status() == 200)
    {
        let received = house.origin.received(0);
        assert_eq!(received.field("transfer-encoding"), "chunked");
        assert_eq!(
            (received.field("content-length"), received.body.as_str()),
            ("", "hi")
        );
    }

    let both = format!(
        "{CHUNKED}Cache-Control: max-age=60\r\nContent-Length: 3\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    );
    let house = House::before(move |_, _| said(both.clone())).await;
    for _ in 0..2 {
        let answer = house.get("/").await;
        assert!(
            answer.status() == 502 || answer.body == "hello",
            "{answer:?}"
        );
    }
}
