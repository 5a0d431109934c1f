//! Refreshes for workers: how fast one caller queues them, and how fast two workers with nothing to do work them off.

use std::time::Instant;

use futures_util::future::{join, join_all};
use futures_util::stream::{self, StreamExt};
use redis::aio::MultiplexedConnection;
use redis::streams::StreamReadReply;
use redis::{Value, from_redis_value};
use tower_swr_core::{Enqueued, FarError, RemoteJob, RemoteRefreshes};
use tower_swr_redis::Redis;

const JOBS: usize = 10_000;
const AT_A_TIME: usize = 64;
/// A stream beside the queue's.
const BARE: &str = "bare-entries";

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
    let bare = drained(url).await;
    println!(
        "worked off by two workers: {rate:.0}/s, raw XREADGROUP, XACK and XDEL {bare:.0}/s: × {:.2}; ≥ 20000: {}",
        rate / bare,
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
    let connection = bare(url).await;
    let began = Instant::now();
    for _ in 0..JOBS {
        say(&connection, &["XADD", BARE, "*", "p", "a job"]).await;
    }
    JOBS as f64 / began.elapsed().as_secs_f64()
}

/// How many of those entries a second two connections take and acknowledge.
async fn drained(url: &str) -> f64 {
    let (one, other) = (bare(url).await, bare(url).await);
    say(&one, &["XGROUP", "CREATE", BARE, "group", "0"]).await;
    let began = Instant::now();
    let drained = join(drain(&one, "one"), drain(&other, "other")).await;
    assert_eq!(drained.0 + drained.1, JOBS);
    JOBS as f64 / began.elapsed().as_secs_f64()
}

/// How many it took: the next while it acknowledges the last, as [`work`] does.
async fn drain(connection: &MultiplexedConnection, worker: &str) -> usize {
    let (mut drained, mut ids) = (0, Vec::new());
    loop {
        drained += ids.len();
        let acknowledged = join_all(ids.iter().map(|id: &String| async move {
            let (acknowledged, removed) = (["XACK", BARE, "group", id], ["XDEL", BARE, id]);
            join(say(connection, &acknowledged), say(connection, &removed)).await;
        }));
        let question = [
            "XREADGROUP",
            "GROUP",
            "group",
            worker,
            "COUNT",
            "64",
            "STREAMS",
            BARE,
            ">",
        ];
        let (_, taken) = join(acknowledged, say(connection, &question)).await;
        let taken: Option<StreamReadReply> = from_redis_value(taken).expect("a stream");
        let streams = taken.map_or_else(Vec::new, |taken| taken.keys);
        ids = streams
            .into_iter()
            .flat_map(|stream| stream.ids)
            .map(|entry| entry.id)
            .collect();
        if ids.is_empty() {
            return drained;
        }
    }
}

async fn bare(url: &str) -> MultiplexedConnection {
    let client = redis::Client::open(url).expect("a sound URL");
    let connection = client.get_multiplexed_async_connection();
    connection.await.expect("the server answers")
}

async fn say(connection: &MultiplexedConnection, words: &[&str]) -> Value {
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    let said = command.query_async(&mut connection.clone()).await;
    said.expect("it is done")
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
