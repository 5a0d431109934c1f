//! What every far side must do, done by a real one.

use std::time::Duration;

use crate::support::{Server, connected, pass, ready};
use tower_swr_core::testing::{
    LeaseSpan, declining_contract, far_store_contract, lease_contract, log_contract,
    remote_queue_contract,
};
use tower_swr_redis::Redis;

#[tokio::test]
async fn the_store_keeps_the_contract() {
    store(&Server::start()).await;
}

async fn store(server: &Server) {
    let (one, other) = (
        connected(&server.url()).await,
        connected(&server.url()).await,
    );
    far_store_contract([&one, &other], pass).await;
}

#[tokio::test]
async fn leases_keep_the_contract() {
    leases(&Server::start()).await;
}

async fn leases(server: &Server) {
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
    log(&Server::start()).await;
}

async fn log(server: &Server) {
    let (one, other) = (
        connected(&server.url()).await,
        connected(&server.url()).await,
    );
    log_contract([(&one, &one), (&other, &other)]).await;
}

#[tokio::test]
async fn the_queue_keeps_the_contract() {
    queue(&Server::start()).await;
}

async fn queue(server: &Server) {
    let (one, other) = (
        connected(&server.url()).await,
        connected(&server.url()).await,
    );
    remote_queue_contract([&one, &other], pass).await;
    declining_contract([(&one, &one), (&other, &other)], pass).await;
}

/// Where a Valkey is installed: Redis is what is promised, and what all other tests start.
#[tokio::test]
async fn valkey_keeps_all_contracts_where_it_is_installed() {
    let Some(server) = Server::start_valkey() else {
        return println!("NOT SHOWN: there is no valkey-server on the PATH nor in VALKEY_SERVER");
    };
    store(&server).await;
    let _: String = server.ask(&["FLUSHALL"]);
    leases(&server).await;
    let _: String = server.ask(&["FLUSHALL"]);
    log(&server).await;
    let _: String = server.ask(&["FLUSHALL"]);
    queue(&server).await;
}
