//! Memories before a server whose log cannot be read.

use std::convert::Infallible;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use crate::support::{Proxy, Server, connected, eventually, near_key};
use bytes::Bytes;
use tower_swr_core::{
    Cache, CacheBuilder, Decoded, Encoded, FarCodec, FlightPolicy, Key, Lifetime, Made,
    MemorySettings, Reach, Received,
};

#[derive(Debug)]
struct Number;

impl FarCodec<u32> for Number {
    fn encode(&self, number: &u32) -> Option<Encoded> {
        Some(Encoded {
            kind: 1,
            head: Bytes::new(),
            body: Bytes::copy_from_slice(&number.to_le_bytes()),
        })
    }

    fn decode(&self, received: Received<'_>) -> Option<Decoded<u32>> {
        Some(Decoded {
            value: u32::from_le_bytes(received.body[..].try_into().ok()?),
            weight: 4,
            leads: false,
        })
    }
}

/// What is answered where the origin would say `made`.
async fn ask(cache: &Cache<u32>, key: &Key, made: u32) -> u32 {
    let codec: Arc<dyn FarCodec<u32>> = Arc::new(Number);
    let policy = Arc::new(FlightPolicy::default());
    let made = Ok::<_, Infallible>(Made::new(made, Lifetime::FOREVER));
    let key = key.borrowed();
    let found = cache.get_through(&key, &policy, &codec, ready(made));
    *found.await.expect("it is made").value()
}

#[tokio::test]
async fn what_is_purged_unheard_is_served_as_long_as_was_allowed() {
    let server = Server::start();
    let proxy = Proxy::to(server.port).await;
    let key = near_key("/a");
    let builder = || CacheBuilder::new(MemorySettings::new(1 << 20));
    let [cautious, trusting] = [
        builder()
            .far(connected(&proxy.url()).await)
            .max_suspect(Duration::from_secs(1)),
        builder().far(connected(&proxy.url()).await),
    ]
    .map(CacheBuilder::build);
    for cache in [&cautious, &trusting] {
        assert_eq!(ask(cache, &key, 1).await, 1);
    }
    proxy.cut();
    for cache in [&cautious, &trusting] {
        eventually("the loss is noticed", async || cache.stats().far.is_suspect).await;
    }
    let other: Cache<u32> = builder().far(connected(&server.url()).await).build();
    let purged = other.purge(key.borrowed().resource()).await;
    assert_eq!(purged, Reach::Done);
    eventually("it is served no longer", async || {
        ask(&cautious, &key, 2).await == 2
    })
    .await;
    assert_eq!(ask(&trusting, &key, 2).await, 1, "for ever, if need be");
    assert!(cautious.stats().far.is_suspect);

    proxy.heal();
    eventually("all is heard of again", async || {
        !cautious.stats().far.is_suspect && !trusting.stats().far.is_suspect
    })
    .await;
    eventually("all have one value", async || {
        let both = [&cautious, &trusting].map(|cache| ask(cache, &key, 3));
        let [one, two] = futures_util::future::join_all(both).await[..] else {
            return false;
        };
        one == two && one != 1
    })
    .await;
}
