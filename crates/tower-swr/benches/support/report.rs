//! What was to be reached, and what was.

use std::fmt::Display;
use std::time::Duration;

/// The lines of a bench's summary.
#[derive(Default)]
pub(crate) struct Report(Vec<Line>);

struct Line {
    what: String,
    figure: String,
    target: String,
    reached: bool,
}

impl Report {
    /// Notes `figure` for `what`, and whether it is what was to be reached.
    pub(crate) fn note(
        &mut self,
        what: impl Into<String>,
        figure: impl Display,
        target: impl Into<String>,
        reached: bool,
    ) {
        let (what, figure, target) = (what.into(), figure.to_string(), target.into());
        self.0.push(Line {
            what,
            figure,
            target,
            reached,
        });
    }

    /// Notes a figure with two decimals that must not be above `most`.
    pub(crate) fn at_most(&mut self, what: impl Into<String>, figure: f64, most: f64, unit: &str) {
        let target = format!("≤ {most}{unit}");
        self.note(what, format!("{figure:.2}{unit}"), target, figure <= most);
    }

    /// Notes a time that must not be longer than `most`.
    pub(crate) fn within(&mut self, what: impl Into<String>, span: Duration, most: Duration) {
        let target = format!("≤ {}", millis(most));
        self.note(what, millis(span), target, span <= most);
    }

    pub(crate) fn print(&self) {
        heading("Must reach");
        println!("{:<74} {:>16}  target", "what", "figure");
        for line in &self.0 {
            let verdict = if line.reached {
                "reached"
            } else {
                "NOT REACHED"
            };
            println!(
                "{:<74} {:>16}  {:<28} {verdict}",
                line.what, line.figure, line.target
            );
        }
    }
}

pub(crate) fn heading(text: &str) {
    println!("\n{text}\n{}", "-".repeat(text.chars().count()));
}

pub(crate) fn millis(span: Duration) -> String {
    format!("{:.0} ms", span.as_secs_f64() * 1000.0)
}
