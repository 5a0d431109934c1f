//! Refreshes that are handed to workers, and workers that die.

use std::time::Duration;

use crate::support::{Server, connected, eventually, in_time, key, ready};
use redis::Value;
use tower_swr_core::{Enqueued, FarError, RemoteJob, RemoteRefreshes, TakenJob};
use tower_swr_redis::Redis;

fn job(path: &str) -> RemoteJob {
    RemoteJob::new(&key(path), path.to_owned())
}

async fn worker(server: &Server, rescue_after: Duration) -> Redis {
    let builder = Redis::builder(&server.url()).rescue_after(rescue_after);
    let redis = builder.connect().expect("sound settings");
    ready(&redis).await;
    redis
}

/// What becomes of an offer while a worker is there.
pub(crate) async fn offer(redis: &Redis, job: RemoteJob) -> Result<Enqueued, FarError> {
    redis.attend().await?;
    redis.enqueue(job).await
}

pub(crate) async fn next(worker: &Redis) -> TakenJob {
    let taking = async {
        loop {
            // A busy machine may be slower than a budget.
            if let Ok(mut taken) = worker.take(1).await
                && let Some(job) = taken.pop()
            {
                return job;
            }
        }
    };
    in_time("a job", taking).await
}

#[tokio::test]
async fn a_job_whose_worker_died_is_taken_over_and_given_up_in_the_end() {
    let server = Server::start();
    let after = Duration::from_millis(200);
    let dies = worker(&server, after).await;
    assert_eq!(offer(&dies, job("/a")).await, Ok(Enqueued::Queued));
    assert_eq!(next(&dies).await.attempt, 1);
    drop(dies);
    let other = worker(&server, after).await;
    for attempt in 2..=5 {
        let taken = next(&other).await;
        assert_eq!((&taken.payload[..], taken.attempt), (&b"/a"[..], attempt));
        assert_eq!(offer(&other, job("/a")).await, Ok(Enqueued::Pending));
    }
    eventually("it is given up", async || {
        let taken = other.take(1).await;
        assert!(taken.is_ok_and(|taken| taken.is_empty()));
        server.ask::<u64>(&["XLEN", "{swr:w1:q}:dead"]) == 1
    })
    .await;
    assert_eq!(server.ask::<u64>(&["XLEN", "{swr:w1:q}:s"]), 0);
    assert_eq!(offer(&other, job("/a")).await, Ok(Enqueued::Queued));
}

#[tokio::test]
async fn a_worker_that_is_gone_leaves_nothing_in_the_group() {
    let server = Server::start();
    let after = Duration::from_millis(200);
    let dies = worker(&server, after).await;
    assert_eq!(offer(&dies, job("/a")).await, Ok(Enqueued::Queued));
    next(&dies).await;
    drop(dies);
    let other = worker(&server, after).await;
    let workers = || -> Vec<Value> { server.ask(&["XINFO", "CONSUMERS", "{swr:w1:q}:s", "g"]) };
    eventually("the group is of those who ask", async || {
        // A busy machine may be slower than a budget.
        drop(other.take(1).await);
        workers().len() == 1
    })
    .await;
    // Nothing that somebody held went with it.
    assert_eq!(next(&other).await.payload, "/a");
}

#[tokio::test]
async fn a_job_that_keeps_failing_is_given_up() {
    let server = Server::start();
    let redis = connected(&server.url()).await;
    assert_eq!(offer(&redis, job("/a")).await, Ok(Enqueued::Queued));
    for attempt in 1..=5 {
        let taken = next(&redis).await;
        assert_eq!(taken.attempt, attempt);
        let pause = Duration::from_millis(1);
        assert_eq!(redis.retry(taken, pause).await, Ok(()));
    }
    assert_eq!(server.ask::<u64>(&["XLEN", "{swr:w1:q}:dead"]), 1);
    assert_eq!(offer(&redis, job("/a")).await, Ok(Enqueued::Queued));
}

#[tokio::test]
async fn a_server_that_was_flushed_gets_its_group_again() {
    let server = Server::start();
    let (web, worker) = (
        connected(&server.url()).await,
        connected(&server.url()).await,
    );
    for round in 0..3 {
        let path = format!("/{round}");
        assert_eq!(offer(&web, job(&path)).await, Ok(Enqueued::Queued));
        let taken = next(&worker).await;
        assert_eq!(taken.payload, path);
        let _: String = server.ask(&["FLUSHALL"]);
        assert_eq!(
            worker.done(taken).await,
            Ok(()),
            "there is nothing to be done"
        );
    }
}

#[tokio::test]
async fn a_question_that_is_dropped_takes_no_job_with_it() {
    let server = Server::start();
    let (web, worker) = (
        connected(&server.url()).await,
        connected(&server.url()).await,
    );
    for round in 0..5 {
        let dropped = tokio::time::timeout(Duration::from_millis(50), worker.take(1)).await;
        assert!(dropped.is_err(), "there is no job yet: {dropped:?}");
        eventually("nobody asks any more", async || {
            let clients: String = server.ask(&["CLIENT", "LIST"]);
            !clients.contains("cmd=xreadgroup")
        })
        .await;
        let path = format!("/{round}");
        assert_eq!(offer(&web, job(&path)).await, Ok(Enqueued::Queued));
        let taken = next(&worker).await;
        assert_eq!((&taken.payload[..], taken.attempt), (path.as_bytes(), 1));
        assert_eq!(worker.done(taken).await, Ok(()));
    }
}

#[tokio::test]
async fn what_others_put_into_the_queue_is_thrown_away() {
    let server = Server::start();
    let redis = worker(&server, Duration::from_millis(100)).await;
    for fields in [
        &["x", "y"][..],
        &["k", "short", "t", "?", "a", "0", "p", "?"],
    ] {
        let _: String = server.ask(&[&["XADD", "{swr:w1:q}:s", "*"], fields].concat());
    }
    assert_eq!(offer(&redis, job("/a")).await, Ok(Enqueued::Queued));
    let taken = next(&redis).await;
    assert_eq!(taken.payload, "/a");
    assert_eq!(redis.done(taken).await, Ok(()));
    assert_eq!(server.ask::<u64>(&["XLEN", "{swr:w1:q}:s"]), 0);
}

#[tokio::test]
async fn a_queue_that_is_away_says_so_at_once_and_is_used_again() {
    let mut server = Server::start();
    let redis = connected(&server.url()).await;
    assert_eq!(redis.take(0).await, Ok(Vec::new()));
    server.kill();
    eventually("the loss is noticed", async || {
        offer(&redis, job("/a")).await == Err(FarError::Unavailable)
    })
    .await;
    assert_eq!(redis.take(1).await, Err(FarError::Unavailable));
    server.restart();
    ready(&redis).await;
    assert_eq!(offer(&redis, job("/a")).await, Ok(Enqueued::Queued));
    assert_eq!(next(&redis).await.payload, "/a");
}

#[tokio::test]
async fn workers_share_what_there_is() {
    let server = Server::start();
    let web = connected(&server.url()).await;
    let workers = [
        connected(&server.url()).await,
        connected(&server.url()).await,
    ];
    for number in 0..500 {
        let queued = offer(&web, job(&format!("/{number}"))).await;
        assert_eq!(queued, Ok(Enqueued::Queued));
    }
    let work = |worker: Redis| async move {
        let mut done = Vec::new();
        loop {
            let taken = worker.take(32).await.expect("an answer");
            if taken.is_empty() {
                return done;
            }
            for job in taken {
                done.push(job.payload.clone());
                worker.done(job).await.expect("an answer");
            }
        }
    };
    let done = futures_util::future::join_all(workers.map(work)).await;
    let mut done = done.concat();
    assert_eq!(done.len(), 500);
    done.sort();
    done.dedup();
    assert_eq!(done.len(), 500, "each was handed out once");

    assert_eq!(server.ask::<u64>(&["XLEN", "{swr:w1:q}:s"]), 0);
}

#[tokio::test]
async fn what_others_put_off_stops_no_worker() {
    let server = Server::start();
    let redis = connected(&server.url()).await;
    for job in ["", "short", "the forty bytes that a key and a token are"] {
        let job = job.get(..40).unwrap_or(job);
        let _: u64 = server.ask(&["ZADD", "{swr:w1:q}:later", "1", job]);
    }
    assert_eq!(offer(&redis, job("/a")).await, Ok(Enqueued::Queued));
    let taken = next(&redis).await;
    assert_eq!(taken.payload, "/a");
    assert_eq!(redis.done(taken).await, Ok(()));
    eventually("they are thrown away", async || {
        server.ask::<u64>(&["ZCARD", "{swr:w1:q}:later"]) == 0
    })
    .await;
    let _: String = server.ask(&["SET", "{swr:w1:q}:later", "another type"]);
    assert_eq!(offer(&redis, job("/b")).await, Ok(Enqueued::Queued));
    assert_eq!(next(&redis).await.payload, "/b");
}

#[tokio::test]
async fn a_job_that_was_taken_over_is_no_longer_its_first_worker_s() {
    let server = Server::start();
    let after = Duration::from_millis(200);
    let (first, second) = (worker(&server, after).await, worker(&server, after).await);
    assert_eq!(offer(&first, job("/a")).await, Ok(Enqueued::Queued));
    let late = [next(&first).await, next(&second).await, next(&second).await];
    assert_eq!(late.each_ref().map(|job| job.attempt), [1, 2, 3]);
    let [of_first, of_second, held] = late;
    assert_eq!(first.done(of_first.clone()).await, Ok(()));
    let pause = Duration::from_millis(1);
    assert_eq!(first.retry(of_first, pause).await, Ok(()));
    assert_eq!(
        second.done(of_second).await,
        Ok(()),
        "it was handed out again"
    );
    assert_eq!(
        server.ask::<u64>(&["XLEN", "{swr:w1:q}:s"]),
        1,
        "it is worked on"
    );
    assert_eq!(server.ask::<u64>(&["EXISTS", "{swr:w1:q}:later"]), 0);
    assert_eq!(offer(&first, job("/a")).await, Ok(Enqueued::Pending));
    assert_eq!(second.done(held).await, Ok(()));
    assert_eq!(server.ask::<u64>(&["XLEN", "{swr:w1:q}:s"]), 0);
    assert_eq!(offer(&first, job("/a")).await, Ok(Enqueued::Queued));
}

#[tokio::test]
async fn a_job_that_is_not_in_the_queue_is_not_pending() {
    let server = Server::start();
    let redis = connected(&server.url()).await;
    let _: u64 = server.ask(&["LPUSH", "{swr:w1:q}:s", "another type"]);
    let refused = offer(&redis, job("/a")).await;
    assert!(
        matches!(refused, Err(FarError::Refused { .. })),
        "{refused:?}"
    );
    let _: u64 = server.ask(&["DEL", "{swr:w1:q}:s"]);
    assert_eq!(offer(&redis, job("/a")).await, Ok(Enqueued::Queued));
    assert_eq!(offer(&redis, job("/a")).await, Ok(Enqueued::Pending));
    let _: u64 = server.ask(&["XTRIM", "{swr:w1:q}:s", "MAXLEN", "0"]);
    assert_eq!(offer(&redis, job("/a")).await, Ok(Enqueued::Queued));
    assert_eq!(next(&redis).await.payload, "/a");
}

#[tokio::test]
async fn where_nobody_is_at_work_nothing_is_queued() {
    let server = Server::start();
    let redis = connected(&server.url()).await;
    assert_eq!(redis.enqueue(job("/a")).await, Ok(Enqueued::Unattended));
    assert_eq!(server.ask::<u64>(&["EXISTS", "{swr:w1:q}:s"]), 0);
    assert_eq!(offer(&redis, job("/a")).await, Ok(Enqueued::Queued));
    let _: u64 = server.ask(&["DEL", "{swr:w1:q}:w"]);
    let unattended = redis.enqueue(job("/a")).await;
    assert_eq!(unattended, Ok(Enqueued::Unattended), "it waits for nobody");
}

/// A worker of another generation would leave its values where nobody looks for them.
#[tokio::test]
async fn generations_have_queues_of_their_own() {
    let server = Server::start();
    let redis = connected(&server.url()).await;
    let next = Redis::builder(&server.url()).generation("2");
    let next = next.connect().expect("sound settings");
    ready(&next).await;
    assert_eq!(offer(&redis, job("/a")).await, Ok(Enqueued::Queued));
    assert_eq!(next.enqueue(job("/a")).await, Ok(Enqueued::Unattended));
    assert_eq!(offer(&next, job("/a")).await, Ok(Enqueued::Queued));
}
