//! From an offer until a worker has the job in its hands, over an entry of a stream and a reader without anything around
//! them.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use redis::streams::StreamReadReply;
use tower_swr_core::{Enqueued, RemoteJob, RemoteRefreshes};

const PER_SECOND: u32 = 250;
/// By turns, a second each.
const ROUNDS: usize = 8;
const AT_A_TIME: usize = 64;

pub(crate) async fn run(url: &str) {
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        ours.extend(offered(url, round).await);
        bare.extend(added(url).await);
    }
    let [half, last] = [50, 99].map(|percent| {
        let at = |spans: &mut Vec<Duration>| crate::percentile(spans, percent);
        (at(&mut ours), at(&mut bare))
    });
    let ratio = |(ours, bare)| crate::micros(ours) / crate::micros(bare);
    println!(
        "offer until a worker has the job, {PER_SECOND}/s: p50 {:.0} µs, raw {:.0} µs: × {:.2}; p99 {:.0} µs, raw {:.0} µs: × {:.2}; p99 ≤ 5 ms: {}",
        crate::micros(half.0),
        crate::micros(half.1),
        ratio(half),
        crate::micros(last.0),
        crate::micros(last.1),
        ratio(last),
        crate::verdict(last.0 <= Duration::from_millis(5)),
    );
}

async fn offered(url: &str, round: usize) -> Vec<Duration> {
    let (caller, worker) = (crate::connected(url).await, crate::connected(url).await);
    worker.attend().await.expect("it is said");
    let taking = tokio::spawn(async move {
        let mut taken = Vec::new();
        while taken.len() < PER_SECOND as usize {
            let jobs = worker.take(AT_A_TIME).await.expect("an answer");
            let now = Instant::now();
            taken.extend(jobs.iter().map(|job| (number(&job.payload), now)));
            for outcome in join_all(jobs.into_iter().map(|job| worker.done(job))).await {
                outcome.expect("it is done");
            }
        }
        taken
    });
    let offered = steadily(async |number| {
        let key = crate::key(&format!("/pick/{round}/{number}"));
        let job = RemoteJob::new(&key, number.to_le_bytes().to_vec());
        assert_eq!(caller.enqueue(job).await, Ok(Enqueued::Queued));
    })
    .await;
    spans(&offered, &taking.await.expect("it takes all"))
}

async fn added(url: &str) -> Vec<Duration> {
    let client = redis::Client::open(url).expect("a sound URL");
    let config = redis::AsyncConnectionConfig::new().set_response_timeout(None);
    let connect = async || {
        let connection = client.get_multiplexed_async_connection_with_config(&config);
        connection.await.expect("the server answers")
    };
    let (mut caller, mut worker) = (connect().await, connect().await);
    let mut group = redis::cmd("XGROUP");
    group.arg(&["CREATE", "bare-jobs", "g", "$", "MKSTREAM"]);
    // It may be there.
    let _ = group.exec_async(&mut caller).await;
    let taking = tokio::spawn(async move {
        let mut taken = Vec::new();
        while taken.len() < PER_SECOND as usize {
            let mut question = redis::cmd("XREADGROUP");
            question
                .arg(&["GROUP", "g", "worker", "COUNT"])
                .arg(AT_A_TIME);
            question.arg(&["BLOCK", "1000", "STREAMS", "bare-jobs", ">"]);
            let reply: Option<StreamReadReply> =
                question.query_async(&mut worker).await.expect("an answer");
            let now = Instant::now();
            let mut ended = redis::cmd("XACK");
            ended.arg(&["bare-jobs", "g"]);
            let streams = reply.map_or_else(Vec::new, |reply| reply.keys);
            for entry in streams.iter().flat_map(|stream| &stream.ids) {
                let payload: Vec<u8> = entry.get("p").expect("what was added");
                taken.push((number(&payload), now));
                ended.arg(&entry.id);
            }
            if !streams.is_empty() {
                ended.exec_async(&mut worker).await.expect("it is done");
            }
        }
        taken
    });
    let added = steadily(async |number| {
        let mut entry = redis::cmd("XADD");
        entry
            .arg(&["bare-jobs", "*", "p"])
            .arg(&number.to_le_bytes()[..]);
        entry.exec_async(&mut caller).await.expect("it is added");
    })
    .await;
    spans(&added, &taking.await.expect("it takes all"))
}

/// Does it so many times within a second: when each began.
async fn steadily(mut offer: impl AsyncFnMut(u32)) -> Vec<Instant> {
    let (mut began, first) = (Vec::new(), Instant::now());
    for number in 0..PER_SECOND {
        let due = first + Duration::from_secs(1) * number / PER_SECOND;
        tokio::time::sleep_until(due.into()).await;
        began.push(Instant::now());
        offer(number).await;
    }
    began
}

fn number(payload: &[u8]) -> u32 {
    u32::from_le_bytes(payload.try_into().expect("a number"))
}

fn spans(began: &[Instant], taken: &[(u32, Instant)]) -> Vec<Duration> {
    let span = |(number, at): &(u32, Instant)| at.duration_since(began[*number as usize]);
    taken.iter().map(span).collect()
}
