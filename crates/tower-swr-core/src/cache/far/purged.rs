use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use super::Far;
use crate::cache::Cache;
use crate::far::{Invalidation, Recorded};
use crate::key::Subject;

/// An invalidation that was carried out here, and that is on its way to the other processes. It gets there whether this is
/// awaited or not; who awaits it knows how far it got.
///
/// ```
/// use tower_swr_core::{Cache, CacheBuilder, MemorySettings, Reach, Subject};
///
/// # tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
/// let cache: Cache<u32> = CacheBuilder::new(MemorySettings::new(1 << 20)).build();
/// cache.purge(Subject::tag(b"product-7"));
/// assert_eq!(cache.purge(Subject::tag(b"product-8")).await, Reach::Local); // there is no far side
/// # });
/// ```
///
/// # Cancel safety
///
/// Dropping it changes nothing.
pub struct Purged {
    told: Option<oneshot::Receiver<Reach>>,
}

/// How far an invalidation got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// This process alone: there is no far side, or no runtime on which it could have been told.
    Local,
    /// It is recorded: the other processes hear of it as soon as they read the log.
    Done,
    /// The far side is away. It is recorded once that returns.
    Queued,
}

impl Future for Purged {
    type Output = Reach;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reach> {
        let Some(told) = &mut self.told else {
            return Poll::Ready(Reach::Local);
        };
        Pin::new(told)
            .poll(cx)
            .map(|told| told.unwrap_or(Reach::Local))
    }
}

impl fmt::Debug for Purged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Purged")
    }
}

impl<V: Send + Sync + 'static, P: Clone + Send + Sync + 'static> Cache<V, P> {
    /// Has it recorded that `subject` is no longer fresh.
    pub(in crate::cache) fn spread_softly(&self, subject: Subject) -> Purged {
        let Some(far) = self.shared.far.clone() else {
            return Purged { told: None };
        };
        let invalidation = Invalidation::soft(subject, far.source);
        self.tell(async move { far.record(invalidation).await })
    }

    /// Carries out an invalidation of `subject` by `here`, and has it recorded.
    pub(in crate::cache) fn spread(&self, subject: Subject, here: impl FnOnce()) -> Purged {
        // Announced before it is carried out: a flight that begins after it must not find on the far side what is not yet
        // known there to be outdated.
        let recording = self
            .shared
            .far
            .as_ref()
            .map(|far| Recording::of(far, subject));
        here();
        match recording {
            Some(recording) => self.tell(recording.record()),
            None => Purged { told: None },
        }
    }

    fn tell(&self, recording: impl Future<Output = Reach> + Send + 'static) -> Purged {
        let (tell, told) = oneshot::channel();
        self.shared.spawn.spawn(Box::pin(async move {
            let reach = recording.await;
            // Nobody may care.
            let _ = tell.send(reach);
        }));
        Purged { told: Some(told) }
    }
}

/// An invalidation that is being recorded.
struct Recording {
    far: Arc<Far>,
    subject: Subject,
}

impl Recording {
    fn of(far: &Arc<Far>, subject: Subject) -> Self {
        far.recording.send_modify(|these| these.push(subject));
        Self {
            far: Arc::clone(far),
            subject,
        }
    }

    async fn record(self) -> Reach {
        let invalidation = Invalidation::hard(self.subject, self.far.source);
        self.far.record(invalidation).await
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.far.recording.send_modify(|these| {
            if let Some(place) = these.iter().position(|it| *it == self.subject) {
                these.swap_remove(place);
            }
        });
    }
}

impl Far {
    async fn record(&self, invalidation: Invalidation) -> Reach {
        match self.log.invalidate(invalidation).await {
            Recorded::Done(_) => Reach::Done,
            Recorded::Queued => Reach::Queued,
        }
    }

    /// Whether an invalidation of any of `subjects` is being recorded.
    pub(super) fn is_recording(&self, subjects: &[Subject]) -> bool {
        concerns(&self.recording.borrow(), subjects)
    }

    /// Waits until no invalidation of any of `subjects` is being recorded: then the far side knows of it, or this node's
    /// log does.
    pub(super) async fn settled(&self, subjects: &[Subject]) {
        if self.is_recording(subjects) {
            let mut recording = self.recording.subscribe();
            // The sender is ours, so it is there.
            let _ = recording.wait_for(|these| !concerns(these, subjects)).await;
        }
    }
}

fn concerns(these: &[Subject], subjects: &[Subject]) -> bool {
    these.iter().any(|it| subjects.contains(it))
}
