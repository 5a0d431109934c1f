//! The doubles of the far side keep the contracts that a real one must keep, and their faults are what they say.

use std::time::Duration;

use crate::support::{SECOND, secs};
use bytes::Bytes;
use futures_util::FutureExt;
use tower_swr_core::testing::{
    FarFault, FarNode, FarServer, LeaseSpan, ManualClock, declining_contract, far_store_contract,
    lease_contract, log_contract, remote_queue_contract,
};
use tower_swr_core::{
    Acquired, Committed, FarError, FarHealth, FarKey, FarLog, FarStore, FarWrite, Invalidation,
    KeyText, Lease, LogEvent, Recorded, RemoteJob, RemoteRefreshes, Subject, Wait, Woken,
};

fn key(path: &[u8]) -> FarKey {
    let mut text = KeyText::new("s");
    text.push(path);
    FarKey::new(text.key())
}

fn purge(path: &[u8]) -> Invalidation {
    Invalidation::hard(Subject::Key(key(path).primary()), 1)
}

struct House {
    clock: ManualClock,
    server: FarServer,
    one: FarNode,
    other: FarNode,
}

fn house() -> House {
    let clock = ManualClock::default();
    let server = FarServer::new(clock.clone());
    let (one, other) = (server.node(), server.node());
    House {
        clock,
        server,
        one,
        other,
    }
}

fn lead(node: &FarNode, key: &FarKey) -> Box<dyn Lease> {
    match node.acquire(key, None).now_or_never() {
        Some(Ok(Acquired::Lead(lease))) => lease,
        other => panic!("nobody else leads, yet: {other:?}"),
    }
}

fn wait(node: &FarNode, key: &FarKey) -> Wait {
    match node.acquire(key, None).now_or_never() {
        Some(Ok(Acquired::Wait(wait))) => wait,
        other => panic!("somebody leads, yet: {other:?}"),
    }
}

#[tokio::test]
async fn the_store_in_memory_keeps_the_contract() {
    let House {
        clock, one, other, ..
    } = house();
    far_store_contract([&one, &other], async |span| clock.advance(span)).await;
}

#[tokio::test]
async fn its_leases_keep_the_contract() {
    let House {
        clock, one, other, ..
    } = house();
    let pass = async |span| clock.advance(span);
    lease_contract([&one, &other], LeaseSpan::default(), pass).await;
}

#[tokio::test]
async fn its_log_keeps_the_contract() {
    let House { one, other, .. } = house();
    log_contract([(&one, &one), (&other, &other)]).await;
}

#[tokio::test]
async fn its_queue_keeps_the_contract() {
    let House {
        clock, one, other, ..
    } = house();
    remote_queue_contract([&one, &other], async |span| clock.advance(span)).await;
    let nodes: [(&dyn FarStore, &dyn RemoteRefreshes); 2] = [(&one, &one), (&other, &other)];
    declining_contract(nodes, async |span| clock.advance(span)).await;
}

#[tokio::test]
async fn who_waits_is_told_why_it_is_over() {
    let House { one, other, .. } = house();
    let key = key(b"/a");
    let lease = lead(&one, &key);
    let waiting = wait(&other, &key);
    drop(lease);
    assert_eq!(waiting.now_or_never(), Some(Woken::Released));

    let lease = lead(&one, &key);
    let waiting = wait(&other, &key);
    one.invalidate(purge(b"/a")).await;
    assert_eq!(waiting.now_or_never(), Some(Woken::Invalidated));
    let blob = Bytes::from_static(b"late");
    let outcome = lease.commit(vec![FarWrite::new(key.clone(), blob)]).await;
    assert_eq!(outcome, Ok(Committed::Refused));

    let lease = lead(&one, &key);
    let waiting = wait(&other, &key);
    lease.commit(Vec::new()).await.expect("it is held");
    assert_eq!(waiting.now_or_never(), Some(Woken::Stored));
}

#[tokio::test]
async fn a_lost_message_is_made_up_for_by_looking() {
    let House {
        clock,
        server,
        one,
        other,
    } = house();
    let key = key(b"/a");
    let lease = lead(&one, &key);
    let mut waiting = wait(&other, &key);
    server.lose_wake_ups(true);
    drop(lease);
    assert_eq!((&mut waiting).now_or_never(), None);
    clock.advance(Duration::from_millis(250));
    assert_eq!(waiting.now_or_never(), Some(Woken::Time));
    drop(lead(&other, &key));
}

#[tokio::test]
async fn a_leader_that_stands_still_loses_its_lease() {
    let House {
        clock, one, other, ..
    } = house();
    let key = key(b"/a");
    let lease = lead(&one, &key);
    one.stop_renewing();
    clock.advance(secs(4));
    drop(wait(&other, &key));
    clock.advance(SECOND);
    assert!(!lease.is_held());
    let second = lead(&other, &key);
    let outcome = lease.commit(Vec::new()).await;
    assert_eq!(outcome, Ok(Committed::Refused));
    assert!(second.is_held());
}

#[tokio::test]
async fn a_lease_dropped_in_an_outage_runs_out() {
    let House {
        clock, one, other, ..
    } = house();
    let key = key(b"/a");
    let lease = lead(&one, &key);
    one.suffer(FarFault::Unavailable);
    drop(lease);
    one.recover();
    drop(wait(&other, &key));
    clock.advance(secs(5));
    drop(lead(&other, &key));
}

#[tokio::test]
async fn steps_fail_as_the_fault_says() {
    let House {
        clock, one, other, ..
    } = house();
    let (key, budget) = (key(b"/a"), Duration::from_millis(50));
    one.suffer(FarFault::Unavailable);
    assert_eq!(
        one.get(&key).now_or_never(),
        Some(Err(FarError::Unavailable))
    );
    one.suffer(FarFault::Silent(budget));
    let mut step = one.get(&key);
    assert_eq!((&mut step).now_or_never(), None);
    clock.advance(budget);
    assert_eq!(step.await, Err(FarError::TimedOut { budget }));
    assert!(!one.health().is_up());
    one.recover();
    assert_eq!(one.health(), FarHealth::Up);

    let lease = lead(&one, &key);
    one.suffer(FarFault::Late(budget));
    let write = FarWrite::new(key.clone(), Bytes::from_static(b"there"));
    let mut step = lease.commit(vec![write]);
    assert!((&mut step).now_or_never().is_none());
    clock.advance(budget);
    assert_eq!(step.await, Err(FarError::TimedOut { budget }));
    let found = other.get(&key).await.expect("an answer");
    assert!(found.is_some(), "it was done all the same");
}

#[tokio::test]
async fn a_lease_whose_answer_was_lost_is_asked_for_again_and_known() {
    let House {
        clock, one, other, ..
    } = house();
    let (key, budget) = (key(b"/a"), Duration::from_millis(100));
    one.suffer(FarFault::Late(budget));
    let mut asking = one.acquire(&key, None);
    assert!((&mut asking).now_or_never().is_none());
    one.recover();
    clock.advance(budget);
    let Ok(Acquired::Lead(lease)) = asking.await else {
        panic!("it was given before its answer was lost");
    };
    let asked = other.acquire(&key, None).await;
    assert!(matches!(asked, Ok(Acquired::Wait(_))), "{asked:?}");
    let write = FarWrite::new(key.clone(), Bytes::from_static(b"there"));
    assert_eq!(lease.commit(vec![write]).await, Ok(Committed::Stored));

    one.suffer(FarFault::Late(budget));
    let mut asking = one.acquire(&key, None);
    for _ in 0..2 {
        assert!((&mut asking).now_or_never().is_none());
        clock.advance(budget);
    }
    let late = asking.await;
    assert!(matches!(late, Err(FarError::TimedOut { .. })), "{late:?}");
}

#[tokio::test]
async fn a_node_that_was_cut_off_is_told_what_it_missed() {
    let House { one, other, .. } = house();
    let mut news = other.follow();
    assert_eq!(news.next().await, LogEvent::Replayed);
    other.suffer(FarFault::Unavailable);
    assert_eq!(news.next().await, LogEvent::Suspect);
    let missed = one.invalidate(purge(b"/a")).await;
    assert_eq!(
        news.next().now_or_never(),
        None,
        "nothing is told meanwhile"
    );
    assert_eq!(other.invalidate(purge(b"/b")).await, Recorded::Queued);
    let born = other.position();
    let queued = [purge(b"/b").subject];
    assert_eq!(other.admits(born, &queued).await, Ok(false));
    other.recover();
    for invalidation in [purge(b"/a"), purge(b"/b")] {
        let told = news.next().await;
        assert!(
            matches!(told, LogEvent::Invalidated { invalidation: it, .. } if it == invalidation)
        );
    }
    assert_eq!(news.next().await, LogEvent::Replayed);
    assert!(matches!(missed, Recorded::Done(at) if at <= other.position()));
}

#[tokio::test]
async fn a_node_that_cannot_be_told_is_told_that() {
    let House {
        server, one, other, ..
    } = house();
    let mut news = other.follow();
    assert_eq!(news.next().await, LogEvent::Replayed);
    for lose in [FarServer::trim_log, FarServer::restart_empty] {
        other.suffer(FarFault::Unavailable);
        assert_eq!(news.next().await, LogEvent::Suspect);
        one.invalidate(purge(b"/a")).await;
        lose(&server);
        other.recover();
        assert_eq!(news.next().await, LogEvent::HistoryLost);
    }
    assert_eq!(news.next().now_or_never(), None);
}

#[tokio::test]
async fn a_job_whose_worker_is_gone_is_handed_out_again_until_it_is_given_up() {
    let House {
        clock, server, one, ..
    } = house();
    let job = RemoteJob::new(&key(b"/a"), "GET /a");
    one.attend().await.expect("an answer");
    one.enqueue(job.clone()).await.expect("an answer");
    for attempt in 1..=5 {
        let taken = one.take(9).await.expect("an answer");
        assert_eq!(taken[0].attempt, attempt);
        clock.advance(secs(60));
    }
    let mut taking = one.take(9);
    assert_eq!((&mut taking).now_or_never(), None);
    clock.advance(SECOND);
    assert_eq!(taking.await, Ok(Vec::new()));
    assert_eq!(server.dead_letters(), [job]);
}
