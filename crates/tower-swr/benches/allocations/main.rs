//! What hits and waiters allocate: `cargo bench -p tower-swr --bench allocations`.
//!
//! Apart from the other bench, since counting takes time of its own. The numbers are the same on every machine, but
//! for some bytes by which the growth of shared tables differs.
#![allow(
    clippy::disallowed_methods,
    reason = "a bench measures the world as it is"
)]

mod hit;
#[path = "../support/mod.rs"]
mod support;
mod waiter;

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use support::report::{Report, heading};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() {
    let mut report = Report::default();
    heading("Allocations per hit");
    hit::run(&mut report);
    heading("Bytes per waiter");
    waiter::run(&mut report);
    report.print();
}

/// How often memory was asked for so far, growth in place included.
fn allocations() -> usize {
    let stats = ALLOCATOR.stats();
    stats.allocations + stats.reallocations
}

/// Bytes that are asked for and not given back.
fn live_bytes() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}
