//! The older value, while the origin is slow or fails.

use std::sync::Arc;
use std::time::Duration;

use super::Fill;
use crate::clock::Clock;
use crate::entry::Entry;

impl<V: Send + Sync + 'static, P: Clone + Send + Sync + 'static> Fill<V, P> {
    /// Leaves a failing origin alone for a while; the older value answers meanwhile, where it may.
    pub(super) fn back_off(&self) {
        let Some(old) = &self.old else { return };
        let shared = &self.cache.shared;
        let pause = self
            .policy
            .refresh
            .back_off(old.count_failure(), shared.rng.roll());
        old.postpone_refresh(shared.clock.now().after(pause));
    }

    /// Ends when the origin has had its time. From the soft timeout on, who comes is answered with the older value,
    /// where it may stand in, instead of each finding out for themselves that the origin is slow.
    ///
    /// Time runs from this call on, not from when it is first waited for: by then the origin has been asked.
    pub(super) fn patience(&self) -> impl Future<Output = ()> + Send + use<V, P> {
        let (clock, limit) = (&self.cache.shared.clock, self.policy.origin_timeout);
        let deadline = clock.sleep(limit);
        let soft = self.old.as_ref().map(|old| {
            let soft = clock.sleep(self.policy.soft_timeout.min(limit));
            (Arc::clone(old), Arc::clone(clock), soft)
        });
        async move {
            let Some((old, clock, soft)) = soft else {
                return deadline.await;
            };
            soft.await;
            let _standing_in = StandingIn::begin(&old, &clock, limit);
            deadline.await;
        }
    }
}

/// Ends when the origin has answered or given up: what it said decides from there on. Ends as well when the call is
/// dropped, or the older value would be served with nobody renewing it.
struct StandingIn<'a, V> {
    old: &'a Entry<V>,
    clock: &'a Arc<dyn Clock>,
}

impl<'a, V> StandingIn<'a, V> {
    fn begin(old: &'a Entry<V>, clock: &'a Arc<dyn Clock>, at_most: Duration) -> Self {
        old.begin_to_stand_in(clock.now().after(at_most));
        Self { old, clock }
    }
}

impl<V> Drop for StandingIn<'_, V> {
    fn drop(&mut self) {
        self.old.end_to_stand_in(self.clock.now());
    }
}
