//! Refreshes that workers do: what is offered to them, and how long a key waits for what comes of it.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, select};

use super::{Far, count};
use crate::cache::{Cache, Look, Refresh};
use crate::decision::Mode;
use crate::far::{
    Enqueued, FarError, FarKey, RemoteJob, RemoteRefreshes, ServerTime, Version, Wait, Woken,
};
use crate::key::{Key, KeyRef};
use crate::lifetime::Freshness;
use crate::wire::Frame;

/// How long a key waits for a worker before it is refreshed here, at most.
const PATIENCE: Duration = Duration::from_secs(5);

impl<V: Send + Sync + 'static, P: Clone + Send + Sync + 'static> Cache<V, P> {
    /// Whether refreshes may be left to workers.
    #[must_use]
    pub fn is_remote(&self) -> bool {
        let far = self.shared.far.as_ref();
        far.is_some_and(|far| far.workers.is_some())
    }

    /// Which value of the far side is kept here under `key`: a worker that finds another there need not make one.
    #[must_use]
    pub fn version_of(&self, key: &KeyRef<'_>) -> Option<Version> {
        let kept = match self.look(key, Mode::Normal, self.now()) {
            Look::Serve { entry, .. } => entry.far_version(),
            Look::Fetch { old, .. } => old?.far_version(),
            Look::Uncacheable => None,
        };
        kept.map(Version::from_bytes)
    }

    /// What the far side's clock says now, as far as is known here.
    #[must_use]
    pub fn far_now(&self) -> Option<ServerTime> {
        self.shared.far.as_ref()?.store.server_now()
    }

    /// How long what is kept under `key` can still be served, fresh or stale; nothing where nothing is served.
    #[must_use]
    pub fn served_for(&self, key: &KeyRef<'_>) -> Option<Duration> {
        match self.look(key, Mode::Normal, self.now()) {
            Look::Serve { entry, age, .. } => {
                let lifetime = entry.lifetime();
                let served = lifetime.fresh().saturating_add(lifetime.stale_window());
                Some(served.saturating_sub(age))
            }
            Look::Fetch { .. } | Look::Uncacheable => None,
        }
    }

    /// Leaves a refresh to a worker, to whom `payload` says all there is to know: see
    /// [`remote_refreshes`](crate::CacheBuilder::remote_refreshes). `refresh` takes what the far side has, or makes the value
    /// here: a flight that goes [through a codec](crate::Fill::through) does both.
    ///
    /// It runs when the worker is done, and at once where the far side has a newer value already, where no worker is
    /// there or the queue is not, and where a worker says that it cannot. It also runs where no worker has been heard of
    /// for five seconds; the refresh mutex then sees to it that a slow worker and this process do not both call the
    /// origin. Until then the key is [reserved](Cache::reserve_refresh), but nobody waits and nothing flies: whoever
    /// misses meanwhile makes a call of their own.
    ///
    /// Without anybody to leave it to, this is [`Refresh::submit`].
    ///
    /// # Cancel safety
    ///
    /// It returns at once, and whoever called it may go: what waits for the worker is a task of its own, which ends with
    /// the queue of refreshes ([`Cache::drain`]). Then, and where nothing is left to be renewed, `refresh` is dropped
    /// without having been polled. A job that was offered stays with the workers.
    pub fn refresh_elsewhere(
        &self,
        mut turn: Refresh,
        payload: Bytes,
        refresh: impl Future<Output = ()> + Send + 'static,
    ) {
        let workers = |far: &Arc<Far>| Some((Arc::clone(far), far.workers.clone()?));
        let Some((far, workers)) = self.shared.far.as_ref().and_then(workers) else {
            return turn.submit(refresh);
        };
        if !turn.0.step_aside() {
            return turn.submit(refresh);
        }
        let (cache, closing) = (self.clone(), turn.0.closing());
        let key = turn.0.key().clone();
        self.shared.spawn.spawn(Box::pin(async move {
            let elsewhere = pin!(cache.wait_for_worker(&far, &*workers, &key, payload));
            let is_over = matches!(select(elsewhere, closing).await, Either::Left(_));
            if is_over && cache.is_to_be_renewed(&key) {
                turn.submit(refresh);
            }
        }));
    }

    /// Ends when it is time to look at the far side, for what a worker has left there or to call the origin.
    async fn wait_for_worker(
        &self,
        far: &Arc<Far>,
        workers: &dyn RemoteRefreshes,
        key: &Key,
        payload: Bytes,
    ) {
        self.follow(far);
        let there = FarKey::new(key.borrowed());
        match self.offer(far, workers, key, &there, payload).await {
            Ok(Some(watch)) => {
                count(&far.counts.offered);
                self.watch(far, &there, watch, self.patience_of(key)).await;
            }
            Ok(None) => {}
            Err(_trouble) => far.count_failure(),
        }
    }

    /// Offers the refresh; nothing where it is not to be waited for.
    async fn offer(
        &self,
        far: &Far,
        workers: &dyn RemoteRefreshes,
        key: &Key,
        there: &FarKey,
        payload: Bytes,
    ) -> Result<Option<Wait>, FarError> {
        if self.is_renewed(far, key, there).await? {
            return Ok(None);
        }
        // First, or a worker that is quick is not heard.
        let watch = far.store.watch(there);
        let offered = workers.enqueue(RemoteJob::new(there, payload)).await?;
        Ok(match offered {
            Enqueued::Queued | Enqueued::Pending => Some(watch),
            Enqueued::Unattended => None,
        })
    }

    /// Whether the far side has another value than the one that is kept here, and a fresh one.
    async fn is_renewed(&self, far: &Far, key: &Key, there: &FarKey) -> Result<bool, FarError> {
        let Some(found) = far.store.get(there).await? else {
            return Ok(false);
        };
        if found.version() == self.version_of(&key.borrowed()) {
            return Ok(false);
        }
        let frame = Frame::decode(&found.blob, there);
        Ok(frame.is_ok_and(|frame| {
            let age = frame.age(found.read_at);
            frame.lifetime.freshness(age) == Freshness::Fresh
        }))
    }

    /// How long a worker has for `key`: less than what is kept can still be served for, or somebody would have to wait.
    fn patience_of(&self, key: &Key) -> Duration {
        let left = self.served_for(&key.borrowed());
        left.map_or(PATIENCE, |left| PATIENCE.min(left / 2))
    }

    /// Waits until something is there, or nothing will be.
    async fn watch(&self, far: &Far, there: &FarKey, mut watch: Wait, patience: Duration) {
        let mut over = self.shared.clock.sleep(patience);
        loop {
            match select(watch, over).await {
                // It did not work out, or another process has given up: there is time left for a second try.
                Either::Left((Woken::Released, left)) => {
                    over = left;
                    watch = far.store.watch(there);
                }
                Either::Left((Woken::Declined, _)) => return count(&far.counts.declined),
                Either::Left(_) => return,
                Either::Right(_) => return count(&far.counts.overdue),
            }
        }
    }

    /// Whether anything is left to be renewed: an invalidation may have taken it, or somebody else been faster.
    fn is_to_be_renewed(&self, key: &Key) -> bool {
        match self.look(&key.borrowed(), Mode::Normal, self.now()) {
            Look::Serve { refresh, .. } => refresh,
            Look::Fetch { old, .. } => old.is_some(),
            Look::Uncacheable => false,
        }
    }
}
