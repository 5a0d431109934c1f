//! Who waits for whom, and what of an answer reaches those who sent another URI.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tower::Layer as _;

use super::{UTM, layer, plain, saying, word};
use crate::house::{
    House, Origin, answers, ask, count, get, next, open, reply, secs, settle, stage, start_all,
};

#[tokio::test]
async fn once_the_path_is_known_a_crowd_of_equivalents_makes_one_call() {
    let house = House::new();
    let (service, origin) = saying(&house, UTM);
    ask(&service, get("/a?id=0&utm=x")).await;
    origin.hold();
    let crowd = (0..50).map(|number| get(&format!("/a?id=1&utm={number}")));
    let asking = start_all(&service, crowd).await;
    assert_eq!(origin.calls(), 2);
    origin.release();
    let answers = answers(asking).await;
    assert_eq!(
        (count(&answers, "MISS"), count(&answers, "COLLAPSED")),
        (1, 49)
    );
    assert!(answers.iter().all(|answer| answer.text() == "call 1"));
    assert_eq!(
        (origin.calls(), house.cache.stats().stampede_violations),
        (2, 0)
    );
    assert_eq!(origin.seen()[1].uri, "/a?id=1&utm=0", "the leader's own");
}

#[tokio::test]
async fn before_that_each_uri_is_called_for_once() {
    let house = House::new();
    let (service, origin) = saying(&house, UTM);
    origin.hold();
    let asking = start_all(&service, ["/a?utm=1", "/a?utm=2", "/a?utm=1"].map(get)).await;
    assert_eq!(origin.calls(), 2);
    origin.release();
    let answers = answers(asking).await;
    assert_eq!(
        (count(&answers, "MISS"), count(&answers, "COLLAPSED")),
        (2, 1)
    );
    assert_eq!(word(&service, "/a?utm=3").await, "HIT");
    assert_eq!(house.entries(), 1);
}

#[tokio::test]
async fn who_comes_while_the_answer_streams_reads_along() {
    let line = plain().with("no-vary-search", UTM);
    let mut stage = stage(line, super::layer);
    let mut first = open(&stage.service, get("/a?utm=1")).await;
    stage.pipes[0].send("one ");
    assert_eq!(next(&mut first).await, "one ");
    let mut second = open(&stage.service, get("/a?utm=2")).await;
    assert_eq!(next(&mut second).await, "one ");
    stage.pipes[0].end();
    settle().await;
    assert_eq!(stage.origin.calls(), 1);
    drop((first, second));
    settle().await;
    assert_eq!(word(&stage.service, "/a?utm=3").await, "HIT");
}

/// Answers of the same path that say something else, or nothing, are for their own URI.
#[tokio::test]
async fn an_answer_that_says_no_more_that_it_is_for_them_is_not_given_to_those_who_wait() {
    for said in [None, Some("params=(\"other\")")] {
        let house = House::new();
        let origin = Origin::new(move |call| {
            let uri = call.parts.uri.to_string();
            let reply = plain().text(uri.clone());
            let reply = match said {
                _ if uri.contains("id=0") => reply.with("no-vary-search", UTM),
                Some(line) => reply.with("no-vary-search", line),
                None => reply,
            };
            Ok(reply.to_response(call.number))
        });
        let service = layer(&house).layer(origin.clone());
        ask(&service, get("/a?id=0&utm=x")).await;
        origin.hold();
        let paths = [
            "/a?id=1&utm=1",
            "/a?id=1&utm=1",
            "/a?id=1&utm=2",
            "/a?id=1&utm=3",
        ];
        let asking = start_all(&service, paths.map(get)).await;
        assert_eq!(origin.calls(), 2);
        origin.release();
        let answers = answers(asking).await;
        for (answer, path) in answers.iter().zip(paths) {
            assert_eq!(answer.text(), path, "each gets its own");
        }
        assert_eq!(origin.calls(), 4, "one for each URI");
        for path in paths {
            let again = ask(&service, get(path)).await;
            assert_eq!((again.x_cache(), again.text()), ("HIT", path));
        }
    }
}

#[tokio::test]
async fn an_error_page_reaches_its_own_client_and_the_others_learn_that_it_failed() {
    let house = House::new();
    let fails = Arc::new(AtomicBool::new(false));
    let failing = Arc::clone(&fails);
    let origin = Origin::new(move |call| {
        let reply = match failing.load(Ordering::SeqCst) {
            true => reply(500).text(call.parts.uri.to_string()),
            false => plain().with("no-vary-search", UTM),
        };
        Ok(reply.to_response(call.number))
    });
    let service = layer(&house).layer(origin.clone());
    ask(&service, get("/a?id=0&utm=x")).await;
    fails.store(true, Ordering::SeqCst);
    origin.hold();
    let crowd = (0..20).map(|number| get(&format!("/a?id=1&utm=%3Cscript%3E{number}")));
    let asking = start_all(&service, crowd).await;
    origin.release();
    let answers = answers(asking).await;
    assert_eq!(answers[0].status, 500);
    assert!(answers[0].text().contains("script"));
    for other in &answers[1..] {
        assert!(other.is_problem(502), "{other:?}");
        assert!(!other.text().contains("script"));
    }
    assert_eq!(origin.calls(), 2, "a failing origin is not called by all");
    fails.store(false, Ordering::SeqCst);
    assert_eq!(word(&service, "/a?id=1&utm=1").await, "MISS");
    assert_eq!(
        word(&service, "/a?id=1&utm=2").await,
        "HIT",
        "a failure unlearns nothing"
    );
}

#[tokio::test]
async fn a_stale_answer_serves_all_of_them_while_one_refresh_runs() {
    let house = House::new();
    let (service, origin) = saying(&house, UTM);
    ask(&service, get("/a?id=1&utm=x")).await;
    house.pass(secs(61)).await;
    origin.hold();
    for number in 0..10 {
        assert_eq!(
            word(&service, &format!("/a?id=1&utm={number}")).await,
            "STALE"
        );
    }
    settle().await;
    assert_eq!(origin.calls(), 2);
    origin.release();
    settle().await;
    let renewed = ask(&service, get("/a?id=1&utm=new")).await;
    assert_eq!((renewed.x_cache(), renewed.text()), ("HIT", "call 1"));
    assert_eq!(house.entries(), 1);
}

#[tokio::test]
async fn what_may_not_be_shared_is_remembered_for_all_of_them() {
    let house = House::new();
    let origin = Origin::new(|call| {
        let said = plain().with("no-vary-search", UTM);
        let reply = match call
            .parts
            .uri
            .query()
            .is_some_and(|query| query.contains("id=1"))
        {
            true => said.with("cache-control", "private"),
            false => said,
        };
        Ok(reply.to_response(call.number))
    });
    let service = layer(&house).layer(origin.clone());
    ask(&service, get("/a?id=0")).await;
    assert_eq!(word(&service, "/a?id=1&utm=1").await, "PASS");
    origin.hold();
    let asking = start_all(
        &service,
        (0..5).map(|number| get(&format!("/a?id=1&utm={number}"))),
    )
    .await;
    assert_eq!(
        origin.calls(),
        7,
        "nobody waits for an answer that is somebody else's"
    );
    origin.release();
    assert_eq!(count(&answers(asking).await, "PASS"), 5);
}
