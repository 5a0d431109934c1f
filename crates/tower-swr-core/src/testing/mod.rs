//! Ports that a test drives by hand, and what every implementation of a port must do (feature `test-util`).
//!
//! ```
//! use std::time::Duration;
//! use tower_swr_core::testing::ManualClock;
//! use tower_swr_core::{Cache, CacheBuilder, MemorySettings};
//!
//! let clock = ManualClock::default();
//! let cache: Cache<u32> = CacheBuilder::new(MemorySettings::new(1 << 20)).clock(clock.clone()).build();
//! let before = cache.now();
//! clock.advance(Duration::from_secs(60));
//! assert_eq!(cache.now().since(before), Duration::from_secs(60));
//! ```

mod clock;
mod contracts;
mod far;
mod observe;
mod rng;
mod spawn;

pub use clock::ManualClock;
pub use contracts::{clock_contract, rng_contract, spawn_contract};
pub use far::{
    FarFault, FarNode, FarServer, LeaseSpan, declining_contract, far_store_contract,
    lease_contract, log_contract, remote_queue_contract,
};
pub use observe::{Heard, RecordingObserver};
pub use rng::ScriptedRng;
pub use spawn::ManualSpawn;
