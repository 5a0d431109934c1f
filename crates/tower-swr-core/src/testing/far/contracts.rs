use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;

use crate::far::{
    Acquired, Committed, FarError, FarKey, FarLog, FarStore, FarWrite, Invalidation, Lease,
    LogEvent, LogFollower, LogPosition, Recorded, Version, Woken,
};
use crate::key::{Key, KeyText, Subject};
use crate::lifetime::Lifetime;
use crate::testing::LeaseSpan;
use crate::wire::{Frame, MAX_BYTES};

pub(super) const STEP: Duration = Duration::from_millis(10);
const SECOND: Duration = Duration::from_secs(1);

/// Checks that what one of `nodes` commits the other gets, that there is one leader at a time, and that a version tells a
/// value from its successor. Writes under the scope `far_store_contract`. `pass` lets the given time pass.
///
/// # Panics
///
/// Where the contract is broken.
pub async fn far_store_contract(nodes: [&dyn FarStore; 2], mut pass: impl AsyncFnMut(Duration)) {
    let [one, other] = nodes;
    let primary = near_key("far_store_contract", b"/a");
    let key = FarKey::new(primary.borrowed());

    assert_eq!(one.get(&key).await, Ok(None), "nothing is there yet");
    let lease = lead(one, &key, None).await;
    assert!(lease.is_held(), "a lease is held once it is given");
    assert_waits(other, &key, None).await;
    let first = commit(lease, &[&key], b"first").await;

    let found = other.get(&key).await.expect("an answer");
    let found = found.expect("what the other node has committed");
    assert_eq!(found.version(), Some(first.0), "the version of the lease");
    assert_eq!(found.blob, first.1, "the very bytes");
    assert!(one.server_now().is_some(), "the server has told its time");
    let acquired = other.acquire(&key, None).await;
    assert!(
        matches!(acquired, Ok(Acquired::Newer)),
        "a value that was not seen is newer"
    );

    let lease = lead(other, &key, Some(first.0)).await;
    let second = commit(lease, &[&key], b"second").await;
    assert_ne!(first.0, second.0, "every commit has a version of its own");
    let acquired = one.acquire(&key, Some(first.0)).await;
    assert!(
        matches!(acquired, Ok(Acquired::Newer)),
        "the version that was seen is no longer there"
    );

    variants(nodes, &primary, second.0).await;
    watchers_are_told(nodes, &mut pass).await;
    values_run_out(one, &mut pass).await;
}

async fn variants([one, other]: [&dyn FarStore; 2], primary: &Key, have: Version) {
    let key = FarKey::new(primary.borrowed());
    let mut text = primary.borrowed().to_text();
    text.push(b"gzip");
    let variant = FarKey::variant(primary.borrowed(), text.key());
    let lease = lead(one, &key, Some(have)).await;
    for of_others in [
        &key,
        &FarKey::variant(primary.borrowed(), primary.borrowed()),
    ] {
        let of_variant = lead_in_turn(other, &variant).await;
        let writes = [&variant, of_others].map(|key| FarWrite::new(key.clone(), Bytes::new()));
        let outcome = of_variant.commit(writes.to_vec()).await;
        assert_eq!(
            outcome,
            Err(FarError::ForeignKey),
            "the lease of a variant fences nothing but that"
        );
    }
    drop(lead_in_turn(other, &variant).await);
    let written = commit(lease, &[&key, &variant], b"both").await;
    for key in [&key, &variant] {
        let found = other.get(key).await.expect("an answer");
        let version = found.expect("both are written").version();
        assert_eq!(version, Some(written.0));
    }

    let foreign = FarKey::new(near_key("far_store_contract", b"/foreign").borrowed());
    let lease = lead(one, &key, Some(written.0)).await;
    let outcome = lease
        .commit(vec![FarWrite::new(foreign, Bytes::new())])
        .await;
    assert_eq!(
        outcome,
        Err(FarError::ForeignKey),
        "a lease does not fence the value of another key"
    );
}

async fn values_run_out(one: &dyn FarStore, pass: &mut impl AsyncFnMut(Duration)) {
    let key = FarKey::new(near_key("far_store_contract", b"/short").borrowed());
    let lease = lead(one, &key, None).await;
    let write = FarWrite::new(key.clone(), frame(&*lease, &key, b"short"));
    let outcome = lease.commit(vec![write.keep_for(STEP)]).await;
    assert_eq!(outcome, Ok(Committed::Stored));
    pass(5 * STEP).await;
    assert_eq!(one.get(&key).await, Ok(None), "it was kept for {STEP:?}");
}

/// Checks that a lease is given back by release and by drop, is renewed while it lives, runs out in the end, and that its
/// commit is refused then. `nodes` must ask for leases of `span`. Writes under the scope `lease_contract`.
///
/// # Panics
///
/// Where the contract is broken, or half of the time to live is too short for a lease that was dropped to be given back.
pub async fn lease_contract(
    nodes: [&dyn FarStore; 2],
    span: LeaseSpan,
    mut pass: impl AsyncFnMut(Duration),
) {
    let [one, other] = nodes;
    let key = |path: &[u8]| FarKey::new(near_key("lease_contract", path).borrowed());

    let released = key(b"/released");
    let lease = lead(one, &released, None).await;
    assert_waits(other, &released, None).await;
    assert_eq!(lease.release().await, Ok(()));
    drop(lead(other, &released, None).await);

    let dropped = key(b"/dropped");
    drop(lead(one, &dropped, None).await);
    let limit = span.ttl / 2;
    drop(lead_within(other, &dropped, limit, &mut pass).await);

    let renewed = key(b"/renewed");
    let lease = lead(one, &renewed, None).await;
    let mut passed = Duration::ZERO;
    while passed < 3 * span.ttl {
        pass(span.ttl / 4).await;
        passed += span.ttl / 4;
        assert_waits(other, &renewed, None).await;
    }
    assert!(lease.is_held(), "it is renewed while it lives");
    commit(lease, &[&renewed], b"slow").await;

    let late = key(b"/late");
    let lease = lead(one, &late, None).await;
    pass(span.longest).await;
    let next = lead_within(other, &late, 3 * span.ttl, &mut pass).await;
    let write = FarWrite::new(late.clone(), frame(&*lease, &late, b"late"));
    let outcome = lease.commit(vec![write.clone()]).await;
    assert_eq!(outcome, Ok(Committed::Refused), "another leads meanwhile");
    assert_eq!(other.get(&late).await, Ok(None), "nothing was written");
    let newer = commit(next, &[&late], b"newer").await;
    let found = one.get(&late).await.expect("an answer");
    assert_eq!(found.expect("the newer value").version(), Some(newer.0));
}

/// Checks that an invalidation takes away value and lease, is told to every node, and is what values are measured by.
/// The two of `nodes` are nodes of one far side that nothing else uses. Writes under the scope `log_contract`.
///
/// # Panics
///
/// Where the contract is broken.
pub async fn log_contract(nodes: [(&dyn FarStore, &dyn FarLog); 2]) {
    let [(store, here), (far_store, there)] = nodes;
    let primary = near_key("log_contract", b"/a");
    let key = FarKey::new(primary.borrowed());
    let mut news = there.follow();
    assert_eq!(
        news.next().await,
        LogEvent::Replayed,
        "it begins up to date"
    );

    let born = there.position();
    let subjects = Subject::of_key(primary.borrowed());
    assert_eq!(there.admits(born, &subjects).await, Ok(true));
    let kept = commit(lead(store, &key, None).await, &[&key], b"kept").await;
    let late = lead(store, &key, Some(kept.0)).await;
    let mut text = primary.borrowed().to_text();
    text.push(b"gzip");
    let variant = FarKey::variant(primary.borrowed(), text.key());
    let late_variant = lead(store, &variant, None).await;

    for (source, subject) in (1..).zip([
        Subject::key(primary.borrowed()),
        Subject::resource(primary.borrowed()),
        Subject::scope("log_contract"),
        Subject::tag(b"blue"),
        Subject::All,
    ]) {
        let before = there.position();
        let invalidation = Invalidation::hard(subject, source);
        let Recorded::Done(at) = here.invalidate(invalidation).await else {
            panic!("the far side is there, and records");
        };
        assert_told(&mut *news, invalidation, at).await;
        assert!(there.position() >= at, "what was told was read");
        assert_eq!(there.admits(before, &[subject]).await, Ok(false));
        assert_eq!(there.admits(at, &[subject]).await, Ok(true));
        assert_eq!(here.admits(before, &[subject]).await, Ok(false));
        let other = Subject::tag(b"other");
        assert_eq!(
            there.admits(before, &[other]).await,
            Ok(true),
            "{subject:?}"
        );
        let both = [other, subject];
        assert_eq!(there.admits(before, &both).await, Ok(false));
    }
    assert_eq!(there.admits(born, &subjects).await, Ok(false));
    assert_soft_ones_are_told_alone(here, there, &mut *news).await;

    let write = FarWrite::new(key.clone(), frame(&*late, &key, b"late"));
    let outcome = late.commit(vec![write]).await;
    assert_eq!(outcome, Ok(Committed::Refused), "the purge took the lease");
    assert_eq!(far_store.get(&key).await, Ok(None), "and the value");
    drop(lead(far_store, &key, None).await);

    let next = lead(far_store, &variant, None).await;
    let write = FarWrite::new(variant.clone(), frame(&*late_variant, &variant, b"late"));
    let outcome = late_variant.commit(vec![write]).await;
    assert_eq!(outcome, Ok(Committed::Refused), "and those of the variants");
    assert_eq!(far_store.get(&variant).await, Ok(None));
    commit(next, &[&variant], b"next").await;
}

async fn assert_soft_ones_are_told_alone(
    here: &dyn FarLog,
    there: &dyn FarLog,
    news: &mut dyn LogFollower,
) {
    let (before, subject) = (there.position(), Subject::scope("softly"));
    let softly = Invalidation::soft(subject, 9);
    let Recorded::Done(at) = here.invalidate(softly).await else {
        panic!("the far side is there, and records");
    };
    assert_told(news, softly, at).await;
    for node in [here, there] {
        assert_eq!(node.admits(before, &[subject]).await, Ok(true));
    }
}

async fn assert_told(
    news: &mut dyn LogFollower,
    invalidation: Invalidation,
    position: LogPosition,
) {
    let expected = LogEvent::Invalidated {
        invalidation,
        position,
    };
    assert_eq!(news.next().await, expected);
}

pub(super) fn near_key(scope: &str, path: &[u8]) -> Key {
    let mut text = KeyText::new(scope);
    text.push(path);
    text.end_resource();
    text.key().to_key()
}

async fn lead(store: &dyn FarStore, key: &FarKey, have: Option<Version>) -> Box<dyn Lease> {
    match store.acquire(key, have).await {
        Ok(Acquired::Lead(lease)) => lease,
        other => panic!("nobody else leads, yet: {other:?}"),
    }
}

/// Who watches is told. A message may be lost, as one is that comes before the node listens; not all of them are.
async fn watchers_are_told([one, other]: [&dyn FarStore; 2], pass: &mut impl AsyncFnMut(Duration)) {
    let key = FarKey::new(near_key("far_store_contract", b"/watched").borrowed());
    let mut have = None;
    for _ in 0..50 {
        let mut watch = one.watch(&key);
        assert!(futures_util::poll!(&mut watch).is_pending());
        have = Some(
            commit(lead(other, &key, have).await, &[&key], b"seen")
                .await
                .0,
        );
        for _ in 0..20 {
            if let Poll::Ready(woken) = futures_util::poll!(&mut watch) {
                return assert_eq!(woken, Woken::Stored);
            }
            pass(STEP).await;
        }
    }
    panic!("nobody was told");
}

async fn lead_within(
    store: &dyn FarStore,
    key: &FarKey,
    limit: Duration,
    pass: &mut impl AsyncFnMut(Duration),
) -> Box<dyn Lease> {
    let mut passed = Duration::ZERO;
    while passed <= limit {
        if let Ok(Acquired::Lead(lease)) = store.acquire(key, None).await {
            return lease;
        }
        pass(STEP).await;
        passed += STEP;
    }
    panic!("nobody led {key:?} within {limit:?}");
}

/// Leads once those who lead now have given their leases back, which takes them no time that can be told.
async fn lead_in_turn(store: &dyn FarStore, key: &FarKey) -> Box<dyn Lease> {
    for _ in 0..100 {
        match store.acquire(key, None).await {
            Ok(Acquired::Lead(lease)) => return lease,
            Ok(Acquired::Wait(wait)) => drop(wait.await),
            other => panic!("nothing is there, yet: {other:?}"),
        }
    }
    panic!("nobody led {key:?}");
}

async fn assert_waits(store: &dyn FarStore, key: &FarKey, have: Option<Version>) {
    let acquired = store.acquire(key, have).await;
    assert!(
        matches!(acquired, Ok(Acquired::Wait(_))),
        "somebody leads, yet: {acquired:?}"
    );
}

fn frame(lease: &dyn Lease, key: &FarKey, body: &'static [u8]) -> Bytes {
    let mut frame = Frame::new(lease.version(), Lifetime::fresh_for(SECOND));
    frame.body = Bytes::from_static(body);
    frame.encode(key, MAX_BYTES).expect("it is small")
}

/// Commits `body` under all of `keys`; its version, and what is under the first.
async fn commit(lease: Box<dyn Lease>, keys: &[&FarKey], body: &'static [u8]) -> (Version, Bytes) {
    let version = lease.version();
    let write = |key: &&FarKey| FarWrite::new((*key).clone(), frame(&*lease, key, body));
    let writes: Vec<FarWrite> = keys.iter().map(write).collect();
    let first = writes[0].blob.clone();
    let outcome = lease.commit(writes).await;
    assert_eq!(outcome, Ok(Committed::Stored), "the lease is held");
    (version, first)
}
