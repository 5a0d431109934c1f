//! What the tests of the engine share: a house with everything in hand, an origin that does as it is told.
#![allow(unreachable_pub, reason = "one program: there is no outside")]

mod beyond;
mod house;
mod origin;
mod part;
mod stream;
mod witness;

pub use beyond::{Number, World, codec};
pub use house::{House, Request, SECOND, WEEK, key, minute, secs, whole};
pub use origin::{Call, Origin, Refused};
pub use part::{Part, Parts, Told};
pub use stream::{Stream, Streaming, is_open, partial, partial_now, product, streaming_house};
pub use witness::Witness;
