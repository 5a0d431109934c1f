//! What was invalidated while a node was away.

use std::time::Duration;

use crate::support::{
    Proxy, Server, body, commit, connected, eventually, hear, hear_news, key, lead, purge, ready,
};
use tower_swr_core::{
    Committed, FarLog, FarStore, Invalidation, LogEvent, LogFollower, LogPosition, Recorded,
    Subject,
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
    assert_eq!(hear_news(&mut *told).await, expected);
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
    let event = hear_news(&mut *told).await;
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
        let event = hear_news(&mut *told).await;
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
    assert_eq!(hear_news(&mut *told).await, expected);
}

/// Every step of the slow node takes a while, so that what it has queued takes it minutes.
#[tokio::test]
async fn a_node_that_sends_thousands_hears_of_others_meanwhile() {
    let server = Server::start();
    let proxy = Proxy::to(server.port).await;
    let (slow, other) = (
        connected(&proxy.url()).await,
        connected(&server.url()).await,
    );
    proxy.cut();
    eventually("the loss is noticed", async || {
        slow.get(&key("/a")).await.is_err()
    })
    .await;
    for number in 0..9000 {
        let invalidation = Invalidation {
            source: 2,
            ..purge(&format!("/{number}"))
        };
        assert_eq!(slow.invalidate(invalidation).await, Recorded::Queued);
    }
    proxy.delay(Duration::from_millis(5));
    proxy.heal();
    eventually("it sends", async || {
        slow.status().queued_invalidations < 9000
    })
    .await;
    let mut told = slow.follow();
    done(&other, scope("a")).await;
    loop {
        match hear_news(&mut *told).await {
            LogEvent::Invalidated { invalidation, .. } if invalidation == scope("a") => break,
            _of_its_own => {}
        }
    }
    assert!(
        slow.status().queued_invalidations > 0,
        "it hears at the end"
    );
}

fn stamp_of_all() -> String {
    format!("swr:tag:{{61{}}}", "0".repeat(32))
}

#[tokio::test]
async fn a_stamp_lasts_as_long_as_those_need_it_who_keep_values_longest() {
    let server = Server::start();
    let long = connected(&server.url()).await;
    let builder = Redis::builder(&server.url()).keep_at_most(Duration::from_secs(1));
    let short = builder.connect().expect("sound settings");
    ready(&short).await;
    let everything = Invalidation {
        subject: Subject::All,
        source: 1,
    };
    let first = done(&long, everything).await;
    let second = done(&short, everything).await;
    assert!(first < second);
    let stamp: String = server.ask(&["GET", &stamp_of_all()]);
    assert_eq!(stamp, format!("{}-{}", second.major, second.minor));
    let left: i64 = server.ask(&["PTTL", &stamp_of_all()]);
    assert!(left > 6 * 24 * 60 * 60 * 1000, "{left} ms");
}

#[tokio::test]
async fn what_is_recorded_by_a_process_that_dies_before_its_stamp_is_stamped_by_others() {
    let server = Server::start();
    let redis = connected(&server.url()).await;
    let subject = format!("a{}", "\0".repeat(16));
    let source = "\0".repeat(8);
    let id: String = server.ask(&["XADD", "swr:inv", "*", "s", &subject, "n", &source]);
    eventually("it is stamped", async || {
        let stamp: Option<String> = server.ask(&["GET", &stamp_of_all()]);
        stamp.as_ref() == Some(&id)
    })
    .await;
    eventually("that is noted", async || {
        let noted: Option<String> = server.ask(&["GET", "swr:swept"]);
        noted.as_ref() == Some(&id)
    })
    .await;
    drop(redis);
}

#[tokio::test]
async fn a_stamp_that_may_have_been_evicted_admits_nothing_older_than_the_log() {
    for (policy, may_evict) in [("volatile-lru", true), ("noeviction", false)] {
        let server = Server::start_with(&["--maxmemory", "100mb", "--maxmemory-policy", policy]);
        let first = connected(&server.url()).await;
        let born = first.position();
        done(&first, scope("a")).await;
        let last = done(&first, scope("b")).await;
        let _: u64 = server.ask(&["XTRIM", "swr:inv", "MAXLEN", "1"]);
        let later = connected(&server.url()).await;
        let none = [Subject::scope("none")];
        assert_eq!(later.admits(born, &none).await, Ok(!may_evict), "{policy}");
        assert_eq!(later.admits(last, &none).await, Ok(true));
    }
}

#[tokio::test]
async fn a_purge_that_a_restored_server_forgot_is_recorded_again() {
    forgotten_by_a_restart(false).await;
}

#[tokio::test]
async fn a_purge_that_a_restored_server_forgot_is_recorded_again_behind_what_came_since() {
    forgotten_by_a_restart(true).await;
}

async fn forgotten_by_a_restart(others_are_faster: bool) {
    let mut server = Server::start();
    let proxy = Proxy::to(server.port).await;
    let here = connected(&proxy.url()).await;
    let key = key("/a");
    let born = here.position();
    let lease = lead(&here, &key, None).await;
    assert_eq!(commit(lease, &key, "old").await, Ok(Committed::Stored));
    done(&here, scope("kept")).await;
    let _: String = server.ask(&["SAVE"]);
    done(&here, purge("/a")).await;
    proxy.cut();
    server.kill();
    server.restart();
    if others_are_faster {
        let other = connected(&server.url()).await;
        assert_eq!(body(&other, &key).await.as_deref(), Some("old"));
        done(&other, scope("since")).await;
    }
    proxy.heal();
    eventually("it is purged again", async || {
        body_if_answered(&here, &key).await == Some(None)
    })
    .await;
    eventually("nothing is queued", async || {
        here.status().queued_invalidations == 0
    })
    .await;
    let later = connected(&server.url()).await;
    let subjects = [purge("/a").subject, Subject::All];
    assert_eq!(later.admits(born, &subjects[..1]).await, Ok(false));
    assert_eq!(later.admits(born, &subjects[1..]).await, Ok(true));
}

async fn body_if_answered(redis: &Redis, key: &tower_swr_core::FarKey) -> Option<Option<()>> {
    let found = redis.get(key).await.ok()?;
    Some(found.map(drop))
}
