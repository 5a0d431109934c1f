//! What the tests of the engine share: a house with everything in hand, an origin that does as it is told.
#![allow(dead_code, reason = "each test file uses a part of it")]

mod house;
mod origin;
mod part;

pub use house::{House, SECOND, WEEK, key, minute, secs};
pub use origin::{Origin, Refused};
pub use part::{Part, Parts, Told};
