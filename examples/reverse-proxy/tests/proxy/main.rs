//! The proxy over real sockets, before an origin that speaks byte by byte.
//!
//! Nothing waits for a time to pass but the deadlines that the proxy itself has towards its origin, and no time is
//! asserted. The cache's own clock stands still until a test moves it.

#![allow(clippy::unwrap_used, reason = "a test's panic is its report")]

mod attacks;
mod caching;
mod clients;
mod crowds;
mod http2;
mod interim;
mod lies;
mod messages;
mod outage;
mod process;
mod stopping;
mod streaming;
#[allow(dead_code, reason = "the stories of several processes use the rest")]
mod support;
mod target;
mod trouble;
mod upgrade;
mod users;
