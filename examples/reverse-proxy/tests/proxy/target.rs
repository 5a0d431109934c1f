//! Whom a request is for, however it says so.

use crate::support::{House, Message, kept};

async fn house() -> House {
    House::before(|request, _| kept("max-age=60", request.field("host"))).await
}

async fn answer(house: &House, text: &str) -> Message {
    let mut wire = house.connect().await;
    wire.write(text).await;
    wire.answer().await.expect("the proxy answers")
}

#[tokio::test]
async fn the_absolute_form_is_the_same_request() {
    let house = house().await;
    let absolute = "GET http://test/a?b HTTP/1.1\r\nHost: ignored\r\n\r\n";
    assert_eq!(answer(&house, absolute).await.body, "test");
    assert_eq!(house.origin.received(0).start, "GET /a?b HTTP/1.1");
    assert_eq!(house.get("/a?b").await.verb(), "HIT");
}

#[tokio::test]
async fn hosts_are_kept_apart() {
    let house = house().await;
    for host in ["one", "two"] {
        let text = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(answer(&house, &text).await.body, host);
    }
}

#[tokio::test]
async fn odd_characters_reach_the_origin_as_they_are() {
    let house = house().await;
    for path in [
        "//evil.example/a",
        "/a/../b/./c",
        "/%2e%2E/%2f?x=%00&y=%zz",
        "/a;b=c:d@e!$'()*+,[]|{}^\"\\",
        "/?a?b/c&&a=1&a=2",
        "/?",
        "/über",
    ] {
        let seen = house.origin.calls();
        house.get(path).await;
        assert_eq!(
            house.origin.received(seen).start,
            format!("GET {path} HTTP/1.1")
        );
    }
}

#[tokio::test]
async fn options_of_the_whole_server_stay_that() {
    let house = house().await;
    house.ask("OPTIONS *", "Max-Forwards: 3\r\n").await;
    let received = house.origin.received(0);
    assert_eq!(received.start, "OPTIONS * HTTP/1.1");
    assert_eq!(received.field("max-forwards"), "2");
}

#[tokio::test]
async fn what_is_not_for_this_server_is_refused() {
    let house = house().await;
    for (text, status) in [
        ("CONNECT test:80 HTTP/1.1\r\nHost: test:80\r\n\r\n", 501),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400),
        ("GET http://me@test/ HTTP/1.1\r\nHost: test\r\n\r\n", 400),
        ("GET * HTTP/1.1\r\nHost: test\r\n\r\n", 400),
        ("GET https://test/ HTTP/1.1\r\nHost: test\r\n\r\n", 421),
        (
            "OPTIONS / HTTP/1.1\r\nHost: test\r\nMax-Forwards: 0\r\n\r\n",
            501,
        ),
        (
            "TRACE / HTTP/1.1\r\nHost: test\r\nMax-Forwards: 0\r\n\r\n",
            501,
        ),
    ] {
        answer(&house, text).await.assert_problem(status);
    }
    assert_eq!(house.origin.calls(), 0);
}

#[tokio::test]
async fn an_old_client_needs_no_host_and_gets_no_chunks() {
    let house = House::before(|_, _| {
        crate::support::said(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        )
    })
    .await;
    let mut wire = house.connect().await;
    wire.write("GET / HTTP/1.0\r\n\r\n").await;
    let head = wire.head().await.unwrap();
    assert_eq!((head.status(), head.field("transfer-encoding")), (200, ""));
    assert_eq!(wire.rest().await, "hello");
    let received = house.origin.received(0);
    assert_eq!(received.start, "GET / HTTP/1.1");
    assert!(received.all("via")[0].starts_with("1.0 "));
}
