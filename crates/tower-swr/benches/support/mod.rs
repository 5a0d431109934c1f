//! What the benches share: requests and answers of a realistic size, the services that are compared, and ways to
//! measure them side by side.
#![allow(dead_code, reason = "each bench takes what it needs")]

pub(crate) mod burst;
pub(crate) mod cpu;
pub(crate) mod message;
pub(crate) mod origin;
pub(crate) mod report;
pub(crate) mod rounds;
pub(crate) mod rows;
pub(crate) mod warm;
pub(crate) mod zipf;
