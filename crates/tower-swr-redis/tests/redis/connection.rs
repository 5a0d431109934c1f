//! A server that is away, silent or slow, and one that comes back.

use std::time::{Duration, Instant};

use crate::support::{
    Proxy, Server, body, commit, connected, eventually, in_time, key, lead, ready,
};
use tokio::net::TcpListener;
use tower_swr_core::{Committed, FarError, FarHealth, FarStore};
use tower_swr_redis::Redis;

#[tokio::test]
async fn a_server_that_comes_later_is_found() {
    let mut server = Server::planned(&[]);
    let redis = Redis::connect(&server.url()).expect("a sound URL");
    let trouble = in_time("an opinion", redis.ready()).await;
    assert_eq!(trouble, Err(FarError::Disconnected));
    assert_eq!(redis.get(&key("/a")).await, Err(FarError::Unavailable));
    assert!(redis.acquire(&key("/a"), None).await.is_err());
    assert!(matches!(redis.health(), FarHealth::Down { .. }));
    server.restart();
    ready(&redis).await;
    assert_eq!(body(&redis, &key("/a")).await, None);
    assert_eq!(redis.health(), FarHealth::Up);
}

#[tokio::test]
async fn the_first_contact_is_waited_for_and_brings_what_is_there() {
    let server = Server::start();
    let key = key("/a");
    let others = connected(&server.url()).await;
    let lease = lead(&others, &key, None).await;
    assert_eq!(commit(lease, &key, "theirs").await, Ok(Committed::Stored));
    let patient = Redis::builder(&server.url())
        .get_budget(Duration::from_secs(5))
        .dial_budget(Duration::from_secs(20));
    let redis = patient.connect().expect("sound settings");
    assert_eq!(redis.health(), FarHealth::Connecting);
    redis.first_contact().await;
    assert_eq!(redis.status().log, FarHealth::Up);
    let found = redis.get(&key).await.expect("it is connected");
    assert!(found.is_some());
}

#[tokio::test]
async fn a_first_contact_that_does_not_come_is_waited_for_no_longer_than_a_connection() {
    let away = Server::planned(&[]);
    let redis = Redis::connect(&away.url()).expect("a sound URL");
    in_time("that nobody is there", redis.first_contact()).await;
    let mute = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = mute.local_addr().expect("its address").port();
    let redis = Redis::connect(&format!("redis://127.0.0.1:{port}")).expect("a sound URL");
    in_time("that nobody says a word", redis.first_contact()).await;
    assert!(redis.get(&key("/a")).await.is_err());
}

#[tokio::test]
async fn a_server_killed_and_restarted_empty_is_used_again() {
    let mut server = Server::start();
    let redis = connected(&server.url()).await;
    let key = key("/a");
    let lease = lead(&redis, &key, None).await;
    assert_eq!(commit(lease, &key, "before").await, Ok(Committed::Stored));
    server.kill();
    eventually("the loss is noticed", async || {
        redis.get(&key).await == Err(FarError::Unavailable)
    })
    .await;
    server.restart();
    ready(&redis).await;
    assert_eq!(body(&redis, &key).await, None);
    // The scripts are gone as well, and come back.
    let lease = lead(&redis, &key, None).await;
    assert_eq!(commit(lease, &key, "after").await, Ok(Committed::Stored));
    assert_eq!(body(&redis, &key).await.as_deref(), Some("after"));
    assert!(redis.status().connections_given_up >= 1);
}

#[tokio::test]
async fn a_frozen_server_costs_each_step_its_budget_and_then_nothing() {
    let server = Server::start();
    let redis = connected(&server.url()).await;
    server.freeze();
    let budget = Duration::from_millis(50);
    let first = redis.get(&key("/a")).await;
    assert_eq!(first, Err(FarError::TimedOut { budget }));
    eventually("the connection is given up", async || {
        redis.get(&key("/a")).await == Err(FarError::Unavailable)
    })
    .await;
    server.thaw();
    ready(&redis).await;
    assert_eq!(body(&redis, &key("/a")).await, None);
}

#[tokio::test]
async fn what_steps_may_take_is_a_setting() {
    let server = Server::start();
    let [get, step] = [30, 70].map(Duration::from_millis);
    let builder = Redis::builder(&server.url())
        .get_budget(get)
        .step_budget(step);
    let redis = builder.connect().expect("sound settings");
    // Whoever looks after the connection may have given it up by the time a step is over.
    eventually("a value is waited for", async || {
        ready(&redis).await;
        server.freeze();
        let began = Instant::now();
        let late = redis.get(&key("/a")).await;
        server.thaw();
        late == Err(FarError::TimedOut { budget: get }) && began.elapsed() >= get
    })
    .await;
    eventually("a lease is waited for, twice", async || {
        ready(&redis).await;
        server.freeze();
        let began = Instant::now();
        let late = redis.acquire(&key("/a"), None).await.err();
        server.thaw();
        late == Some(FarError::TimedOut { budget: step }) && began.elapsed() >= 2 * step
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_fell_silent_is_replaced_although_it_never_fails() {
    let server = Server::start();
    let proxy = Proxy::to(server.port).await;
    let redis = connected(&proxy.url()).await;
    proxy.silence_those_that_are_there();
    let budget = Duration::from_millis(50);
    let first = redis.get(&key("/a")).await;
    assert_eq!(first, Err(FarError::TimedOut { budget }));
    eventually("another connection is used", async || {
        redis.get(&key("/a")).await == Ok(None)
    })
    .await;
}

#[tokio::test]
async fn a_server_that_is_slow_is_not_waited_for() {
    let server = Server::start();
    let proxy = Proxy::to(server.port).await;
    let redis = connected(&proxy.url()).await;
    proxy.delay(Duration::from_secs(1));
    eventually("it is too slow", async || {
        matches!(redis.get(&key("/a")).await, Err(FarError::TimedOut { .. }))
    })
    .await;
    proxy.delay(Duration::ZERO);
    ready(&redis).await;
}

#[tokio::test]
async fn the_last_handle_takes_its_connections_with_it() {
    let server = Server::start();
    let redis = connected(&server.url()).await;
    let clone = redis.clone();
    drop(redis);
    assert_eq!(body(&clone, &key("/a")).await, None);
    drop(clone);
    eventually("nobody is connected but who asks", async || {
        let clients: String = server.ask(&["CLIENT", "LIST"]);
        clients.lines().count() == 1
    })
    .await;
}

#[test]
fn a_handle_made_outside_of_a_runtime_connects_in_one() {
    let server = Server::start();
    let redis = Redis::connect(&server.url()).expect("a sound URL");
    assert_eq!(redis.health(), FarHealth::Connecting);
    for _ in 0..2 {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().build().expect("a runtime");
        // The second takes over from the first, whose tasks are gone with it.
        runtime.block_on(async {
            eventually("an answer", async || {
                redis.get(&key("/a")).await == Ok(None)
            })
            .await;
        });
    }
}
