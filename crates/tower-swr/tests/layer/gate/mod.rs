//! Which answers are kept, which are shared with those who wait, and which go to one client alone.

mod fields;

use crate::house::{
    Answer, House, Origin, Reply, answers, ask, count, get, reply, secs, start_all,
};
use tower::Layer as _;
use tower_swr::CacheService;

/// What three clients who ask at the same time see of `reply`, and what the next one sees.
async fn burst(reply: Reply) -> (Vec<Answer>, Answer, usize) {
    let (house, origin) = (House::new(), Origin::always(reply));
    let service = house.layer().layer(origin.clone());
    origin.hold();
    let asking = start_all(&service, (0..3).map(|_| get("/"))).await;
    origin.release();
    let first = answers(asking).await;
    let calls = origin.calls();
    (first, ask(&service, get("/")).await, calls)
}

async fn fate(reply: Reply) -> &'static str {
    let (first, next, calls) = burst(reply).await;
    match (calls, next.x_cache()) {
        (1, "HIT") => "kept",
        (1, _) => "shared",
        // One serial hop: the one who called first, and two more at once.
        (3, _) if count(&first, "PASS") == 3 => "passed",
        other => panic!("{other:?} after {first:?}"),
    }
}

fn said(status: u16, line: &str) -> Reply {
    reply(status).with("cache-control", line)
}

/// A service whose first answer is good and a minute old, with what comes afterwards.
async fn stale(replies: impl IntoIterator<Item = Reply>) -> (House, Origin, CacheService<Origin>) {
    let good = [reply(200).text("good")];
    let (house, origin) = (
        House::new(),
        Origin::script(good.into_iter().chain(replies)),
    );
    let service = house.layer().layer(origin.clone());
    ask(&service, get("/")).await;
    house.pass(secs(61)).await;
    assert_eq!(ask(&service, get("/")).await.text(), "good");
    crate::house::settle().await;
    assert_eq!(origin.calls(), 2, "the refresh has run");
    (house, origin, service)
}

#[tokio::test]
async fn each_status_has_its_fate() {
    for (status, expected) in [
        (200, "kept"),
        (203, "shared"),
        (204, "shared"),
        (300, "shared"),
        (301, "shared"),
        (308, "shared"),
        (404, "shared"),
        (405, "shared"),
        (410, "shared"),
        (414, "shared"),
        (500, "shared"),
        (502, "shared"),
        (503, "shared"),
        (504, "shared"),
        (201, "passed"),
        (206, "passed"),
        (302, "passed"),
        (303, "passed"),
        (304, "passed"),
        (307, "passed"),
        (400, "passed"),
        (401, "passed"),
        (403, "passed"),
        (416, "passed"),
        (429, "passed"),
    ] {
        assert_eq!(fate(reply(status).text("")).await, expected, "{status}");
    }
}

#[tokio::test]
async fn a_freshness_that_the_handler_states_keeps_other_statuses_too() {
    for status in [200, 203, 302, 404, 410, 429, 503] {
        assert_eq!(fate(said(status, "max-age=5")).await, "kept", "{status}");
    }
    assert_eq!(fate(said(206, "max-age=5")).await, "passed");
}

#[tokio::test]
async fn what_forbids_sharing_is_passed_whatever_else_is_said() {
    for line in [
        "no-store",
        "private",
        "no-cache",
        "public, max-age=60, no-store",
        "private=\"x\", max-age=60",
        "max-age=60; private",
    ] {
        assert_eq!(fate(said(200, line)).await, "passed", "{line}");
        assert_eq!(fate(said(404, line)).await, "passed", "{line}");
    }
    for (name, value) in [("vary", "*"), ("vary", "accept, *"), ("set-cookie", "a=1")] {
        let reply = said(200, "public, max-age=60").with(name, value);
        assert_eq!(fate(reply).await, "passed", "{name}: {value}");
    }
    let events = reply(200).with("content-type", "text/event-stream; charset=utf-8");
    assert_eq!(fate(events).await, "passed");
}

#[tokio::test]
async fn no_freshness_is_shared_and_not_kept() {
    for line in [
        "max-age=0",
        "s-maxage=0, max-age=60",
        "max-age=60, max-age=0",
        "max-age=-1",
    ] {
        assert_eq!(fate(said(200, line)).await, "shared", "{line}");
    }
    let expired = reply(200).with("expires", "0");
    assert_eq!(fate(expired).await, "shared");
}

#[tokio::test]
async fn a_failing_refresh_keeps_the_good_copy_and_coalescing() {
    for failure in [
        reply(500),
        said(503, "no-store"),
        said(500, "max-age=60"),
        said(500, "private"),
        said(600, "max-age=60"),
        said(999, "no-store"),
    ] {
        let (house, origin, service) = stale([failure.clone(), reply(200).text("new")]).await;
        let answer = ask(&service, get("/")).await;
        assert_eq!(
            (answer.x_cache(), answer.text()),
            ("STALE", "good"),
            "{failure:?}"
        );
        house.pass(secs(119)).await;
        origin.hold();
        let asking = start_all(&service, (0..5).map(|_| get("/"))).await;
        origin.release();
        let after = answers(asking).await;
        assert!(
            after.iter().all(|answer| answer.text() == "new"),
            "{after:?}"
        );
        assert_eq!(origin.calls(), 3, "coalescing goes on after {failure:?}");
    }
}

#[tokio::test]
async fn a_refresh_that_brings_what_is_not_kept_removes_the_old_copy_at_once() {
    for other in [
        reply(404),
        reply(302),
        reply(401),
        said(200, "private"),
        said(200, "no-cache"),
        said(200, "max-age=0"),
        reply(200).with("set-cookie", "a=1"),
    ] {
        let (_house, origin, service) = stale([other.clone()]).await;
        let answer = ask(&service, get("/")).await;
        assert_ne!(answer.body.as_deref(), Ok("good"), "{other:?}");
        assert_eq!(origin.calls(), 3, "{other:?}");
    }
}

#[tokio::test]
async fn a_failure_that_nothing_stands_in_for_is_shared_and_forgotten() {
    let (first, next, calls) = burst(reply(500).text("sorry")).await;
    assert_eq!(calls, 1);
    assert!(
        first
            .iter()
            .all(|answer| answer.status == 500 && answer.text() == "sorry")
    );
    assert_eq!((count(&first, "MISS"), count(&first, "COLLAPSED")), (1, 2));
    assert_eq!(next.x_cache(), "MISS");
    assert_eq!(
        next.field("cache-control"),
        "",
        "no lifetime of ours on a failure"
    );
}
