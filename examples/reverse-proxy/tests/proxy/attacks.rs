//! Clients that mean mischief: where a request ends, and how much of it there may be.

use crate::support::{House, kept};

async fn house() -> House {
    House::before(|_, _| kept("max-age=60", "hello")).await
}

/// The statuses of all answers to `text`, after which the connection ends.
async fn statuses(house: &House, text: &str) -> Vec<u16> {
    let mut wire = house.connect().await;
    wire.write_what_is_taken(text).await;
    let mut statuses = Vec::new();
    while let Some(answer) = wire.answer().await {
        statuses.push(answer.status());
    }
    statuses
}

#[tokio::test]
async fn a_request_that_does_not_say_where_it_ends_is_refused() {
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n";
    for framing in [
        "Content-Length: 3\r\nContent-Length: 5",
        "Content-Length: 3, 5",
        "Content-Length: -1",
        "Content-Length: +5",
        "Content-Length: 0x5",
        "Content-Length: 99999999999999999999999",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding:\u{b}chunked",
        "X: y\r\n Transfer-Encoding: chunked",
    ] {
        let house = house().await;
        let text = format!("POST / HTTP/1.1\r\nHost: test\r\n{framing}\r\n\r\n{smuggled}");
        assert_eq!(statuses(&house, &text).await, [400], "{framing}");
        assert_eq!(house.origin.calls(), 0, "{framing}");
    }
}

/// Its chunks would be undone, and the origin would take what is in them for the body itself.
#[tokio::test]
async fn a_coding_that_nobody_undoes_is_refused() {
    for coding in ["gzip, chunked", "deflate,chunked", "chunked, chunked"] {
        let house = house().await;
        let text = format!(
            "POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: {coding}\r\nConnection: close\r\n\r\n\
             3\r\nabc\r\n0\r\n\r\n"
        );
        let statuses = statuses(&house, &text).await;
        assert!(
            matches!(statuses[..], [501 | 400]),
            "{coding}: {statuses:?}"
        );
        assert_eq!(house.origin.calls(), 0, "{coding}");
    }
}

/// Refused before anybody has read it: what it carries is still not the next request.
#[tokio::test]
async fn the_body_of_a_refused_request_is_no_request() {
    let house = house().await;
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n";
    let length = smuggled.len();
    for (line, status) in [("GET *", 400), ("CONNECT test:80", 501)] {
        let text = format!(
            "{line} HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{smuggled}"
        );
        assert_eq!(statuses(&house, &text).await, [status]);
    }
    assert_eq!(house.origin.calls(), 0);
}

#[tokio::test]
async fn a_body_in_a_hit_is_no_request() {
    let house = house().await;
    house.get("/").await;
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n";
    let length = smuggled.len();
    let text = format!(
        "GET / HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\n{smuggled}\
         GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
    );
    assert_eq!(statuses(&house, &text).await, [200, 200]);
    assert_eq!(house.origin.received(1).body, smuggled);
    assert_eq!(house.origin.calls(), 2);
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let house = house().await;
    let long = "x".repeat(1 << 20);
    let many = "X-Many: x\r\n".repeat(1000);
    for (text, refusal) in [
        (
            format!("GET /{long} HTTP/1.1\r\nHost: test\r\n\r\n"),
            [414, 431],
        ),
        (
            format!("GET / HTTP/1.1\r\nHost: test\r\nX-Long: {long}\r\n\r\n"),
            [431; 2],
        ),
        (
            format!("GET / HTTP/1.1\r\nHost: test\r\n{many}\r\n"),
            [431; 2],
        ),
    ] {
        // A server that closes before it has read everything may lose its answer on the way.
        let statuses = statuses(&house, &text).await;
        let is_refused = statuses.iter().all(|status| refusal.contains(status));
        assert!(is_refused && statuses.len() < 2, "{statuses:?}");
    }
    assert_eq!(house.origin.calls(), 0);
}

#[tokio::test]
async fn lines_that_are_no_http_are_refused() {
    let house = house().await;
    for text in [
        "GET / HTTP/1.1\r\nHost: test\r\nX: a\0b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: test\r\nno colon\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: test\r\nX : y\r\n\r\n",
        "GET /\u{1} HTTP/1.1\r\nHost: test\r\n\r\n",
        "GET / HTTP/7.0\r\nHost: test\r\n\r\n",
        "G@T (/ HTTP/1.1\r\nHost: test\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\u{0}\r\n\r\n",
    ] {
        assert_eq!(statuses(&house, text).await, [400], "{text:?}");
    }
    assert_eq!(house.origin.calls(), 0);
}
