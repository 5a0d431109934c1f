//! A flight's way through the far side to the origin.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::FarCodec;
use super::delivery::Delivery;
use super::found::Found;
use super::holdings::Grant;
use super::seek::{Sought, Way};
use crate::cache::call::call_in_time;
use crate::cache::fill::OriginFuture;
use crate::cache::refills::Refills;
use crate::cache::{Cache, Fetched, Fill, Purpose};
use crate::clock::Moment;
use crate::entry::{FarVersion, Slot};
use crate::far::{FarError, FarKey, Version};
use crate::flight::{Lost, SharedError};
use crate::key::Key;
use crate::origin_calls::OriginCall;

/// What a fill takes along on its way.
pub(in crate::cache) struct Beyond<V> {
    /// What another process has asked to be renewed.
    pub(super) seen: Option<FarVersion>,
    /// How values are written for other processes.
    pub(super) codec: Arc<dyn FarCodec<V>>,
    /// The right to write them, once it was given.
    pub(in crate::cache) grant: Option<Grant>,
    /// What is to be written.
    pub(in crate::cache) outbox: Vec<(Key, Slot<V>)>,
    /// Who wants to know what became of it.
    pub(super) tell: Option<oneshot::Sender<Delivery>>,
}

/// What the flight brings in the end.
enum Brought<V, P> {
    Found(Found<V>),
    Fetched(Box<Called<V, P>>),
    /// It is of no use to those for whom it is made: they would not find it.
    OutOfReach,
}

struct Called<V, P> {
    fetched: Fetched<V, P>,
    call: OriginCall,
    began: Moment,
    grant: Option<Grant>,
}

impl<V: Send + Sync + 'static, P: Clone + Send + Sync + 'static> Fill<V, P> {
    /// Looks beyond this process before it calls the origin, and leaves the answer there: see [`FarCodec`]. Without a
    /// [far side](crate::CacheBuilder::far) this changes nothing.
    ///
    /// The origin call is polled only if it has to be made. Otherwise it is dropped, and those who wait land with
    /// [`Fate::Found`](crate::Fate::Found), or, where it is known that answers may not be shared, are told to call themselves.
    pub fn through(mut self, codec: &Arc<dyn FarCodec<V>>) -> Self {
        if self.cache.is_far() {
            self.beyond = Some(Box::new(Beyond {
                seen: None,
                codec: Arc::clone(codec),
                grant: None,
                outbox: Vec::new(),
                tell: None,
            }));
        }
        self
    }

    /// For a flight with [`Purpose::Remote`](crate::Purpose::Remote) that goes [through a codec](Self::through): what whoever
    /// asked for it has [seen](Cache::version_of). Any other value that is fresh will do, and the origin is not called
    /// without the far side's leave: where that cannot be asked, the flight fails.
    ///
    /// Without one, any value that is fresh will do.
    pub fn instead_of(mut self, seen: Option<Version>) -> Self {
        if let Some(beyond) = &mut self.beyond {
            beyond.seen = seen.map(|version| *version.as_bytes());
        }
        self
    }

    pub(in crate::cache) fn way(&self) -> Option<Way<V>> {
        Some(Way {
            far: Arc::clone(self.cache.shared.far.as_ref()?),
            codec: Arc::clone(&self.beyond.as_ref()?.codec),
            key: FarKey::new(self.key().borrowed()),
        })
    }

    pub(in crate::cache) async fn run_through(mut self, way: Way<V>, origin: OriginFuture<V, P>) {
        // The one deadline is for all of it.
        let (cache, patience) = (self.cache.clone(), self.patience());
        let brought = call_in_time(self.bring(&cache, &way, origin), patience).await;
        match brought {
            Ok(Brought::Found(found)) => self.land_found(found),
            Ok(Brought::Fetched(called)) => {
                self.began = called.began;
                if let Some(beyond) = &mut self.beyond {
                    beyond.grant = called.grant;
                }
                self.land(called.call, called.fetched).await;
            }
            Ok(Brought::OutOfReach) => {
                let unreached: SharedError = Arc::new(FarError::Unavailable);
                self.lose(None, &Lost::Failed(unreached));
            }
            Err(lost) => self.lose(None, &lost),
        }
    }

    async fn bring(
        &mut self,
        cache: &Cache<V, P>,
        way: &Way<V>,
        origin: OriginFuture<V, P>,
    ) -> Brought<V, P> {
        let grant = match self.seek(way).await {
            Sought::Found(found) => return Brought::Found(found),
            Sought::Lead(grant) => Some(grant),
            Sought::Alone if self.purpose == Purpose::Remote => return Brought::OutOfReach,
            Sought::Alone => None,
        };
        let turn = self.turn(cache).await;
        let began = cache.now();
        let call = self.enter_origin();
        let fetched = Refills::within(turn, origin).await;
        Brought::Fetched(Box::new(Called {
            fetched,
            call,
            began,
            grant,
        }))
    }
}
