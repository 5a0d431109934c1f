//! Refreshes for workers: how fast one caller queues them, and how fast two workers with nothing to do work them off.

use std::time::Instant;

use futures_util::future::{join, join_all};
use futures_util::stream::{self, StreamExt};
use tower_swr_core::{Enqueued, FarError, RemoteJob, RemoteRefreshes};
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
    let alone = queued(&caller, 0, 1).await;
    println!(
        "queued one after the other: {alone:.0}/s, raw XADD {bare:.0}/s: × {:.2}",
        alone / bare
    );
    let together = queued(&caller, JOBS / 2, AT_A_TIME).await;
    println!(
        "queued by one caller, {AT_A_TIME} refreshes at a time: {together:.0}/s, ≥ 5000: {}",
        crate::verdict(together >= 5000.0)
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

/// How many jobs a second `caller` queues, half of them from the `first` on, while it waits for `most` answers at a time. A
/// layer queues each refresh in a task of its own, and all tasks share the connection and its round trips.
async fn queued(caller: &Redis, first: usize, most: usize) -> f64 {
    let began = Instant::now();
    let jobs = stream::iter(first..first + JOBS / 2);
    let mut answers = jobs
        .map(|number| offer(caller, number))
        .buffer_unordered(most);
    while let Some(answer) = answers.next().await {
        assert_eq!(answer, Ok(Enqueued::Queued));
    }
    JOBS as f64 / 2.0 / began.elapsed().as_secs_f64()
}

/// Queues a job, and says now and then that there is a worker.
async fn offer(caller: &Redis, number: usize) -> Result<Enqueued, FarError> {
    if number.is_multiple_of(1000) {
        caller.attend().await?;
    }
    let job = RemoteJob::new(&crate::key(&format!("/job/{number}")), "a job");
    caller.enqueue(job).await
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

/// How many it did, and when it did the last. It takes the next while it reports what it has done, as a worker does.
async fn work(redis: &Redis) -> (usize, Instant) {
    let (mut done, mut last, mut jobs) = (0, Instant::now(), Vec::new());
    loop {
        done += jobs.len();
        let reported = async {
            for outcome in join_all(jobs.drain(..).map(|job| redis.done(job))).await {
                outcome.expect("it is done");
                last = Instant::now();
            }
        };
        let ((), taken) = join(reported, redis.take(AT_A_TIME)).await;
        jobs = taken.expect("an answer");
        if jobs.is_empty() {
            return (done, last);
        }
    }
}
