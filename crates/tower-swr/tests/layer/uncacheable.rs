//! What the cache remembers of answers that may not be shared: the next burst is not queued to learn it again.

use crate::house::{
    Answer, House, Origin, Reply, With as _, answers, ask, count, get, head, pipe, reply, secs,
    start_all,
};
use axum::body::Body;
use http::Method;
use tower::Layer as _;
use tower_swr::CacheService;

fn no_store() -> Reply {
    reply(200).with("cache-control", "no-store")
}

/// Lets ten clients ask at the same time: how many calls that makes while no call has answered, and their answers.
async fn burst(origin: &Origin, service: &CacheService<Origin>) -> (usize, Vec<Answer>) {
    let before = origin.calls();
    origin.hold();
    let asking = start_all(service, (0..10).map(|_| get("/"))).await;
    let at_once = origin.calls() - before;
    origin.release();
    (at_once, answers(asking).await)
}

fn remembering(reply: Reply) -> (House, Origin, CacheService<Origin>) {
    let (house, origin) = (House::new(), Origin::always(reply));
    let service = house.layer().layer(origin.clone());
    (house, origin, service)
}

/// Whether a second burst after one that was answered with `reply` is coalesced.
async fn coalesces_after(reply: Reply) -> bool {
    let (_house, origin, service) = remembering(reply);
    assert_eq!(burst(&origin, &service).await.0, 1);
    match burst(&origin, &service).await.0 {
        1 => true,
        10 => false,
        other => panic!("{other} calls at once"),
    }
}

#[tokio::test]
async fn a_first_burst_costs_one_serial_hop_and_a_later_one_none() {
    let (_house, origin, service) = remembering(no_store());
    let (at_once, first) = burst(&origin, &service).await;
    assert_eq!(
        (at_once, origin.calls(), count(&first, "PASS")),
        (1, 10, 10)
    );
    assert_eq!(origin.most_at_once(), 9, "the others go all at once");
    let (at_once, second) = burst(&origin, &service).await;
    assert_eq!((at_once, count(&second, "PASS")), (10, 10));
    for (number, answer) in second.iter().enumerate() {
        assert_eq!(
            answer.field("cache-status"),
            "tower-swr; fwd=uri-miss; fwd-status=200; detail=uncacheable"
        );
        assert_eq!(
            answer.text(),
            format!("call {}", number + 10),
            "each has an answer of its own"
        );
    }
}

#[tokio::test]
async fn what_the_handler_does_on_purpose_is_remembered() {
    for (name, value) in [
        ("cache-control", "no-store"),
        ("cache-control", "private, max-age=60"),
        ("set-cookie", "a=1"),
        ("vary", "*"),
    ] {
        assert!(
            !coalesces_after(reply(200).with(name, value)).await,
            "{name}: {value}"
        );
    }
}

#[tokio::test]
async fn a_status_a_failure_and_a_freak_are_not_remembered() {
    for passed in [
        reply(400),
        reply(302),
        reply(429),
        reply(500),
        reply(503).with("cache-control", "no-store"),
        reply(500).with("set-cookie", "a=1"),
        reply(200).with("cache-control", "no-cache"),
        reply(200).with("vary", "no name"),
    ] {
        assert!(coalesces_after(passed.clone()).await, "{passed:?}");
    }
}

#[tokio::test]
async fn an_unreadable_vary_hides_no_prohibition() {
    let absurd = (0..100)
        .map(|n| format!("x-{n}"))
        .collect::<Vec<_>>()
        .join(", ");
    assert!(!coalesces_after(no_store().with("vary", absurd)).await);
}

#[tokio::test]
async fn a_cacheable_answer_ends_the_memory_early() {
    let (house, origin) = (
        House::new(),
        Origin::script([no_store(), no_store(), reply(200)]),
    );
    let service = house.layer().layer(origin.clone());
    for _ in 0..3 {
        assert_eq!(ask(&service, get("/")).await.x_cache(), "PASS");
    }
    assert_eq!(burst(&origin, &service).await.0, 1);
    assert_eq!(ask(&service, get("/")).await.x_cache(), "HIT");
}

#[tokio::test]
async fn neither_a_failure_nor_an_answer_to_head_ends_it() {
    let origin = Origin::new(|call| {
        let failing = call.parts.headers.contains_key("x-fail");
        let reply = match call.parts.method {
            Method::HEAD => reply(200),
            _ if failing => reply(500),
            _ => no_store(),
        };
        Ok(reply.to_response(call.number))
    });
    let house = House::new();
    let service = house.layer().layer(origin.clone());
    ask(&service, get("/")).await;
    assert_eq!(
        ask(&service, get("/").with("x-fail", "1")).await.status,
        500
    );
    assert_eq!(
        burst(&origin, &service).await.0,
        10,
        "a failure says nothing"
    );
    assert_eq!(ask(&service, head("/")).await.status, 200);
    assert_eq!(
        burst(&origin, &service).await.0,
        10,
        "a HEAD may have another handler"
    );
}

#[tokio::test]
async fn it_fades_after_two_minutes_and_with_a_purge() {
    let (house, origin, service) = remembering(no_store());
    ask(&service, get("/")).await;
    house.pass(secs(119)).await;
    assert_eq!(burst(&origin, &service).await.0, 10);
    house.pass(secs(1)).await;
    assert_eq!(burst(&origin, &service).await.0, 1);
    assert_eq!(burst(&origin, &service).await.0, 10);
    house.cache.purge("s", &http::Uri::from_static("/"));
    assert_eq!(burst(&origin, &service).await.0, 1);
}

#[tokio::test]
async fn a_body_that_is_known_to_be_too_large_is_passed_from_the_start_and_remembered() {
    let large = "x".repeat(5000);
    let (house, origin) = (House::new(), Origin::always(reply(200).text(large.clone())));
    let service = house.layer().max_body(4999).layer(origin.clone());
    for expected in [1, 10, 10] {
        let (at_once, all) = burst(&origin, &service).await;
        assert_eq!((at_once, count(&all, "PASS")), (expected, 10));
        assert!(all.iter().all(|answer| answer.text() == large));
    }
    assert!(
        burst(&origin, &service).await.1[0]
            .field("cache-status")
            .ends_with("detail=uncacheable")
    );
}

#[tokio::test]
async fn a_body_that_turns_out_too_large_is_shared_once_and_then_remembered() {
    let origin = Origin::new(|_| {
        let (mut body, reading) = pipe();
        (0..50).for_each(|_| body.send("x".repeat(100)));
        body.end();
        Ok(reply(200).around(Body::new(reading)))
    });
    let house = House::new();
    let service = house.layer().max_body(4000).layer(origin.clone());
    for expected in [1, 10, 10] {
        let (at_once, all) = burst(&origin, &service).await;
        assert_eq!(at_once, expected);
        assert!(all.iter().all(|answer| answer.text().len() == 5000));
    }
}

#[tokio::test]
async fn the_largest_body_that_is_allowed_is_kept() {
    let (house, origin) = (
        House::new(),
        Origin::always(reply(200).text("x".repeat(5000))),
    );
    let service = house.layer().max_body(5000).layer(origin.clone());
    burst(&origin, &service).await;
    assert_eq!(
        (ask(&service, get("/")).await.x_cache(), origin.calls()),
        ("HIT", 1)
    );
}

#[tokio::test]
async fn a_request_that_goes_alone_may_ask_for_a_part_and_whether_anything_changed() {
    let (_house, origin, service) = remembering(no_store());
    ask(&service, get("/")).await;
    let request = get("/")
        .with("range", "bytes=0-1")
        .with("if-none-match", "\"1\"");
    assert_eq!(ask(&service, request).await.x_cache(), "PASS");
    let seen = origin.seen();
    assert_eq!(seen[1].fields["range"], "bytes=0-1");
    assert_eq!(seen[1].fields["if-none-match"], "\"1\"");
}

#[tokio::test]
async fn a_request_that_goes_alone_does_not_wait_for_ever() {
    let (house, origin, service) = remembering(no_store());
    ask(&service, get("/")).await;
    origin.hold();
    let waiting = start_all(&service, [get("/"), head("/")]).await;
    house.pass(secs(60)).await;
    for answer in answers(waiting).await {
        assert!(answer.status == 504, "{answer:?}");
    }
    assert_eq!(origin.cancelled(), 2);
}
