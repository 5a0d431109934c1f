//! In front of another server, whose word counts.

use crate::house::{
    House, Origin, Reply, With as _, answers, ask, count, get, head, reply, secs, settle, start_all,
};
use tower::Layer as _;
use tower_swr::CacheService;

fn behind(replies: impl IntoIterator<Item = Reply>) -> (House, Origin, CacheService<Origin>) {
    let (house, origin) = (House::new(), Origin::script(replies));
    let service = house.layer().as_proxy().layer(origin.clone());
    (house, origin, service)
}

#[tokio::test]
async fn nothing_is_fresh_that_the_server_does_not_call_fresh() {
    let (_house, origin, service) = behind([
        reply(200),
        reply(200),
        reply(200).with("cache-control", "max-age=5"),
    ]);
    for verb in ["MISS", "MISS", "MISS", "HIT"] {
        let answer = ask(&service, get("/")).await;
        assert_eq!(answer.x_cache(), verb);
        assert!(
            !answer.field("cache-control").contains("stale"),
            "nothing is added"
        );
    }
    assert_eq!(origin.calls(), 3);
}

#[tokio::test]
async fn an_answer_that_has_not_changed_for_long_is_fresh_for_a_tenth_of_that() {
    // The clock of these tests begins with 2026.
    let changed = "Wed, 31 Dec 2025 23:50:00 GMT";
    let of = |status, fields: &[(&str, &str)]| {
        let reply = reply(status).with("last-modified", changed);
        fields
            .iter()
            .fold(reply, |reply, (name, value)| reply.with(name, value))
    };
    for (reply, fresh_for) in [
        (of(200, &[]), 60),
        (of(404, &[]), 60),
        (of(200, &[("age", "20")]), 40),
        (of(200, &[("cache-control", "max-age=7")]), 7),
        (of(403, &[("cache-control", "public")]), 60),
    ] {
        let (house, _origin, service) = behind([reply.clone(), reply.clone()]);
        ask(&service, get("/")).await;
        house.pass(secs(fresh_for - 1)).await;
        assert_eq!(ask(&service, get("/")).await.x_cache(), "HIT", "{reply:?}");
        house.pass(secs(1)).await;
        assert_ne!(ask(&service, get("/")).await.x_cache(), "HIT", "{reply:?}");
    }
    for reply in [
        of(403, &[]),
        reply(200),
        reply(200).with("last-modified", "Fri, 02 Jan 2026 00:00:00 GMT"),
    ] {
        let (_house, origin, service) = behind([reply.clone(), reply]);
        ask(&service, get("/")).await;
        ask(&service, get("/")).await;
        assert_eq!(origin.calls(), 2);
    }
}

#[tokio::test]
async fn cookies_reach_the_server_and_answers_are_for_whom_it_says() {
    let public = reply(200).with("cache-control", "max-age=60");
    let vary = public.clone().with("vary", "cookie");
    for (reply, calls) in [(public, 1), (vary, 2)] {
        let (_house, origin, service) = behind([reply.clone(), reply]);
        for cookie in ["a=1", "a=2", "a=1"] {
            ask(&service, get("/").with("cookie", cookie)).await;
        }
        assert_eq!(origin.calls(), calls);
        assert_eq!(origin.seen()[0].fields["cookie"], "a=1");
    }
}

#[tokio::test]
async fn an_answer_to_somebody_is_shared_only_where_it_says_so() {
    for (control, expected) in [
        ("max-age=60", false),
        ("max-age=60, proxy-revalidate", false),
        ("max-age=60, s-maxage=0", false),
        ("max-age=0, must-revalidate", false),
        ("public", false),
        ("max-age=60, public", true),
        ("max-age=60, must-revalidate", true),
        ("s-maxage=60", true),
    ] {
        let house = House::new();
        let origin = Origin::always(reply(200).with("cache-control", control));
        let service = house.layer().as_proxy().layer(origin.clone());
        origin.hold();
        let users = (0..10).map(|user| get("/").with("authorization", user.to_string()));
        let asking = start_all(&service, users).await;
        origin.release();
        let answers = answers(asking).await;
        let (calls, shared) = if expected { (1, 9) } else { (10, 0) };
        assert_eq!(
            (origin.calls(), count(&answers, "COLLAPSED")),
            (calls, shared),
            "{control}"
        );
        assert_eq!(origin.seen()[0].fields["authorization"], "0");
        let next = ask(&service, get("/").with("authorization", "next")).await;
        assert_eq!(next.x_cache() == "HIT", expected, "{control}");
        let stranger = ask(&service, get("/")).await;
        assert_eq!(stranger.x_cache() == "HIT", expected, "{control}");
    }
}

#[tokio::test]
async fn a_head_is_asked_as_a_get_that_serves_both() {
    let (_house, origin, service) =
        behind([reply(200).with("cache-control", "max-age=60").text("whole")]);
    let first = ask(&service, head("/")).await;
    assert_eq!(
        (first.x_cache(), first.text(), first.field("content-length")),
        ("MISS", "", "5")
    );
    let second = ask(&service, get("/")).await;
    assert_eq!(
        (second.x_cache(), second.text(), origin.calls()),
        ("HIT", "whole", 1)
    );
    let (_house, _origin, service) = behind([reply(200).with("cache-control", "no-store")]);
    let own = ask(&service, head("/")).await;
    assert_eq!((own.x_cache(), own.text()), ("PASS", ""));
}

#[tokio::test]
async fn what_is_not_fresh_is_nobody_elses_where_the_server_knows_who_asks() {
    for line in ["max-age=0", "public", ""] {
        let house = House::new();
        let origin = Origin::always(reply(200).with("cache-control", line));
        let service = house.layer().as_proxy().layer(origin.clone());
        origin.hold();
        let users = (0..10).map(|user| get("/").with("cookie", format!("session={user}")));
        let asking = start_all(&service, users.chain([get("/"), get("/")])).await;
        origin.release();
        let answers = answers(asking).await;
        assert_eq!(count(&answers[..10], "COLLAPSED"), 0, "{line:?}");
        assert!(origin.calls() >= 11, "{line:?}: {}", origin.calls());
    }
}

#[tokio::test]
async fn a_request_of_somebodys_neither_renews_nor_drops_what_all_may_see() {
    let (house, origin, service) =
        behind([reply(200).with("cache-control", "max-age=60, stale-while-revalidate=600")]);
    ask(&service, get("/")).await;
    house.pass(secs(60)).await;
    let own = ask(&service, get("/").with("authorization", "me")).await;
    assert_eq!(own.x_cache(), "PASS");
    assert_eq!(ask(&service, get("/")).await.x_cache(), "STALE");
    settle().await;
    assert_eq!(
        (ask(&service, get("/")).await.x_cache(), origin.calls()),
        ("HIT", 3)
    );
}

#[tokio::test]
async fn who_led_is_put_under_its_conditions_too() {
    // Passed and not remembered, so that each of them leads.
    let (_house, _origin, service) = behind([reply(203)
        .with("cache-control", "no-cache")
        .with("etag", "\"1\"")]);
    for (line, status) in [("if-none-match", 304), ("if-match", 203)] {
        let answer = ask(&service, get("/").with(line, "\"1\"")).await;
        assert_eq!(
            (answer.status.as_u16(), answer.x_cache()),
            (status, "PASS"),
            "{line}"
        );
    }
}

#[tokio::test]
async fn what_is_for_everybody_is_for_those_who_do_not_say_who_they_are_too() {
    for line in [
        "public, max-age=60",
        "s-maxage=60",
        "max-age=60, must-revalidate",
    ] {
        let (_house, origin, service) = behind([reply(200).with("cache-control", line)]);
        ask(&service, get("/a").with("authorization", "me")).await;
        assert_eq!(ask(&service, get("/a")).await.x_cache(), "HIT", "{line}");
        ask(&service, get("/b")).await;
        let own = ask(&service, get("/b").with("authorization", "me")).await;
        assert_eq!((own.x_cache(), origin.calls()), ("MISS", 3), "{line}");
    }
    let (_house, _origin, service) = behind([reply(200).with("cache-control", "max-age=60")]);
    ask(&service, get("/")).await;
    let own = ask(&service, get("/").with("authorization", "me")).await;
    assert_eq!(own.x_cache(), "PASS", "it does not say so");
}

/// A cache that is no part of the origin does not judge `If-Match` and `If-Unmodified-Since` by what it has kept.
#[tokio::test]
async fn what_only_an_origin_may_judge_is_judged_by_what_it_says_now() {
    let said = |etag: &str, modified: &str| {
        let reply = reply(200).with("cache-control", "max-age=60");
        reply.with("etag", etag).with("last-modified", modified)
    };
    let old = "Sat, 01 Jan 2022 00:00:00 GMT";
    let new = "Sun, 01 Jan 2023 00:00:00 GMT";
    for (name, value, status) in [
        ("if-match", "\"2\"", 200),
        ("if-match", "\"1\"", 412),
        ("if-unmodified-since", new, 200),
        ("if-unmodified-since", old, 412),
    ] {
        let (house, origin, service) = behind([said("\"1\"", old), said("\"2\"", new)]);
        ask(&service, get("/")).await;
        house.pass(secs(1)).await;
        let judged = ask(&service, get("/").with(name, value)).await;
        assert_eq!(judged.status, status, "{name}: {value}");
        let kept = ask(&service, get("/")).await;
        assert_eq!((kept.x_cache(), kept.text()), ("HIT", "call 1"));
        assert_eq!(origin.calls(), 2);
    }
}

#[tokio::test]
async fn variants_are_told_apart_for_everybody_too() {
    let said = reply(200)
        .with("cache-control", "public, max-age=60")
        .with("vary", "accept");
    let (_house, origin, service) = behind([said]);
    let own = |accept: &str| get("/").with("authorization", "me").with("accept", accept);
    ask(&service, own("a")).await;
    assert_eq!(
        ask(&service, get("/").with("accept", "a")).await.x_cache(),
        "HIT"
    );
    assert_eq!(
        ask(&service, get("/").with("accept", "b")).await.x_cache(),
        "MISS"
    );
    assert_eq!(origin.calls(), 2);
}

#[tokio::test]
async fn a_failure_costs_one_call_and_what_one_user_was_shown_of_it_no_other_sees() {
    let (_house, origin, service) = behind([reply(503)]);
    origin.hold();
    let users = (0..20).map(|user| get("/").with("cookie", format!("user={user}")));
    let asking = start_all(&service, users).await;
    origin.release();
    let answers = answers(asking).await;
    assert_eq!((origin.calls(), count(&answers, "PASS")), (1, 1));
    let own = answers.iter().filter(|answer| answer.text() == "call 0");
    assert_eq!(own.count(), 1);
    let others = answers.iter().filter(|answer| answer.is_problem(502));
    assert_eq!(others.count(), 19);
}
