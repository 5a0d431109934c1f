//! Which answers are kept, which are shared with those who wait, and which go to one client alone.

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

#[tokio::test]
async fn the_age_that_an_answer_brings_counts() {
    let (house, origin) = (House::new(), Origin::always(reply(200).with("age", "50")));
    let service = house.layer().layer(origin.clone());
    assert_eq!(ask(&service, get("/")).await.field("age"), "50");
    house.pass(secs(9)).await;
    let hit = ask(&service, get("/")).await;
    assert_eq!((hit.x_cache(), hit.field("age")), ("HIT", "59"));
    house.pass(secs(1)).await;
    assert_eq!(ask(&service, get("/")).await.x_cache(), "STALE");
}

#[tokio::test]
async fn an_answer_that_arrives_too_old_to_be_kept_says_how_old_it_is() {
    for old in [said(200, "max-age=10"), reply(404), reply(500)] {
        let (first, _, _) = burst(old.with("age", "30")).await;
        for answer in first {
            assert_eq!(answer.lines("age"), ["30"], "{answer:?}");
        }
    }
}

#[tokio::test]
async fn a_date_is_kept_and_one_is_given_where_there_is_none() {
    let dated = reply(200)
        .with("date", "Thu, 01 Jan 2026 00:00:00 GMT")
        .with("age", "1");
    for (reply, expected) in [
        (dated, "Thu, 01 Jan 2026 00:00:00 GMT"),
        (reply(200), "Thu, 01 Jan 2026 00:00:05 GMT"),
    ] {
        let (house, origin) = (House::new(), Origin::always(reply));
        let service = house.layer().layer(origin);
        house.pass(secs(5)).await;
        assert_eq!(ask(&service, get("/")).await.field("date"), expected);
        house.pass(secs(5)).await;
        assert_eq!(ask(&service, get("/")).await.lines("date"), [expected]);
    }
}

#[tokio::test]
async fn a_lifetime_of_ours_is_told_and_the_handlers_is_left_as_it_is() {
    let ours = "max-age=60, stale-while-revalidate=120";
    for (line, expected) in [
        ("", vec![ours]),
        ("public", vec!["public", ours]),
        ("max-age=7", vec!["max-age=7"]),
        ("s-maxage=7, public", vec!["s-maxage=7, public"]),
    ] {
        let plain = if line.is_empty() {
            reply(200)
        } else {
            said(200, line)
        };
        let (first, hit, _) = burst(plain).await;
        for answer in first.iter().chain([&hit]) {
            assert_eq!(answer.lines("cache-control"), expected, "{line}");
        }
    }
    let (first, _, _) = burst(reply(404)).await;
    assert!(
        first
            .iter()
            .all(|answer| answer.field("cache-control").is_empty())
    );
}

#[tokio::test]
async fn fields_that_end_at_the_origins_connection_are_not_shared() {
    let reply = reply(200)
        .with("connection", "close, x-hop")
        .with("connection", "X-Other")
        .with("x-hop", "1")
        .with("x-other", "1")
        .with("keep-alive", "timeout=5")
        .with("proxy-connection", "close")
        .with("te", "trailers")
        .with("upgrade", "h2c")
        .with("proxy-authenticate", "Basic")
        .with("x-end", "1");
    let (first, hit, _) = burst(reply).await;
    for answer in first.iter().chain([&hit]) {
        let names = [
            "connection",
            "x-hop",
            "x-other",
            "keep-alive",
            "proxy-connection",
            "te",
            "upgrade",
        ];
        for name in names.into_iter().chain(["proxy-authenticate"]) {
            assert_eq!(answer.lines(name), [""; 0], "{name}");
        }
        assert_eq!(answer.field("x-end"), "1");
    }
}

#[tokio::test]
async fn lines_of_one_field_stay_apart_and_in_order() {
    let links = reply(200)
        .with("link", "</b>")
        .with("x", "1")
        .with("link", "</a>")
        .with("link", "</b>");
    let (_, hit, _) = burst(links).await;
    assert_eq!(hit.lines("link"), ["</b>", "</a>", "</b>"]);
    let cookies = reply(200)
        .with("set-cookie", "b=1")
        .with("set-cookie", "a=2");
    let (first, next, _) = burst(cookies).await;
    for answer in first.iter().chain([&next]) {
        assert_eq!(answer.lines("set-cookie"), ["b=1", "a=2"]);
    }
}

#[tokio::test]
async fn a_length_that_the_handler_states_stays() {
    let (first, hit, _) = burst(reply(200).text("12345").with("content-length", "5")).await;
    for answer in first.iter().chain([&hit]) {
        assert_eq!(
            (answer.lines("content-length"), answer.length),
            (vec!["5"], Some(5))
        );
    }
}

#[tokio::test]
async fn a_length_that_is_none_is_the_clients_own() {
    let malformed: [&[&str]; 6] = [&["5", "6"], &["5, 6"], &["+5"], &["abc"], &[""], &["5", ""]];
    for lines in malformed {
        let told = lines.iter().fold(reply(200).text("01234"), |reply, line| {
            reply.with("content-length", line)
        });
        let (answers, later, _) = burst(told).await;
        assert_eq!(count(&answers, "PASS"), answers.len(), "{lines:?}");
        assert_eq!(later.x_cache(), "PASS", "{lines:?}");
        assert!(
            answers[0]
                .field("cache-status")
                .ends_with("detail=content-length")
        );
    }
}

#[tokio::test]
async fn one_length_that_is_said_twice_is_told_once() {
    for lines in [&["5", "5"][..], &["5, 5"], &["5 ,5"]] {
        let told = lines.iter().fold(reply(200).text("01234"), |reply, line| {
            reply.with("content-length", line)
        });
        let (_, later, calls) = burst(told).await;
        assert_eq!((later.x_cache(), calls), ("HIT", 1), "{lines:?}");
        assert_eq!(later.lines("content-length"), ["5"], "{lines:?}");
    }
}
