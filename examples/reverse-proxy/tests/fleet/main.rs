//! Processes of the proxy that share a Redis, and what becomes of their clients when processes, servers and networks fail.
//!
//! Reads real clocks and waits on them, with deadlines far above what is expected. Every process is started here, on a
//! loopback port of its own.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test's panic is its report")]
#![allow(
    clippy::disallowed_methods,
    reason = "real processes do not run on a clock that a test can move"
)]

mod fleet;
mod leaders;
mod load;
mod outages;
mod shop;
mod stampede;

/// A network with faults, as the adapter's own tests have it.
#[allow(dead_code, reason = "not every fault is of interest here")]
#[path = "../../../../crates/tower-swr-redis/tests/redis/support/proxy.rs"]
mod network;
#[path = "../../../../crates/tower-swr-redis/tests/redis/support/server.rs"]
mod server;
#[allow(
    dead_code,
    unused_imports,
    reason = "the proxy's other stories use the rest"
)]
#[path = "../proxy/support/mod.rs"]
mod support;
