//! Answers whose body is still on its way: everybody reads it live, and nobody takes a part of it for the whole.

use crate::house::{
    Answer, House, Pipe, Reply, Stage, ask, get, head, is_cut, next, open, reply, secs, settle,
    stage,
};
use http::{HeaderMap, HeaderValue};
use http_body::Body as _;

fn plain() -> Stage {
    stage(reply(200), House::layer)
}

/// Bodies may pause for as long as they like.
fn patient(reply: Reply) -> Stage {
    stage(reply, |house| house.layer().body_idle_timeout(secs(3600)))
}

#[tokio::test]
async fn leader_and_follower_have_the_head_and_each_chunk_before_the_body_ends() {
    let mut stage = plain();
    let mut leader = open(&stage.service, get("/")).await;
    let mut follower = open(&stage.service, get("/")).await;
    assert_eq!(leader.headers()["x-cache"], "MISS");
    assert_eq!(follower.headers()["x-cache"], "COLLAPSED");
    for live in [&mut leader, &mut follower] {
        assert_eq!(next(live).await, "nothing yet");
    }
    for text in ["one", "two"] {
        stage.pipes[0].send(text);
        assert_eq!(next(&mut leader).await, text);
        assert_eq!(next(&mut follower).await, text);
    }
    stage.pipes[0].end();
    assert_eq!(next(&mut leader).await, "the end");
    assert_eq!(next(&mut follower).await, "the end");
    assert_eq!(ask(&stage.service, get("/")).await.text(), "onetwo");
    assert_eq!(stage.origin.calls(), 1);
}

#[tokio::test]
async fn who_joins_midway_reads_from_the_beginning() {
    let mut stage = patient(reply(200));
    let _leader = open(&stage.service, get("/")).await;
    stage.pipes[0].send("one");
    stage.house.pass(secs(59)).await;
    let mut follower = open(&stage.service, get("/")).await;
    assert_eq!(follower.headers()["age"], "59");
    assert_eq!(next(&mut follower).await, "one");
    stage.pipes[0].send("two");
    stage.pipes[0].end();
    assert_eq!(Answer::read(follower).await.text(), "two");
    assert_eq!(stage.origin.calls(), 1);
}

#[tokio::test]
async fn who_comes_when_the_head_is_not_fresh_any_more_begins_a_call_of_their_own() {
    for (reply, fresh) in [(reply(200), 60), (reply(200).with("age", "50"), 10)] {
        let mut stage = patient(reply);
        let first = open(&stage.service, get("/")).await;
        stage.pipes[0].send("old");
        stage.house.pass(secs(fresh)).await;
        let second = open(&stage.service, get("/")).await;
        assert_eq!(
            (second.headers()["x-cache"].as_bytes(), stage.origin.calls()),
            (&b"MISS"[..], 2)
        );
        stage.pipes[1].send("new");
        stage.pipes[1].end();
        assert_eq!(Answer::read(second).await.text(), "new");
        stage.pipes[0].end();
        assert_eq!(Answer::read(first).await.text(), "old");
        settle().await;
        let kept = ask(&stage.service, get("/")).await;
        assert_eq!(
            (kept.x_cache(), kept.text()),
            ("HIT", "new"),
            "an old body never replaces a newer one"
        );
    }
}

#[tokio::test]
async fn clients_who_hang_up_midway_harm_nobody() {
    let mut stage = plain();
    let leader = open(&stage.service, get("/")).await;
    let follower = open(&stage.service, get("/")).await;
    stage.pipes[0].send("one");
    drop((leader, follower));
    settle().await;
    assert!(!stage.pipes[0].is_dropped());
    stage.pipes[0].send("two");
    stage.pipes[0].end();
    settle().await;
    let kept = ask(&stage.service, get("/")).await;
    assert_eq!((kept.x_cache(), kept.text()), ("HIT", "onetwo"));
}

#[tokio::test]
async fn a_body_that_breaks_is_an_error_for_every_reader_and_is_not_kept() {
    let mut stage = plain();
    let leader = open(&stage.service, get("/")).await;
    let follower = open(&stage.service, get("/")).await;
    stage.pipes[0].send("one");
    stage.pipes[0].fail();
    for live in [leader, follower] {
        assert!(is_cut(live, "failed").await);
    }
    assert_eq!(stage.house.entries(), 0);
    stage.pipes[1].end();
    let again = ask(&stage.service, get("/")).await;
    assert_eq!(
        (again.x_cache(), again.text(), stage.origin.calls()),
        ("MISS", "", 2)
    );
}

#[tokio::test]
async fn a_body_that_breaks_before_its_first_byte_is_a_problem_for_all() {
    let stage = plain();
    stage.pipes[0].fail();
    assert!(ask(&stage.service, get("/")).await.is_problem(502));
    assert_eq!(stage.house.entries(), 0);
}

#[tokio::test]
async fn a_body_that_has_not_its_announced_length_never_passes_for_whole() {
    for (sent, because) in [("123", "ended before"), ("1234567", "longer")] {
        let mut stage = stage(reply(200).with("content-length", "5"), House::layer);
        let leader = open(&stage.service, get("/")).await;
        let follower = open(&stage.service, get("/")).await;
        stage.pipes[0].send(sent);
        stage.pipes[0].end();
        for live in [leader, follower] {
            assert!(is_cut(live, because).await, "{because}");
        }
        assert_eq!(stage.house.entries(), 0);
        // Where all of it is there at once nobody has been answered yet.
        stage.pipes[1].send(sent);
        stage.pipes[1].end();
        assert!(ask(&stage.service, get("/")).await.is_problem(502));
    }
}

#[tokio::test]
async fn trailers_are_delivered_live_and_such_an_answer_is_not_kept() {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-checksum", HeaderValue::from_static("1"));
    for at_once in [true, false] {
        // Without the field, HTTP/1.1 servers send none.
        let mut stage = stage(reply(200).with("trailer", "x-checksum"), House::layer);
        let send = |pipe: &mut Pipe| {
            pipe.send("one");
            pipe.trailers(trailers.clone());
            pipe.end();
        };
        if at_once {
            send(&mut stage.pipes[0]);
        }
        let leader = open(&stage.service, get("/")).await;
        if !at_once {
            send(&mut stage.pipes[0]);
        }
        assert_eq!(leader.headers()["trailer"], "x-checksum");
        let answer = Answer::read(leader).await;
        assert_eq!(
            (answer.text(), answer.trailers.as_ref()),
            ("one", Some(&trailers))
        );
        settle().await;
        assert_eq!(stage.house.entries(), 0);
    }
}

#[tokio::test]
async fn a_head_request_joins_a_get_and_says_nothing_of_a_length_that_nobody_knows() {
    let stage = plain();
    let _leader = open(&stage.service, get("/")).await;
    let joined = open(&stage.service, head("/")).await;
    assert_eq!(joined.headers()["x-cache"], "COLLAPSED");
    assert!(joined.body().is_end_stream());
    assert_eq!(
        joined.body().size_hint().exact(),
        None,
        "servers make a Content-Length of it"
    );
    assert_eq!(stage.origin.calls(), 1);
}

#[tokio::test]
async fn a_refresh_whose_body_breaks_leaves_the_old_answer() {
    let mut stage = plain();
    stage.pipes[0].send("old");
    stage.pipes[0].end();
    ask(&stage.service, get("/")).await;
    stage.house.pass(secs(61)).await;
    assert_eq!(ask(&stage.service, get("/")).await.text(), "old");
    settle().await;
    stage.pipes[1].send("new");
    settle().await;
    stage.pipes[1].fail();
    settle().await;
    let after = ask(&stage.service, get("/")).await;
    assert_eq!(
        (after.x_cache(), after.text(), stage.origin.calls()),
        ("STALE", "old", 2)
    );
}

#[tokio::test]
async fn a_body_that_is_longer_than_it_said_before_it_ends_is_not_kept() {
    let mut stage = stage(reply(200).with("content-length", "5"), House::layer);
    stage.pipes[0].send("0123456789");
    let first = open(&stage.service, get("/")).await;
    assert_eq!(first.status(), 502, "nobody gets a part for the whole");
    stage.pipes[0].end();
    settle().await;
    stage.pipes[1].send("01234");
    stage.pipes[1].end();
    let second = ask(&stage.service, get("/")).await;
    assert_eq!((second.x_cache(), second.text()), ("MISS", "01234"));
}
#[tokio::test]
async fn a_body_that_goes_on_when_it_may_not_be_served_any_more_is_for_its_readers_only() {
    let stage = stage(reply(200), |house| {
        house.layer().body_idle_timeout(secs(3600))
    });
    let reader = open(&stage.service, get("/")).await;
    stage.pipes[0].send("one");
    drop(reader);
    stage.house.pass(secs(179)).await;
    stage.pipes[0].send("two");
    settle().await;
    assert!(!stage.pipes[0].is_dropped(), "it would still be kept");
    stage.house.pass(secs(1)).await;
    stage.pipes[0].send("three");
    settle().await;
    assert!(stage.pipes[0].is_dropped(), "nobody wants it any more");
}
