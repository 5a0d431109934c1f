//! Six servers that share the keys, and what the death of one of them does.

use std::time::{Duration, Instant};

use crate::support::{
    Cluster, admits, body, commit, connected, eventually, hear, hear_of, in_time, key, lead, pass,
    purge, ready,
};
use tower_swr_core::testing::{
    LeaseSpan, declining_contract, far_store_contract, lease_contract, log_contract,
    remote_queue_contract,
};
use tower_swr_core::{
    Acquired, Committed, Enqueued, FarKey, FarLog, FarStore, Recorded, RemoteJob, RemoteRefreshes,
};
use tower_swr_redis::Redis;

fn name(key: &FarKey) -> String {
    format!("{{swr:w1:{}}}:v", key.primary())
}

/// A key that the master at `port` has, or one that it has not.
fn key_of(cluster: &Cluster, port: u16, is_there: bool) -> FarKey {
    let keys = (0..1000).map(|number| key(&format!("/{number}")));
    let mut wanted = keys.filter(|key| (cluster.owner(&name(key)) == port) == is_there);
    wanted.next().expect("keys are spread")
}

#[tokio::test]
async fn a_cluster_keeps_the_contracts() {
    let cluster = Cluster::start().await;
    let node = async |namespace: &str, span: LeaseSpan| {
        let builder = Redis::builder(&cluster.url()).namespace(namespace);
        let redis = builder.lease(span.ttl).max_lease(span.longest).connect();
        let redis = redis.expect("a sound URL");
        ready(&redis).await;
        redis
    };
    let long = LeaseSpan {
        ttl: Duration::from_secs(5),
        longest: Duration::from_secs(60),
    };
    let short = LeaseSpan {
        ttl: Duration::from_millis(600),
        longest: Duration::from_millis(3000),
    };
    let (one, other) = (node("store", long).await, node("store", long).await);
    far_store_contract([&one, &other], pass).await;
    let (one, other) = (node("lease", short).await, node("lease", short).await);
    lease_contract([&one, &other], short, pass).await;
    let (one, other) = (node("log", long).await, node("log", long).await);
    log_contract([(&one, &one), (&other, &other)]).await;
    let (one, other) = (node("queue", long).await, node("queue", long).await);
    remote_queue_contract([&one, &other], pass).await;
    declining_contract([(&one, &one), (&other, &other)], pass).await;
}

#[tokio::test]
async fn a_master_that_dies_takes_its_own_keys_and_no_others_until_another_has_them() {
    let mut cluster = Cluster::start().await;
    let redis = connected(&cluster.url()).await;
    let dies = cluster.owner("swr:inv");
    let (lost, kept) = (key_of(&cluster, dies, true), key_of(&cluster, dies, false));
    for key in [&lost, &kept] {
        let lease = lead(&redis, key, None).await;
        assert_eq!(commit(lease, key, "before").await, Ok(Committed::Stored));
    }
    cluster.kill(dies);

    let killed = Instant::now();
    let (mut longest, mut asked, mut failed) = (Duration::ZERO, 0_u32, 0_u32);
    let takes_over = async {
        loop {
            for key in [&kept, &lost] {
                let began = Instant::now();
                let value = redis.get(key).await;
                longest = longest.max(began.elapsed());
                let is_kept = *key == kept;
                asked += u32::from(is_kept);
                failed += u32::from(is_kept && !matches!(value, Ok(Some(_))));
            }
            let began = Instant::now();
            let lead = redis.acquire(&lost, None).await;
            longest = longest.max(began.elapsed());
            match lead {
                Ok(Acquired::Newer) => return,
                Ok(Acquired::Lead(lease)) => {
                    return assert_eq!(commit(lease, &lost, "after").await, Ok(Committed::Stored));
                }
                _ => pass(Duration::from_millis(20)).await,
            }
        }
    };
    in_time("another master takes over", takes_over).await;
    println!(
        "taken over after {:?}; longest step {longest:?}; {failed} of {asked} steps on other masters failed",
        killed.elapsed(),
    );
    // Some take too long where the machine is busy.
    assert!(failed * 2 < asked, "{failed} of {asked}");
    ready(&redis).await;
    assert!(body(&redis, &lost).await.is_some());
    assert_eq!(body(&redis, &kept).await.as_deref(), Some("before"));
}

#[tokio::test]
async fn what_is_invalidated_while_the_master_of_the_log_is_dead_is_sent_to_the_next() {
    let mut cluster = Cluster::start().await;
    let (here, there) = (
        connected(&cluster.url()).await,
        connected(&cluster.url()).await,
    );
    let mut told = there.follow();
    hear(&mut *told).await;
    let dies = cluster.owner("swr:inv");
    cluster.kill(dies);
    eventually("the loss is noticed", async || {
        !here.status().log.is_up() && !there.status().log.is_up()
    })
    .await;
    assert_eq!(here.invalidate(purge("/a")).await, Recorded::Queued);
    hear_of(&there, &mut *told, purge("/a")).await;
    eventually("nothing is queued", async || {
        here.status().queued_invalidations == 0
    })
    .await;
    ready(&there).await;
    assert!(!admits(&there, purge("/a").subject).await);
    assert!(
        admits(&there, purge("/b").subject).await,
        "nobody purged it"
    );
}

#[tokio::test]
async fn the_queue_goes_on_with_the_next_master() {
    let mut cluster = Cluster::start().await;
    let redis = connected(&cluster.url()).await;
    assert_eq!(redis.take(1).await, Ok(Vec::new()));
    let dies = cluster.owner("{swr:w1:q}:s");
    cluster.kill(dies);
    let job = RemoteJob::new(&key("/a"), "a job");
    eventually("a job is queued", async || {
        crate::queue::offer(&redis, job.clone()).await == Ok(Enqueued::Queued)
    })
    .await;
    eventually(
        "the job is taken",
        async || matches!(&redis.take(1).await, Ok(jobs) if jobs.len() == 1),
    )
    .await;
}
