use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

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
    /// Who has not told yet.
    told: Vec<oneshot::Receiver<Reach>>,
    /// How far those got that have.
    reach: Option<Reach>,
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
        while let Some(last) = self.told.last_mut() {
            let told = ready!(Pin::new(last).poll(cx)).unwrap_or(Reach::Local);
            self.told.pop();
            self.reach = Some(self.reach.map_or(told, |reach| reach.least(told)));
        }
        Poll::Ready(self.reach.unwrap_or(Reach::Local))
    }
}

impl Purged {
    /// One that is to get nowhere else.
    pub(in crate::cache) fn here() -> Self {
        Self {
            told: Vec::new(),
            reach: None,
        }
    }

    /// Both: as far as the one that gets less far.
    pub(in crate::cache) fn and(mut self, other: Self) -> Self {
        self.told.extend(other.told);
        self
    }
}

impl Reach {
    fn least(self, other: Self) -> Self {
        match (self, other) {
            (Self::Local, _) | (_, Self::Local) => Self::Local,
            (Self::Queued, _) | (_, Self::Queued) => Self::Queued,
            (Self::Done, Self::Done) => Self::Done,
        }
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
            return Purged::here();
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
            None => Purged::here(),
        }
    }

    fn tell(&self, recording: impl Future<Output = Reach> + Send + 'static) -> Purged {
        let (tell, told) = oneshot::channel();
        self.shared.spawn.spawn(Box::pin(async move {
            let reach = recording.await;
            // Nobody may care.
            let _ = tell.send(reach);
        }));
        Purged {
            told: vec![told],
            reach: None,
        }
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

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn told(reaches: &[Reach]) -> Purged {
        let purges = reaches.iter().map(|reach| {
            let (tell, told) = oneshot::channel();
            assert!(tell.send(*reach).is_ok(), "it is listened to");
            Purged {
                told: vec![told],
                reach: None,
            }
        });
        purges.fold(Purged::here(), Purged::and)
    }

    #[test]
    fn several_get_as_far_as_the_one_that_gets_least_far() {
        use Reach::{Done, Local, Queued};
        for (reaches, expected) in [
            (&[][..], Local),
            (&[Done], Done),
            (&[Done, Done, Done], Done),
            (&[Done, Queued, Done], Queued),
            (&[Queued, Done, Local], Local),
        ] {
            assert_eq!(told(reaches).now_or_never(), Some(expected), "{reaches:?}");
        }
    }

    #[test]
    fn who_awaits_several_waits_for_the_last() {
        let (tell, late) = oneshot::channel();
        let mut purged = told(&[Reach::Done]).and(Purged {
            told: vec![late],
            reach: None,
        });
        assert_eq!((&mut purged).now_or_never(), None);
        assert!(tell.send(Reach::Queued).is_ok(), "it is listened to");
        assert_eq!(purged.now_or_never(), Some(Reach::Queued));
    }
}
