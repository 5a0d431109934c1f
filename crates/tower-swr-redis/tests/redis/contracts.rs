//! What every far side must do, done by a real one.

use std::time::Duration;

use crate::support::{Server, connected, pass, ready};
use tower_swr_core::testing::{
    LeaseSpan, far_store_contract, lease_contract, log_contract, remote_queue_contract,
};
use tower_swr_redis::Redis;

#[tokio::test]
async fn the_store_keeps_the_contract() {
    let server = Server::start();
    let (one, other) = (
        connected(&server.url()).await,
        connected(&server.url()).await,
    );
    far_store_contract([&one, &other], pass).await;
}

#[tokio::test]
async fn leases_keep_the_contract() {
    let server = Server::start();
    let span = LeaseSpan {
        ttl: Duration::from_secs(1),
        longest: Duration::from_secs(5),
    };
    let node = || {
        let builder = Redis::builder(&server.url()).lease(span.ttl);
        builder.max_lease(span.longest).connect().expect("sound")
    };
    let (one, other) = (node(), node());
    ready(&one).await;
    ready(&other).await;
    lease_contract([&one, &other], span, pass).await;
}

#[tokio::test]
async fn the_log_keeps_the_contract() {
    let server = Server::start();
    let (one, other) = (
        connected(&server.url()).await,
        connected(&server.url()).await,
    );
    log_contract([(&one, &one), (&other, &other)]).await;
}

#[tokio::test]
async fn the_queue_keeps_the_contract() {
    let server = Server::start();
    let (one, other) = (
        connected(&server.url()).await,
        connected(&server.url()).await,
    );
    remote_queue_contract([&one, &other], pass).await;
}
