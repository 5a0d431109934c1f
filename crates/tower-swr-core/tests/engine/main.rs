//! The engine, by its public face. One program for all tests, since each would be linked anew.

mod beyond;
mod elsewhere;
mod failures;
mod far;
mod faults;
mod flights;
mod interleavings;
mod jitter;
mod late_streams;
mod lifecycle;
mod memory;
mod outcomes;
mod ports;
mod properties;
mod purges;
mod refills;
mod refreshes;
mod sequences;
mod shared_streams;
mod soft_purges;
mod streams;
mod support;
mod tags;
mod threads;
mod variants;
