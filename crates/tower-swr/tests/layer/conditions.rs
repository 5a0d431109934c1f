//! Conditional requests and ranges, answered from what is kept; the handler is asked for the whole.

use crate::house::{
    House, Origin, Reply, With as _, answers, ask, get, head, open, reply, secs, stage, start_all,
};
use axum::body::Body;
use http::Request;
use tower::Layer as _;
use tower_swr::CacheService;

const MODIFIED: &str = "Wed, 31 Dec 2025 23:00:00 GMT";
const EARLIER: &str = "Wed, 31 Dec 2025 22:00:00 GMT";

fn validated() -> Reply {
    reply(200)
        .with("etag", "\"1\"")
        .with("last-modified", MODIFIED)
        .with("content-type", "text/plain")
        .with("content-language", "en")
        .text("0123456789")
}

fn kept(reply: Reply) -> (House, Origin, CacheService<Origin>) {
    let (house, origin) = (House::new(), Origin::always(reply));
    let service = house.layer().layer(origin.clone());
    (house, origin, service)
}

/// The status that a request with these lines gets: as a miss, as a hit, as one of many, and stale. They must agree.
async fn status(lines: &[(&str, &str)], of: fn(&str) -> Request<Body>) -> u16 {
    let request = || {
        lines
            .iter()
            .fold(of("/"), |it, (name, value)| it.with(name, value))
    };
    let (house, origin, service) = kept(validated());
    origin.hold();
    let asking = start_all(&service, [get("/"), request()]).await;
    origin.release();
    let mut statuses = vec![answers(asking).await[1].status];
    statuses.push(ask(&service, request()).await.status);
    house.pass(secs(60)).await;
    statuses.push(ask(&service, request()).await.status);
    assert!(
        statuses.iter().all(|status| *status == statuses[0]),
        "{lines:?}: {statuses:?}"
    );
    for seen in &*origin.seen() {
        let is_ours = seen.fields.contains_key("if-none-match");
        assert!(
            !seen.fields.contains_key("range")
                && (!is_ours || seen.fields["if-none-match"] == "\"1\"")
        );
    }
    statuses[0].as_u16()
}

#[tokio::test]
async fn conditions_are_judged_by_what_is_kept() {
    for (lines, expected) in [
        (&[("if-none-match", "\"1\"")][..], 304),
        (&[("if-none-match", "W/\"1\"")], 304),
        (&[("if-none-match", "\"0\", \"1\"")], 304),
        (&[("if-none-match", "*")], 304),
        (&[("if-none-match", "\"2\"")], 200),
        (&[("if-modified-since", MODIFIED)], 304),
        (&[("if-modified-since", EARLIER)], 200),
        (
            &[("if-none-match", "\"2\""), ("if-modified-since", MODIFIED)],
            200,
        ),
        (&[("if-match", "\"1\"")], 200),
        (&[("if-match", "\"2\"")], 412),
        (&[("if-unmodified-since", MODIFIED)], 200),
        (&[("if-unmodified-since", EARLIER)], 412),
    ] {
        assert_eq!(status(lines, get).await, expected, "GET {lines:?}");
        assert_eq!(status(lines, head).await, expected, "HEAD {lines:?}");
    }
}

#[tokio::test]
async fn ranges_are_cut_from_what_is_kept() {
    for (lines, expected) in [
        (&[("range", "bytes=0-3")][..], 206),
        (&[("range", "bytes=0-3,8-9")], 206),
        (&[("range", "bytes=20-")], 416),
        (&[("range", "lines=1-2")], 200),
        (&[("range", "bytes=0-3"), ("if-range", "\"1\"")], 206),
        (&[("range", "bytes=0-3"), ("if-range", "\"2\"")], 200),
        (&[("range", "bytes=0-3"), ("if-range", MODIFIED)], 206),
        (&[("range", "bytes=0-3"), ("if-range", EARLIER)], 200),
        (&[("range", "bytes=0-3"), ("if-none-match", "\"1\"")], 304),
        (&[("range", "bytes=0-3"), ("if-match", "\"2\"")], 412),
    ] {
        assert_eq!(status(lines, get).await, expected, "{lines:?}");
    }
    assert_eq!(status(&[("range", "bytes=0-3")], head).await, 200);
}

#[tokio::test]
async fn a_304_says_what_a_200_would_and_nothing_of_the_body() {
    let (_house, origin, service) = kept(validated());
    for verb in ["MISS", "HIT"] {
        let answer = ask(&service, get("/").with("if-none-match", "\"1\"")).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (304, ""));
        assert_eq!(answer.x_cache(), verb);
        assert_eq!((answer.field("etag"), answer.field("age")), ("\"1\"", "0"));
        assert!(answer.field("cache-control").starts_with("max-age=60"));
        assert!(!answer.field("date").is_empty() && !answer.field("vary").is_empty());
        for name in ["content-length", "content-type", "content-language"] {
            assert_eq!(answer.lines(name), [""; 0], "{name}");
        }
    }
    assert_eq!(origin.calls(), 1);
}

#[tokio::test]
async fn a_part_says_which_it_is() {
    let (_house, _origin, service) = kept(validated());
    ask(&service, get("/")).await;
    let part = ask(&service, get("/").with("range", "bytes=2-4")).await;
    assert_eq!(part.text(), "234");
    assert_eq!(part.field("content-range"), "bytes 2-4/10");
    assert_eq!((part.field("content-length"), part.length), ("3", Some(3)));
    assert_eq!((part.field("etag"), part.x_cache()), ("\"1\"", "HIT"));
    let none = ask(&service, get("/").with("range", "bytes=10-")).await;
    assert_eq!((none.status.as_u16(), none.text()), (416, ""));
    assert_eq!(none.field("content-range"), "bytes */10");
    assert_eq!(none.field("cache-control"), "no-store");
    let parts = ask(&service, get("/").with("range", "bytes=0-0,-1")).await;
    assert!(
        parts
            .field("content-type")
            .starts_with("multipart/byteranges; boundary=")
    );
    assert!(
        parts
            .text()
            .contains("Content-Range: bytes 9-9/10\r\n\r\n9\r\n")
    );
    assert_eq!(
        parts.field("content-length"),
        parts.text().len().to_string()
    );
}

#[tokio::test]
async fn only_what_succeeded_is_put_under_conditions() {
    let reply = reply(404)
        .with("cache-control", "max-age=60")
        .with("etag", "\"1\"");
    let (_house, _origin, service) = kept(reply);
    for verb in ["MISS", "HIT"] {
        let request = get("/")
            .with("if-none-match", "\"1\"")
            .with("range", "bytes=0-1");
        let answer = ask(&service, request).await;
        assert_eq!((answer.status.as_u16(), answer.x_cache()), (404, verb));
    }
}

#[tokio::test]
async fn who_joins_a_body_on_its_way_gets_all_of_it_or_nothing() {
    let mut stage = stage(reply(200).with("etag", "\"1\""), House::layer);
    let leader = open(&stage.service, get("/")).await;
    let knows = open(&stage.service, get("/").with("if-none-match", "\"1\"")).await;
    assert_eq!(knows.status(), 304);
    let part = open(&stage.service, get("/").with("range", "bytes=0-0")).await;
    assert_eq!(part.status(), 200, "nobody knows how long it will be");
    stage.pipes[0].end();
    drop(leader);
}
