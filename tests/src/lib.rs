//! Whole-house stories over real sockets: what they share.
//!
//! No story waits for a time to pass. A [`Gate`] holds the origin until the test has seen what it wants to see,
//! [`Arrivals`] tell when a request has got as far as it gets by itself, and the cache's own deadlines go by a clock
//! that the test moves. What remains is a [deadline](within()) far above what any step needs, so that a step that hangs
//! fails by name.

#![allow(
    clippy::missing_panics_doc,
    reason = "a test's panic is its report, here as in the tests themselves"
)]

mod answer;
mod arrivals;
mod client;
mod crowd;
mod deadline;
mod descriptors;
mod gate;
mod house;
mod origin;
mod redis;
mod server;
mod shop;
mod teller;
mod told;
mod wire;

pub use answer::{Answer, Arriving, is_incomplete};
pub use arrivals::Arrivals;
pub use client::{Client, Protocol, get};
pub use crowd::Crowd;
pub use deadline::{until, within};
pub use descriptors::require_descriptors;
pub use gate::Gate;
pub use house::House;
pub use origin::{gated, held_body, numbered};
pub use redis::RedisServer;
pub use server::Server;
pub use shop::{DatabaseLock, Shop};
pub use teller::{Call, Teller, told_by};
pub use told::Told;
pub use wire::{RawAnswer, Wire};
