//! What was invalidated while a node was away, or its server.

use crate::log::{done, news, scope};
use crate::support::{
    Proxy, Server, body, commit, connected, eventually, hear, hear_news, hear_of, key, lead, purge,
    ready,
};
use tower_swr_core::{
    Committed, FarKey, FarLog, FarStore, Invalidation, LogEvent, LogFollower, LogPosition,
    Recorded, Subject,
};
use tower_swr_redis::Redis;

/// A node whose connection to a server is cut, and another that goes on with it.
struct Gap {
    server: Server,
    proxy: Proxy,
    here: Redis,
    there: Redis,
    told: Box<dyn LogFollower>,
    /// What the node had heard before.
    born: LogPosition,
}

impl Gap {
    async fn begin() -> Self {
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
        Self {
            server,
            proxy,
            here,
            there,
            told,
            born,
        }
    }
}

#[tokio::test]
async fn a_gap_is_read_again() {
    let mut gap = Gap::begin().await;
    let mut missed = Vec::new();
    for name in ["a", "b", "c"] {
        missed.push((scope(name), done(&gap.here, scope(name)).await));
    }
    assert!(!gap.there.status().log.is_up());
    gap.proxy.heal();
    for (invalidation, position) in missed {
        let expected = LogEvent::Invalidated {
            invalidation,
            position,
        };
        assert_eq!(hear(&mut *gap.told).await, expected);
    }
    assert_eq!(hear(&mut *gap.told).await, LogEvent::Replayed);
    let admitted = gap.there.admits(gap.born, &[Subject::scope("b")]).await;
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

/// Whoever has forgotten everything has forgotten that, too, and the values are still there.
#[tokio::test]
async fn a_soft_invalidation_that_is_still_in_the_log_is_told_again_after_a_loss() {
    let mut gap = Gap::begin().await;
    done(&gap.here, scope("missed")).await;
    let soft = Subject::scope("soft");
    let position = done(&gap.here, Invalidation::soft(soft, 1)).await;
    let _: u64 = gap.server.ask(&["XTRIM", "swr:inv", "MAXLEN", "1"]);
    gap.proxy.heal();
    assert_eq!(hear(&mut *gap.told).await, LogEvent::HistoryLost);
    let expected = LogEvent::Invalidated {
        invalidation: Invalidation::soft(soft, 0),
        position,
    };
    assert_eq!(
        hear(&mut *gap.told).await,
        expected,
        "by nobody, so that all heed it"
    );
}

async fn a_gap_that_cannot_be_told(lose: &[&str]) {
    let mut gap = Gap::begin().await;
    done(&gap.here, scope("missed")).await;
    let _: u64 = gap.server.ask(lose);
    gap.proxy.heal();
    assert_eq!(hear(&mut *gap.told).await, LogEvent::HistoryLost);
    ready(&gap.there).await;
    // What is no longer in the log is still noted beside it.
    let subjects = ["missed", "other"].map(Subject::scope);
    let admitted = gap.there.admits(gap.born, &subjects[..1]).await;
    assert_eq!(admitted, Ok(false));
    let admitted = gap.there.admits(gap.born, &subjects[1..]).await;
    assert_eq!(admitted, Ok(true));
    let position = done(&gap.here, scope("later")).await;
    let expected = LogEvent::Invalidated {
        invalidation: scope("later"),
        position,
    };
    assert_eq!(hear_news(&mut *gap.told).await, expected);
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

/// It comes back with what it had, so that nothing but the purge ends the old value.
#[tokio::test]
async fn what_is_purged_while_the_server_is_dead_is_sent_when_it_is_back() {
    let mut server = Server::start();
    let (here, there) = (
        connected(&server.url()).await,
        connected(&server.url()).await,
    );
    let mut told = news(&there).await;
    let key = key("/a");
    let lease = lead(&here, &key, None).await;
    assert_eq!(commit(lease, &key, "old").await, Ok(Committed::Stored));
    done(&here, scope("before")).await;
    let _: String = server.ask(&["SAVE"]);
    server.kill();
    eventually("the loss is noticed", async || {
        here.get(&key).await.is_err()
    })
    .await;
    assert_eq!(here.invalidate(purge("/a")).await, Recorded::Queued);
    server.restart();
    hear_of(&there, &mut *told, purge("/a")).await;
    eventually("nothing is queued", async || {
        here.status().queued_invalidations == 0
    })
    .await;
    assert_eq!(body(&there, &key).await, None);
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

async fn body_if_answered(redis: &Redis, key: &FarKey) -> Option<Option<()>> {
    let found = redis.get(key).await.ok()?;
    Some(found.map(drop))
}
