use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::SemaphorePermit;

use super::call::call_in_time;
use super::far::{Beyond, Parcel};
use super::refills::{self, Refills};
use super::stream::Stream;
use super::{
    Beside, Cache, Fate, Fetched, FlightPolicy, Landed, Product, Purpose, Remember, Waiting,
};
use crate::clock::Moment;
use crate::entry::Entry;
use crate::flight::{Landing, Leader, Lost};
use crate::invalidation::Epoch;
use crate::key::Key;
use crate::observe::{Event, FillOutcome};
use crate::origin_calls::OriginCall;

/// The duty to fill a key: an origin call that all who wait for the key depend on.
///
/// The order in which it ends is what the others rely on. Stored before the flight is closed, so that who comes next
/// finds it; a failed flight closed before it lands, so that nobody joins what is broken.
///
/// Dropped early, it tells those who wait that there is no answer, and the key is free.
#[must_use = "dropped, it tells those who wait that there is no answer"]
pub struct Fill<V, P> {
    pub(super) cache: Cache<V, P>,
    pub(super) leader: Leader<Key, Landed<V, P>>,
    /// When the flight began: who joins it has seen no later invalidation of what it is about.
    pub(super) born: Epoch,
    /// When what comes of it was asked for: no earlier invalidation concerns that. Later than the flight began where it has
    /// waited for another process's call.
    pub(super) asked: Epoch,
    pub(super) policy: Arc<FlightPolicy>,
    pub(super) old: Option<Arc<Entry<V>>>,
    pub(super) purpose: Purpose,
    /// What it takes to go beyond this process, where it does. Boxed: most fills do not.
    pub(super) beyond: Option<Box<Beyond<V>>>,
    /// When the origin was called; until then, when the flight was.
    pub(super) began: Moment,
    /// It is part of an origin call that has its turn already.
    is_within_a_turn: bool,
    /// Whether the observer has heard how it ended.
    told: bool,
}

/// An origin call as it goes from one function to the next.
pub(super) type OriginFuture<V, P> = Pin<Box<dyn Future<Output = Fetched<V, P>> + Send>>;

impl<V: Send + Sync + 'static, P: Clone + Send + Sync + 'static> Fill<V, P> {
    pub(super) fn new(
        cache: Cache<V, P>,
        leader: Leader<Key, Landed<V, P>>,
        born: Epoch,
        policy: Arc<FlightPolicy>,
        old: Option<Arc<Entry<V>>>,
        purpose: Purpose,
    ) -> Self {
        Self {
            began: cache.now(),
            cache,
            leader,
            born,
            asked: born,
            policy,
            old,
            purpose,
            beyond: None,
            is_within_a_turn: refills::is_within_a_turn(),
            told: false,
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
    pub fn waiting(&self) -> Waiting<V, P> {
        Waiting::new(
            self.cache.clone(),
            self.leader.waiter(),
            self.born,
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
    pub fn run(
        self,
        origin: impl Future<Output = Fetched<V, P>> + Send + 'static,
    ) -> impl Future<Output = ()> + Send {
        // Boxed at once: it is the largest part of a fill, and every function on its way would have room for it twice.
        self.make(Box::pin(origin))
    }

    async fn make(mut self, origin: OriginFuture<V, P>) {
        if let Some(way) = self.way() {
            // Boxed, or every fill would have room for it.
            return Box::pin(self.run_through(way, origin)).await;
        }
        let cache = self.cache.clone();
        let turn = self.turn(&cache).await;
        self.began = cache.now();
        let call = self.enter_origin();
        match call_in_time(Refills::within(turn, origin), self.patience()).await {
            Ok(fetched) => self.land(call, fetched).await,
            Err(lost) => self.lose(Some(call), &lost),
        }
    }

    /// Lands what `call` has brought.
    pub(super) async fn land(self, call: OriginCall, fetched: Fetched<V, P>) {
        let parcel = match fetched {
            Fetched::Whole { product, beside } => self.land_whole(call, product, beside),
            Fetched::Stream {
                partial,
                keep,
                key,
                tags,
                beside,
                rest,
            } => {
                let stream = Stream {
                    partial,
                    key,
                    tags,
                    rest,
                };
                return Box::pin(self.land_stream(call, stream, keep, beside)).await;
            }
            Fetched::Pass { remember } => self.pass(call, remember),
            Fetched::Failed(error) => {
                self.lose(Some(call), &Lost::Failed(error));
                None
            }
        };
        if let Some(parcel) = parcel {
            Box::pin(parcel.send()).await;
        }
    }

    pub(super) async fn turn<'c>(&self, cache: &'c Cache<V, P>) -> Option<SemaphorePermit<'c>> {
        if self.is_within_a_turn {
            return None;
        }
        let (refills, clock) = (&cache.shared.refills, &cache.shared.clock);
        refills.turn(clock, self.policy.origin_timeout).await
    }

    pub(super) fn enter_origin(&self) -> OriginCall {
        let shared = &self.cache.shared;
        let key = self.key().clone();
        shared
            .origin_calls
            .enter(key, self.born, &shared.invalidations)
    }

    fn land_whole(
        mut self,
        call: OriginCall,
        product: Product<V>,
        beside: Option<Beside<V>>,
    ) -> Option<Parcel<V, P>> {
        let (took, answered) = (self.took(), self.cache.now());
        let is_fresh = product.keep.is_fresh();
        call.brings(&product.tags);
        let landed = self.commit(product, beside, answered);
        let fate = landed.fate;
        // What is not fresh is for those who have asked already: the next one asks anew.
        if fate == Fate::Stored && is_fresh {
            self.leader.land(Landing::Answer(landed));
            drop(call);
            self.leader.close();
        } else {
            drop(call);
            self.leader.close();
            self.leader.land(Landing::Answer(landed));
        }
        self.tell_filled(outcome_of(fate), took);
        self.parcel(took)
    }

    fn pass(mut self, call: OriginCall, remember: Option<Remember<V>>) -> Option<Parcel<V, P>> {
        let (took, answered) = (self.took(), self.cache.now());
        let key = remember.as_ref().and_then(|remember| remember.key.as_ref());
        self.remove_old(key, answered);
        if let Some(Remember { key, beside }) = remember {
            self.remember_uncacheable(key.as_ref(), answered);
            self.write_beside(beside);
        }
        drop(call);
        self.leader.close();
        self.leader.land(Landing::Pass);
        self.tell_filled(FillOutcome::Passed, took);
        self.parcel(took)
    }

    /// Ends without an answer, after `call`, where one was made.
    pub(super) fn lose(mut self, call: Option<OriginCall>, lost: &Lost) {
        let took = self.took();
        self.back_off();
        drop(call);
        self.land_lost(lost, took);
    }
}

impl<V, P> Fill<V, P> {
    fn land_lost(&mut self, lost: &Lost, took: Duration) {
        // Closed before it is lost: nobody may join what is broken.
        self.leader.close();
        self.leader.land(Landing::Lost(lost.clone()));
        self.tell_filled(FillOutcome::Lost(lost), took);
    }

    /// The time since the origin was called.
    pub(super) fn took(&self) -> Duration {
        self.cache.shared.clock.now().since(self.began)
    }

    pub(super) fn tell_filled(&mut self, outcome: FillOutcome<'_>, took: Duration) {
        let key = self.leader.key().clone();
        let key = &key;
        self.tell(&Event::Filled { key, outcome, took });
    }

    /// Tells how it ended, once.
    pub(super) fn tell(&mut self, event: &Event<'_>) {
        if !std::mem::replace(&mut self.told, true) {
            self.cache.shared.observer.observe(event);
        }
    }
}

impl<V, P> Drop for Fill<V, P> {
    fn drop(&mut self) {
        if !self.told {
            self.land_lost(&Lost::Dropped, self.took());
        }
    }
}

pub(super) fn outcome_of(fate: Fate) -> FillOutcome<'static> {
    match fate {
        Fate::Stored => FillOutcome::Stored,
        Fate::Shared => FillOutcome::Shared,
        Fate::Failed => FillOutcome::Failed,
        Fate::Found { .. } => FillOutcome::Found,
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
