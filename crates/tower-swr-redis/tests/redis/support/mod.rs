//! Servers, a network with faults, and patience.

#[cfg(feature = "cluster")]
mod cluster;
mod proxy;
mod server;

use std::time::Duration;

#[cfg(feature = "cluster")]
pub(crate) use cluster::Cluster;
pub(crate) use proxy::Proxy;
pub(crate) use server::Server;
#[cfg(any(feature = "cluster", feature = "tls"))]
pub(crate) use server::free_port;

use tower_swr_core::{
    Acquired, Committed, FarError, FarKey, FarLog, FarStore, FarValue, FarWrite, Invalidation, Key,
    KeyText, Lease, Lifetime, LogEvent, LogFollower, LogPosition, Subject, Version, Wait,
    wire::{Frame, MAX_BYTES},
};
use tower_swr_redis::Redis;

/// What anything may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn near_key(path: &str) -> Key {
    let mut text = KeyText::new("s");
    text.push(path.as_bytes());
    text.end_resource();
    text.key().to_key()
}

pub(crate) fn key(path: &str) -> FarKey {
    FarKey::new(near_key(path).borrowed())
}

pub(crate) fn purge(path: &str) -> Invalidation {
    Invalidation::hard(Subject::key(near_key(path).borrowed()), 7)
}

pub(crate) async fn pass(span: Duration) {
    tokio::time::sleep(span).await;
}

/// Waits until `is_so`.
pub(crate) async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    in_time(what, async {
        while !is_so().await {
            pass(Duration::from_millis(5)).await;
        }
    })
    .await;
}

pub(crate) async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(result) => result,
        Err(_) => panic!("not within {PATIENCE:?}: {what}"),
    }
}

/// A handle that has reached the server at `url`.
pub(crate) async fn connected(url: &str) -> Redis {
    let redis = Redis::connect(url).expect("a sound URL");
    ready(&redis).await;
    redis
}

pub(crate) async fn ready(redis: &Redis) {
    eventually("the server is ready", async || redis.ready().await.is_ok()).await;
}

/// Leads, as soon as nobody else does.
pub(crate) async fn lead(redis: &Redis, key: &FarKey, have: Option<Version>) -> Box<dyn Lease> {
    let leading = async {
        loop {
            match redis.acquire(key, have).await {
                Ok(Acquired::Lead(lease)) => return lease,
                Ok(Acquired::Wait(wait)) => drop(wait.await),
                Ok(Acquired::Newer) => panic!("a newer value than {have:?}"),
                Err(_away) => pass(Duration::from_millis(10)).await,
            }
        }
    };
    in_time("a lease", leading).await
}

pub(crate) async fn wait(redis: &Redis, key: &FarKey) -> Wait {
    let mut waiting = None;
    eventually("somebody to wait for", async || {
        waiting = match redis.acquire(key, None).await {
            Ok(Acquired::Wait(wait)) => Some(wait),
            // A busy machine may be slower than a budget.
            Err(FarError::TimedOut { .. } | FarError::Unavailable) => None,
            other => panic!("somebody leads, yet: {other:?}"),
        };
        waiting.is_some()
    })
    .await;
    waiting.expect("it waits")
}

pub(crate) fn write(lease: &dyn Lease, key: &FarKey, body: &str) -> FarWrite {
    let mut frame = Frame::new(lease.version(), Lifetime::FOREVER);
    frame.body = body.to_owned().into();
    let blob = frame.encode(key, MAX_BYTES).expect("it is small");
    FarWrite::new(key.clone(), blob)
}

pub(crate) async fn commit(
    lease: Box<dyn Lease>,
    key: &FarKey,
    body: &str,
) -> Result<Committed, FarError> {
    let write = write(&*lease, key, body);
    lease.commit(vec![write]).await
}

/// What is kept under `key`, however long it takes: a busy machine may be slower than the budget.
pub(crate) async fn found(redis: &Redis, key: &FarKey) -> Option<FarValue> {
    let asking = async {
        loop {
            match redis.get(key).await {
                Err(FarError::TimedOut { .. } | FarError::Unavailable) => {}
                answer => return answer.expect("an answer"),
            }
            pass(Duration::from_millis(10)).await;
        }
    };
    in_time("an answer", asking).await
}

/// The body that is kept under `key`.
pub(crate) async fn body(redis: &Redis, key: &FarKey) -> Option<String> {
    let found = found(redis, key).await?;
    let frame = Frame::decode(&found.blob, key).expect("a sound value");
    Some(String::from_utf8_lossy(&frame.body).into_owned())
}

/// The next event that is not of the kind a busy machine adds: a log that is suspect for a moment and replayed.
pub(crate) async fn hear_news(news: &mut dyn LogFollower) -> LogEvent {
    loop {
        match hear(news).await {
            LogEvent::Suspect | LogEvent::Replayed => {}
            event => return event,
        }
    }
}

/// Until `there`, whose `news` it hears, knows of `invalidation`. A server that takes over may have missed the end of the log,
/// so everything counts as invalidated first; and what is in the new log by then is a part of that, and not told on its own.
pub(crate) async fn hear_of(there: &Redis, news: &mut dyn LogFollower, invalidation: Invalidation) {
    loop {
        match hear(news).await {
            LogEvent::Invalidated {
                invalidation: it, ..
            } if it == invalidation => return,
            LogEvent::HistoryLost if !admits(there, invalidation.subject).await => return,
            _ => {}
        }
    }
}

/// Whether nothing about `subject` was ever recorded, as `redis` knows it, however long it takes to ask.
pub(crate) async fn admits(redis: &Redis, subject: Subject) -> bool {
    let asking = async {
        loop {
            match redis.admits(LogPosition::ORIGIN, &[subject]).await {
                Ok(admitted) => return admitted,
                Err(_away) => pass(Duration::from_millis(10)).await,
            }
        }
    };
    in_time("an answer", asking).await
}

/// The next event, whatever it is.
pub(crate) async fn hear(news: &mut dyn LogFollower) -> LogEvent {
    in_time("news from the log", news.next()).await
}
