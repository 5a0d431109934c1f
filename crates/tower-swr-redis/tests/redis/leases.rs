//! Who may write, and who no longer may.

use std::sync::mpsc;
use std::time::Duration;

use crate::support::{
    Proxy, Server, body, commit, connected, eventually, key, lead, near_key, purge, ready, wait,
    write,
};
use tower_swr_core::{
    Acquired, Committed, FarError, FarKey, FarLog, FarStore, Lease, Recorded, Version, Woken,
};
use tower_swr_redis::Redis;

#[tokio::test]
async fn a_leader_that_is_dropped_makes_room_at_once() {
    let server = Server::start();
    let (one, other) = (
        connected(&server.url()).await,
        connected(&server.url()).await,
    );
    let key = key("/a");
    let mut woken = Vec::new();
    for _ in 0..10 {
        let lease = lead(&one, &key, None).await;
        let waiting = wait(&other, &key).await;
        drop(lease);
        woken.push(waiting.await);
        drop(lead(&other, &key, None).await);
    }
    assert!(woken.contains(&Woken::Released), "told by none: {woken:?}");
}

#[tokio::test]
async fn a_request_for_a_lease_that_is_dropped_leaves_none_behind() {
    let server = Server::start();
    let (one, other) = (
        connected_for_long(&server.url()).await,
        connected(&server.url()).await,
    );
    let key = key("/a");
    // The server knows the script, so that a request is all it takes to hold the lease.
    drop(lead(&one, &key, None).await);
    let before = steps(&server);
    for _ in 0..20 {
        let mut asking = one.acquire(&key, None);
        let asked = futures_util::poll!(&mut asking);
        tokio::task::yield_now().await;
        drop((asking, asked));
    }
    eventually("some requests came to the server", async || {
        steps(&server) > before
    })
    .await;
    drop(lead(&other, &key, None).await);
}

/// What a server did for nobody before it was stopped is in its inbox still, and is done when it goes on.
#[tokio::test]
async fn a_lease_that_a_frozen_server_gave_to_nobody_is_given_back() {
    let server = Server::start();
    let (one, other) = (
        connected_for_long(&server.url()).await,
        connected(&server.url()).await,
    );
    let key = key("/a");
    for node in [&one, &other] {
        let lease = lead(node, &key, None).await;
        assert_eq!(lease.release().await, Ok(()));
    }
    let before = steps(&server);
    server.freeze();
    let asking = one.acquire(&key, None);
    // So many unanswered steps, and the connection is gone before the lease can be given back on it.
    let waiting = futures_util::future::join_all((0..8).map(|_| one.get(&key)));
    let (asked, _) = futures_util::future::join(asking, waiting).await;
    // The second time there was no connection left to ask on.
    assert!(asked.is_err(), "{asked:?}");
    assert!(!one.health().is_up());
    server.thaw();
    eventually("the request takes effect", async || steps(&server) > before).await;
    ready(&one).await;
    drop(lead(&other, &key, None).await);
}

#[tokio::test]
async fn a_lease_whose_answer_was_late_is_asked_for_again_and_known() {
    let server = Server::start();
    let proxy = Proxy::to(server.port).await;
    let budget = Duration::from_millis(150);
    let builder = Redis::builder(&proxy.url()).step_budget(budget);
    let redis = builder.connect().expect("sound settings");
    ready(&redis).await;
    // The server knows the script.
    drop(lead(&redis, &key("/first"), None).await);
    let mut number = 0;
    eventually(
        "a first answer was late, and a second was not",
        async || {
            number += 1;
            let key = key(&format!("/{number}"));
            ready(&redis).await;
            let failed = redis.status().failed_steps;
            proxy.delay(budget + Duration::from_millis(50));
            let asking = redis.acquire(&key, None);
            let healing = async {
                eventually("it is late", async || redis.status().failed_steps > failed).await;
                proxy.delay(Duration::ZERO);
            };
            let (asked, ()) = futures_util::future::join(asking, healing).await;
            match asked {
                Ok(Acquired::Lead(lease)) => {
                    assert_eq!(commit(lease, &key, "value").await, Ok(Committed::Stored));
                    true
                }
                // A busy machine may be late twice.
                Err(_) => false,
                other => panic!("nobody else is there, yet: {other:?}"),
            }
        },
    )
    .await;
    // What was asked twice is looked after until nothing can come of it any more.
    eventually("nothing is in doubt", async || {
        format!("{redis:?}").contains("Doubts(0)")
    })
    .await;
}

#[tokio::test]
async fn what_was_not_even_asked_for_is_not_in_doubt() {
    let mut server = Server::start();
    let redis = connected(&server.url()).await;
    let key = key("/a");
    server.kill();
    eventually("the loss is noticed", async || {
        redis.get(&key).await == Err(FarError::Unavailable)
    })
    .await;
    for _ in 0..10 {
        let asked = redis.acquire(&key, None).await;
        assert!(matches!(asked, Err(FarError::Unavailable)), "{asked:?}");
    }
    // What is spawned when a lease is dropped has run.
    tokio::task::yield_now().await;
    assert!(format!("{redis:?}").contains("Doubts(0)"), "{redis:?}");
}

/// A handle whose leases last longer than any test waits.
async fn connected_for_long(url: &str) -> Redis {
    let builder = Redis::builder(url).lease(Duration::from_secs(60));
    let redis = builder.connect().expect("sound settings");
    ready(&redis).await;
    redis
}

/// Scripts that the server has run.
fn steps(server: &Server) -> u64 {
    let statistics: String = server.ask(&["INFO", "commandstats"]);
    let line = (statistics.lines()).find_map(|line| line.strip_prefix("cmdstat_evalsha:calls="));
    let calls = line.and_then(|line| line.split(',').next()?.parse().ok());
    calls.unwrap_or(0)
}

/// A process that stands still, as one that is stopped or swapped out: a runtime of its own that is not driven while it
/// leads.
#[tokio::test]
async fn a_leader_that_stood_still_beyond_its_lease_cannot_write() {
    let server = Server::start();
    let url = server.url();
    let key = key("/a");
    let (leads, is_leading) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel();
    let frozen = std::thread::spawn({
        let (url, key) = (url.clone(), key.clone());
        move || {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            let runtime = builder.enable_all().build().expect("a runtime");
            let redis = runtime.block_on(connected_shortly(&url));
            let lease = runtime.block_on(lead(&redis, &key, None));
            leads.send(()).expect("the test waits");
            may_go_on.recv().expect("the test goes on");
            runtime.block_on(commit_when_connected(lease, &key))
        }
    });
    let other = connected(&url).await;
    let lead_next = tokio::task::spawn_blocking(move || is_leading.recv());
    lead_next.await.expect("it ran").expect("it leads");
    let lease = lead(&other, &key, None).await;
    go_on.send(()).expect("the thread waits");
    let late = tokio::task::spawn_blocking(|| frozen.join());
    let late = late.await.expect("it ran").expect("it ended");
    assert_eq!(late, Ok(Committed::Refused));
    assert!(lease.is_held());
    assert_eq!(commit(lease, &key, "second").await, Ok(Committed::Stored));
    assert_eq!(body(&other, &key).await.as_deref(), Some("second"));
}

async fn connected_shortly(url: &str) -> Redis {
    let builder = Redis::builder(url).lease(Duration::from_millis(500));
    let redis = builder.connect().expect("sound settings");
    ready(&redis).await;
    redis
}

async fn commit_when_connected(lease: Box<dyn Lease>, key: &FarKey) -> Result<Committed, FarError> {
    commit(lease, key, "late").await
}

#[tokio::test]
async fn a_purge_during_the_call_refuses_its_value_and_wakes_who_waits() {
    let server = Server::start();
    let (one, other) = (
        connected(&server.url()).await,
        connected(&server.url()).await,
    );
    let key = key("/a");
    let lease = lead(&one, &key, None).await;
    let waiting = wait(&other, &key).await;
    let purged = other.invalidate(purge("/a")).await;
    assert!(matches!(purged, Recorded::Done(_)));
    let woken = waiting.await;
    assert!(matches!(woken, Woken::Invalidated | Woken::Time));
    assert_eq!(commit(lease, &key, "old").await, Ok(Committed::Refused));
    assert_eq!(body(&one, &key).await, None);
    drop(lead(&other, &key, None).await);
}

#[tokio::test]
async fn the_mutex_of_a_primary_key_fences_what_its_call_writes_of_a_variant() {
    let server = Server::start();
    let redis = connected(&server.url()).await;
    let primary = near_key("/a");
    let mut text = primary.borrowed().to_text();
    text.push(b"gzip");
    let index = FarKey::new(primary.borrowed());
    let variant = FarKey::variant(primary.borrowed(), text.key());
    let both = |lease: &dyn Lease| {
        vec![
            write(lease, &index, "index"),
            write(lease, &variant, "variant"),
        ]
    };
    let late = lead(&redis, &index, None).await;
    redis.invalidate(purge("/a")).await;
    let writes = both(&*late);
    assert_eq!(late.commit(writes).await, Ok(Committed::Refused));
    assert_eq!(body(&redis, &variant).await, None);
    let lease = lead(&redis, &index, None).await;
    let writes = both(&*lease);
    assert_eq!(lease.commit(writes).await, Ok(Committed::Stored));
    assert_eq!(body(&redis, &variant).await.as_deref(), Some("variant"));
}

#[tokio::test]
async fn many_processes_have_one_leader() {
    let server = Server::start();
    let mut nodes = Vec::new();
    for _ in 0..8 {
        nodes.push(connected(&server.url()).await);
    }
    let key = key("/a");
    let mut seen: Option<Version> = None;
    for _ in 0..20 {
        let asked = nodes.iter().map(|node| node.acquire(&key, seen));
        let mut leases = Vec::new();
        for acquired in futures_util::future::join_all(asked).await {
            match acquired {
                Ok(Acquired::Lead(lease)) => leases.push(lease),
                Ok(Acquired::Wait(_)) => {}
                other => panic!("the same value is there, yet: {other:?}"),
            }
        }
        assert_eq!(leases.len(), 1);
        let lease = leases.remove(0);
        seen = Some(lease.version());
        assert_eq!(commit(lease, &key, "value").await, Ok(Committed::Stored));
    }
}
