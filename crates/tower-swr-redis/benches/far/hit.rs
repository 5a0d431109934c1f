//! A value that another process has stored, over a GET of the same bytes through the same client.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tower_swr_core::FarStore;
use tower_swr_core::wire::Frame;

const ROUNDS: usize = 3000;

pub(crate) async fn run(url: &str, bytes: usize) {
    let redis = crate::connected(url).await;
    let client = redis::Client::open(url).expect("a sound URL");
    let raw = client.get_multiplexed_async_connection().await;
    let mut raw = raw.expect("the server answers");
    let key = crate::key(&format!("/{bytes}"));
    let lease = crate::lead(&redis, &key).await;
    let write = crate::write(&*lease, &key, bytes);
    lease.commit(vec![write]).await.expect("it is stored");
    let name = crate::name(&key);

    let (mut bare, mut got, mut decoded) = (Vec::new(), Vec::new(), Vec::new());
    // By turns, so that what else the machine does falls on all alike.
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let value: Bytes = redis::cmd("GET")
            .arg(&name)
            .query_async(&mut raw)
            .await
            .expect("a value");
        bare.push(began.elapsed());
        assert!(value.len() > bytes);
        drop(value);

        let began = Instant::now();
        let Ok(Some(value)) = redis.get(&key).await else {
            continue;
        };
        let without_decoding = began.elapsed();
        let frame = Frame::decode(&value.blob, &key).expect("a sound value");
        decoded.push(began.elapsed());
        got.push(without_decoding);
        assert_eq!(frame.body.len(), bytes);
    }
    let p50 = |spans: &mut Vec<Duration>| crate::micros(crate::percentile(spans, 50));
    let (bare, got, decoded) = (p50(&mut bare), p50(&mut got), p50(&mut decoded));
    let ratio = decoded / bare;
    println!(
        "far hit, {:>3} KiB: {decoded:.0} µs ({got:.0} without decoding), raw GET {bare:.0} µs: × {ratio:.2}, ≤ 1.3: {}",
        bytes / 1024,
        crate::verdict(ratio <= 1.3),
    );
}
