//! Clients that leave, origins that fail, answers that may not be shared.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use tokio::runtime::Runtime;

use super::stampede::{app, runtime};
use crate::support::burst::{Burst, burst, client};
use crate::support::origin::Origin;
use crate::support::report::{Report, millis};

const TAKES: Duration = Duration::from_millis(200);
const CLIENTS: usize = 100;

pub(crate) fn run(report: &mut Report) {
    let runtime = runtime();
    first_client_leaves(&runtime, report);
    failing(&runtime, report);
    no_store(&runtime, report);
}

fn first_client_leaves(runtime: &Runtime, report: &mut Report) {
    let (stayed, _) = runtime.block_on(first_of_many(None));
    let (left, calls) = runtime.block_on(first_of_many(Some(Duration::from_millis(50))));
    let what = "first client leaves after 50 of 200 ms";
    println!(
        "{what}: who waits is answered after {}, {} where it stays; {calls} call(s)",
        spread(&left),
        spread(&stayed)
    );
    report.note(format!("{what}: origin calls"), calls, "1", calls == 1);
    let ratio = left.latency(1.0).as_secs_f64() / stayed.latency(1.0).as_secs_f64();
    report.at_most(
        format!("{what}: slowest of {CLIENTS} who wait"),
        ratio,
        1.1,
        " × stays",
    );
}

/// One client, then many more at once. The first hangs up after `patience`.
async fn first_of_many(patience: Option<Duration>) -> (Burst, usize) {
    let origin = Arc::new(Origin::new().taking(TAKES));
    let app = app(&origin, true);
    let first = client(app.clone(), Arc::clone(&origin));
    while origin.calls() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let leaving = tokio::spawn(async move {
        if let Some(patience) = patience {
            tokio::time::sleep(patience).await;
            first.abort();
        }
    });
    let others = burst(app, &origin, CLIENTS).await;
    leaving.await.expect("it only waits");
    (others, origin.calls())
}

fn failing(runtime: &Runtime, report: &mut Report) {
    // The panics are meant; their messages would only hide the figures.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    let error = Origin::new().with_status(StatusCode::INTERNAL_SERVER_ERROR);
    for (what, origin) in [
        ("100 × 500", error),
        ("100 × panic", Origin::new().panicking()),
    ] {
        let origin = Arc::new(origin.taking(TAKES));
        let answers = runtime.block_on(burst(app(&origin, true), &origin, CLIENTS));
        let (calls, slowest) = (origin.calls(), answers.latency(1.0));
        println!(
            "{what}: answered after {}; {calls} call(s)",
            spread(&answers)
        );
        report.note(format!("{what}: origin calls"), calls, "1", calls == 1);
        report.within(
            format!("{what}: slowest answer"),
            slowest,
            TAKES.mul_f64(1.1),
        );
    }
    std::panic::set_hook(hook);
}

fn no_store(runtime: &Runtime, report: &mut Report) {
    let takes = Duration::from_millis(50);
    let origin = Arc::new(Origin::new().taking(takes).with_no_store());
    let app = app(&origin, true);
    for (what, most) in [
        ("first no-store burst, origin 50 ms: one serial hop", 2.2),
        ("second: all in parallel", 1.2),
        ("third: all in parallel", 1.2),
    ] {
        let before = origin.calls();
        let answers = runtime.block_on(burst(app.clone(), &origin, CLIENTS));
        let calls = origin.calls() - before;
        println!("{what}: answered after {}; {calls} calls", spread(&answers));
        report.within(what, answers.latency(1.0), takes.mul_f64(most));
    }
}

fn spread(burst: &Burst) -> String {
    let (half, slowest) = (burst.latency(0.5), burst.latency(1.0));
    format!("{} (p50), {} (slowest)", millis(half), millis(slowest))
}
