use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::task::JoinHandle;

use crate::fleet::{Fleet, pause};
use crate::support::{Wire, beside};

/// Paths that are asked for over and over, so that some are in memory, some in Redis, and some nowhere.
const PATHS: usize = 500;

/// Clients that never stop asking, until they are told to.
pub(crate) struct Load {
    is_over: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Report>>,
}

/// What the clients got.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) answers: usize,
    /// Answers with another status than 200 or of another path, and connections that ended.
    pub(crate) errors: Vec<String>,
    pub(crate) longest: Duration,
}

impl Load {
    /// So many clients before each proxy.
    pub(crate) async fn on(fleet: &Fleet, clients: usize) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let mut all = Vec::new();
        for number in 0..fleet.proxies.len() {
            for client in 0..clients {
                let wire = fleet.connect(number).await;
                let from = number * 31 + client * 97;
                all.push(beside(client_of(wire, from, Arc::clone(&is_over))));
            }
        }
        Self {
            is_over,
            clients: all,
        }
    }

    /// Stops it.
    pub(crate) async fn end(self) -> Report {
        self.is_over.store(true, Ordering::Relaxed);
        let mut all = Report::default();
        for report in join_all(self.clients).await {
            let report = report.expect("a client does not panic");
            all.answers += report.answers;
            all.errors.extend(report.errors);
            all.longest = all.longest.max(report.longest);
        }
        all
    }
}

impl Report {
    pub(crate) fn assert_no_error(&self) {
        assert!(self.answers > 0, "nobody asked");
        assert!(
            self.errors.is_empty(),
            "{} of {} failed, such as {}",
            self.errors.len(),
            self.answers,
            self.errors[0]
        );
    }
}

async fn client_of(mut wire: Wire, from: usize, is_over: Arc<AtomicBool>) -> Report {
    let mut report = Report::default();
    let mut at = from;
    while !is_over.load(Ordering::Relaxed) {
        at += 7;
        let line = format!("GET /load/{}", at % PATHS);
        let began = Instant::now();
        wire.begin(&line, "").await;
        let answer = wire.answer().await;
        report.longest = report.longest.max(began.elapsed());
        report.answers += 1;
        match answer {
            Some(answer) if answer.status() == 200 && answer.body.starts_with(&line) => {}
            Some(answer) => report.errors.push(format!("{line}: {answer:?}")),
            None => {
                report.errors.push(format!("{line}: the connection ended"));
                return report;
            }
        }
        pause(Duration::from_millis(2)).await;
    }
    report
}
