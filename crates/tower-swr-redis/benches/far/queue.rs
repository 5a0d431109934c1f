//! Refreshes for workers: how fast one caller queues them, and two workers with nothing to do work them off.

use std::time::Instant;

use futures_util::future::{join, join_all};
use tower_swr_core::{RemoteJob, RemoteRefreshes};
use tower_swr_redis::Redis;

const JOBS: usize = 10_000;
const AT_A_TIME: usize = 64;

pub(crate) async fn run(url: &str) {
    let (caller, one, other) = (
        crate::connected(url).await,
        crate::connected(url).await,
        crate::connected(url).await,
    );
    one.attend().await.expect("it is said");
    let began = Instant::now();
    for number in 0..JOBS {
        let job = RemoteJob::new(&crate::key(&format!("/job/{number}")), "a job");
        caller.enqueue(job).await.expect("it is queued");
    }
    let rate = JOBS as f64 / began.elapsed().as_secs_f64();
    println!(
        "queued by one caller: {rate:.0}/s, ≥ 5000: {}",
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
