use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::call::call_in_time;
use super::{
    Answer, Cache, FarCodec, Fetched, Fill, FlightPolicy, Joined, Keep, Landed, Look, Outcome,
    Product, Purpose,
};
use crate::decision::Mode;
use crate::entry::{Birth, Entry};
use crate::flight::{Lost, SharedError};
use crate::key::{KeyRef, Subject};
use crate::lifetime::Lifetime;
use crate::tags::Tags;

/// For values that come all at once: there is no such thing as a partial answer.
#[derive(Clone, Copy, Debug)]
pub enum NoPartial {}

/// A value that an origin made, for [`Cache::get`].
///
/// ```
/// use std::time::Duration;
/// use tower_swr_core::{Lifetime, Made};
///
/// let row = String::from("a row");
/// let made = Made::new(row, Lifetime::fresh_for(Duration::from_secs(60))).weighing(5);
/// ```
#[derive(Debug)]
pub struct Made<V> {
    value: V,
    keep: Keep,
    weight: usize,
    tags: Tags,
}

impl<V> Made<V> {
    /// A value to be kept for `lifetime`. It counts for its own size in memory, without what it points to; see
    /// [`Made::weighing`].
    pub fn new(value: V, lifetime: Lifetime) -> Self {
        Self {
            value,
            keep: Keep::Store(lifetime),
            weight: 0,
            tags: Tags::default(),
        }
    }

    /// A value for those who wait now, not to be kept. An older one is removed: this one has superseded it.
    pub fn unkept(value: V) -> Self {
        Self {
            value,
            keep: Keep::Share,
            weight: 0,
            tags: Tags::default(),
        }
    }

    /// How many bytes it counts for beside its own size. Say so for whatever points to more than it is: a `String`
    /// counts for 24 bytes otherwise, however long it is.
    #[must_use]
    pub fn weighing(mut self, bytes: usize) -> Self {
        self.weight = bytes;
        self
    }

    /// What it is tagged with: a [purge](Cache::purge) of any of these concerns it.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_swr_core::{Lifetime, Made, Subject};
    ///
    /// let page = Made::new(1, Lifetime::fresh_for(Duration::from_secs(60))).tagged([Subject::tag(b"product-7")]);
    /// ```
    #[must_use]
    pub fn tagged(mut self, tags: impl IntoIterator<Item = Subject>) -> Self {
        self.tags = tags.into_iter().collect();
        self
    }
}

/// Why there is no value.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum GetError {
    /// The origin failed; everybody who waited has the same error, which is also the [`source`](Error::source).
    Failed(SharedError),
    /// The origin panicked.
    Panicked,
    /// The origin did not answer within `origin_timeout`.
    OriginTimedOut,
    /// The value did not come within `wait_timeout`; the origin may still be at work.
    WaitTimedOut,
    /// The task that called the origin was dropped: a shutdown, or no runtime to run it on.
    Dropped,
}

impl fmt::Display for GetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(_) => f.write_str("the origin failed"),
            Self::Panicked => f.write_str("the origin panicked; its panic message is in the log"),
            Self::OriginTimedOut => {
                f.write_str("the origin did not answer within `origin_timeout`")
            }
            Self::WaitTimedOut => {
                f.write_str("no value came within `wait_timeout`; the origin may still be at work")
            }
            Self::Dropped => {
                f.write_str("the origin call was dropped: is the runtime shutting down?")
            }
        }
    }
}

impl Error for GetError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed(error) => Some(&**error),
            _ => None,
        }
    }
}

impl From<Lost> for GetError {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Failed(error) => Self::Failed(error),
            Lost::Panicked => Self::Panicked,
            Lost::TimedOut => Self::OriginTimedOut,
            Lost::Dropped => Self::Dropped,
        }
    }
}

impl<V: Send + Sync + 'static> Cache<V> {
    /// The value of `key`: the kept one at once, where there is one to be served, else what `origin` makes, called
    /// once however many ask.
    ///
    /// A value that is stale but may be served is returned at once, and `origin` renews it behind. In [`Mode::Off`],
    /// and for a key whose answers may not be shared, `origin` is called for this caller alone. A call that ends in
    /// [`Mode::Off`] leaves nothing behind, whenever it began.
    ///
    /// # Errors
    ///
    /// Where the origin fails, panics, or takes too long, and no older value may stand in.
    ///
    /// # Cancel safety
    ///
    /// Dropping it leaves a running origin call alone: it ends, and its value is kept. Only a call for this caller alone
    /// is cancelled.
    pub async fn get<F, E>(
        &self,
        key: &KeyRef<'_>,
        policy: &Arc<FlightPolicy>,
        origin: F,
    ) -> Result<Arc<Entry<V>>, GetError>
    where
        F: Future<Output = Result<Made<V>, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>> + 'static,
    {
        self.get_by(key, policy, None, origin).await
    }

    /// As [`get`](Self::get), through the [far side](crate::CacheBuilder::far), where there is one: `origin` is called once
    /// however many processes ask, and what one of them has is found by the others. [`get`](Self::get) alone stays in this
    /// process.
    ///
    /// A value that is found there stale is returned at once, and renewed by the next one to ask.
    ///
    /// ```
    /// # use bytes::Bytes;
    /// # use std::{convert::Infallible, sync::Arc, time::Duration};
    /// use tower_swr_core::testing::FarServer;
    /// use tower_swr_core::{Cache, CacheBuilder, Decoded, Encoded, FarCodec, Received};
    /// # use tower_swr_core::{FlightPolicy, GetError, KeyText, Lifetime, Made, MemorySettings};
    ///
    /// #[derive(Debug)]
    /// struct Number;
    ///
    /// impl FarCodec<u64> for Number {
    ///     fn encode(&self, number: &u64) -> Option<Encoded> {
    ///         let body = Bytes::copy_from_slice(&number.to_le_bytes());
    ///         Some(Encoded { kind: 1, head: Bytes::new(), body })
    ///     }
    ///     fn decode(&self, received: Received<'_>) -> Option<Decoded<u64>> {
    ///         let value = u64::from_le_bytes(received.body[..].try_into().ok()?);
    ///         (received.kind == 1).then_some(Decoded { value, weight: 0, leads: false })
    ///     }
    /// }
    ///
    /// # tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
    /// let server = FarServer::default();
    /// let cache = || CacheBuilder::new(MemorySettings::new(1 << 20)).far(server.node()).build();
    /// let (here, there): (Cache<u64>, Cache<u64>) = (cache(), cache());
    /// let codec: Arc<dyn FarCodec<u64>> = Arc::new(Number);
    /// # let policy = Arc::new(FlightPolicy::default());
    /// # let key = KeyText::new("answers");
    ///
    /// let made = |number| async move { Ok::<_, Infallible>(Made::new(number, Lifetime::fresh_for(Duration::from_secs(60)))) };
    /// here.get_through(&key.key(), &policy, &codec, made(42)).await?;
    /// # here.drain(Duration::from_secs(1)).await;
    /// let found = there.get_through(&key.key(), &policy, &codec, made(43)).await?;
    /// assert_eq!(*found.value(), 42);
    /// # Ok::<_, GetError>(()) }).expect("the origin answers");
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`get`](Self::get). Trouble on the far side is none: then `origin` is called as if there were none.
    ///
    /// # Cancel safety
    ///
    /// As for [`get`](Self::get).
    pub async fn get_through<F, E>(
        &self,
        key: &KeyRef<'_>,
        policy: &Arc<FlightPolicy>,
        codec: &Arc<dyn FarCodec<V>>,
        origin: F,
    ) -> Result<Arc<Entry<V>>, GetError>
    where
        F: Future<Output = Result<Made<V>, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>> + 'static,
    {
        self.get_by(key, policy, Some(codec), origin).await
    }

    async fn get_by<F, E>(
        &self,
        key: &KeyRef<'_>,
        policy: &Arc<FlightPolicy>,
        codec: Option<&Arc<dyn FarCodec<V>>>,
        mut origin: F,
    ) -> Result<Arc<Entry<V>>, GetError>
    where
        F: Future<Output = Result<Made<V>, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>> + 'static,
    {
        if self.mode() == Mode::Off {
            return self.ask_alone(key, policy, origin).await;
        }
        let mut look = self.look(key, self.mode(), self.now());
        loop {
            let (old, fallback) = match look {
                Look::Serve { entry, refresh, .. } => {
                    if refresh {
                        self.renew(key, policy, codec, origin);
                    }
                    return Ok(entry);
                }
                Look::Uncacheable => return self.ask_alone(key, policy, origin).await,
                Look::Fetch { old, fallback } => (old, fallback),
            };
            let (waiting, own) = match self.join(key, policy, Purpose::Miss) {
                Joined::Wait(waiting) => (waiting, Some(origin)),
                Joined::Again(again) => {
                    look = again;
                    continue;
                }
                Joined::Lead(fill) => {
                    let waiting = fill.waiting();
                    by(fill, codec).spawn(self.clone().fetched(origin));
                    (waiting, None)
                }
            };
            let waiting = match old.filter(|_| fallback) {
                Some(old) => waiting.or_stale(old),
                None => waiting,
            };
            match (waiting.await, own) {
                (Outcome::Pass, Some(own)) => return self.ask_alone(key, policy, own).await,
                (Outcome::Outdated, Some(own)) => origin = own,
                (outcome, _) => return finish(outcome),
            }
            look = self.look(key, self.mode(), self.now());
        }
    }

    /// Asks the origin for this caller only: nothing is shared and nothing is kept.
    async fn ask_alone<E>(
        &self,
        key: &KeyRef<'_>,
        policy: &FlightPolicy,
        origin: impl Future<Output = Result<Made<V>, E>> + Send,
    ) -> Result<Arc<Entry<V>>, GetError>
    where
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let deadline = self.shared.clock.sleep(policy.origin_timeout);
        let made = call_in_time(origin, deadline).await?;
        let Made {
            value,
            keep,
            weight,
            tags,
        } = made.map_err(|error| GetError::Failed(error.into().into()))?;
        let lifetime = match keep {
            Keep::Store(lifetime) => lifetime,
            Keep::Share | Keep::Failure => Lifetime::fresh_for(Duration::ZERO),
        };
        Ok(Arc::new(Entry::new(
            value,
            &Birth {
                key: *key,
                born: self.shared.invalidations.epoch(),
                now: self.now(),
                initial_age: Duration::ZERO,
                lifetime,
                due_age: Duration::MAX,
                weight,
                tags,
                leads: false,
                far_version: None,
            },
        )))
    }

    fn renew<F, E>(
        &self,
        key: &KeyRef<'_>,
        policy: &Arc<FlightPolicy>,
        codec: Option<&Arc<dyn FarCodec<V>>>,
        origin: F,
    ) where
        F: Future<Output = Result<Made<V>, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>> + 'static,
    {
        let Some(refresh) = self.reserve_refresh(key, policy) else {
            return;
        };
        let (cache, key, policy) = (self.clone(), key.to_key(), Arc::clone(policy));
        let codec = codec.map(Arc::clone);
        refresh.submit(async move {
            // The switch may have been thrown while this waited for its turn.
            if cache.mode() != Mode::Normal {
                return;
            }
            if let Joined::Lead(fill) = cache.join(&key.borrowed(), &policy, Purpose::Refresh) {
                by(fill, codec.as_ref()).run(cache.fetched(origin)).await;
            }
        });
    }

    async fn fetched<E>(
        self,
        origin: impl Future<Output = Result<Made<V>, E>>,
    ) -> Fetched<V, NoPartial>
    where
        E: Into<Box<dyn Error + Send + Sync>> + 'static,
    {
        let made = match origin.await {
            Ok(made) => made,
            Err(error) => return Fetched::Failed(error.into().into()),
        };
        let keep = match self.mode() {
            Mode::Off => Keep::Share,
            Mode::Normal | Mode::ServeStale => made.keep,
        };
        Fetched::Whole {
            product: Product {
                value: made.value,
                keep,
                key: None,
                initial_age: Duration::ZERO,
                weight: made.weight,
                tags: made.tags,
            },
            beside: None,
        }
    }
}

fn by<V: Send + Sync + 'static>(
    fill: Fill<V, NoPartial>,
    codec: Option<&Arc<dyn FarCodec<V>>>,
) -> Fill<V, NoPartial> {
    match codec {
        Some(codec) => fill.through(codec),
        None => fill,
    }
}

fn finish<V>(outcome: Outcome<V, NoPartial>) -> Result<Arc<Entry<V>>, GetError> {
    match outcome {
        Outcome::Landed(Landed {
            answer: Answer::Whole(entry),
            ..
        })
        | Outcome::Stale(entry, _) => Ok(entry),
        Outcome::Landed(Landed {
            answer: Answer::Partial(none),
            ..
        }) => match none {},
        Outcome::Lost(lost) => Err(lost.into()),
        Outcome::WaitTimedOut => Err(GetError::WaitTimedOut),
        // Only for who led the flight: a plain value is never passed, and nobody is there before its leader.
        Outcome::Pass | Outcome::Outdated => Err(GetError::Dropped),
    }
}
