//! Other protocols after an upgrade.

use crate::support::{House, Step, Wire, kept, said};

const ACCEPTED: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
const WANTED: &str =
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

async fn house() -> House {
    House::before(|_, _| vec![Step::Say(ACCEPTED.to_owned()), Step::Echo]).await
}

async fn upgraded(house: &House) -> Wire {
    let mut wire = house.connect().await;
    wire.begin("GET /chat", WANTED).await;
    let answer = wire.head().await.unwrap();
    assert_eq!(
        (answer.status(), answer.field("upgrade")),
        (101, "websocket")
    );
    assert_eq!(answer.field("connection"), "upgrade");
    assert_eq!(
        answer.field("sec-websocket-accept"),
        "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    );
    wire
}

#[tokio::test]
async fn bytes_go_both_ways() {
    let house = house().await;
    let mut wire = upgraded(&house).await;
    for text in ["ping", "no HTTP at all\r\n\r\n", "x"] {
        wire.write(text).await;
        assert_eq!(wire.exactly(text.len()).await, text);
    }
    let received = house.origin.received(0);
    assert_eq!(
        (received.field("connection"), received.field("upgrade")),
        ("upgrade", "websocket")
    );
    assert_eq!(
        received.field("sec-websocket-key"),
        "dGhlIHNhbXBsZSBub25jZQ=="
    );
}

#[tokio::test]
async fn the_end_of_the_origins_side_is_the_end() {
    let house = House::before(|_, _| {
        vec![
            Step::Say(ACCEPTED.to_owned()),
            Step::Say("bye".to_owned()),
            Step::HangUp,
        ]
    })
    .await;
    assert_eq!(upgraded(&house).await.rest().await, "bye");
}

#[tokio::test]
async fn an_origin_may_decline() {
    let house = House::before(|_, _| kept("max-age=60", "no")).await;
    let answer = house.ask("GET /chat", WANTED).await;
    assert_eq!(
        (answer.status(), answer.verb(), answer.body.as_str()),
        (200, "BYPASS", "no")
    );
}

#[tokio::test]
async fn a_tunnel_that_is_silent_ends() {
    let house = House::with(&["--idle-timeout", "0.2"], |_, _| {
        vec![Step::Say(ACCEPTED.to_owned()), Step::Echo]
    })
    .await;
    let mut wire = upgraded(&house).await;
    wire.write("ping").await;
    assert_eq!(wire.rest().await, "ping", "and then the end");
}

#[tokio::test]
async fn a_proxy_that_stops_cuts_tunnels() {
    let mut house = house().await;
    let mut wire = upgraded(&house).await;
    house.stop();
    house.stopped().await;
    assert_eq!(wire.rest().await, "");
}

#[tokio::test]
async fn nobody_is_changed_who_did_not_ask() {
    let house = House::before(|_, _| said(ACCEPTED)).await;
    house.get("/").await.assert_problem(502);
    house.ask("POST /", "").await.assert_problem(502);
}

/// A tunnel of HTTP/2 would carry requests past the cache.
#[tokio::test]
async fn http_is_no_protocol_to_change_to() {
    let house = House::before(|_, _| kept("max-age=60", "hello")).await;
    let fields = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n";
    assert_eq!(house.ask("GET /", fields).await.verb(), "MISS");
    let received = house.origin.received(0);
    assert_eq!(
        (received.field("upgrade"), received.field("http2-settings")),
        ("", "")
    );
}
