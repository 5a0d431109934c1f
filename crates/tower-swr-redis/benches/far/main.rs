//! What the far side costs, over what the server and the client below cost by themselves, in one run:
//! `cargo bench -p tower-swr-redis`. On a busy machine read the ratios.
#![allow(
    clippy::disallowed_methods,
    reason = "a bench measures by the real clock"
)]

mod hit;
mod near;
mod number;
mod outage;
mod pick_up;
mod queue;
#[path = "../../tests/redis/support/server.rs"]
mod server;
mod wake;

use std::time::Duration;

use tower_swr_core::wire::{Frame, MAX_BYTES};
use tower_swr_core::{Acquired, FarKey, FarStore, FarWrite, KeyText, Lease, Lifetime};
use tower_swr_redis::Redis;

fn main() {
    let server = server::Server::start();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        for bytes in [1024, 100 * 1024] {
            hit::run(&server.url(), bytes).await;
        }
        near::run(&server.url()).await;
        wake::run(&server.url()).await;
        pick_up::run(&server.url()).await;
        queue::run(&server.url()).await;
        outage::run().await;
    });
}

async fn connected(url: &str) -> Redis {
    let redis = Redis::connect(url).expect("a sound URL");
    while redis.ready().await.is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    redis
}

fn key(path: &str) -> FarKey {
    let mut text = KeyText::new("s");
    text.push(path.as_bytes());
    text.end_resource();
    FarKey::new(text.key())
}

async fn lead(redis: &Redis, key: &FarKey) -> Box<dyn Lease> {
    loop {
        match redis.acquire(key, None).await {
            Ok(Acquired::Lead(lease)) => return lease,
            other => drop(other),
        }
    }
}

fn write(lease: &dyn Lease, key: &FarKey, bytes: usize) -> FarWrite {
    let mut frame = Frame::new(lease.version(), Lifetime::FOREVER);
    frame.body = vec![b'x'; bytes].into();
    let blob = frame.encode(key, MAX_BYTES).expect("it is small");
    FarWrite::new(key.clone(), blob)
}

/// The name under which the value of `key` is kept.
fn name(key: &FarKey) -> String {
    format!("{{swr:w1:{}}}:v", key.primary())
}

fn percentile(spans: &mut [Duration], percent: usize) -> Duration {
    spans.sort_unstable();
    spans[(spans.len() - 1) * percent / 100]
}

fn micros(span: Duration) -> f64 {
    span.as_secs_f64() * 1e6
}

fn verdict(is_reached: bool) -> &'static str {
    if is_reached { "reached" } else { "NOT REACHED" }
}
