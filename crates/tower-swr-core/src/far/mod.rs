//! Beyond one process: a store, a refresh mutex, an invalidation log and a queue of refreshes that several processes
//! share.
//!
//! All of it may be away, slow or wrong at any time, and nothing here is ever worth a failed request: whoever gets a
//! [`FarError`] goes on with its own memory and its own flights.
//!
//! * [`FarStore`] holds values and decides who calls the origin: `get`, then `acquire`, then [`Lease::commit`].
//! * [`FarLog`] tells every process what was invalidated, and what may have been missed.
//! * [`RemoteRefreshes`] hands refreshes to processes that do nothing else.
//!
//! No decision compares the clocks of two machines: what nodes share is measured on the server's own ([`ServerTime`]).

mod error;
mod health;
mod key;
mod lease;
mod log;
mod refreshes;
mod store;
mod time;
mod version;

use std::future::Future;
use std::pin::Pin;

pub use error::FarError;
pub use health::FarHealth;
pub use key::FarKey;
pub use lease::{Acquired, Committed, FarWrite, Lease, Wait, Woken};
pub use log::{FarLog, Invalidation, LogEvent, LogFollower, LogPosition, Recorded};
pub use refreshes::{Enqueued, RemoteJob, RemoteRefreshes, TakenJob};
pub use store::{FarStore, FarValue};
pub use time::ServerTime;
pub use version::Version;

pub(crate) use version::PLACE as VERSION_PLACE;

/// What a port that several processes share answers with: a future that may be sent and boxed, so that the ports are
/// object-safe.
pub type FarFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
