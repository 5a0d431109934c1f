//! Answers that are still under way: given to those who wait at their head, kept when they are whole.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{Either, join, select};

use super::far::Parcel;
use super::fill::outcome_of;
use super::{Answer, Beside, Ending, Fate, Fill, Keep, Landed, Rest};
use crate::clock::Moment;
use crate::flight::Landing;
use crate::key::Key;
use crate::lifetime::Lifetime;
use crate::observe::Event;
use crate::origin_calls::OriginCall;
use crate::tags::Tags;

/// A streamed answer whose head has arrived.
pub(super) struct Stream<V, P> {
    pub(super) partial: P,
    /// Where the whole is kept, where that is not the flight's own key.
    pub(super) key: Option<Key>,
    pub(super) tags: Tags,
    pub(super) rest: Rest<V>,
}

/// What there is to know of the head while the rest follows.
struct Head {
    key: Option<Key>,
    answered: Moment,
    took: Duration,
}

impl<V: Send + Sync + 'static, P: Clone + Send + Sync + 'static> Fill<V, P> {
    pub(super) async fn land_stream(
        self,
        call: OriginCall,
        stream: Stream<V, P>,
        keep: Keep,
        beside: Option<Beside<V>>,
    ) {
        match keep {
            Keep::Store(lifetime) => self.store_stream(call, stream, lifetime, beside).await,
            Keep::Share | Keep::Failure => self.share_stream(call, stream, keep, beside).await,
        }
    }

    /// Answers with the head, and keeps the whole once it is there.
    async fn store_stream(
        mut self,
        call: OriginCall,
        stream: Stream<V, P>,
        lifetime: Lifetime,
        beside: Option<Beside<V>>,
    ) {
        let Stream {
            partial,
            key,
            tags,
            rest,
        } = stream;
        call.brings(&tags);
        let mut call = Some(call);
        if lifetime.fresh().is_zero() {
            // What is not fresh is for those who have asked already: the next one asks anew.
            call = None;
            self.leader.close();
        }
        // Before anybody can be led to that key, or they would call the origin beside this stream.
        self.fly_under(key.as_ref());
        self.write_beside(beside);
        self.leader.land(head_of(partial, Fate::Stored, tags));
        let head = Head {
            key,
            answered: self.cache.now(),
            took: self.took(),
        };
        let mut rest = AssertUnwindSafe(rest).catch_unwind();
        // Who comes when the head is not fresh any more begins a flight of their own.
        let fresh_end = self.cache.shared.clock.sleep(lifetime.fresh());
        let ending = match select(&mut rest, fresh_end).await {
            Either::Left((ending, _)) => ending,
            Either::Right(_) => {
                call = None;
                // Who reads the beginning is counted by whoever brings the rest.
                self.leader.leave();
                rest.await
            }
        };
        match ending {
            Ok(ending) => self.end_stream(call, head, ending).await,
            Err(_panic) => self.cut(call, Box::new(|| ())),
        }
    }

    fn fly_under(&mut self, key: Option<&Key>) {
        let Some(key) = key else { return };
        let invalidations = &self.cache.shared.invalidations;
        let oldest = invalidations.newest_of_any_kind(|| key.borrowed().subjects());
        self.leader.also_under(key.clone(), oldest.count());
    }

    async fn end_stream(mut self, call: Option<OriginCall>, head: Head, ending: Ending<V>) {
        match ending {
            Ending::Complete { product, tell } => {
                let fate = self.keep_streamed(product, head.key.as_ref(), head.answered);
                tell();
                drop(call);
                self.leader.close();
                self.tell_filled(outcome_of(fate), head.took);
                let parcel = self.parcel(self.took());
                drop(self);
                send(parcel).await;
            }
            Ending::Overflow(rest) => {
                self.remember_uncacheable(head.key.as_ref(), head.answered);
                drop(call);
                let key = self.key().clone();
                self.tell(&Event::TooLarge { key: &key });
                let parcel = self.parcel(self.took());
                // The flight holds a reader of its own, which would hold up the rest.
                drop(self);
                join(send(parcel), rest).await;
            }
            Ending::Cut(tell) => self.cut(call, tell),
        }
    }

    /// Gives a stream to those who already wait, and to nobody else.
    async fn share_stream(
        mut self,
        call: OriginCall,
        stream: Stream<V, P>,
        keep: Keep,
        beside: Option<Beside<V>>,
    ) {
        let Stream {
            partial,
            key,
            tags,
            rest,
        } = stream;
        let (took, answered) = (self.took(), self.cache.now());
        let fate = self.settle_old(keep, key.as_ref(), beside, answered);
        drop(call);
        self.leader.close();
        self.leader.land(head_of(partial, fate, tags));
        self.tell_filled(outcome_of(fate), took);
        let parcel = self.parcel(took);
        drop(self);
        // The readers' end does not wait for the far side.
        let ending = async {
            match rest.await {
                Ending::Complete { tell, .. } | Ending::Cut(tell) => tell(),
                Ending::Overflow(rest) => rest.await,
            }
        };
        join(send(parcel), ending).await;
    }

    fn cut(mut self, call: Option<OriginCall>, tell: Box<dyn FnOnce() + Send>) {
        self.back_off();
        drop(call);
        self.leader.close();
        tell();
        let key = self.key().clone();
        self.tell(&Event::CutShort { key: &key });
    }
}

async fn send<V: Send + Sync + 'static, P: Clone + Send + Sync + 'static>(
    parcel: Option<Parcel<V, P>>,
) {
    if let Some(parcel) = parcel {
        Box::pin(parcel.send()).await;
    }
}

fn head_of<V, P>(partial: P, fate: Fate, tags: Tags) -> Landing<Landed<V, P>> {
    Landing::Answer(Landed {
        answer: Answer::Partial(partial),
        fate,
        tags,
    })
}
