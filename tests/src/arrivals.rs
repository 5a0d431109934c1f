//! How far requests have got, seen from just outside the application.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::poll;
use tokio::sync::watch;

use crate::deadline::within;

/// Counts requests of a server.
///
/// A request has arrived once its answer has been polled for the first time: what can be done without waiting has been
/// done by then. Behind a held origin that means that it waits for the origin's answer.
#[derive(Clone, Debug)]
pub struct Arrivals {
    counts: Arc<watch::Sender<Counts>>,
}

#[derive(Debug, Default)]
struct Counts {
    arrived: usize,
    abandoned: usize,
}

impl Default for Arrivals {
    fn default() -> Self {
        Self {
            counts: Arc::new(watch::Sender::new(Counts::default())),
        }
    }
}

impl Arrivals {
    /// Counts a request, of which `answer` is what the application makes.
    pub async fn counted<F: Future>(&self, answer: F) -> F::Output {
        let visit = Visit {
            arrivals: self,
            is_answered: false,
        };
        let mut answer = pin!(answer);
        let first = poll!(&mut answer);
        self.counts.send_modify(|counts| counts.arrived += 1);
        let answer = match first {
            Poll::Ready(answer) => answer,
            Poll::Pending => answer.await,
        };
        visit.end();
        answer
    }

    /// Waits until `requests` requests have arrived since the server started.
    pub async fn reached(&self, requests: usize) {
        let what = format!("request number {requests} to arrive");
        let mut watching = self.counts.subscribe();
        let _ = within(
            &what,
            watching.wait_for(|counts| counts.arrived >= requests),
        )
        .await;
    }

    /// Waits until the server has given up `requests` requests before their answer began, since their clients had gone.
    pub async fn abandoned(&self, requests: usize) {
        let what = format!("the server to give up {requests} requests");
        let mut watching = self.counts.subscribe();
        let _ = within(
            &what,
            watching.wait_for(|counts| counts.abandoned >= requests),
        )
        .await;
    }
}

/// A middleware for axum that counts.
pub(crate) async fn counted(
    State(arrivals): State<Arrivals>,
    request: Request,
    next: Next,
) -> Response {
    arrivals.counted(next.run(request)).await
}

struct Visit<'a> {
    arrivals: &'a Arrivals,
    is_answered: bool,
}

impl Visit<'_> {
    fn end(mut self) {
        self.is_answered = true;
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        if !self.is_answered {
            let counts = &self.arrivals.counts;
            counts.send_modify(|counts| counts.abandoned += 1);
        }
    }
}
