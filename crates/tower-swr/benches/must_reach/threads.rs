//! Many keys, of which few are popular, on two threads.

use std::convert::Infallible;
use std::hint::black_box;
use std::ops::Range;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Request, Uri};
use axum::routing::MethodRouter;
use tokio::runtime::Builder;
use tower::{Layer as _, Service, ServiceExt as _};
use tower_swr::{CacheService, HttpCache};

use crate::support::message::{request, sent, usual_request};
use crate::support::origin::Origin;
use crate::support::report::Report;
use crate::support::rounds::{Row, interleave};
use crate::support::rows::{LookedUp, Prebuilt, answer_at_once};
use crate::support::zipf;

const KEYS: usize = 100_000;
const THREADS: u64 = 2;
/// How many draws there are before they repeat.
const DRAWS: usize = 1 << 20;
const ROUNDS: usize = 30;
const HITS: u32 = 50_000;

/// What is asked for: the resources, and in which order each thread asks for them.
struct Load {
    uris: Vec<Uri>,
    draws: Vec<Vec<u32>>,
}

pub(crate) fn run(report: &mut Report) {
    let load = Load::new();
    let (ours, looked_up) = fill(&load.uris);
    let mut rows = [
        load.row("quick_cache sync", looked_up),
        load.row("ours, all fields", ours),
    ];
    let rounds = interleave(&mut rows, ROUNDS, HITS);
    for name in ["quick_cache sync", "ours, all fields"] {
        let millions = 1000.0 / rounds.nanos(name);
        println!("{name:<22} {millions:>6.2} million hits a second");
    }
    // Of times, so the other way round.
    let ratio = rounds.ratio("quick_cache sync", "ours, all fields");
    let figure = format!("{ratio:.2} × quick_cache");
    report.note(
        "two threads, 100,000 keys, zipf(1.0): hits a second",
        figure,
        "≥ 0.75 × quick_cache sync",
        ratio >= 0.75,
    );
}

impl Load {
    fn new() -> Self {
        let uri = |key| {
            // Static text, so that cloning the address costs nothing that would hide what is measured.
            let text = format!("/report/{key}?quarter=3").leak();
            Uri::from_static(text)
        };
        Self {
            uris: (0..KEYS).map(uri).collect(),
            draws: (1..=THREADS)
                .map(|seed| zipf::draws(KEYS, DRAWS, seed))
                .collect(),
        }
    }

    fn row<'a, S>(&'a self, name: &'static str, service: S) -> Row<'a>
    where
        S: Service<Request<Body>, Error = Infallible> + Clone + Send + Sync + 'a,
    {
        let mut from = 0;
        Row::new(name, move |count| {
            let each = count as usize / self.draws.len();
            from += each;
            self.run(&service, from..from + each)
        })
    }

    /// Hits on all threads at once; `range` says which of its draws each takes.
    fn run<S>(&self, service: &S, range: Range<usize>) -> Duration
    where
        S: Service<Request<Body>, Error = Infallible> + Clone + Send + Sync,
    {
        let start = Barrier::new(self.draws.len() + 1);
        let began = std::thread::scope(|scope| {
            for draws in &self.draws {
                let (start, mut service, range) = (&start, service.clone(), range.clone());
                scope.spawn(move || {
                    start.wait();
                    for place in range {
                        self.ask(&mut service, draws[place % DRAWS]);
                    }
                });
            }
            start.wait();
            Instant::now()
        });
        began.elapsed()
    }

    fn ask<S>(&self, service: &mut S, draw: u32)
    where
        S: Service<Request<Body>, Error = Infallible>,
    {
        let mut request = sent(usual_request());
        *request.uri_mut() = self.uris[draw as usize].clone();
        drop(black_box(answer_at_once(service, request)));
    }
}

/// Both stores, filled with the very same answers.
fn fill(uris: &[Uri]) -> (CacheService<MethodRouter>, LookedUp) {
    let runtime = Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime");
    let layer = HttpCache::in_memory(2 << 30).layer("hit");
    let mut ours = layer.layer(Arc::new(Origin::new()).handler());
    let looked_up = LookedUp::new(uris.len());
    for uri in uris {
        let request = request(uri.clone());
        drop(runtime.block_on(ours.clone().oneshot(sent(&request))));
        let hit = answer_at_once(&mut ours, sent(&request));
        looked_up.insert(&request, Arc::new(Prebuilt::of(hit)));
    }
    (ours, looked_up)
}
