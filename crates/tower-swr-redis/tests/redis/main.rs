//! The adapter against real servers, each started here on a loopback port of its own. Reads real clocks and waits on them,
//! with deadlines far above what is expected: nothing here measures time.
#![allow(
    clippy::disallowed_methods,
    reason = "real servers do not run on a clock that a test can move"
)]

#[cfg(feature = "cluster")]
mod cluster;
mod connection;
mod contracts;
mod gaps;
mod leases;
mod log;
mod queue;
mod refusals;
#[cfg(feature = "sentinel")]
mod sentinel;
mod settings;
mod support;
mod suspect;
#[cfg(feature = "tls")]
mod tls;
mod values;
mod wakeups;
