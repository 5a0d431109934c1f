//! Who waits for another process is told, and finds out where it is not.

use crate::support::{Proxy, Server, body, commit, connected, in_time, key, lead, wait};
use tower_swr_core::{Committed, Woken};

#[tokio::test]
async fn who_waits_is_told_when_the_value_is_there() {
    let server = Server::start();
    let (one, other) = (
        connected(&server.url()).await,
        connected(&server.url()).await,
    );
    let mut woken = Vec::new();
    for round in 0..10 {
        let key = key(&format!("/{round}"));
        let lease = lead(&one, &key, None).await;
        let waiting = wait(&other, &key).await;
        assert_eq!(commit(lease, &key, "value").await, Ok(Committed::Stored));
        woken.push(in_time("the end of a wait", waiting).await);
        assert_eq!(body(&other, &key).await.as_deref(), Some("value"));
    }
    assert!(woken.contains(&Woken::Stored), "told by none: {woken:?}");
}

#[tokio::test]
async fn a_message_that_is_lost_is_made_up_for_by_looking() {
    let server = Server::start();
    let proxy = Proxy::to(server.port).await;
    proxy.keep_messages_back();
    let (one, other) = (
        connected(&server.url()).await,
        connected(&proxy.url()).await,
    );
    let key = key("/a");
    let lease = lead(&one, &key, None).await;
    let waiting = wait(&other, &key).await;
    assert_eq!(commit(lease, &key, "value").await, Ok(Committed::Stored));
    let woken = in_time("the end of a wait", waiting).await;
    assert_eq!(woken, Woken::Time);
    assert_eq!(body(&other, &key).await.as_deref(), Some("value"));
}
