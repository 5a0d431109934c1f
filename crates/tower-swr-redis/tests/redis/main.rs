//! The adapter against real servers, each started here on a loopback port of its own. Reads real clocks and waits on them,
//! with deadlines far above what is expected: nothing here measures time.
#![allow(
    clippy::disallowed_methods,
    reason = "real servers do not run on a clock that a test can move"
)]

mod connection;
mod contracts;
mod leases;
mod log;
mod queue;
mod refusals;
mod settings;
mod support;
mod values;
mod wakeups;
