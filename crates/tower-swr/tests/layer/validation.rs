//! What is kept only to ask the origin whether it is still good.

use crate::house::{
    Answer, House, Origin, Reply, With as _, answers, ask, count, get, reply, start_all,
};
use tower::Layer as _;

/// An origin of that version, which says `line`.
fn of_version(line: &'static str, etag: &'static str) -> Origin {
    Origin::new(move |call| {
        let is_same = call
            .parts
            .headers
            .get("if-none-match")
            .is_some_and(|tag| tag == etag);
        let said = reply(if is_same { 304 } else { 200 });
        let said = said.with("etag", etag).with("cache-control", line);
        Ok(said.to_response(call.number))
    })
}

/// Lines that let nothing be served without asking.
const LINES: [&str; 5] = [
    "max-age=0, must-revalidate",
    "max-age=0",
    "s-maxage=0, max-age=60",
    "no-cache",
    "no-cache, max-age=60",
];

#[tokio::test]
async fn it_is_confirmed_for_each_request_and_its_body_is_sent_once() {
    for line in LINES {
        let house = House::new();
        let origin = of_version(line, "\"1\"");
        let service = house.layer().layer(origin.clone());
        let first = ask(&service, get("/")).await;
        assert_eq!(first.x_cache(), "MISS", "{line}");
        for call in 2..5 {
            let confirmed = ask(&service, get("/")).await;
            assert_eq!(confirmed.x_cache(), "REVALIDATED", "{line}");
            assert_eq!(
                (confirmed.status.as_u16(), confirmed.text()),
                (200, "call 0")
            );
            assert_eq!(origin.calls(), call);
        }
    }
}

#[tokio::test]
async fn those_who_ask_at_the_same_time_share_one_answer_and_the_next_asks_anew() {
    for line in &LINES[..3] {
        let house = House::new();
        let origin = of_version(line, "\"1\"");
        let service = house.layer().layer(origin.clone());
        ask(&service, get("/")).await;
        origin.hold();
        let asking = start_all(&service, (0..20).map(|_| get("/"))).await;
        origin.release();
        let answers = answers(asking).await;
        assert_eq!(count(&answers, "COLLAPSED"), 19, "{line}");
        assert_eq!(origin.calls(), 2, "{line}");
        ask(&service, get("/")).await;
        assert_eq!(origin.calls(), 3, "{line}");
        assert_eq!(house.cache.stats().stampede_violations, 0);
    }
}

#[tokio::test]
async fn where_each_is_to_be_confirmed_those_who_wait_ask_on_their_own() {
    for line in &LINES[3..] {
        let house = House::new();
        let origin = of_version(line, "\"1\"");
        let service = house.layer().layer(origin.clone());
        for already in [0, 20] {
            origin.hold();
            let asking = start_all(&service, (0..20).map(|_| get("/"))).await;
            assert_eq!(origin.calls(), already + 1, "{line}");
            origin.release();
            let answers = answers(asking).await;
            assert_eq!(count(&answers, "PASS"), 19, "{line}");
            assert_eq!(origin.calls(), already + 20, "{line}");
        }
    }
}

#[tokio::test]
async fn nothing_of_it_is_served_where_the_origin_fails() {
    for line in LINES {
        let house = House::new();
        let origin = Origin::script([
            reply(200).with("etag", "\"1\"").with("cache-control", line),
            reply(500),
        ]);
        let layer = house.layer().stale_if_error(crate::house::secs(600));
        let service = layer.layer(origin);
        ask(&service, get("/")).await;
        assert_eq!(ask(&service, get("/")).await.status, 500, "{line}");
    }
}

#[tokio::test]
async fn a_new_version_takes_its_place() {
    let house = House::new();
    let said = |etag: &str| {
        reply(200)
            .with("etag", etag)
            .with("cache-control", "no-cache")
    };
    let service = house
        .layer()
        .layer(Origin::script([said("\"1\""), said("\"2\"")]));
    ask(&service, get("/")).await;
    let second = ask(&service, get("/")).await;
    assert_eq!((second.x_cache(), second.text()), ("MISS", "call 1"));
}

#[tokio::test]
async fn without_a_validator_there_is_nothing_to_ask_by() {
    async fn twice(said: Reply) -> Vec<Answer> {
        let house = House::new();
        let service = house.layer().layer(Origin::always(said));
        let answers = vec![ask(&service, get("/")).await, ask(&service, get("/")).await];
        assert_eq!(house.entries(), 0);
        answers
    }
    let passed = twice(reply(200).with("cache-control", "no-cache")).await;
    assert_eq!(count(&passed, "PASS"), 2);
    let shared = twice(reply(200).with("cache-control", "max-age=0")).await;
    assert_eq!(count(&shared, "MISS"), 2);
    let other = reply(404)
        .with("cache-control", "no-cache")
        .with("etag", "\"1\"");
    assert_eq!(count(&twice(other).await, "PASS"), 2);
}

#[tokio::test]
async fn clients_are_answered_by_their_own_conditions() {
    let house = House::new();
    let service = house.layer().layer(of_version("no-cache", "\"1\""));
    ask(&service, get("/")).await;
    let same = ask(&service, get("/").with("if-none-match", "\"1\"")).await;
    assert_eq!((same.status.as_u16(), same.x_cache()), (304, "REVALIDATED"));
    let part = ask(&service, get("/").with("range", "bytes=0-3")).await;
    assert_eq!((part.status.as_u16(), part.text()), (206, "call"));
}

#[tokio::test]
async fn whoever_says_who_they_are_is_answered_alone() {
    let house = House::new();
    let origin = of_version("no-cache", "\"1\"");
    let service = house.layer().as_proxy().layer(origin.clone());
    ask(&service, get("/")).await;
    let own = || get("/").with("cookie", "user=1");
    assert_eq!(ask(&service, own()).await.x_cache(), "PASS");
    origin.hold();
    let asking = start_all(&service, [get("/"), own(), own()]).await;
    origin.release();
    let answers = answers(asking).await;
    assert_eq!(count(&answers, "COLLAPSED"), 0);
    assert!(answers.iter().all(|answer| answer.status == 200));
}

#[tokio::test]
async fn a_route_without_lifetimes_keeps_what_can_be_asked_for_only_as_a_proxy() {
    let house = House::new();
    let silent = || Origin::always(reply(200).with("etag", "\"1\""));
    let own = house
        .layer()
        .max_age(std::time::Duration::ZERO)
        .layer(silent());
    ask(&own, get("/")).await;
    assert_eq!(house.entries(), 0);
    let proxy = house.cache.layer("p").as_proxy().layer(silent());
    ask(&proxy, get("/")).await;
    assert_eq!(house.entries(), 1);
}

#[tokio::test]
async fn whose_request_it_was_gets_the_error_that_is_nobody_elses() {
    let house = House::new();
    let origin = Origin::script([
        reply(200).with("cache-control", "max-age=0, stale-while-revalidate=60"),
        reply(500).with("cache-control", "no-store"),
    ]);
    let service = house.layer().as_proxy().layer(origin);
    ask(&service, get("/")).await;
    let asked = get("/").with("cache-control", "no-cache");
    let own = ask(&service, asked).await;
    assert_eq!((own.status.as_u16(), own.text()), (500, "call 1"));
    assert_eq!(own.x_cache(), "PASS");
    assert_eq!(
        ask(&service, get("/")).await.text(),
        "call 0",
        "the copy stays"
    );
}
