//! What the layer must reach, measured side by side in one run: `cargo bench -p tower-swr --bench must_reach`.
//!
//! Other things run on the machine, too, so ratios count and times do not; nothing here fails for being slow. A word
//! as argument runs the sections whose names begin with it.
#![allow(
    clippy::disallowed_methods,
    reason = "a bench measures the world as it is"
)]

mod hit;
mod stampede;
mod streamed;
#[path = "../support/mod.rs"]
mod support;
mod threads;
mod trouble;

use support::report::{Report, heading};

type Section = (&'static str, &'static str, fn(&mut Report));

const SECTIONS: [Section; 5] = [
    ("hit", "Hot hit, one thread", hit::run),
    (
        "threads",
        "Two threads, 100,000 keys, zipf(1.0)",
        threads::run,
    ),
    ("stampede", "Cold stampede, origin 200 ms", stampede::run),
    ("trouble", "Trouble", trouble::run),
    ("streamed", "Streamed miss", streamed::run),
];

fn main() {
    // Cargo passes `--bench`.
    let wanted = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    let wanted = wanted.unwrap_or_default();
    let mut report = Report::default();
    for (name, title, run) in SECTIONS {
        if name.starts_with(&wanted) {
            heading(title);
            run(&mut report);
        }
    }
    report.print();
}
