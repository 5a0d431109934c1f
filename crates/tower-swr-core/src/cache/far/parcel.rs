//! What an answer leaves on the far side, once those who wait here have it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::codec::MARK;
use super::delivery::Delivery;
use super::found::written;
use super::{Beyond, Encoded, Far, FarCodec, Grant, count};
use crate::cache::{Cache, Fill};
use crate::entry::{Entry, Slot};
use crate::far::{Acquired, Committed, FarError, FarKey, FarWrite, ServerTime};
use crate::key::{Key, Subject};
use crate::wire::Frame;

/// What was kept here of an answer, on its way to the far side.
pub(in crate::cache) struct Parcel<V, P> {
    cache: Cache<V, P>,
    far: Arc<Far>,
    codec: Arc<dyn FarCodec<V>>,
    grant: Grant,
    /// What the lease is for.
    of: FarKey,
    /// What the origin took.
    cost: Duration,
    kept: Vec<(Key, Slot<V>)>,
    tell: Option<oneshot::Sender<Delivery>>,
}

/// How much longer than it can be served a value is there: other processes' clocks need not agree to the second.
const MARGIN: Duration = Duration::from_secs(10);

impl<V: Send + Sync + 'static, P: Clone + Send + Sync + 'static> Fill<V, P> {
    /// What is to be committed, where anything was kept. Otherwise the lease is given back at once: others may call.
    pub(in crate::cache) fn parcel(&mut self, cost: Duration) -> Option<Parcel<V, P>> {
        let Beyond {
            codec,
            grant,
            outbox: kept,
            tell,
            seen: _,
        } = *self.beyond.take()?;
        let grant = grant.filter(|_| !kept.is_empty())?;
        Some(Parcel {
            far: Arc::clone(self.cache.shared.far.as_ref()?),
            codec,
            cache: self.cache.clone(),
            grant,
            of: FarKey::new(self.key().borrowed()),
            cost,
            kept,
            tell,
        })
    }
}

impl<V: Send + Sync + 'static, P: Clone + Send + Sync + 'static> Parcel<V, P> {
    /// Commits all of it under the lease, and tells who wants to know.
    pub(in crate::cache) async fn send(mut self) {
        let tell = self.tell.take();
        let delivery = self.deliver().await;
        if let Some(tell) = tell {
            // Nobody may care any more.
            let _ = tell.send(delivery);
        }
    }

    async fn deliver(&self) -> Delivery {
        let Some(stored_at) = self.far.store.server_now() else {
            return Delivery::Failed;
        };
        let (writes, left_out) = self.writes(stored_at);
        let Some(lease) = self.grant.take() else {
            return Delivery::Overtaken;
        };
        if writes.is_empty() {
            return left_out.unwrap_or(Delivery::Unwritten);
        }
        match lease.commit(writes).await {
            Ok(Committed::Stored) => {
                count(&self.far.counts.commits);
                left_out.unwrap_or(Delivery::Stored)
            }
            Ok(Committed::Refused) => {
                count(&self.far.counts.refused);
                match self.withdraw().await {
                    true => Delivery::Overtaken,
                    // The lease had run out, and nobody has taken it.
                    false => Delivery::Failed,
                }
            }
            Err(trouble) => {
                self.far.count_failure();
                match trouble {
                    FarError::TooLarge { .. } => Delivery::TooLarge,
                    _ => Delivery::Failed,
                }
            }
        }
    }

    /// What there is to write, and why something is left out of it that is not.
    fn writes(&self, stored_at: ServerTime) -> (Vec<FarWrite>, Option<Delivery>) {
        let (mut writes, mut left_out) = (Vec::new(), None);
        for (key, slot) in &self.kept {
            let there = FarKey::new(key.borrowed());
            if !self.is_fenced(&there) {
                continue;
            }
            match self.write(there, slot, stored_at) {
                Ok(write) => writes.push(write),
                Err(why) => left_out = Some(why),
            }
        }
        (writes, left_out)
    }

    /// A variant's lease fences the variant alone: what leads to it was written by whoever had the primary's.
    fn is_fenced(&self, key: &FarKey) -> bool {
        self.of.variant_digest().is_none() || *key == self.of
    }

    /// Not where it is for this process alone, or too large.
    fn write(
        &self,
        key: FarKey,
        slot: &Slot<V>,
        stored_at: ServerTime,
    ) -> Result<FarWrite, Delivery> {
        let mut frame = self.framed(slot).ok_or(Delivery::Unwritten)?;
        frame.stored_at = stored_at;
        let blob = frame.encode(&key, self.far.limit);
        let blob = blob.map_err(|_too_large| Delivery::TooLarge)?;
        let lifetime = frame.lifetime;
        let windows = lifetime.stale_window().max(lifetime.error_window());
        let useful = lifetime
            .fresh()
            .saturating_add(windows)
            .saturating_add(MARGIN);
        let left = useful.saturating_sub(frame.age_at_store);
        Ok(FarWrite::new(key, blob).keep_for(left))
    }

    fn framed(&self, slot: &Slot<V>) -> Option<Frame> {
        match slot {
            Slot::Kept(entry) => {
                let encoded = self.codec.encode(entry.value());
                self.frame(entry, encoded.filter(|encoded| encoded.kind != MARK)?)
            }
            Slot::Uncacheable(mark) => {
                let encoded = Encoded {
                    kind: MARK,
                    head: bytes::Bytes::new(),
                    body: bytes::Bytes::new(),
                };
                self.frame(mark, encoded)
            }
        }
    }

    fn frame<T>(&self, entry: &Entry<T>, encoded: Encoded) -> Option<Frame> {
        let Encoded { kind, head, body } = encoded;
        let mut frame = Frame::new(self.grant.version, entry.lifetime());
        frame.kind = kind;
        frame.age_at_store = entry.age(self.cache.now());
        frame.cost = self.cost;
        frame.born = self.grant.born;
        frame.head = head;
        frame.tags = written(entry.tags())?;
        frame.body = body;
        Some(frame)
    }

    /// The commit was refused. What was kept here is not to be kept here either where another process calls, or has called,
    /// since the lease ran out: all are to have the same. Nor where something that concerns it was invalidated, though this
    /// process may not have heard of it yet. Whether it was either.
    async fn withdraw(&self) -> bool {
        let is_overtaken = self.is_overtaken().await;
        let mut is_withdrawn = is_overtaken;
        for (key, slot) in &self.kept {
            if is_overtaken || self.is_outdated(key, slot).await {
                is_withdrawn = true;
                let near = &self.cache.shared.near;
                near.remove_if(&key.borrowed(), |there| there.is_same(slot));
            }
        }
        is_withdrawn
    }

    async fn is_overtaken(&self) -> bool {
        let asked = self.far.store.acquire(&self.of, self.grant.seen).await;
        // A lease that is given shows that nobody else has one, and is given back at once.
        matches!(asked, Ok(Acquired::Wait(_) | Acquired::Newer))
    }

    async fn is_outdated(&self, key: &Key, slot: &Slot<V>) -> bool {
        let mut concerned = Subject::of_key(key.borrowed()).to_vec();
        concerned.extend(slot.tags().as_slice());
        let admitted = self.far.log.admits(self.grant.born, &concerned).await;
        admitted == Ok(false)
    }
}
