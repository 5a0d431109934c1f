//! A value that is in memory, with a server configured behind it and without.

use std::convert::Infallible;
use std::future::ready;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tower_swr_core::{
    Cache, CacheBuilder, FarCodec, FlightPolicy, KeyText, Lifetime, Made, MemorySettings,
};

use crate::number::Number;

/// Rounds by turns, and hits in each: a round is long enough for the clock and short enough to be disturbed as a whole.
const ROUNDS: usize = 400;
const HITS: u32 = 20_000;

pub(crate) async fn run(url: &str) {
    let with = CacheBuilder::new(MemorySettings::new(1 << 20)).far(crate::connected(url).await);
    let without = CacheBuilder::new(MemorySettings::new(1 << 20));
    // Twice without: how far two that are alike are apart is the floor.
    let again = CacheBuilder::new(MemorySettings::new(1 << 20));
    let caches: [Cache<u64>; 3] = [with.build(), without.build(), again.build()];
    let mut spans = [const { Vec::new() }; 3];
    for round in 0..ROUNDS {
        for turn in 0..caches.len() {
            let at = (round + turn) % caches.len();
            spans[at].push(hits(&caches[at]).await);
        }
    }
    let [with, without, again] = spans.map(|mut spans| crate::percentile(&mut spans, 25));
    let ratio = with.as_secs_f64() / without.as_secs_f64();
    let floor = again.as_secs_f64() / without.as_secs_f64();
    println!(
        "near hit: {:.0} ns with a server, {:.0} ns without: × {ratio:.3} (without over without: × {floor:.3}), ± 5 %: {}",
        crate::micros(with) * 1000.0,
        crate::micros(without) * 1000.0,
        crate::verdict((ratio - 1.0).abs() <= 0.05),
    );
}

/// What one takes.
async fn hits(cache: &Cache<u64>) -> Duration {
    let codec: Arc<dyn FarCodec<u64>> = Arc::new(Number);
    let policy = Arc::new(FlightPolicy::default());
    let mut text = KeyText::new("s");
    text.push(b"/near");
    text.end_resource();
    let key = text.key();
    let ask = async || {
        let made = Ok::<_, Infallible>(Made::new(42, Lifetime::FOREVER));
        let found = cache.get_through(&key, &policy, &codec, ready(made));
        *found.await.expect("it is made").value()
    };
    assert_eq!(ask().await, 42);
    let began = Instant::now();
    for _ in 0..HITS {
        std::hint::black_box(ask().await);
    }
    began.elapsed() / HITS
}
