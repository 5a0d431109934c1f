use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use futures_util::future::select;

use super::Far;
use crate::cache::{Cache, Shared};
use crate::far::{Invalidation, LogEvent, LogFollower};

impl<V: Send + Sync + 'static, P: Clone + Send + Sync + 'static> Cache<V, P> {
    /// Begins to follow the log, unless that is done already: before anything from beyond is kept.
    #[inline]
    pub(super) fn follow(&self, far: &Arc<Far>) {
        if !far.is_followed.load(Ordering::Relaxed) {
            self.begin_to_follow(far);
        }
    }

    #[cold]
    fn begin_to_follow(&self, far: &Arc<Far>) {
        if far.is_followed.swap(true, Ordering::AcqRel) {
            return;
        }
        let following = Following(Arc::clone(&far.is_followed));
        let follower = far.log.follow();
        if far.was_followed.swap(true, Ordering::AcqRel) {
            // Its runtime has ended, and nobody has listened since.
            self.clear();
        }
        let listening = listen(follower, Arc::downgrade(&self.shared));
        let mut closing = far.closing.subscribe();
        far.spawn.spawn(Box::pin(async move {
            let _following = following;
            let closed = std::pin::pin!(closing.changed());
            select(Box::pin(listening), closed).await;
        }));
    }

    fn hear(&self, far: &Far, event: LogEvent) {
        match event {
            LogEvent::Invalidated { invalidation, .. } => {
                if invalidation.source != far.source {
                    self.carry_out(invalidation);
                }
            }
            LogEvent::Suspect => far.is_suspect.store(true, Ordering::Relaxed),
            LogEvent::Replayed => far.is_suspect.store(false, Ordering::Relaxed),
            LogEvent::HistoryLost => {
                self.clear();
                far.is_suspect.store(false, Ordering::Relaxed);
            }
        }
    }

    fn carry_out(
        &self,
        Invalidation {
            subject, is_soft, ..
        }: Invalidation,
    ) {
        match is_soft {
            true => self.soften(subject),
            false => self.invalidate(subject),
        }
    }
}

/// Listens as long as the cache lives.
async fn listen<V, P>(mut follower: Box<dyn LogFollower>, shared: Weak<Shared<V, P>>)
where
    V: Send + Sync + 'static,
    P: Clone + Send + Sync + 'static,
{
    loop {
        let event = follower.next().await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let cache = Cache { shared };
        if let Some(far) = &cache.shared.far {
            cache.hear(far, event);
        }
    }
}

/// Tells when nobody listens any more, or where nobody ever did.
#[derive(Debug)]
struct Following(Arc<AtomicBool>);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
