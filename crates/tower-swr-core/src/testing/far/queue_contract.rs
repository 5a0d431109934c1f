use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;

use crate::far::{Enqueued, FarKey, FarStore, RemoteJob, RemoteRefreshes, TakenJob, Woken};
use crate::testing::far::contracts::{STEP, near_key};

/// Checks that jobs are taken only where a worker is there, and handed out once while they are worked on, one per key at a
/// time, again after a failure, and no more once a worker has declined them.
/// The two of `nodes` are nodes of one far side that nothing else uses.
///
/// # Panics
///
/// Where the contract is broken.
pub async fn remote_queue_contract(
    nodes: [&dyn RemoteRefreshes; 2],
    mut pass: impl AsyncFnMut(Duration),
) {
    let [web, worker] = nodes;
    let job = |path: &[u8]| {
        let key = FarKey::new(near_key("remote_queue_contract", path).borrowed());
        RemoteJob::new(&key, Bytes::copy_from_slice(path))
    };
    let unattended = web.enqueue(job(b"/a")).await;
    assert_eq!(unattended, Ok(Enqueued::Unattended), "nobody is there");
    assert_eq!(worker.attend().await, Ok(()));
    for path in [b"/a", b"/b", b"/c"] {
        assert_eq!(web.enqueue(job(path)).await, Ok(Enqueued::Queued));
    }
    assert_eq!(web.enqueue(job(b"/a")).await, Ok(Enqueued::Pending));

    let mut taken = worker.take(2).await.expect("an answer");
    let payloads: Vec<&[u8]> = taken.iter().map(|job| &job.payload[..]).collect();
    assert_eq!(payloads, [b"/a", b"/b"], "in order, and no more than asked");
    assert!(taken.iter().all(|job| job.attempt == 1));
    let (b, a) = (taken.pop().expect("two"), taken.pop().expect("two"));
    let key = a.key;
    assert_eq!(key, job(b"/a").key);
    let pending = web.enqueue(job(b"/a")).await;
    assert_eq!(pending, Ok(Enqueued::Pending), "it is worked on");
    assert_eq!(worker.done(a).await, Ok(()));
    assert_eq!(web.enqueue(job(b"/a")).await, Ok(Enqueued::Queued));

    assert_eq!(worker.retry(b, 5 * STEP).await, Ok(()));
    let pending = web.enqueue(job(b"/b")).await;
    assert_eq!(pending, Ok(Enqueued::Pending), "it will be tried again");
    for path in [b"/c", b"/a"] {
        let c = next(worker, &mut pass).await;
        assert_eq!(c.payload, path[..]);
        assert_eq!(worker.done(c).await, Ok(()));
    }
    let again = next(worker, &mut pass).await;
    assert_eq!((&again.payload[..], again.attempt), (&b"/b"[..], 2));
    assert_eq!(worker.decline(again).await, Ok(()));
    assert_eq!(web.enqueue(job(b"/b")).await, Ok(Enqueued::Queued));
    let last = next(worker, &mut pass).await;
    assert_eq!((&last.payload[..], last.attempt), (&b"/b"[..], 1));
    assert_eq!(worker.done(last).await, Ok(()));
    attendance([web, worker], &job(b"/d"), &mut pass).await;
}

/// Checks that whoever watches the key of a job is told that a worker has declined it, be it of a primary key or of a
/// variant. A message may be lost, as one is that comes before the node listens; not all of them are. The two of `nodes`
/// are nodes of one far side that nothing else uses.
///
/// # Panics
///
/// Where the contract is broken.
pub async fn declining_contract(
    nodes: [(&dyn FarStore, &dyn RemoteRefreshes); 2],
    mut pass: impl AsyncFnMut(Duration),
) {
    let [(store, web), (_, worker)] = nodes;
    let primary = near_key("declining_contract", b"/a");
    let variant = near_key("declining_contract", b"/a gzip");
    for key in [
        FarKey::new(primary.borrowed()),
        FarKey::variant(primary.borrowed(), variant.borrowed()),
    ] {
        let mut told = None;
        for _ in 0..50 {
            let mut watch = store.watch(&key);
            assert_eq!(worker.attend().await, Ok(()));
            let job = RemoteJob::new(&key, "/a");
            assert_eq!(web.enqueue(job).await, Ok(Enqueued::Queued));
            let mut taken = next(worker, &mut pass).await;
            while taken.payload != "/a" {
                assert_eq!(worker.done(taken).await, Ok(()), "it was there before");
                taken = next(worker, &mut pass).await;
            }
            assert_eq!(worker.decline(taken).await, Ok(()));
            for _ in 0..20 {
                if let Poll::Ready(woken) = futures_util::poll!(&mut watch) {
                    told = Some(woken);
                    break;
                }
                pass(STEP).await;
            }
            if told.is_some() {
                break;
            }
        }
        assert_eq!(told, Some(Woken::Declined), "{key:?}");
    }
}

/// A worker that says nothing for ten seconds is there no more; one that said something a second ago is.
async fn attendance(
    [web, worker]: [&dyn RemoteRefreshes; 2],
    job: &RemoteJob,
    pass: &mut impl AsyncFnMut(Duration),
) {
    for _ in 0..4 {
        assert_eq!(worker.attend().await, Ok(()));
        pass(Duration::from_secs(1)).await;
    }
    assert_eq!(web.enqueue(job.clone()).await, Ok(Enqueued::Queued));
    let mut answer = Ok(Enqueued::Pending);
    for _ in 0..100 {
        answer = web.enqueue(job.clone()).await;
        if answer == Ok(Enqueued::Unattended) {
            return;
        }
        pass(Duration::from_millis(100)).await;
    }
    panic!("nobody has been there for ten seconds: {answer:?}");
}

async fn next(worker: &dyn RemoteRefreshes, pass: &mut impl AsyncFnMut(Duration)) -> TakenJob {
    for _ in 0..500 {
        let mut taking = worker.take(1);
        let mut polled = futures_util::poll!(&mut taking);
        while polled.is_pending() {
            pass(STEP).await;
            polled = futures_util::poll!(&mut taking);
        }
        let std::task::Poll::Ready(taken) = polled else {
            continue;
        };
        if let Some(job) = taken.expect("an answer").pop() {
            return job;
        }
        pass(STEP).await;
    }
    panic!("no job came");
}
