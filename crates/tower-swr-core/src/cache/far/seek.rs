use std::sync::Arc;

use super::found::Found;
use super::{Far, FarCodec, Grant, count};
use crate::cache::Fill;
use crate::far::{Acquired, FarError, FarKey, FarValue};
use crate::invalidation::Epoch;

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

/// How often what it waits for may be invalidated before the flight goes on alone. Where that happens more often than the
/// origin answers, no call is of use to anybody but those who wait for it, and one after the other would keep the last of
/// them waiting without end.
const PURGES: usize = 3;

/// How often in a row something newer may be there that is then of no use, before the flight goes on alone.
const PATIENCE: usize = 16;

impl<V: Send + Sync + 'static, P: Clone + Send + Sync + 'static> Fill<V, P> {
    /// Looks on the far side, and asks to be the one who calls the origin.
    ///
    /// It does not end while another process calls: whoever waits for this has a deadline.
    pub(super) async fn seek(&mut self, way: &Way<V>) -> Sought<V> {
        self.cache.follow(&way.far);
        way.far.meet(&self.cache.shared.clock).await;
        match self.ask(way).await {
            Ok(sought) => sought,
            Err(_trouble) => {
                way.far.count_failure();
                Sought::Alone
            }
        }
    }

    async fn ask(&mut self, way: &Way<V>) -> Result<Sought<V>, FarError> {
        let Far {
            store,
            log,
            holdings,
            counts,
            ..
        } = &*way.far;
        let concerned = self.concerned();
        let mut trail = Trail::default();
        loop {
            way.far.settled(&concerned).await;
            // What is read or called for from here on is none of what was invalidated while another process called.
            let invalidations = &self.cache.shared.invalidations;
            self.asked = invalidations.epoch();
            trail.pass(invalidations.newest_of_any_kind(|| &concerned));
            let there = match store.get(&way.key).await {
                Err(error) if trail.goes_on_after(&error) => continue,
                there => there?,
            };
            let have = there.as_ref().and_then(FarValue::version);
            if let Some(there) = &there
                && let Some(found) = self.judge_found(way, there, trail.waited).await?
            {
                count(if trail.waited {
                    &counts.collapsed
                } else {
                    &counts.hits
                });
                return Ok(Sought::Found(found));
            }
            match store.acquire(&way.key, have).await? {
                Acquired::Lead(lease) => {
                    let born = log.position();
                    if trail.waited {
                        // What has freed the lease may have been an invalidation, of which word is on its way.
                        way.far.hear_out(born, &self.cache.shared.clock).await;
                    }
                    self.asked = self.cache.shared.invalidations.epoch();
                    let grant = holdings.hold(self.key().borrowed(), lease, born, have);
                    return Ok(Sought::Lead(grant));
                }
                Acquired::Newer if trail.newer == PATIENCE => return Ok(Sought::Alone),
                Acquired::Newer => trail.newer += 1,
                Acquired::Wait(_) if trail.purged >= PURGES => return Ok(Sought::Alone),
                Acquired::Wait(wait) => {
                    wait.await;
                    trail.waited = true;
                }
            }
        }
    }
}

/// What a flight has met with on its way.
#[derive(Default)]
struct Trail {
    /// For another process's call.
    waited: bool,
    newer: usize,
    /// When what it is about was last invalidated, as it was seen last.
    newest: Option<Epoch>,
    /// How often that has changed.
    purged: usize,
    was_late: bool,
}

impl Trail {
    fn pass(&mut self, newest: Epoch) {
        let seen = self.newest.replace(newest);
        self.purged += usize::from(seen.is_some_and(|seen| newest > seen));
    }

    /// Whether a value that could not be read for this reason is worth another try. One may be late in a flight: a machine that
    /// is busy for a moment, with the very crowd that makes it ask, is no server that is away, and another call of the origin
    /// costs more. A lease that is late is asked for again by the [store](crate::FarStore::acquire), which alone knows how to
    /// ask for the same one.
    fn goes_on_after(&mut self, error: &FarError) -> bool {
        let is_late = matches!(error, FarError::TimedOut { .. });
        is_late && !std::mem::replace(&mut self.was_late, true)
    }
}
