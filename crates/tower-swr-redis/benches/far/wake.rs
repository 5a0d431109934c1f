//! From a leader's commit until a waiter elsewhere holds the value, over a message and a GET without anything around them.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use tower_swr_core::wire::Frame;
use tower_swr_core::{Acquired, FarStore};

const ROUNDS: usize = 500;
/// Rounds before that: a subscription comes up a moment after the connection, and until then waiters look for themselves.
const WARM_UP: usize = 50;
const BYTES: usize = 4096;

pub(crate) async fn run(url: &str) {
    let mut bare = raw(url).await;
    let mut ours = waits(url).await;
    let half = |spans: &mut [Duration]| crate::micros(crate::percentile(spans, 50));
    let ratio = half(&mut ours) / half(&mut bare);
    let late = crate::percentile(&mut ours, 99);
    println!(
        "commit until a waiter holds the value: {:.0} µs, raw {:.0} µs: × {ratio:.2}, ≤ 1.5: {}; p99 {late:.1?}, ≤ 5 ms: {}",
        half(&mut ours),
        half(&mut bare),
        crate::verdict(ratio <= 1.5),
        crate::verdict(late <= Duration::from_millis(5)),
    );
}

async fn raw(url: &str) -> Vec<Duration> {
    let client = redis::Client::open(url).expect("a sound URL");
    let connect = async || {
        let connection = client.get_multiplexed_async_connection().await;
        connection.expect("the server answers")
    };
    let (mut writer, mut reader) = (connect().await, connect().await);
    let listening = client.get_async_pubsub().await;
    let mut listening = listening.expect("the server answers");
    listening.subscribe("bare").await.expect("a subscription");
    let mut messages = listening.on_message();
    let body = vec![b'x'; BYTES];
    let mut spans = Vec::new();
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let mut stored = redis::pipe();
        stored.cmd("SET").arg("bare").arg(&body);
        stored.cmd("PUBLISH").arg("bare").arg("stored");
        let write = stored.exec_async(&mut writer);
        let read = async {
            messages.next().await.expect("a message");
            let got = redis::cmd("GET").arg("bare").query_async(&mut reader).await;
            let value: Bytes = got.expect("a value");
            assert_eq!(value.len(), BYTES);
            began.elapsed()
        };
        let (written, span) = futures_util::future::join(write, read).await;
        written.expect("it is stored");
        spans.push(span);
    }
    spans
}

async fn waits(url: &str) -> Vec<Duration> {
    let (one, other) = (crate::connected(url).await, crate::connected(url).await);
    let mut spans = Vec::new();
    for round in 0..WARM_UP + ROUNDS {
        let key = crate::key(&format!("/wait/{round}"));
        let lease = crate::lead(&one, &key).await;
        let Ok(Acquired::Wait(wait)) = other.acquire(&key, None).await else {
            continue;
        };
        let write = crate::write(&*lease, &key, BYTES);
        let began = Instant::now();
        let stored = lease.commit(vec![write]);
        let read = async {
            wait.await;
            let found = other.get(&key).await.ok()??;
            Frame::decode(&found.blob, &key).expect("a sound value");
            Some(began.elapsed())
        };
        let (stored, span) = futures_util::future::join(stored, read).await;
        if stored.is_ok() && round >= WARM_UP {
            spans.extend(span);
        }
    }
    assert!(spans.len() > ROUNDS / 2, "the machine is too busy");
    spans
}
