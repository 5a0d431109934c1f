//! What requests say in `Cache-Control`, where that counts.

use crate::house::{
    House, Origin, With as _, answers, ask, count, get, reply, secs, settle, start_all,
};
use axum::body::Body;
use http::Request;
use tower::Layer as _;
use tower_swr::{CacheService, Mode};

fn honoring() -> (House, Origin, CacheService<Origin>) {
    let (house, origin) = (House::new(), Origin::always(reply(200)));
    let service = house
        .layer()
        .honor_client_directives()
        .layer(origin.clone());
    (house, origin, service)
}

fn wanting(line: &str) -> Request<Body> {
    get("/").with("cache-control", line)
}

#[tokio::test]
async fn they_count_only_where_the_layer_says_so() {
    let (house, origin) = (House::new(), Origin::always(reply(200)));
    let service = house.layer().layer(origin.clone());
    ask(&service, get("/")).await;
    for line in ["no-cache", "no-store", "max-age=0", "min-fresh=1000"] {
        assert_eq!(
            ask(&service, wanting(line)).await.x_cache(),
            "HIT",
            "{line}"
        );
    }
    assert_eq!(origin.calls(), 1);
}

#[tokio::test]
async fn the_origin_is_asked_where_what_is_kept_is_not_good_enough() {
    for (line, age, verb) in [
        ("no-cache", 10, "MISS"),
        ("no-cache", 0, "MISS"),
        ("max-age=5", 10, "MISS"),
        ("max-age=10", 10, "HIT"),
        ("min-fresh=55", 10, "MISS"),
        ("min-fresh=50", 10, "HIT"),
        ("no-store", 10, "HIT"),
        ("max-age=100", 70, "MISS"),
        ("max-age=100, max-stale", 70, "STALE"),
        ("only-if-cached", 10, "HIT"),
        ("max-stale=10", 190, "STALE"),
        ("max-stale=10", 100, "STALE"),
        ("max-age=50", 100, "MISS"),
    ] {
        let (house, origin, service) = honoring();
        ask(&service, get("/")).await;
        house.pass(secs(age)).await;
        // Stale for more than 180 s is gone from the route's windows, but a client may still take it.
        let line = line.replace("max-stale=10", "max-stale=130");
        let answer = ask(&service, wanting(&line)).await;
        assert_eq!(answer.x_cache(), verb, "{line} at {age}");
        let calls = if ["HIT", "STALE"].contains(&verb) {
            1
        } else {
            2
        };
        assert_eq!(origin.calls(), calls, "{line} at {age}");
        if verb == "MISS" {
            let next = ask(&service, get("/")).await;
            assert_eq!(
                (next.x_cache(), next.text()),
                ("HIT", "call 1"),
                "it is kept for all"
            );
        }
    }
}

#[tokio::test]
async fn those_who_ask_at_the_same_time_share_the_answer() {
    let (house, origin, service) = honoring();
    ask(&service, get("/")).await;
    house.pass(secs(10)).await;
    origin.hold();
    let asking = start_all(&service, (0..100).map(|_| wanting("no-cache"))).await;
    assert_eq!(
        ask(&service, get("/")).await.x_cache(),
        "HIT",
        "nobody else waits"
    );
    origin.release();
    let answers = answers(asking).await;
    assert_eq!((count(&answers, "COLLAPSED"), origin.calls()), (99, 2));
    assert!(answers.iter().all(|answer| answer.text() == "call 1"));
}

#[tokio::test]
async fn only_what_is_kept_or_nothing() {
    let (house, origin, service) = honoring();
    let none = ask(&service, wanting("only-if-cached")).await;
    assert!(none.is_problem(504), "{none:?}");
    ask(&service, get("/")).await;
    house.pass(secs(180)).await;
    let expired = ask(&service, wanting("only-if-cached")).await;
    assert!(expired.is_problem(504), "{expired:?}");
    let stale = ask(&service, wanting("only-if-cached, max-stale")).await;
    assert_eq!((stale.status.as_u16(), stale.x_cache()), (200, "STALE"));
    assert_eq!(origin.calls(), 1);
}

/// Nothing failed, so nothing is said of an error; what the cache serves of itself says so whatever the client takes.
#[tokio::test]
async fn what_is_served_because_the_client_takes_it_says_so() {
    let (house, origin, service) = honoring();
    ask(&service, get("/")).await;
    house.pass(secs(200)).await;
    for line in ["max-stale", "max-stale=140", "only-if-cached, max-stale"] {
        let answer = ask(&service, wanting(line)).await;
        assert_eq!((answer.status.as_u16(), answer.x_cache()), (200, "STALE"));
        let said = "tower-swr; hit; ttl=-140; detail=max-stale";
        assert_eq!(answer.field("cache-status"), said, "{line}");
    }
    assert_eq!(origin.calls(), 1);

    let (house, _origin, service) = honoring();
    ask(&service, get("/")).await;
    house.pass(secs(100)).await;
    let answer = ask(&service, wanting("max-stale")).await;
    let said = "tower-swr; hit; ttl=-40; detail=stale-while-revalidate";
    assert_eq!(answer.field("cache-status"), said);
}

/// While it is left alone after a failure, that is why it is not asked.
#[tokio::test]
async fn what_stands_in_for_a_failing_origin_says_so_whatever_the_client_takes() {
    let house = House::new();
    let origin = Origin::script([reply(200), reply(500)]);
    let layer = house.layer().honor_client_directives();
    let service = layer
        .stale_while_revalidate(secs(0))
        .stale_if_error(secs(600))
        .layer(origin.clone());
    ask(&service, get("/")).await;
    house.pass(secs(100)).await;
    assert_eq!(ask(&service, get("/")).await.x_cache(), "STALE");
    assert_eq!(origin.calls(), 2, "it failed");
    let answer = ask(&service, wanting("max-stale")).await;
    let said = "tower-swr; hit; ttl=-40; detail=stale-if-error";
    assert_eq!(answer.field("cache-status"), said);
    assert_eq!(origin.calls(), 2);
}

#[tokio::test]
async fn pragma_counts_too() {
    let (house, origin, service) = honoring();
    ask(&service, get("/")).await;
    house.pass(secs(1)).await;
    ask(&service, get("/").with("pragma", "no-cache")).await;
    assert_eq!(origin.calls(), 2);
}

#[tokio::test]
async fn a_request_that_is_not_to_be_stored_is_not() {
    let (house, origin, service) = honoring();
    for calls in [1, 2] {
        let answer = ask(&service, wanting("no-store")).await;
        assert_eq!((answer.x_cache(), origin.calls()), ("PASS", calls));
    }
    assert_eq!(house.entries(), 0);
    origin.hold();
    let leader = start_all(&service, [get("/")]).await;
    let others = start_all(&service, (0..10).map(|_| wanting("no-store"))).await;
    origin.release();
    assert_eq!(count(&answers(others).await, "COLLAPSED"), 10);
    assert_eq!((answers(leader).await.len(), origin.calls()), (1, 3));
}

#[tokio::test]
async fn a_stale_answer_is_renewed_whatever_clients_say() {
    let (house, origin, service) = honoring();
    ask(&service, get("/")).await;
    house.pass(secs(60)).await;
    assert_eq!(
        ask(&service, wanting("no-transform")).await.x_cache(),
        "STALE"
    );
    settle().await;
    assert_eq!(ask(&service, get("/")).await.x_cache(), "HIT");
    assert_eq!(origin.calls(), 2);
}

#[tokio::test]
async fn an_operator_who_serves_stale_is_not_overruled() {
    let (house, origin, service) = honoring();
    ask(&service, get("/")).await;
    house.pass(secs(1000)).await;
    house.cache.mode(Mode::ServeStale);
    assert_eq!(ask(&service, wanting("no-cache")).await.x_cache(), "STALE");
    assert_eq!(origin.calls(), 1);
}

#[tokio::test]
async fn what_may_not_be_shared_is_not_asked_for_either() {
    let house = House::new();
    let origin = Origin::always(reply(200).with("cache-control", "private"));
    let service = house
        .layer()
        .honor_client_directives()
        .layer(origin.clone());
    ask(&service, get("/")).await;
    for line in ["only-if-cached", "only-if-cached, no-store"] {
        assert!(ask(&service, wanting(line)).await.is_problem(504), "{line}");
    }
    assert_eq!(origin.calls(), 1);
}

#[tokio::test]
async fn what_nobody_can_read_is_answered_all_the_same() {
    let (_house, _origin, service) = honoring();
    for line in ["no-cache;x", "max-age=0; no-cache", ";", "\"", "@,@"] {
        assert_eq!(ask(&service, wanting(line)).await.status, 200, "{line}");
        let pragma = get("/").with("pragma", line);
        assert_eq!(ask(&service, pragma).await.status, 200, "{line}");
    }
}
