//! A request that makes the origin answer with an error, in the hope that everybody gets it.

use crate::house::{
    House, Origin, With as _, answers, ask, count, get, head, reply, settle, start_all,
};
use axum::body::Body;
use http::Request;
use tower::Layer as _;

/// An origin that answers `status` to whoever sends the field, and all else well.
fn touchy(status: u16, field: &'static str) -> Origin {
    Origin::new(move |call| {
        let is_odd = call.parts.headers.contains_key(field);
        let said = if is_odd {
            reply(status)
        } else {
            reply(200).with("cache-control", "max-age=60")
        };
        Ok(said.to_response(call.number))
    })
}

async fn next_of(origin: &Origin, odd: Request<Body>) -> [(u16, String); 2] {
    let house = House::new();
    let mut nexts = Vec::new();
    for layer in [house.layer(), house.cache.layer("proxy").as_proxy()] {
        let service = layer.layer(origin.clone());
        ask(&service, odd_again(&odd)).await;
        let next = ask(&service, get("/")).await;
        nexts.push((next.status.as_u16(), next.x_cache().to_owned()));
    }
    nexts.try_into().expect("two layers")
}

fn odd_again(odd: &Request<Body>) -> Request<Body> {
    let mut again = get("/");
    *again.headers_mut() = odd.headers().clone();
    again
}

#[tokio::test]
async fn an_error_that_one_header_makes_is_not_kept_for_the_others() {
    for status in [400, 404, 405, 413, 414, 431, 500, 501, 502, 503] {
        for value in [
            "x".repeat(16_000),
            "\t\u{7f}".replace('\u{7f}', "\u{e9}"),
            "${x}".to_owned(),
        ] {
            let origin = touchy(status, "x-oversized");
            let nexts = next_of(&origin, get("/").with("x-oversized", value)).await;
            let expected = (200, "MISS".to_owned());
            assert_eq!(nexts, [expected.clone(), expected], "{status}");
        }
    }
}

#[tokio::test]
async fn an_error_of_the_leaders_own_is_not_given_to_those_who_wait() {
    for status in [400, 403, 413, 416, 429, 431] {
        let (house, origin) = (House::new(), touchy(status, "x-oversized"));
        let service = house.layer().layer(origin.clone());
        origin.hold();
        let odd = get("/").with("x-oversized", "x");
        let asking = start_all(&service, [odd, get("/"), get("/")]).await;
        origin.release();
        let statuses: Vec<u16> = answers(asking)
            .await
            .iter()
            .map(|answer| answer.status.as_u16())
            .collect();
        assert_eq!(statuses, [status, 200, 200]);
    }
}

#[tokio::test]
async fn an_empty_answer_of_one_moment_is_not_kept() {
    for status in [204, 205] {
        let house = House::new();
        let origin = Origin::script([reply(status).text(""), reply(200)]);
        let service = house.layer().layer(origin.clone());
        ask(&service, get("/")).await;
        let next = ask(&service, get("/")).await;
        assert_eq!(
            (next.status.as_u16(), next.text()),
            (200, "call 1"),
            "{status}"
        );
    }
}

#[tokio::test]
async fn no_request_makes_storable_what_is_not() {
    for line in [
        "s-maxage=60",
        "public, max-age=600",
        "must-understand",
        "stale-while-revalidate=60",
    ] {
        for own in ["no-store", "private, max-age=60", "s-maxage=0"] {
            let house = House::new();
            let origin = Origin::always(reply(200).with("cache-control", own));
            let service = house.layer().as_proxy().layer(origin.clone());
            for calls in 1..4 {
                ask(&service, get("/").with("cache-control", line)).await;
                assert_eq!(origin.calls(), calls, "{line}: {own}");
            }
        }
    }
}

#[tokio::test]
async fn a_304_that_nobody_asked_for_is_nobody_elses() {
    for first in [get("/"), get("/").with("if-none-match", "\"1\""), head("/")] {
        let house = House::new();
        let origin = Origin::script([
            reply(304)
                .with("etag", "\"1\"")
                .with("cache-control", "max-age=60")
                .text(""),
            reply(200)
                .with("etag", "\"1\"")
                .with("cache-control", "max-age=60"),
        ]);
        let service = house.layer().layer(origin.clone());
        origin.hold();
        let asking = start_all(&service, [first, get("/")]).await;
        origin.release();
        let answers = answers(asking).await;
        assert_eq!(count(&answers, "COLLAPSED"), 0, "{answers:?}");
        settle().await;
        let next = ask(&service, get("/")).await;
        assert_eq!(next.status, 200);
        assert!(next.text().starts_with("call"), "{next:?}");
    }
}
