//! Patience with the origin: it runs out when nothing moves, and not while a long upload does.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};

use crate::problem::Failure;

/// When a request last got on, and whether it is the client's turn.
#[derive(Clone, Debug)]
pub(crate) struct Progress(Arc<Mutex<State>>);

#[derive(Clone, Copy, Debug)]
struct State {
    moved: Instant,
    waits_for_client: bool,
    /// The client's body broke off, or was none.
    is_broken: bool,
}

impl Progress {
    pub(crate) fn begin() -> Self {
        Self(Arc::new(Mutex::new(State {
            moved: now(),
            waits_for_client: false,
            is_broken: false,
        })))
    }

    /// The outcome of `answer`, unless nothing moves for `limit`.
    #[allow(
        clippy::disallowed_methods,
        reason = "an application may use the runtime's timers"
    )]
    pub(crate) async fn patiently<T>(
        &self,
        limit: Duration,
        answer: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let mut answer = std::pin::pin!(answer);
        loop {
            let due = self.state().moved + limit;
            if let Ok(answered) = timeout_at(due, &mut answer).await {
                return answered;
            }
            let state = self.state();
            if state.moved + limit > due {
                continue;
            }
            return Err(match state.waits_for_client {
                true => Failure::RequestStalled,
                false => Failure::TimedOut,
            });
        }
    }

    /// Notes that something moves.
    pub(crate) fn note_movement(&self) {
        self.note(false);
    }

    /// Whether it is the client's fault that the request did not get through.
    pub(crate) fn is_broken(&self) -> bool {
        self.state().is_broken
    }

    fn note_break(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.is_broken = true;
    }

    fn note(&self, waits_for_client: bool) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !waits_for_client {
            state.moved = now();
        }
        state.waits_for_client = waits_for_client;
    }

    fn state(&self) -> State {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request's body, which notes how it gets on.
#[derive(Debug)]
pub(crate) struct Upload {
    body: Incoming,
    progress: Progress,
}

impl Upload {
    pub(crate) fn new(body: Incoming, progress: &Progress) -> Self {
        Self {
            body,
            progress: progress.clone(),
        }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        self.progress.note(polled.is_pending());
        if let Poll::Ready(Some(Err(_))) = &polled {
            self.progress.note_break();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "an application may read the runtime's clock"
)]
fn now() -> Instant {
    Instant::now()
}
