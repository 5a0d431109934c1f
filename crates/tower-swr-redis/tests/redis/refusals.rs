//! Servers that answer and are of no use.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::queue::next;
use crate::support::{
    Server, body, commit, connected, eventually, in_time, key, lead, purge, ready,
};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tower_swr_core::{
    Acquired, Committed, Enqueued, FarError, FarHealth, FarLog, FarStore, Recorded, RemoteJob,
    RemoteRefreshes,
};
use tower_swr_redis::Redis;

#[tokio::test]
async fn a_full_server_refuses_and_is_used_again_once_it_has_room() {
    let server = Server::start();
    let redis = connected(&server.url()).await;
    let key = key("/a");
    let lease = lead(&redis, &key, None).await;
    let _: String = server.ask(&["CONFIG", "SET", "maxmemory", "1"]);
    let outcome = commit(lease, &key, "value").await;
    assert_eq!(outcome, Err(FarError::OutOfMemory));
    let reason = FarError::OutOfMemory;
    assert_eq!(
        redis.health(),
        FarHealth::Down {
            reason: reason.clone()
        }
    );
    assert!(redis.status().failed_steps >= 1);
    assert_eq!(body(&redis, &key).await, None, "reading is not refused");
    let _: String = server.ask(&["CONFIG", "SET", "maxmemory", "0"]);
    let lease = lead(&redis, &key, None).await;
    // There may be room for a lease and none for a value.
    assert_eq!(redis.health(), FarHealth::Down { reason });
    assert_eq!(commit(lease, &key, "value").await, Ok(Committed::Stored));
    assert_eq!(redis.health(), FarHealth::Up);
}

#[tokio::test]
async fn a_server_that_fills_up_refuses_what_is_one_too_many_and_keeps_the_rest() {
    let limits = ["--maxmemory", "2mb", "--maxmemory-policy", "noeviction"];
    let server = Server::start_with(&limits);
    let redis = connected(&server.url()).await;
    let large = "x".repeat(64 << 10);
    let mut kept = 0;
    let refused = loop {
        let key = key(&format!("/{kept}"));
        let outcome = match redis.acquire(&key, None).await {
            Ok(Acquired::Lead(lease)) => commit(lease, &key, &large).await.map(drop),
            Ok(Acquired::Newer) => Ok(()),
            Ok(Acquired::Wait(_)) => panic!("nobody else leads"),
            Err(reason) => Err(reason),
        };
        match outcome {
            Ok(()) => kept += 1,
            // A busy machine may be slower than a budget.
            Err(FarError::TimedOut { .. } | FarError::Unavailable) => {}
            Err(reason) => break reason,
        }
    };
    assert_eq!(refused, FarError::OutOfMemory);
    assert!(kept > 3, "{kept}");
    assert!(redis.status().failed_steps >= 1, "it is counted");
    for number in 0..kept {
        let found = body(&redis, &key(&format!("/{number}"))).await;
        assert_eq!(found.as_deref(), Some(&*large), "{number}");
    }
}

#[tokio::test]
async fn a_replica_that_may_only_be_read_says_so() {
    let server = Server::start();
    let redis = connected(&server.url()).await;
    let _: String = server.ask(&["REPLICAOF", "127.0.0.1", "1"]);
    let refused = redis.acquire(&key("/a"), None).await;
    assert!(matches!(refused, Err(FarError::ReadOnly)), "{refused:?}");
    assert_eq!(redis.invalidate(purge("/a")).await, Recorded::Queued);
    let reason = FarError::ReadOnly;
    assert_eq!(redis.health(), FarHealth::Down { reason });
    let _: String = server.ask(&["REPLICAOF", "NO", "ONE"]);
    drop(lead(&redis, &key("/a"), None).await);
    eventually("the purge is sent", async || {
        redis.status().queued_invalidations == 0
    })
    .await;
}

#[tokio::test]
async fn a_wrong_password_is_named_and_not_shown() {
    let mut server = Server::start_with(&["--requirepass", "right"]);
    let url = format!("redis://:wrong-secret@127.0.0.1:{}", server.port);
    for url in [url, server.url()] {
        let redis = Redis::connect(&url).expect("a sound URL");
        let trouble = in_time("an opinion", redis.ready()).await;
        assert_eq!(trouble, Err(FarError::Denied));
        assert_eq!(redis.get(&key("/a")).await, Err(FarError::Unavailable));
        let shown = format!("{redis:?} {:?} {}", redis.status(), FarError::Denied);
        assert!(!shown.contains("secret"), "{shown}");
    }
    let url = format!("redis://:right@127.0.0.1:{}", server.port);
    connected(&url).await;
    server.kill();
}

#[tokio::test]
async fn who_may_not_run_a_command_is_told_so() {
    let server = Server::start();
    let rules = [
        "ACL", "SETUSER", "app", "on", ">secret", "~*", "&*", "+@all", "-evalsha",
    ];
    let _: String = server.ask(&rules);
    let url = format!("redis://app:secret@127.0.0.1:{}", server.port);
    let redis = Redis::connect(&url).expect("a sound URL");
    let trouble = in_time("an opinion", redis.ready()).await;
    assert_eq!(trouble, Err(FarError::Denied), "the log cannot be read");
    let refused = redis.acquire(&key("/a"), None).await;
    assert!(matches!(refused, Err(FarError::Denied)), "{refused:?}");
    assert_eq!(body(&redis, &key("/a")).await, None);
}

#[tokio::test]
async fn the_permissions_that_the_documentation_names_are_enough() {
    let server = Server::start();
    let commands = "+get +set +del +exists +getrange +pttl +pexpire +evalsha +script|load +publish \
                    +subscribe +ping +time +xadd +xrange +xread +xinfo|stream +info \
                    +select +xreadgroup +xgroup|create +xgroup|delconsumer +xinfo|consumers +xack +xdel \
                    +xpending +xautoclaim +zadd +zrem +zrangebyscore";
    let rules = [
        "ACL", "SETUSER", "app", "on", ">secret", "~swr:*", "~{swr:*", "&swr:*",
    ];
    let rules: Vec<&str> = rules
        .into_iter()
        .chain(commands.split_whitespace())
        .collect();
    let _: String = server.ask(&rules);
    let redis = connected(&format!("redis://app:secret@127.0.0.1:{}/1", server.port)).await;
    let key = key("/a");
    let lease = lead(&redis, &key, None).await;
    assert_eq!(commit(lease, &key, "value").await, Ok(Committed::Stored));
    drop(lead(&redis, &key, version(&redis).await).await);
    let purged = redis.invalidate(purge("/a")).await;
    assert!(matches!(purged, Recorded::Done(_)));
    assert_eq!(body(&redis, &key).await, None);
    let job = || RemoteJob::new(&key, "a job");
    for _ in 0..2 {
        let queued = crate::queue::offer(&redis, job()).await;
        assert_eq!(queued, Ok(Enqueued::Queued));
        let job = next(&redis).await;
        assert_eq!(redis.retry(job, Duration::from_millis(1)).await, Ok(()));
        let job = next(&redis).await;
        assert_eq!(redis.done(job).await, Ok(()));
    }
    assert_eq!(redis.health(), FarHealth::Up);
}

async fn version(redis: &Redis) -> Option<tower_swr_core::Version> {
    let found = redis.get(&key("/a")).await.expect("an answer");
    found.expect("a value").version()
}

#[tokio::test]
async fn what_is_no_redis_is_found_out() {
    for greeting in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"\0\xff\xfe", b""] {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        tokio::spawn(async move {
            let mut kept = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.write_all(greeting).await;
                kept.push(stream);
            }
        });
        let redis = Redis::connect(&format!("redis://127.0.0.1:{port}")).expect("a sound URL");
        let trouble = in_time("an opinion", redis.ready()).await;
        assert!(trouble.is_err());
        assert_eq!(redis.get(&key("/a")).await, Err(FarError::Unavailable));
    }
}

#[tokio::test]
async fn a_server_whose_scripts_are_flushed_gets_them_again() {
    let server = Server::start();
    let redis = connected(&server.url()).await;
    drop(lead(&redis, &key("/a"), None).await);
    let _: String = server.ask(&["SCRIPT", "FLUSH"]);
    let lease = lead(&redis, &key("/b"), None).await;
    let _: String = server.ask(&["SCRIPT", "FLUSH"]);
    let outcome = commit(lease, &key("/b"), "value").await;
    assert_eq!(outcome, Ok(Committed::Stored));
    ready(&redis).await;
}
