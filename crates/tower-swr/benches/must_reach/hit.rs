//! What a hit costs, beside what it costs to do less.

use crate::support::message::usual_request;
use crate::support::report::Report;
use crate::support::rounds::{Rounds, Row, interleave};
use crate::support::warm::{Services, Warm, uncached};

const ROUNDS: usize = 600;
const HITS: u32 = 400;

/// Each row, and the bare one with the same fields.
const ROWS: [(&str, &str); 11] = [
    ("bare, all fields", "bare, all fields"),
    ("quick_cache sync", "bare, all fields"),
    ("ours, all fields", "bare, all fields"),
    ("bare, two fields", "bare, two fields"),
    ("ours, two fields", "bare, two fields"),
    ("bare, with Vary", "bare, with Vary"),
    ("ours, with Vary", "bare, with Vary"),
    ("bare, 64 KiB", "bare, 64 KiB"),
    ("ours, 64 KiB", "bare, 64 KiB"),
    ("uncached, axum", "bare, all fields"),
    ("ours, in axum", "bare, all fields"),
];

pub(crate) fn run(report: &mut Report) {
    let services = Services::new();
    for (what, warm) in [
        ("all fields", &services.all),
        ("two fields", &services.two),
        ("with Vary", &services.vary),
    ] {
        println!("{what}: {} lines of head", warm.answer.fields().len());
    }
    let rounds = interleave(&mut rows(&services), ROUNDS, HITS);
    print(&rounds);
    let all = rounds.ratio("ours, all fields", "bare, all fields");
    report.at_most("hit 1 KiB, all fields", all, 1.35, " × bare");
    let vary = rounds.ratio("ours, with Vary", "bare, with Vary");
    report.at_most("hit 1 KiB, with Vary", vary, 1.6, " × bare");
    let large = rounds.ratio("ours, 64 KiB", "ours, all fields");
    report.at_most("hit 64 KiB", large, 1.05, " × 1 KiB");
}

fn rows(services: &Services) -> Vec<Row<'_>> {
    let Services {
        two,
        all,
        vary,
        large,
    } = services;
    let request = usual_request();
    let bare = |name, warm: &Warm| Row::hits(name, warm.bare(), request);
    let ours = |name, warm: &Warm| Row::hits(name, warm.ours(), request);
    vec![
        bare("bare, all fields", all),
        Row::hits("quick_cache sync", all.looked_up(), request),
        ours("ours, all fields", all),
        bare("bare, two fields", two),
        ours("ours, two fields", two),
        bare("bare, with Vary", vary),
        ours("ours, with Vary", vary),
        bare("bare, 64 KiB", large),
        ours("ours, 64 KiB", large),
        Row::hits("uncached, axum", uncached(), request),
        Row::hits("ours, in axum", all.in_axum(), request),
    ]
}

fn print(rounds: &Rounds) {
    println!(
        "{:<20} {:>14} {:>8} {:>16} {:>8}",
        "median of rounds", "with request", "× bare", "call and drop", "× bare"
    );
    for (name, bare) in ROWS {
        println!(
            "{name:<20} {:>11.0} ns {:>8.2} {:>13.0} ns {:>8.2}",
            rounds.nanos(name),
            rounds.ratio(name, bare),
            rounds.nanos_alone(name),
            rounds.ratio_alone(name, bare)
        );
    }
}
