//! A server that is killed, or stands still, under load, and comes back: what clients notice of it, over the same load on
//! the same engine with no server configured.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tower_swr_core::{
    Cache, CacheBuilder, FarCodec, FlightPolicy, KeyText, Lifetime, Made, MemorySettings,
};
use tower_swr_redis::Redis;

use crate::number::Number;
use crate::server::Server;

const PER_SECOND: u32 = 2000;
/// How long the server is there, away, and there again.
const PHASE: Duration = Duration::from_secs(3);
/// Asked for in turn; fresh so shortly that one in four is a miss in memory.
const KEYS: u32 = 500;
const FRESH: Duration = Duration::from_millis(1000);
const ORIGIN: Duration = Duration::from_millis(5);
/// What a request may wait for the server before it goes on without: reading, and asking for the lease.
const BUDGET: Duration = Duration::from_millis(50 + 100);

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    Killed,
    Stopped,
}

pub(crate) async fn run() {
    let bare = [cache(None), cache(None)];
    let floor = load(&bare, async || {
        tokio::time::sleep(PHASE * 3).await;
    })
    .await;
    println!(
        "{PER_SECOND} requests a second without a server: {}",
        floor.summary()
    );
    for fault in [Fault::Killed, Fault::Stopped] {
        outage(fault, &floor).await;
    }
}

async fn outage(fault: Fault, floor: &Report) {
    let mut server = Server::start();
    let nodes = [
        crate::connected(&server.url()).await,
        crate::connected(&server.url()).await,
    ];
    let caches = nodes.each_ref().map(|node| cache(Some(node.clone())));
    let mut normal = Duration::ZERO;
    let report = load(&caches, async || {
        tokio::time::sleep(PHASE).await;
        match fault {
            Fault::Killed => server.kill(),
            Fault::Stopped => server.freeze(),
        }
        tokio::time::sleep(PHASE).await;
        match fault {
            Fault::Killed => tokio::task::block_in_place(|| server.restart()),
            Fault::Stopped => server.thaw(),
        }
        let back = Instant::now();
        for node in &nodes {
            while node.ready().await.is_err() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        normal = back.elapsed();
        tokio::time::sleep(PHASE).await;
    })
    .await;
    let added = report.longest().saturating_sub(floor.longest());
    println!(
        "the same with a server that is {}: {}",
        match fault {
            Fault::Killed => "killed and started anew",
            Fault::Stopped => "stopped and goes on",
        },
        report.summary()
    );
    println!(
        "  errors {}, none: {}; longest added {added:.1?}, ≤ {BUDGET:?}: {}; normal {normal:.0?} after it is back, ≤ 1 s: {}",
        report.errors,
        crate::verdict(report.errors == 0),
        crate::verdict(added <= BUDGET),
        crate::verdict(normal <= Duration::from_secs(1)),
    );
}

fn cache(far: Option<Redis>) -> Cache<u64> {
    let builder = CacheBuilder::new(MemorySettings::new(1 << 20));
    match far {
        Some(redis) => builder.far(redis).build(),
        None => builder.build(),
    }
}

struct Report {
    spans: Vec<Duration>,
    errors: usize,
}

impl Report {
    fn longest(&self) -> Duration {
        self.spans.last().copied().unwrap_or_default()
    }

    fn summary(&self) -> String {
        let at = |percent| self.spans[(self.spans.len() - 1) * percent / 100];
        format!(
            "{} answers, p50 {:.2?}, p99 {:.1?}, longest {:.1?}",
            self.spans.len(),
            at(50),
            at(99),
            self.longest()
        )
    }
}

/// Asks at a steady rate, however long answers take, until `story` is over. A span is from when it was due.
async fn load(caches: &[Cache<u64>; 2], story: impl AsyncFnOnce()) -> Report {
    let (sender, mut spans) = tokio::sync::mpsc::unbounded_channel();
    let clients = caches.clone();
    let asking = tokio::spawn(async move {
        let began = Instant::now();
        for number in 0.. {
            let due = began + Duration::from_secs(1) * number / PER_SECOND;
            tokio::time::sleep_until(due.into()).await;
            if sender.is_closed() {
                return;
            }
            let (cache, sender) = (clients[number as usize % 2].clone(), sender.clone());
            tokio::spawn(async move {
                let is_right = ask(&cache, u64::from(number / 2 % KEYS)).await;
                // Who asked last may find nobody who listens.
                let _ = sender.send((due.elapsed(), is_right));
            });
        }
    });
    story().await;
    spans.close();
    let mut report = Report {
        spans: Vec::new(),
        errors: 0,
    };
    while let Some((span, is_right)) = spans.recv().await {
        report.spans.push(span);
        report.errors += usize::from(!is_right);
    }
    asking.await.expect("it ends");
    report.spans.sort_unstable();
    report
}

async fn ask(cache: &Cache<u64>, number: u64) -> bool {
    let codec: Arc<dyn FarCodec<u64>> = Arc::new(Number);
    let mut text = KeyText::new("s");
    text.push(&number.to_le_bytes());
    text.end_resource();
    let origin = async move {
        tokio::time::sleep(ORIGIN).await;
        Ok::<_, Infallible>(Made::new(number, Lifetime::fresh_for(FRESH)))
    };
    let (key, policy) = (text.key(), Arc::new(FlightPolicy::default()));
    let found = cache.get_through(&key, &policy, &codec, origin);
    found.await.is_ok_and(|found| *found.value() == number)
}
