//! A worker process for the stories about workers: `refresh_worker REDIS ORIGIN NAME MILLIS`, where a lease lasts for so many
//! milliseconds, after which a worker is taken for dead, too.

use std::env::args;
use std::time::Duration;

use house_tests::told_by;
use tower_swr::{HttpCache, MemorySettings, RefreshWorker};
use tower_swr_redis::Redis;

/// A step of a lease may take a third of it.
const SHORTEST_LEASE: Duration = Duration::from_millis(300);

#[tokio::main]
async fn main() {
    let mut words = args().skip(1);
    let mut word = || words.next().expect("REDIS ORIGIN NAME MILLIS");
    let (url, teller, name, millis) = (word(), word(), word(), word());
    let span = Duration::from_millis(millis.parse().expect("a number"));
    let redis = Redis::builder(&url)
        .rescue_after(span)
        .lease(span.max(SHORTEST_LEASE))
        .connect();
    let redis = redis.expect("a sound URL");
    let builder = HttpCache::builder(MemorySettings::new(8 << 20)).far(redis.clone());
    let cache = builder.remote_refreshes(redis.clone()).build();
    let teller = teller.parse().expect("an address");
    let app = told_by(teller, name.leak(), &cache);
    RefreshWorker::new(redis, app)
        .run_until(std::future::pending())
        .await;
}
