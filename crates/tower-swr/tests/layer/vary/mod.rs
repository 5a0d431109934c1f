//! Answers that differ by request fields: each client gets its own, with one call per variant.

mod bounds;
mod fields;
mod flights;

use crate::house::{
    Call, House, Origin, With as _, answers, ask, count, get, reply, secs, start_all,
};
use axum::body::Body;
use http::{Request, Uri};
use tower::Layer as _;

/// What the handler saw of `name`, which is what its answer says.
fn said(call: &Call, name: &str) -> String {
    let lines = call.parts.headers.get_all(name).into_iter();
    let lines: Vec<_> = lines
        .map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned())
        .collect();
    if lines.is_empty() {
        "nothing".to_owned()
    } else {
        lines.join("|")
    }
}

/// An origin that answers in the request's language and says so.
fn speaking(vary: &'static str) -> Origin {
    Origin::new(move |call| {
        let text = said(&call, "accept-language");
        Ok(reply(200)
            .with("vary", vary)
            .text(text)
            .to_response(call.number))
    })
}

fn in_language(language: &str) -> Request<Body> {
    get("/").with("accept-language", language)
}

#[tokio::test]
async fn variants_are_kept_apart_and_each_is_hit() {
    let (house, origin) = (House::new(), speaking("accept-language"));
    let service = house.layer().layer(origin.clone());
    for expected in ["MISS", "HIT"] {
        for language in ["de", "en", "fr"] {
            let answer = ask(&service, in_language(language)).await;
            assert_eq!((answer.x_cache(), answer.text()), (expected, language));
        }
    }
    assert_eq!(origin.calls(), 3);
    let other = ask(&service, in_language("it")).await;
    assert_eq!(
        other.field("cache-status"),
        "tower-swr; fwd=vary-miss; fwd-status=200; stored; ttl=60"
    );
}

#[tokio::test]
async fn ten_variants_of_twenty_clients_each_are_ten_calls_and_then_none() {
    let (house, origin) = (House::new(), speaking("accept-language"));
    let service = house.layer().layer(origin.clone());
    let requests = || (0..200).map(|n| in_language(&format!("l{}", n % 10)));
    for expected in ["COLLAPSED", "HIT"] {
        origin.hold();
        let asking = start_all(&service, requests()).await;
        origin.release();
        let all = answers(asking).await;
        for (n, answer) in all.iter().enumerate() {
            assert_eq!(answer.text(), format!("l{}", n % 10));
        }
        assert!(count(&all, expected) >= 190, "{}", count(&all, expected));
        assert_eq!(origin.calls(), 10);
    }
    assert_eq!(house.cache.stats().stampede_violations, 0);
}

#[tokio::test]
async fn a_purge_takes_all_variants() {
    let (house, origin) = (House::new(), speaking("accept-language"));
    let service = house.layer().layer(origin.clone());
    for expected in [3, 6] {
        for language in ["de", "en", "fr"] {
            ask(&service, in_language(language)).await;
        }
        assert_eq!(origin.calls(), expected);
        house.cache.purge("s", &Uri::from_static("/"));
    }
}

#[tokio::test]
async fn each_variant_has_an_age_of_its_own() {
    let (house, origin) = (House::new(), speaking("accept-language"));
    let service = house.layer().layer(origin.clone());
    ask(&service, in_language("de")).await;
    house.pass(secs(40)).await;
    ask(&service, in_language("en")).await;
    house.pass(secs(30)).await;
    assert_eq!(ask(&service, in_language("de")).await.x_cache(), "STALE");
    let other = ask(&service, in_language("en")).await;
    assert_eq!((other.x_cache(), other.field("age")), ("HIT", "30"));
    crate::house::settle().await;
    assert_eq!(ask(&service, in_language("de")).await.field("age"), "0");
    assert_eq!(origin.calls(), 3);
}
