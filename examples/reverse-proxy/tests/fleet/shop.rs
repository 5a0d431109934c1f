use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::{Gate, Message, Origin, Script, Step, said, until};

/// How long an answer for `/short` is fresh the first time.
pub(crate) const SHORT: Duration = Duration::from_secs(5);

/// An origin whose answers say what was asked for and how often it had been before. What a path begins with decides more:
///
/// * `/held`: the first `GET` waits for the gate.
/// * `/short`: the first answer is fresh for `SHORT` only, and with `stale` in it may be served stale after that.
/// * `/grouped`: the answer is of a group, which a `POST /purge` invalidates.
pub(crate) struct Shop {
    pub(crate) origin: Origin,
    pub(crate) gate: Gate,
    calls: Calls,
}

/// How often each line was asked for.
type Calls = Arc<Mutex<HashMap<String, usize>>>;

impl Shop {
    pub(crate) async fn open() -> Self {
        let (calls, gate) = (Calls::default(), Gate::default());
        let (counted, held) = (Arc::clone(&calls), gate.clone());
        let origin = Origin::start(move |request: &Message, _| {
            let line = request.start.trim_end_matches(" HTTP/1.1");
            let mut counted = counted.lock().unwrap();
            let count = counted.entry(line.to_owned()).or_default();
            *count += 1;
            script(line, *count - 1, &held)
        })
        .await;
        Self {
            origin,
            gate,
            calls,
        }
    }

    pub(crate) fn calls(&self, line: &str) -> usize {
        *self.calls.lock().unwrap().get(line).unwrap_or(&0)
    }

    /// Waits until it was asked for so often.
    pub(crate) async fn reached(&self, line: &str, calls: usize) {
        until(line, || self.calls(line) >= calls).await;
    }
}

fn script(line: &str, number: usize, gate: &Gate) -> Script {
    let body = format!("{line} {number}");
    let seconds = match number {
        0 if line.starts_with("GET /short") => SHORT.as_secs(),
        _ => 600,
    };
    let mut control = format!("max-age={seconds}");
    if line.contains("stale") {
        control += ", stale-while-revalidate=600";
    }
    let group = match line {
        "POST /purge" => "Cache-Group-Invalidation: \"shop\"\r\n",
        _ if line.starts_with("GET /grouped") => "Cache-Groups: \"shop\"\r\n",
        _ => "",
    };
    let mut script = said(format!(
        "HTTP/1.1 200 OK\r\nCache-Control: {control}\r\n{group}Content-Length: {}\r\n\r\n{body}",
        body.len(),
    ));
    if number == 0 && line.starts_with("GET /held") {
        script.insert(0, Step::Wait(gate.clone()));
    }
    script
}
