//! Refreshes for workers: how fast one caller queues them, and two workers with nothing to do work them off.

use std::time::Instant;

use futures_util::future::{join, join_all};
use tower_swr_core::{Enqueued, RemoteJob, RemoteRefreshes};
use tower_swr_redis::Redis;

const JOBS: usize = 10_000;
const AT_A_TIME: usize = 64;

pub(crate) async fn run(url: &str) {
    let (caller, one, other) = (
        crate::connected(url).await,
        crate::connected(url).await,
        crate::connected(url).await,
    );
    let bare = added(url).await;
    let began = Instant::now();
    for number in 0..JOBS {
        if number % 1000 == 0 {
            one.attend().await.expect("it is said");
        }
        let job = RemoteJob::new(&crate::key(&format!("/job/{number}")), "a job");
        assert_eq!(caller.enqueue(job).await, Ok(Enqueued::Queued));
    }
    let rate = JOBS as f64 / began.elapsed().as_secs_f64();
    println!(
        "queued by one caller: {rate:.0}/s, raw XADD {bare:.0}/s: × {:.2}, ≥ 5000: {}",
        rate / bare,
        crate::verdict(rate >= 5000.0)
    );
    let began = Instant::now();
    let (first, second) = join(work(&one), work(&other)).await;
    assert_eq!(first.0 + second.0, JOBS);
    let span = first.1.max(second.1).duration_since(began);
    let rate = JOBS as f64 / span.as_secs_f64();
    println!(
        "worked off by two workers: {rate:.0}/s, ≥ 20000: {}",
        crate::verdict(rate >= 20_000.0)
    );
}

/// How many entries a second one caller adds to a stream, one after the other.
async fn added(url: &str) -> f64 {
    let client = redis::Client::open(url).expect("a sound URL");
    let connection = client.get_multiplexed_async_connection();
    let mut connection = connection.await.expect("the server answers");
    let began = Instant::now();
    for _ in 0..JOBS {
        let mut entry = redis::cmd("XADD");
        entry.arg(&["bare-entries", "*", "p", "a job"]);
        let added = entry.exec_async(&mut connection).await;
        added.expect("it is added");
    }
    JOBS as f64 / began.elapsed().as_secs_f64()
}

/// How many it did, and when it did the last.
async fn work(redis: &Redis) -> (usize, Instant) {
    let (mut done, mut last) = (0, Instant::now());
    loop {
        let jobs = redis.take(AT_A_TIME).await.expect("an answer");
        if jobs.is_empty() {
            return (done, last);
        }
        done += jobs.len();
        for outcome in join_all(jobs.into_iter().map(|job| redis.done(job))).await {
            outcome.expect("it is done");
        }
        last = Instant::now();
    }
}
