use std::fmt;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{Either, select};

use super::{
    Answer, Beside, Cache, Ending, Fate, Fetched, FlightPolicy, Keep, Landed, Product, Rest,
    Waiting,
};
use crate::entry::Entry;
use crate::flight::{Landing, Leader, Lost};
use crate::invalidation::Epoch;
use crate::key::Key;
use crate::lifetime::Lifetime;
use crate::observe::{Event, FillOutcome};
use crate::origin_calls::OriginCall;

/// The duty to fill a key: an origin call that all who wait for the key depend on.
///
/// The order in which it ends is what the others rely on. Stored before the flight is closed, so that who comes next
/// finds it; a failed flight closed before it lands, so that nobody joins what is broken.
///
/// Dropped early, it tells those who wait that there is no answer, and the key is free.
pub struct Fill<V, P> {
    pub(super) cache: Cache<V, P>,
    pub(super) leader: Leader<Key, Landed<V, P>>,
    pub(super) born: Epoch,
    pub(super) policy: Arc<FlightPolicy>,
    pub(super) old: Option<Arc<Entry<V>>>,
}

impl<V: Send + Sync + 'static, P: Clone + Send + Sync + 'static> Fill<V, P> {
    pub(super) fn new(
        cache: Cache<V, P>,
        leader: Leader<Key, Landed<V, P>>,
        born: Epoch,
        policy: Arc<FlightPolicy>,
        old: Option<Arc<Entry<V>>>,
    ) -> Self {
        Self {
            cache,
            leader,
            born,
            policy,
            old,
        }
    }

    /// The key to be filled.
    #[must_use]
    pub fn key(&self) -> &Key {
        self.leader.key()
    }

    /// What is kept under the key, however old.
    #[must_use]
    pub fn old(&self) -> Option<&Arc<Entry<V>>> {
        self.old.as_ref()
    }

    /// One more who waits for the answer.
    #[must_use]
    pub fn waiting(&self) -> Waiting<V, P> {
        Waiting::new(
            self.cache.clone(),
            self.leader.waiter(),
            Arc::clone(&self.policy),
        )
    }

    /// Makes the origin call in a task of its own. What the caller does from here on, waiting or hanging up, makes no
    /// difference to it.
    pub fn spawn(self, origin: impl Future<Output = Fetched<V, P>> + Send + 'static) {
        let spawn = Arc::clone(&self.cache.shared.spawn);
        spawn.spawn(Box::pin(self.run(origin)));
    }

    /// Makes the origin call here.
    ///
    /// # Cancel safety
    ///
    /// Dropping it cancels the origin call; those who wait learn that there is no answer.
    pub async fn run(self, origin: impl Future<Output = Fetched<V, P>> + Send + 'static) {
        let began = self.cache.now();
        let call = self.enter_origin();
        let fetched = self.call_in_time(origin).await;
        let took = self.cache.now().since(began);
        match fetched {
            Ok(Fetched::Whole { product, beside }) => self.land_whole(call, product, beside, took),
            Ok(Fetched::Stream {
                partial,
                keep: Keep::Store(lifetime),
                beside,
                rest,
            }) => {
                self.write_beside(beside);
                self.land_stream(call, partial, lifetime, rest, took).await;
            }
            Ok(Fetched::Stream {
                partial,
                keep,
                beside,
                rest,
            }) => {
                let fate = self.settle_old(keep, beside);
                self.share_stream(call, partial, fate, rest, took).await;
            }
            Ok(Fetched::Pass { remember }) => self.pass(call, remember, took),
            Ok(Fetched::Failed(error)) => self.lose(call, &Lost::Failed(error), took),
            Err(lost) => self.lose(call, &lost, took),
        }
    }

    fn enter_origin(&self) -> OriginCall {
        let shared = &self.cache.shared;
        let key = self.key().clone();
        shared
            .origin_calls
            .enter(key, self.born, &shared.invalidations)
    }

    /// The origin's answer, unless it panics or takes too long; then the call is dropped, which cancels it.
    async fn call_in_time(
        &self,
        origin: impl Future<Output = Fetched<V, P>> + Send,
    ) -> Result<Fetched<V, P>, Lost> {
        let clock = &self.cache.shared.clock;
        let mut origin = pin!(AssertUnwindSafe(origin).catch_unwind());
        let deadline = clock.sleep(self.policy.origin_timeout);
        let soft_deadline = clock.sleep(self.policy.soft_timeout.min(self.policy.origin_timeout));
        let prompt = select(&mut origin, soft_deadline).await;
        let outcome = match prompt {
            Either::Left((outcome, _)) => outcome,
            Either::Right(_) => {
                self.serve_old_meanwhile();
                let late = select(origin, deadline).await;
                self.serve_old_no_more();
                match late {
                    Either::Left((outcome, _)) => outcome,
                    Either::Right(_) => return Err(Lost::TimedOut),
                }
            }
        };
        outcome.map_err(|_panic| Lost::Panicked)
    }

    fn land_whole(
        mut self,
        call: OriginCall,
        product: Product<V>,
        beside: Option<Beside<V>>,
        took: Duration,
    ) {
        let now = self.cache.now();
        let landed = self.commit(product, beside, now);
        let fate = landed.fate;
        if fate == Fate::Stored {
            self.leader.land(Landing::Answer(landed));
            drop(call);
            self.leader.close();
        } else {
            drop(call);
            self.leader.close();
            self.leader.land(Landing::Answer(landed));
        }
        self.tell(outcome_of(fate), took);
    }

    /// Answers with the beginning, and keeps the whole once it is there.
    async fn land_stream(
        mut self,
        call: OriginCall,
        partial: P,
        lifetime: Lifetime,
        rest: Rest<V>,
        took: Duration,
    ) {
        let answered = self.cache.now();
        self.leader.land(Landing::Answer(Landed {
            answer: Answer::Partial(partial),
            fate: Fate::Stored,
        }));
        let mut call = Some(call);
        let mut rest = AssertUnwindSafe(rest).catch_unwind();
        // Who comes when the head is not fresh any more begins a flight of their own.
        let fresh_end = self.cache.shared.clock.sleep(lifetime.fresh());
        let ending = match select(&mut rest, fresh_end).await {
            Either::Left((ending, _)) => ending,
            Either::Right(_) => {
                call = None;
                self.leader.close();
                rest.await
            }
        };
        match ending {
            Ok(Ending::Complete { product, tell }) => {
                let fate = self.keep_streamed(product, answered, call.is_some());
                tell();
                drop(call);
                self.leader.close();
                self.tell(outcome_of(fate), took);
            }
            Ok(Ending::Overflow(rest)) => {
                if call.is_some() || !self.is_superseded(self.key(), answered) {
                    self.remember_uncacheable();
                }
                self.cache.observe(&Event::TooLarge { key: self.key() });
                drop(call);
                // The flight holds a reader of its own, which would hold up the rest.
                drop(self);
                rest.await;
            }
            Ok(Ending::Cut(tell)) => self.cut(call, tell),
            Err(_panic) => self.cut(call, Box::new(|| ())),
        }
    }

    /// Gives a stream to those who already wait, and to nobody else.
    async fn share_stream(
        mut self,
        call: OriginCall,
        partial: P,
        fate: Fate,
        rest: Rest<V>,
        took: Duration,
    ) {
        drop(call);
        self.leader.close();
        self.leader.land(Landing::Answer(Landed {
            answer: Answer::Partial(partial),
            fate,
        }));
        self.tell(outcome_of(fate), took);
        drop(self);
        match rest.await {
            Ending::Complete { tell, .. } | Ending::Cut(tell) => tell(),
            Ending::Overflow(rest) => rest.await,
        }
    }

    fn pass(mut self, call: OriginCall, remember: bool, took: Duration) {
        if remember {
            self.remember_uncacheable();
        } else {
            self.remove_old();
        }
        drop(call);
        self.leader.close();
        self.leader.land(Landing::Pass);
        self.tell(FillOutcome::Passed, took);
    }

    fn lose(mut self, call: OriginCall, lost: &Lost, took: Duration) {
        self.back_off();
        drop(call);
        self.leader.close();
        self.leader.land(Landing::Lost(lost.clone()));
        self.tell(FillOutcome::Lost(lost), took);
    }

    fn cut(mut self, call: Option<OriginCall>, tell: Box<dyn FnOnce() + Send>) {
        self.back_off();
        drop(call);
        self.leader.close();
        tell();
        self.cache.observe(&Event::CutShort { key: self.key() });
    }

    fn tell(&self, outcome: FillOutcome<'_>, took: Duration) {
        self.cache.observe(&Event::Filled {
            key: self.key(),
            outcome,
            took,
        });
    }
}

fn outcome_of(fate: Fate) -> FillOutcome<'static> {
    match fate {
        Fate::Stored => FillOutcome::Stored,
        Fate::Shared => FillOutcome::Shared,
        Fate::Failed => FillOutcome::Failed,
    }
}

impl<V, P> fmt::Debug for Fill<V, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fill")
            .field("leader", &self.leader)
            .field("born", &self.born)
            .finish_non_exhaustive()
    }
}
