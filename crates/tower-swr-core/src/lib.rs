//! The engine of tower-swr: policy, flights and ports. It knows neither HTTP nor tower.
//!
//! One computation per key, however many ask for it; what is stale but may be served is served at once while one
//! refresh runs behind; and an origin that fails is left alone while older values stand in.
//!
//! ```
//! use std::convert::Infallible;
//! use std::sync::Arc;
//! use std::time::Duration;
//! use tower_swr_core::{Cache, CacheBuilder, FlightPolicy, KeyText, Lifetime, Made, MemorySettings};
//!
//! # tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
//! let cache: Cache<u64> = CacheBuilder::new(MemorySettings::new(1 << 20)).build();
//! let policy = Arc::new(FlightPolicy::default());
//! let mut text = KeyText::new("answers");
//! text.push(b"everything");
//!
//! let lifetime = Lifetime::fresh_for(Duration::from_secs(60)).stale_while_revalidate(Duration::from_secs(120));
//! let slow_query = async move { Ok::<_, Infallible>(Made::new(42, lifetime)) };
//! let answer = cache.get(&text.key(), &policy, slow_query).await?;
//! assert_eq!(*answer.value(), 42);
//! # Ok::<_, tower_swr_core::GetError>(()) }).expect("the origin answers");
//! ```
//!
//! For values, [`Cache::get`] is all there is to know; the rest of the surface is what the HTTP layer is built of.
//!
//! Everything that depends on the world outside is a port with a default: [`Clock`], [`Rng`], [`Spawn`], [`Observer`].
//! The feature `test-util` brings ones that a test drives by hand.

mod cache;
mod clock;
mod decision;
mod entry;
mod far;
#[cfg_attr(
    not(tower_swr_loom),
    allow(unreachable_pub, reason = "public for the model of all interleavings")
)]
mod flight;
mod invalidation;
mod key;
mod lifetime;
mod observe;
mod origin_calls;
mod queue;
mod refresh;
mod rng;
mod spawn;
mod store;
mod sync;
mod tags;
#[cfg(feature = "test-util")]
pub mod testing;
pub mod wire;

pub use cache::{
    Answer, Beside, Cache, CacheBuilder, CacheStats, Decoded, Delivered, Delivery, Encoded, Ending,
    FarCodec, FarStats, Fate, Fetched, Fill, FlightPolicy, GetError, Joined, Keep, Landed, Look,
    Made, NoPartial, Outcome, Product, Purged, Purpose, Reach, Received, Refresh, Remember, Rest,
    StaleReason, Waiting,
};
pub use clock::{Clock, Moment, Sleep, SystemClock};
pub use decision::Mode;
pub use entry::Entry;
pub use far::{
    Acquired, Committed, Enqueued, FarError, FarFuture, FarHealth, FarKey, FarLog, FarStore,
    FarValue, FarWrite, Invalidation, Lease, LogEvent, LogFollower, LogPosition, Recorded,
    RemoteJob, RemoteRefreshes, ServerTime, TakenJob, Version, Wait, Woken,
};
// For the model of all interleavings. Elsewhere they are not public: their tables hash nothing but our own keys.
#[cfg(tower_swr_loom)]
pub use flight::{Flights, Join, Landing, Leader, Waiter};
pub use flight::{Lost, SharedError};
pub use key::{Digest, Key, KeyRef, KeyText, Subject};
pub use lifetime::{Freshness, Lifetime};
pub use observe::{Event, FillOutcome, Observer, Unobserved};
pub use queue::QueueLimits;
pub use refresh::RefreshPolicy;
pub use rng::{HasherRng, Rng};
pub use spawn::{Spawn, Task, TokioSpawn};
pub use store::MemorySettings;
pub use tags::Tags;
