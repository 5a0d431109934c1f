//! What was invalidated while a node was away.

use crate::support::{Proxy, Server, connected, eventually, hear, key, purge, ready};
use tower_swr_core::{
    FarLog, FarStore, Invalidation, LogEvent, LogFollower, LogPosition, Recorded, Subject,
};
use tower_swr_redis::Redis;

async fn news(redis: &Redis) -> Box<dyn LogFollower> {
    let mut news = redis.follow();
    assert_eq!(hear(&mut *news).await, LogEvent::Replayed);
    news
}

fn scope(name: &str) -> Invalidation {
    Invalidation {
        subject: Subject::scope(name),
        source: 1,
    }
}

async fn done(redis: &Redis, invalidation: Invalidation) -> LogPosition {
    match redis.invalidate(invalidation).await {
        Recorded::Done(at) => at,
        Recorded::Queued => panic!("the server is there"),
    }
}

#[tokio::test]
async fn a_gap_is_read_again() {
    let server = Server::start();
    let proxy = Proxy::to(server.port).await;
    let (here, there) = (
        connected(&server.url()).await,
        connected(&proxy.url()).await,
    );
    let mut told = news(&there).await;
    done(&here, scope("before")).await;
    hear(&mut *told).await;
    let born = there.position();
    proxy.cut();
    assert_eq!(hear(&mut *told).await, LogEvent::Suspect);
    let mut missed = Vec::new();
    for name in ["a", "b", "c"] {
        missed.push((scope(name), done(&here, scope(name)).await));
    }
    assert!(!there.status().log.is_up());
    proxy.heal();
    for (invalidation, position) in missed {
        let expected = LogEvent::Invalidated {
            invalidation,
            position,
        };
        assert_eq!(hear(&mut *told).await, expected);
    }
    assert_eq!(hear(&mut *told).await, LogEvent::Replayed);
    let admitted = there.admits(born, &[Subject::scope("b")]).await;
    assert_eq!(admitted, Ok(false));
}

#[tokio::test]
async fn a_gap_that_was_trimmed_loses_the_history() {
    a_gap_that_cannot_be_told(&["XTRIM", "swr:inv", "MAXLEN", "0"]).await;
}

#[tokio::test]
async fn a_log_that_was_evicted_loses_the_history() {
    a_gap_that_cannot_be_told(&["DEL", "swr:inv"]).await;
}

async fn a_gap_that_cannot_be_told(lose: &[&str]) {
    let server = Server::start();
    let proxy = Proxy::to(server.port).await;
    let (here, there) = (
        connected(&server.url()).await,
        connected(&proxy.url()).await,
    );
    let mut told = news(&there).await;
    done(&here, scope("before")).await;
    hear(&mut *told).await;
    let born = there.position();
    proxy.cut();
    assert_eq!(hear(&mut *told).await, LogEvent::Suspect);
    done(&here, scope("missed")).await;
    let _: u64 = server.ask(lose);
    proxy.heal();
    assert_eq!(hear(&mut *told).await, LogEvent::HistoryLost);
    ready(&there).await;
    // What is no longer in the log is still noted beside it.
    let subjects = ["missed", "other"].map(Subject::scope);
    let admitted = there.admits(born, &subjects[..1]).await;
    assert_eq!(admitted, Ok(false));
    assert_eq!(there.admits(born, &subjects[1..]).await, Ok(true));
    let position = done(&here, scope("later")).await;
    let expected = LogEvent::Invalidated {
        invalidation: scope("later"),
        position,
    };
    assert_eq!(hear(&mut *told).await, expected);
}

#[tokio::test]
async fn a_server_that_forgot_everything_loses_the_history() {
    let mut server = Server::start();
    let redis = connected(&server.url()).await;
    let mut told = news(&redis).await;
    server.kill();
    assert_eq!(hear(&mut *told).await, LogEvent::Suspect);
    server.restart();
    assert_eq!(hear(&mut *told).await, LogEvent::HistoryLost);
    done(&redis, scope("a")).await;
    let event = hear(&mut *told).await;
    assert!(matches!(event, LogEvent::Invalidated { .. }));
}

#[tokio::test]
async fn what_could_not_be_recorded_is_sent_when_the_server_is_back() {
    let server = Server::start();
    let proxy = Proxy::to(server.port).await;
    let (here, there) = (
        connected(&proxy.url()).await,
        connected(&server.url()).await,
    );
    let mut told = news(&there).await;
    proxy.cut();
    eventually("the loss is noticed", async || {
        here.get(&key("/a")).await.is_err()
    })
    .await;
    for path in ["/a", "/b", "/a"] {
        assert_eq!(here.invalidate(purge(path)).await, Recorded::Queued);
    }
    assert_eq!(here.status().queued_invalidations, 2);
    let subject = [purge("/a").subject];
    assert_eq!(here.admits(here.position(), &subject).await, Ok(false));
    proxy.heal();
    for path in ["/b", "/a"] {
        let event = hear(&mut *told).await;
        let LogEvent::Invalidated { invalidation, .. } = event else {
            panic!("a purge of {path}, not {event:?}");
        };
        assert_eq!(invalidation, purge(path));
    }
    eventually("nothing is queued", async || {
        here.status().queued_invalidations == 0
    })
    .await;
    assert_eq!(here.admits(here.position(), &subject).await, Ok(true));
}

#[tokio::test]
async fn a_node_that_starts_later_knows_what_was_invalidated_before() {
    let server = Server::start();
    let first = connected(&server.url()).await;
    let born = first.position();
    let mut last = born;
    for round in 0..2500 {
        last = done(&first, scope(&round.to_string())).await;
    }
    let later = connected(&server.url()).await;
    assert_eq!(later.position(), last);
    let subjects = ["0", "2499", "none"].map(Subject::scope);
    for (subject, expected) in subjects.iter().zip([false, false, true]) {
        let admitted = later.admits(born, &[*subject]).await;
        assert_eq!(admitted, Ok(expected), "{subject:?}");
    }
    assert_eq!(later.admits(last, &subjects).await, Ok(true));
}

#[tokio::test]
async fn what_others_put_into_the_log_is_passed_over() {
    let server = Server::start();
    let redis = connected(&server.url()).await;
    let mut told = news(&redis).await;
    for fields in [&["x", "y"][..], &["s", "short", "n", "1"]] {
        let _: String = server.ask(&[&["XADD", "swr:inv", "*"], fields].concat());
    }
    let position = done(&redis, scope("a")).await;
    let expected = LogEvent::Invalidated {
        invalidation: scope("a"),
        position,
    };
    assert_eq!(hear(&mut *told).await, expected);
}
