//! What a shared cache may do with an answer (RFC 9111): pure functions of heads, a route's settings and a moment
//! handed in. Nothing here reads a clock, waits or keeps anything. [`judge`] turns a response's head into one of the
//! outcomes that the rest of the crate keeps apart: store it, share it with those already waiting, or pass it to
//! nobody else. [`VaryNames`] and [`Selection`] say for which requests an answer was chosen. Headers are written by
//! people and frameworks of every age, so each parser settles a doubt the same way: the reading that caches and
//! shares *less* wins, and nothing that stands in a header makes it panic.

mod cache_control;
mod pass_reason;
mod request_control;
mod selection;
mod standard;
mod stated;
mod status;
mod targeted;
#[cfg(test)]
mod testing;
mod vary;

pub(crate) use cache_control::{beside_lifetimes, states_lifetime};
pub(crate) use pass_reason::PassReason;
pub(crate) use request_control::RequestControl;
pub(crate) use selection::Selection;
pub(crate) use standard::{Judgement, Lifetimes, Verdict, judge};
pub(crate) use stated::initial_age;
pub(crate) use status::{has_content, is_failure};
pub(crate) use vary::VaryNames;
