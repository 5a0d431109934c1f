use std::sync::Arc;

use super::found::Found;
use super::{Far, FarCodec, Grant, count};
use crate::cache::Fill;
use crate::far::{Acquired, FarError, FarKey, FarValue};

/// The way of one flight to the far side.
pub(in crate::cache) struct Way<V> {
    pub(super) far: Arc<Far>,
    pub(super) codec: Arc<dyn FarCodec<V>>,
    pub(super) key: FarKey,
}

/// What a flight is told over there.
pub(super) enum Sought<V> {
    /// A value that makes the origin call unnecessary.
    Found(Found<V>),
    /// Call the origin, on behalf of all processes.
    Lead(Grant),
    /// Call the origin; nobody over there knows.
    Alone,
}

/// How often in a row something newer may be there that is then of no use, before the flight goes on alone.
const PATIENCE: usize = 16;

impl<V: Send + Sync + 'static, P: Clone + Send + Sync + 'static> Fill<V, P> {
    /// Looks on the far side, and asks to be the one who calls the origin.
    ///
    /// It does not end while another process calls: whoever waits for this has a deadline.
    pub(super) async fn seek(&self, way: &Way<V>) -> Sought<V> {
        self.cache.follow(&way.far);
        match self.ask(way).await {
            Ok(sought) => sought,
            Err(_trouble) => {
                way.far.count_failure();
                Sought::Alone
            }
        }
    }

    async fn ask(&self, way: &Way<V>) -> Result<Sought<V>, FarError> {
        let Far {
            store,
            log,
            holdings,
            counts,
            ..
        } = &*way.far;
        let concerned = self.concerned();
        let (mut waited, mut newer) = (false, 0);
        loop {
            way.far.settled(&concerned).await;
            let there = store.get(&way.key).await?;
            let have = there.as_ref().and_then(FarValue::version);
            if let Some(there) = &there
                && let Some(found) = self.judge_found(way, there, waited).await?
            {
                count(if waited {
                    &counts.collapsed
                } else {
                    &counts.hits
                });
                return Ok(Sought::Found(found));
            }
            match store.acquire(&way.key, have).await? {
                Acquired::Lead(lease) => {
                    let key = self.key().borrowed();
                    let grant = holdings.hold(key, lease, log.position(), have);
                    return Ok(Sought::Lead(grant));
                }
                Acquired::Newer if newer == PATIENCE => return Ok(Sought::Alone),
                Acquired::Newer => newer += 1,
                Acquired::Wait(wait) => {
                    wait.await;
                    waited = true;
                }
            }
        }
    }
}
