//! What was invalidated before a node was there, and what is noted beside the log.

use std::time::Duration;

use crate::support::{Proxy, Server, connected, eventually, hear, hear_news, key, purge, ready};
use tower_swr_core::{
    FarLog, FarStore, Invalidation, LogEvent, LogFollower, LogPosition, Recorded, Subject,
};
use tower_swr_redis::Redis;

pub(crate) async fn news(redis: &Redis) -> Box<dyn LogFollower> {
    let mut news = redis.follow();
    assert_eq!(hear(&mut *news).await, LogEvent::Replayed);
    news
}

pub(crate) fn scope(name: &str) -> Invalidation {
    Invalidation::hard(Subject::scope(name), 1)
}

pub(crate) async fn done(redis: &Redis, invalidation: Invalidation) -> LogPosition {
    match redis.invalidate(invalidation).await {
        Recorded::Done(at) => at,
        Recorded::Queued => panic!("the server is there"),
    }
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
    let everything = Invalidation::hard(Subject::All, 1);
    let first = done(&long, everything).await;
    let second = done(&short, everything).await;
    assert!(first < second);
    let stamp: String = server.ask(&["GET", &stamp_of_all()]);
    assert_eq!(stamp, format!("{}-{}", second.major, second.minor));
    let left: i64 = server.ask(&["PTTL", &stamp_of_all()]);
    assert!(left > 6 * 24 * 60 * 60 * 1000, "{left} ms");
}

#[tokio::test]
async fn what_others_left_in_place_of_a_stamp_gives_way_and_nothing_is_recorded_twice() {
    let server = Server::start();
    let redis = connected(&server.url()).await;
    for junk in ["LPUSH", "APPEND"] {
        let _: u64 = server.ask(&["DEL", &stamp_of_all()]);
        let _: u64 = server.ask(&[junk, &stamp_of_all(), "junk"]);
        let before: u64 = server.ask(&["XLEN", "swr:inv"]);
        let at = done(&redis, Invalidation::hard(Subject::All, 1)).await;
        let stamp: String = server.ask(&["GET", &stamp_of_all()]);
        assert_eq!(stamp, format!("{}-{}", at.major, at.minor));
        let after: u64 = server.ask(&["XLEN", "swr:inv"]);
        assert_eq!(after, before + 1);
    }
}

/// A log of which only the last entry is left: where it was before, where it is now, and who has read no more than that.
async fn trimmed(server: &Server) -> (LogPosition, LogPosition, Redis) {
    let first = connected(&server.url()).await;
    let born = first.position();
    done(&first, scope("a")).await;
    let last = done(&first, scope("b")).await;
    let _: u64 = server.ask(&["XTRIM", "swr:inv", "MAXLEN", "1"]);
    (born, last, connected(&server.url()).await)
}

#[tokio::test]
async fn what_hides_a_stamp_may_hide_any() {
    let server = Server::start();
    let (born, last, later) = trimmed(&server).await;
    let all = [Subject::All];
    assert_eq!(later.admits(born, &all).await, Ok(true));
    let _: u64 = server.ask(&["LPUSH", &stamp_of_all(), "junk"]);
    assert_eq!(later.admits(born, &all).await, Ok(false));
    assert_eq!(later.admits(last, &all).await, Ok(true));
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
        let (born, last, later) = trimmed(&server).await;
        let none = [Subject::scope("none")];
        assert_eq!(later.admits(born, &none).await, Ok(!may_evict), "{policy}");
        assert_eq!(later.admits(last, &none).await, Ok(true));
    }
}
