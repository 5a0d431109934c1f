//! Requests behind one another on a connection, and bodies that nobody reads: every answer belongs to its request, and
//! nothing in a body is ever taken for a request.
//!
//! All of it is written in one piece, so that the server has the next request while it answers the one before.

use axum::Router;
use axum::extract::Request;
use axum::routing::any;
use house_tests::{Gate, House, RawAnswer, Wire};

/// A request inside of a body, which must stay there.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: attacker\r\n\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn misses_and_hits() {
    let (house, calls) = house().await;
    let mut wire = Wire::connect(house.server.address).await;
    let paths = ["/a", "/a", "/b", "/a", "/b"];
    let requests = paths.map(|path| wire.request(&format!("GET {path}"), ""));
    wire.write(requests.concat()).await;
    let verbs = ["MISS", "HIT", "MISS", "HIT", "HIT"];
    for (path, verb) in paths.into_iter().zip(verbs) {
        assert_answers(&wire.answer().await, &format!("GET {path}"), verb);
    }
    assert_eq!(calls.begun(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hit_whose_request_has_a_body_of_no_bytes() {
    let (house, _) = house().await;
    let mut wire = Wire::connect(house.server.address).await;
    wire.ask("GET /a").await;
    assert_answers(&wire.answer().await, "GET /a", "MISS");
    let empty = wire.request("GET /a", "Content-Length: 0\r\n");
    let no_chunks = wire.request("GET /a", "Transfer-Encoding: chunked\r\n") + "0\r\n\r\n";
    let after = wire.request("GET /a", "");
    wire.write([empty, no_chunks, after].concat()).await;
    for verb in ["HIT", "BYPASS", "HIT"] {
        assert_answers(&wire.answer().await, "GET /a", verb);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_nobody_reads() {
    let lengthy = SMUGGLED.repeat(20_000);
    let chunked = "Transfer-Encoding: chunked\r\n";
    let bodies = [
        (sized(SMUGGLED), SMUGGLED.to_owned()),
        (sized(&lengthy), lengthy.clone()),
        (chunked.to_owned(), chunks(SMUGGLED)),
        (chunked.to_owned(), chunks(&lengthy)),
        (
            sized(SMUGGLED) + "Expect: 100-continue\r\n",
            SMUGGLED.to_owned(),
        ),
        // By its length, which counts for nothing beside chunks, the body would end where the smuggled request begins.
        (sized("26\r\n") + chunked, chunks(SMUGGLED)),
    ];
    for (framing, body) in bodies {
        for line in ["GET /cold", "GET /warm", "POST /cold"] {
            assert_stays_a_body(line, &framing, &body).await;
        }
    }
}

/// `line` with a body, and a request behind it: both are answered in turn, or the connection is closed after the first.
async fn assert_stays_a_body(line: &str, framing: &str, body: &str) {
    let (house, calls) = house().await;
    let mut wire = Wire::connect(house.server.address).await;
    wire.ask("GET /warm").await;
    assert_answers(&wire.answer().await, "GET /warm", "MISS");
    let request = wire.request(line, framing) + body;
    let after = wire.request("GET /warm", "");
    wire.write_what_is_taken(request + &after).await;

    let mut expected = [(line, "BYPASS"), ("GET /warm", "HIT")].into_iter();
    while let Some(answer) = wire.answer_or_end().await {
        let is_refusal = answer.status == 400;
        if !is_refusal && answer.status != 100 {
            let (line, verb) = expected.next().expect("no more answers than requests");
            assert_answers(&answer, line, verb);
        }
        if is_refusal || expected.len() == 0 {
            break;
        }
    }
    assert!(calls.begun() <= 2, "one call to warm up, one for `line`");
}

fn sized(body: &str) -> String {
    format!("Content-Length: {}\r\n", body.len())
}

fn chunks(body: &str) -> String {
    format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
}

fn assert_answers(answer: &RawAnswer, line: &str, verb: &str) {
    assert_eq!((answer.body.as_str(), answer.verb()), (line, verb));
}

/// A house that answers every request with its own first line, and never looks at a body.
async fn house() -> (House, Gate) {
    let calls = Gate::opened();
    let counted = calls.clone();
    let house = House::open(|cache| {
        let repeating = any(move |request: Request| async move {
            counted.enter().await;
            format!("{} {}", request.method(), request.uri())
        });
        Router::new().route("/{*path}", repeating.layer(cache.layer("report")))
    })
    .await;
    (house, calls)
}
