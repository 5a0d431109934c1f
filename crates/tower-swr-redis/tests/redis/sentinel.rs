//! A master, its replica, and three who watch them.

use crate::support::{
    Server, body, commit, connected, eventually, hear, hear_of, in_time, key, lead, purge, ready,
};
use tower_swr_core::{Committed, FarError, FarLog, FarStore, Recorded};
use tower_swr_redis::Redis;

struct Watched {
    master: Server,
    replica: Server,
    sentinels: Vec<Server>,
}

impl Watched {
    async fn start() -> Self {
        let master = Server::start();
        let port = master.port.to_string();
        let replica = Server::start_with(&["--replicaof", "127.0.0.1", &port]);
        let start = |_| Server::start_sentinel(master.port);
        let sentinels: Vec<_> = (0..3).map(start).collect();
        let watched = Self {
            master,
            replica,
            sentinels,
        };
        eventually("all know each other", async || watched.is_sound()).await;
        watched
    }

    fn is_sound(&self) -> bool {
        self.sentinels.iter().all(|sentinel| {
            let others: Vec<redis::Value> = sentinel.ask(&["SENTINEL", "SENTINELS", "shop"]);
            let replicas: Vec<redis::Value> = sentinel.ask(&["SENTINEL", "REPLICAS", "shop"]);
            let about: String = self.replica.ask(&["INFO", "replication"]);
            let is_linked = about.contains("master_link_status:up");
            others.len() == 2 && replicas.len() == 1 && is_linked
        })
    }

    fn url(&self) -> String {
        let hosts = self.sentinels.iter();
        let hosts: Vec<_> = hosts.map(|it| format!("127.0.0.1:{}", it.port)).collect();
        format!("redis-sentinel://{}/shop", hosts.join(","))
    }
}

#[tokio::test]
async fn the_next_master_is_found_and_hears_what_was_invalidated_meanwhile() {
    let mut watched = Watched::start().await;
    let (here, there) = (
        connected(&watched.url()).await,
        connected(&watched.url()).await,
    );
    let mut told = there.follow();
    hear(&mut *told).await;
    let key = key("/a");
    let lease = lead(&here, &key, None).await;
    assert_eq!(commit(lease, &key, "before").await, Ok(Committed::Stored));
    // One of those who watch may be gone, too.
    watched.sentinels[0].freeze();
    watched.master.kill();
    eventually("the loss is noticed", async || {
        here.get(&key).await == Err(FarError::Unavailable)
    })
    .await;
    assert_eq!(here.invalidate(purge("/a")).await, Recorded::Queued);
    hear_of(&there, &mut *told, purge("/a")).await;
    ready(&here).await;
    assert_eq!(body(&here, &key).await, None, "it was purged");
    let lease = lead(&here, &key, None).await;
    assert_eq!(commit(lease, &key, "after").await, Ok(Committed::Stored));
    let role: Vec<redis::Value> = watched.replica.ask(&["ROLE"]);
    assert_eq!(role[0], redis::Value::BulkString(b"master".to_vec()));
    watched.sentinels[0].thaw();
}

#[tokio::test]
async fn a_master_that_became_a_replica_is_left_for_the_next() {
    let watched = Watched::start().await;
    let redis = connected(&watched.url()).await;
    let _: String = watched.sentinels[0].ask(&["SENTINEL", "FAILOVER", "shop"]);
    let key = key("/a");
    eventually("the next master takes changes", async || {
        let about = watched.master.try_ask::<String>(&["INFO", "replication"]);
        about.is_ok_and(|it| it.contains("role:slave"))
    })
    .await;
    let lease = lead(&redis, &key, None).await;
    assert_eq!(commit(lease, &key, "value").await, Ok(Committed::Stored));
    let kept: u8 = watched
        .replica
        .ask(&["EXISTS", &format!("{{swr:w1:{}}}:v", key.primary())]);
    assert_eq!(kept, 1);
    ready(&redis).await;
}

#[tokio::test]
async fn a_master_that_no_sentinel_knows_is_away() {
    let watched = Watched::start().await;
    let url = watched.url().replace("shop", "other");
    let redis = Redis::connect(&url).expect("a sound URL");
    let trouble = in_time("an opinion", redis.ready()).await;
    assert!(trouble.is_err(), "{trouble:?}");
    assert_eq!(redis.get(&key("/a")).await, Err(FarError::Unavailable));
}
