//! What is kept, beside what others put there.

use std::time::Duration;

use crate::support::{Server, body, commit, connected, found, key, lead, purge, ready};
use tower_swr_core::wire::{Frame, NotOurs};
use tower_swr_core::{Committed, FarError, FarKey, FarLog, FarStore, FarWrite, Version};
use tower_swr_redis::Redis;

fn name(key: &FarKey) -> String {
    format!("{{swr:w1:{}}}:v", key.primary())
}

#[tokio::test]
async fn what_others_wrote_is_a_miss_and_is_replaced() {
    let server = Server::start();
    let redis = connected(&server.url()).await;
    let key = key("/a");
    let others = [
        "short",
        "a value of some other program, long enough for a header",
        "HC",
        "HC\u{1}\0 but not as long as a header",
    ];
    for blob in others {
        let _: String = server.ask(&["SET", &name(&key), blob]);
        let found = found(&redis, &key).await.expect("a value");
        let reason = Frame::decode(&found.blob, &key).expect_err("it is none of ours");
        assert_eq!(reason, NotOurs::Foreign);
        let lease = lead(&redis, &key, found.version()).await;
        assert_eq!(commit(lease, &key, "ours").await, Ok(Committed::Stored));
        assert_eq!(body(&redis, &key).await.as_deref(), Some("ours"));
    }
    let _: String = server.ask(&["SET", &name(&key), ""]);
    assert_eq!(redis.get(&key).await, Ok(None), "as good as nothing");
    drop(lead(&redis, &key, None).await);
}

/// Larger than what is ever written, and of a version that it must be replaced under.
#[tokio::test]
async fn what_is_too_large_is_not_read_and_is_replaced() {
    let server = Server::start();
    let redis = connected(&server.url()).await;
    let key = key("/a");
    let lease = lead(&redis, &key, None).await;
    assert_eq!(commit(lease, &key, "ours").await, Ok(Committed::Stored));
    let version = found(&redis, &key).await.expect("a value").version();
    assert!(version.is_some());
    let _: u64 = server.ask(&["SETRANGE", &name(&key), "9000000", "?"]);
    let found = found(&redis, &key).await.expect("a value");
    assert!(found.blob.len() < 100, "{}", found.blob.len());
    assert!(Frame::decode(&found.blob, &key).is_err());
    assert_eq!(found.version(), version);
    let lease = lead(&redis, &key, found.version()).await;
    let write = FarWrite::new(key.clone(), vec![0; 9_000_000].into());
    let refused = lease.commit(vec![write]).await;
    assert!(
        matches!(refused, Err(FarError::TooLarge { .. })),
        "{refused:?}"
    );
    let lease = lead(&redis, &key, found.version()).await;
    assert_eq!(commit(lease, &key, "again").await, Ok(Committed::Stored));
    assert_eq!(body(&redis, &key).await.as_deref(), Some("again"));
}

#[tokio::test]
async fn what_is_of_another_type_is_a_miss_and_is_replaced() {
    let server = Server::start();
    let redis = connected(&server.url()).await;
    let key = key("/a");
    let _: u64 = server.ask(&["LPUSH", &name(&key), "a list"]);
    assert_eq!(redis.get(&key).await, Ok(None));
    let lease = lead(&redis, &key, None).await;
    assert_eq!(commit(lease, &key, "ours").await, Ok(Committed::Stored));
    assert_eq!(body(&redis, &key).await.as_deref(), Some("ours"));
}

#[tokio::test]
async fn a_damaged_value_is_a_miss_and_is_replaced() {
    let server = Server::start();
    let redis = connected(&server.url()).await;
    let key = key("/a");
    let lease = lead(&redis, &key, None).await;
    assert_eq!(commit(lease, &key, "ours").await, Ok(Committed::Stored));
    let _: u64 = server.ask(&["SETRANGE", &name(&key), "100", "?"]);
    let found = found(&redis, &key).await.expect("a value");
    assert_eq!(Frame::decode(&found.blob, &key), Err(NotOurs::Damaged));
    let lease = lead(&redis, &key, found.version()).await;
    assert_eq!(commit(lease, &key, "again").await, Ok(Committed::Stored));
    assert_eq!(body(&redis, &key).await.as_deref(), Some("again"));
}

#[tokio::test]
async fn generations_and_namespaces_do_not_touch_each_other() {
    let server = Server::start();
    let builder = || Redis::builder(&server.url());
    let nodes = [
        builder().connect(),
        builder().generation("2").connect(),
        builder().namespace("other").connect(),
    ];
    let key = key("/a");
    for (number, node) in nodes.iter().enumerate() {
        let node = node.as_ref().expect("sound settings");
        ready(node).await;
        let lease = lead(node, &key, None).await;
        let stored = commit(lease, &key, &number.to_string()).await;
        assert_eq!(stored, Ok(Committed::Stored));
    }
    for (number, node) in nodes.iter().enumerate() {
        let node = node.as_ref().expect("sound settings");
        let expected = number.to_string();
        assert_eq!(body(node, &key).await, Some(expected));
    }
    let _: String = server.ask(&["SET", "somebody else's", "kept"]);
    let [first, ..] = &nodes;
    let first = first.as_ref().expect("sound settings");
    first.invalidate(purge("/a")).await;
    let mut names: Vec<String> = server.ask(&["KEYS", "*"]);
    names.retain(|name| !name.starts_with("swr:") && !name.starts_with("{swr:"));
    names.sort();
    let of_other = format!("{{other:w1:{}}}:v", key.primary());
    names.retain(|name| name != "other:swept");
    assert_eq!(names, ["other:inv", "somebody else's", &of_other]);
}

#[tokio::test]
async fn everything_on_the_server_runs_out_but_the_log() {
    let server = Server::start();
    let builder = Redis::builder(&server.url()).keep_at_most(Duration::from_secs(60));
    let redis = builder.connect().expect("sound settings");
    ready(&redis).await;
    let (kept, held) = (key("/kept"), key("/held"));
    let lease = lead(&redis, &kept, None).await;
    let mut write = crate::support::write(&*lease, &kept, "value");
    write = write.keep_for(Duration::MAX);
    assert_eq!(lease.commit(vec![write]).await, Ok(Committed::Stored));
    let _held = lead(&redis, &held, None).await;
    redis.invalidate(purge("/other")).await;
    let mut names: Vec<String> = server.ask(&["KEYS", "*"]);
    names.retain(|name| name != "swr:swept");
    assert_eq!(
        names.len(),
        5,
        "value, mutex, fence, stamp and log: {names:?}"
    );
    for name in names {
        let left: i64 = server.ask(&["PTTL", &name]);
        let expected = match name.as_str() {
            "swr:inv" => -1..=-1,
            _ => 1..=120_000,
        };
        assert!(expected.contains(&left), "{name}: {left}");
    }
}

/// The body is binary, and as large as one may be.
#[tokio::test]
async fn a_large_value_comes_back_byte_by_byte() {
    let server = Server::start();
    let redis = connected(&server.url()).await;
    let key = key("/a");
    let bytes: Vec<u8> = (0..1_000_000_u32).map(|it| (it % 251) as u8).collect();
    let lease = lead(&redis, &key, None).await;
    let write = FarWrite::new(key.clone(), bytes.clone().into());
    assert_eq!(lease.commit(vec![write]).await, Ok(Committed::Stored));
    let found = found(&redis, &key).await.expect("a value");
    assert_eq!(found.blob, bytes);
    assert_eq!(found.version(), None::<Version>);
    let server_now = redis.server_now().expect("it has told its time");
    assert!(server_now >= found.read_at);
}

#[tokio::test]
async fn a_mutex_that_others_left_behind_holds_nothing_up() {
    let server = Server::start();
    let redis = connected(&server.url()).await;
    let key = key("/a");
    let mutex = format!("{{swr:w1:{}}}:refresh", key.primary());
    for others in [
        &["SET", &mutex, "for ever"][..],
        &["SET", &mutex, "for days", "EX", "100000"],
    ] {
        let _: String = server.ask(others);
        let lease = lead(&redis, &key, None).await;
        assert_eq!(lease.release().await, Ok(()));
    }
    let _: u64 = server.ask(&["LPUSH", &mutex, "a list"]);
    let lease = lead(&redis, &key, None).await;
    assert_eq!(commit(lease, &key, "ours").await, Ok(Committed::Stored));
}

#[tokio::test]
async fn a_release_with_another_format_is_not_touched_and_touches_nothing() {
    let server = Server::start();
    let redis = connected(&server.url()).await;
    let key = key("/a");
    // What a release that writes `w2` has, and is about to write.
    let theirs = ["v", "refresh"].map(|what| format!("{{swr:w2:{}}}:{what}", key.primary()));
    for name in &theirs {
        let _: String = server.ask(&["SET", name, "theirs", "PX", "60000"]);
    }
    assert_eq!(redis.get(&key).await, Ok(None));
    let lease = lead(&redis, &key, None).await;
    assert_eq!(commit(lease, &key, "ours").await, Ok(Committed::Stored));
    let purged = redis.invalidate(purge("/a")).await;
    assert!(matches!(purged, tower_swr_core::Recorded::Done(_)));
    for name in &theirs {
        let kept: String = server.ask(&["GET", name]);
        assert_eq!(kept, "theirs");
    }
    // A purge concerns them all the same: by the log and its stamp, which all formats share.
    let stamps: u8 = server.ask(&["EXISTS", "swr:inv"]);
    assert_eq!(stamps, 1);
    let lease = lead(&redis, &key, None).await;
    assert_eq!(commit(lease, &key, "ours").await, Ok(Committed::Stored));
    let [value, mutex] = &theirs;
    let _: u64 = server.ask(&["DEL", value, mutex]);
    assert_eq!(body(&redis, &key).await.as_deref(), Some("ours"));
}
