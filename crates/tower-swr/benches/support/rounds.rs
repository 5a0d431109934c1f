//! Measuring rows side by side: a little of each in turn, so that whatever else the machine does meets all of them
//! alike, and a ratio per round, of which the median counts.

use std::convert::Infallible;
use std::hint::black_box;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::Request;
use tower::Service;

use super::message::sent;
use super::rows::answer_at_once;

/// One of the things compared.
pub(crate) struct Row<'a> {
    name: &'static str,
    /// Does so many, and tells how long they took.
    run: Box<dyn FnMut(u32) -> Took + 'a>,
}

/// How long a row took for the hits that were asked of it.
pub(crate) struct Took {
    whole: Duration,
    /// Without the making of the requests.
    alone: Duration,
}

impl<'a> Row<'a> {
    pub(crate) fn new(name: &'static str, mut run: impl FnMut(u32) -> Duration + 'a) -> Self {
        let run = move |count| {
            let whole = run(count);
            Took {
                whole,
                alone: whole,
            }
        };
        let run = Box::new(run);
        Self { name, run }
    }

    /// Hits: calls, and the drops of their answers.
    pub(crate) fn hits<S>(name: &'static str, mut service: S, request: &'a Request<()>) -> Self
    where
        S: Service<Request<Body>, Error = Infallible> + 'a,
    {
        let run = move |count| Took {
            whole: hits(&mut service, request, count),
            alone: hits_alone(&mut service, request, count),
        };
        let run = Box::new(run);
        Self { name, run }
    }
}

/// Each with the making of the request that it takes.
fn hits<S>(service: &mut S, request: &Request<()>, count: u32) -> Duration
where
    S: Service<Request<Body>, Error = Infallible>,
{
    let began = Instant::now();
    for _ in 0..count {
        let request = sent(black_box(request));
        drop(black_box(answer_at_once(service, request)));
    }
    began.elapsed()
}

/// With the requests made beforehand, so few at a time that they stay in the nearest cache.
fn hits_alone<S>(service: &mut S, request: &Request<()>, count: u32) -> Duration
where
    S: Service<Request<Body>, Error = Infallible>,
{
    const AT_ONCE: u32 = 8;
    let mut took = Duration::ZERO;
    for _ in 0..count / AT_ONCE {
        let requests = [(); AT_ONCE as usize].map(|()| sent(black_box(request)));
        let began = Instant::now();
        for request in requests {
            drop(black_box(answer_at_once(service, request)));
        }
        took += began.elapsed();
    }
    took
}

/// Nanoseconds per hit of every row, round by round.
pub(crate) struct Rounds {
    names: Vec<&'static str>,
    whole: Vec<Vec<f64>>,
    alone: Vec<Vec<f64>>,
}

/// Runs `count` of each row in turn, `rounds` times.
pub(crate) fn interleave(rows: &mut [Row<'_>], rounds: usize, count: u32) -> Rounds {
    let mut measured = Rounds {
        names: rows.iter().map(|row| row.name).collect(),
        whole: vec![Vec::new(); rows.len()],
        alone: vec![Vec::new(); rows.len()],
    };
    let per_hit = |span: Duration| span.as_nanos() as f64 / f64::from(count);
    for _ in 0..rounds {
        for (place, row) in rows.iter_mut().enumerate() {
            (row.run)(count / 8); // brings its own code and data back into the caches
            let Took { whole, alone } = (row.run)(count);
            measured.whole[place].push(per_hit(whole));
            measured.alone[place].push(per_hit(alone));
        }
    }
    measured
}

impl Rounds {
    /// The median of the rounds' ratios of one row to another.
    pub(crate) fn ratio(&self, row: &str, to: &str) -> f64 {
        ratio(&self.whole[self.place(row)], &self.whole[self.place(to)])
    }

    /// The same without the making of the requests.
    pub(crate) fn ratio_alone(&self, row: &str, to: &str) -> f64 {
        ratio(&self.alone[self.place(row)], &self.alone[self.place(to)])
    }

    pub(crate) fn nanos(&self, row: &str) -> f64 {
        median(self.whole[self.place(row)].clone())
    }

    pub(crate) fn nanos_alone(&self, row: &str) -> f64 {
        median(self.alone[self.place(row)].clone())
    }

    fn place(&self, row: &str) -> usize {
        let place = self.names.iter().position(|name| *name == row);
        place.expect("the row was measured")
    }
}

fn ratio(row: &[f64], to: &[f64]) -> f64 {
    let pairs = row.iter().zip(to);
    median(pairs.map(|(row, to)| row / to).collect())
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
