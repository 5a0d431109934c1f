//! What the stories share: an origin, a house with a proxy in it, a client's wire, a crowd of them, a deadline.

mod crowd;
mod deadline;
mod house;
mod message;
mod origin;
#[cfg(unix)]
mod running;
mod wire;

pub(crate) use crowd::{Crowd, require_descriptors};
pub(crate) use deadline::{beside, until, within};
pub(crate) use house::{House, settings};
pub(crate) use message::Message;
pub(crate) use origin::{Gate, Origin, Script, Step, kept, said};
#[cfg(unix)]
pub(crate) use running::{Running, program};
pub(crate) use wire::Wire;
