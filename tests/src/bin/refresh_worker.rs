//! A worker process for the stories about workers: `refresh_worker REDIS ORIGIN NAME`.

use std::env::args;
use std::time::Duration;

use house_tests::told_by;
use tower_swr::{HttpCache, MemorySettings, RefreshWorker};
use tower_swr_redis::Redis;

#[tokio::main]
async fn main() {
    let mut words = args().skip(1);
    let mut word = || words.next().expect("REDIS ORIGIN NAME");
    let (url, teller, name) = (word(), word(), word());
    let builder = Redis::builder(&url).rescue_after(Duration::from_secs(1));
    let redis = builder.lease(Duration::from_secs(1)).connect();
    let redis = redis.expect("a sound URL");
    let builder = HttpCache::builder(MemorySettings::new(8 << 20)).far(redis.clone());
    let cache = builder.remote_refreshes(redis.clone()).build();
    let teller = teller.parse().expect("an address");
    let app = told_by(teller, name.leak(), &cache);
    RefreshWorker::new(redis, app)
        .run_until(std::future::pending())
        .await;
}
