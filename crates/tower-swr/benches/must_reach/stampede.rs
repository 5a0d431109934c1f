//! Thousands who ask at once for what nobody has.
//!
//! Each client is a task; an application of one route answers them. Times count from the beginning of the burst, as an
//! outside observer would take them: a client that gets its turn late has waited, too.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::runtime::{Builder, Runtime};
use tower_swr::HttpCache;

use crate::support::burst::{Burst, burst};
use crate::support::cpu::cpu_time;
use crate::support::origin::Origin;
use crate::support::report::{Report, millis};
use crate::support::rounds::median;

const TAKES: Duration = Duration::from_millis(200);
const CLIENTS: usize = 10_000;
const CROWD: usize = 100_000;
const ROUNDS: usize = 5;

/// One burst, and what it took beside time.
struct Cold {
    answers: Burst,
    calls: usize,
    /// Microseconds of processor time per client.
    cpu: f64,
}

pub(crate) fn run(report: &mut Report) {
    let runtime = runtime();
    ten_thousand(&runtime, report);
    a_crowd(&runtime, report);
}

/// Two workers, as many as the machine has cores that the targets are for.
pub(crate) fn runtime() -> Runtime {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build();
    runtime.expect("a runtime")
}

/// `app` as a server has it: until it is given its state, axum makes its routes anew for every request.
pub(crate) fn served(app: Router) -> Router {
    app.with_state(())
}

/// An application of one route, with a cache of its own in front or without.
pub(crate) fn app(origin: &Arc<Origin>, cached: bool) -> Router {
    let handler = origin.handler();
    let route = if cached {
        handler.layer(HttpCache::in_memory(64 << 20).layer("report"))
    } else {
        handler
    };
    served(Router::new().route("/report/{region}", route))
}

fn ten_thousand(runtime: &Runtime, report: &mut Report) {
    println!(
        "{CLIENTS} at once: p50, p99 and last beyond the origin's 200 ms; p99 from each one's own beginning; processor \
         time"
    );
    cold(runtime, false); // the first one pays for the memory
    let rounds = [(); ROUNDS].map(|()| {
        let (uncached, ours) = (cold(runtime, false), cold(runtime, true));
        println!("  uncached {uncached}    ours {ours}");
        (uncached, ours)
    });
    let ratio = |figure: fn(&Cold) -> f64| {
        let ratios = rounds
            .iter()
            .map(|(uncached, ours)| figure(ours) / figure(uncached));
        median(ratios.collect())
    };
    let most = rounds.iter().map(|(_, ours)| ours.calls).max();
    let most = most.unwrap_or_default();
    let beyond = ratio(|cold| cold.beyond(0.99).as_secs_f64());
    println!(
        "  ours takes {:.2} × the processor time of uncached",
        ratio(|cold| cold.cpu)
    );
    let what = format!("{CLIENTS} cold requests");
    report.note(format!("{what}: origin calls"), most, "1", most == 1);
    let what = format!("{what}: p99 beyond the origin's time, median of {ROUNDS}");
    report.at_most(&what, beyond, 0.45, " × uncached");
    let own = ratio(|cold| cold.own(0.99).as_secs_f64());
    let what = format!("{what}, each from its own beginning");
    report.at_most(what, own, 0.45, " × uncached");
}

fn cold(runtime: &Runtime, cached: bool) -> Cold {
    let origin = Arc::new(Origin::new().taking(TAKES));
    let app = app(&origin, cached);
    let before = cpu_time().unwrap_or_default();
    let answers = runtime.block_on(burst(app, &origin, CLIENTS));
    let cpu = cpu_time().unwrap_or_default().saturating_sub(before);
    Cold {
        answers,
        calls: origin.calls(),
        cpu: cpu.as_secs_f64() * 1e6 / CLIENTS as f64,
    }
}

impl Cold {
    fn beyond(&self, share: f64) -> Duration {
        self.answers.percentile(share).saturating_sub(TAKES)
    }

    /// The same for the latency that the clients see.
    fn own(&self, share: f64) -> Duration {
        self.answers.latency(share).saturating_sub(TAKES)
    }
}

impl std::fmt::Display for Cold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [half, most, all] = [0.5, 0.99, 1.0].map(|share| millis(self.beyond(share)));
        let (own, cpu) = (millis(self.own(0.99)), self.cpu);
        write!(
            f,
            "{half:>6} {most:>6} {all:>6}, {own:>6}, {cpu:>4.1} µs each"
        )
    }
}

/// So many that all must wait before the origin answers.
fn a_crowd(runtime: &Runtime, report: &mut Report) {
    let origin = Origin::new().taking(TAKES).for_a_crowd_of(CROWD);
    let origin = Arc::new(origin);
    let answers = runtime.block_on(burst(app(&origin, true), &origin, CROWD));
    let behind = answers.last().saturating_duration_since(origin.answered());
    let calls = origin.calls();
    let what = format!("{CROWD} who wait");
    println!(
        "{what}: the last is served {} after the origin's answer, {calls} call(s)",
        millis(behind)
    );
    report.note(format!("{what}: origin calls"), calls, "1", calls == 1);
    report.within(
        format!("{what}: the last is served after the origin's answer"),
        behind,
        Duration::from_millis(300),
    );
}
