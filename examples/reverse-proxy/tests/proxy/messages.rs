//! What a message leaves at this hop, and what it takes along.

use reverse_proxy::Proxy;
use tokio::net::TcpListener;

use crate::support::{House, Wire, beside, kept, said, settings};

const HOP_BY_HOP: &str = "Connection: close, X-Hop\r\nConnection: X-Other\r\nX-Hop: 1\r\nX-Other: 2\r\n\
                          Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nTE: gzip\r\n\
                          Proxy-Authorization: Basic eDp5\r\nProxy-Authenticate: Basic\r\n\
                          Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n";

fn assert_nothing_is_left(fields: &[(String, String)]) {
    for name in [
        "connection",
        "x-hop",
        "x-other",
        "keep-alive",
        "proxy-connection",
        "te",
        "transfer-encoding",
        "proxy-authorization",
        "proxy-authenticate",
        "upgrade",
        "http2-settings",
    ] {
        assert!(
            fields.iter().all(|(found, _)| found != name),
            "{name}: {fields:?}"
        );
    }
}

#[tokio::test]
async fn what_ends_at_this_hop_goes_no_further() {
    let answer = format!("HTTP/1.1 200 OK\r\n{HOP_BY_HOP}X-Kept: 3\r\nContent-Length: 2\r\n\r\nhi");
    let house = House::before(move |_, _| said(answer.clone())).await;
    // Shared, and past the cache.
    for (number, line) in ["GET /", "DELETE /"].into_iter().enumerate() {
        let mut wire = house.connect().await;
        let answer = wire.ask(line, &format!("{HOP_BY_HOP}X-Kept: 3\r\n")).await;
        let received = house.origin.received(number);
        assert_nothing_is_left(&received.fields);
        assert_eq!(received.field("x-kept"), "3");
        let mut fields = answer.fields.clone();
        // That one is the proxy's own: the client asked for it.
        fields.retain(|(name, value)| name != "connection" || value != "close");
        assert_nothing_is_left(&fields);
        assert_eq!((answer.field("x-kept"), answer.body.as_str()), ("3", "hi"));
        assert_eq!(wire.rest().await, "");
    }
}

/// RFC 9110 section 8.6, and RFC 9112 section 6.3: kept and passed, to whoever asks for the head alone, too.
#[tokio::test]
async fn an_answer_without_content_says_no_length_whatever_the_origin_says() {
    for (control, length) in [
        ("max-age=60", 0),
        ("max-age=60", 5),
        ("no-store", 0),
        ("no-store", 5),
    ] {
        let verbs = if control == "no-store" {
            ["PASS", "PASS"]
        } else {
            ["MISS", "HIT"]
        };
        let answer = nothing(control, length);
        for line in ["GET /", "HEAD /"] {
            let answer = answer.clone();
            let house = House::before(move |_, _| said(answer.clone())).await;
            for verb in verbs {
                let answer = house.ask(line, "").await;
                assert_eq!(
                    (answer.status(), answer.verb()),
                    (204, verb),
                    "{line} {length}"
                );
                assert_eq!(
                    answer.all("content-length"),
                    [""; 0],
                    "{line} {length} {verb}"
                );
            }
        }
    }
}

fn nothing(control: &str, length: usize) -> String {
    format!(
        "HTTP/1.1 204 No Content\r\nCache-Control: {control}\r\nContent-Length: {length}\r\n\r\n"
    )
}

#[tokio::test]
async fn the_proxy_names_itself_both_ways() {
    let house = House::before(|_, _| {
        said("HTTP/1.1 200 OK\r\nVia: 1.0 inner\r\nCache-Control: max-age=60\r\nContent-Length: 0\r\n\r\n")
    })
    .await;
    let answer = house.ask("GET /", "Via: 1.1 outer\r\n").await;
    let received = house.origin.received(0);
    let ours = received.all("via")[1].to_owned();
    assert!(ours.starts_with("1.1 tower-swr-"), "{ours}");
    assert_eq!(received.all("via"), ["1.1 outer", &ours]);
    assert_eq!(answer.all("via"), ["1.0 inner", &ours]);
    assert_eq!(
        house.get("/").await.all("via"),
        ["1.0 inner", &ours],
        "once, from memory too"
    );
}

#[tokio::test]
async fn a_loop_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let proxy = Proxy::new(&settings(&format!("http://{address}"), &[]));
    let server = beside(async move { proxy.serve(listener, std::future::pending()).await });
    for line in ["GET /", "POST /"] {
        let answer = Wire::to(address).await.ask(line, "").await;
        answer.assert_problem(508);
    }
    server.abort();
}

#[tokio::test]
async fn a_namesake_is_no_loop() {
    let house = House::before(|_, _| kept("no-store", "hello")).await;
    let answer = house
        .ask("GET /", "Via: 1.1 tower-swr-00000000, 1.1 tower-swr\r\n")
        .await;
    assert_eq!(answer.body, "hello");
}

#[tokio::test]
async fn the_origin_is_told_who_asks() {
    let house = House::before(|_, _| kept("max-age=60", "hello")).await;
    let claims = "Forwarded: for=192.0.2.1\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\n\
                  X-Forwarded-Host: evil\r\nX-Forwarded-Port: 1\r\nX-Real-IP: 192.0.2.1\r\n";
    let element = "for=127.0.0.1;proto=http;host=\"test\"";
    house.ask("GET /", claims).await;
    house.ask("POST /", claims).await;
    for number in [0, 1] {
        assert_eq!(house.origin.received(number).all("forwarded"), [element]);
        let received = house.origin.received(number);
        assert_eq!(received.field("x-forwarded-for"), "127.0.0.1");
        assert_eq!(received.field("x-forwarded-proto"), "http");
        assert_eq!(received.field("x-forwarded-host"), "test");
        assert_eq!(received.field("x-forwarded-port"), "");
        assert_eq!(received.field("x-real-ip"), "");
        assert_eq!(received.field("host"), "test");
    }
}

#[tokio::test]
async fn what_a_client_claims_does_not_split_the_cache() {
    let house = House::before(|_, _| kept("max-age=60", "hello")).await;
    for claim in [
        "",
        "X-Forwarded-Host: evil\r\n",
        "X-Forwarded-Proto: https\r\n",
    ] {
        assert_eq!(house.ask("GET /", claim).await.body, "hello");
    }
    assert_eq!(house.origin.calls(), 1);
}

#[tokio::test]
async fn a_reason_of_the_origins_own_is_passed_on() {
    let house =
        House::before(|_, _| said("HTTP/1.1 299 Well Well\r\nContent-Length: 0\r\n\r\n")).await;
    let answer = house.ask("POST /", "").await;
    assert_eq!(answer.start, "HTTP/1.1 299 Well Well");
}

#[tokio::test]
async fn a_client_that_waits_to_be_told_to_continue_is_told() {
    let house = House::before(|request, _| kept("no-store", request.field("content-length"))).await;
    let mut wire = house.connect().await;
    wire.begin("POST /", "Content-Length: 2\r\nExpect: 100-continue\r\n")
        .await;
    assert_eq!(wire.head().await.unwrap().status(), 100);
    wire.write("hi").await;
    assert_eq!(wire.answer().await.unwrap().body, "2");
    assert_eq!(house.origin.received(0).body, "hi");
}

#[tokio::test]
async fn every_method_reaches_the_origin() {
    let house =
        House::before(|request, _| kept("no-store", request.start.split(' ').next().unwrap()))
            .await;
    for method in [
        "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "PURGE", "PROPFIND", "x-own",
    ] {
        let answer = house.ask(&format!("{method} /"), "").await;
        assert_eq!((answer.verb(), answer.body.as_str()), ("BYPASS", method));
    }
}
