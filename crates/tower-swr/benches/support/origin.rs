//! A handler that takes its time, and notes what it did.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, HeaderValue, VARY};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use bytes::Bytes;

use super::message::{KIB, answer_fields, body};

/// What the handlers of one cache have in common.
pub(crate) struct Origin {
    status: StatusCode,
    fields: HeaderMap,
    body: Bytes,
    takes: Duration,
    panics: bool,
    /// How many must wait before it answers.
    crowd: usize,
    pub(crate) waiting: AtomicUsize,
    calls: AtomicUsize,
    answered: Mutex<Option<Instant>>,
}

impl Origin {
    /// One that answers 1 KiB at once.
    pub(crate) fn new() -> Self {
        Self {
            status: StatusCode::OK,
            fields: answer_fields(),
            body: body(KIB),
            takes: Duration::ZERO,
            panics: false,
            crowd: 0,
            waiting: AtomicUsize::new(0),
            calls: AtomicUsize::new(0),
            answered: Mutex::new(None),
        }
    }

    pub(crate) fn taking(mut self, span: Duration) -> Self {
        self.takes = span;
        self
    }

    pub(crate) fn with_body(mut self, body: Bytes) -> Self {
        self.body = body;
        self
    }

    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    pub(crate) fn with_no_store(mut self) -> Self {
        let value = HeaderValue::from_static("no-store");
        self.fields.insert(CACHE_CONTROL, value);
        self
    }

    pub(crate) fn with_vary(mut self, names: &'static str) -> Self {
        self.fields.insert(VARY, HeaderValue::from_static(names));
        self
    }

    pub(crate) fn panicking(mut self) -> Self {
        self.panics = true;
        self
    }

    /// Holds the answer back until so many wait for it.
    pub(crate) fn for_a_crowd_of(mut self, waiting: usize) -> Self {
        self.crowd = waiting;
        self
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    /// When it last answered.
    pub(crate) fn answered(&self) -> Instant {
        let answered = *self.answered.lock().expect("no handler panics with it");
        answered.expect("the origin has answered")
    }

    /// As an application has it, and as a server does: until it is given its state, axum makes the route anew for every
    /// request.
    pub(crate) fn handler(self: &Arc<Self>) -> MethodRouter {
        let origin = Arc::clone(self);
        let handler = get(move || {
            let origin = Arc::clone(&origin);
            async move { origin.answer().await }
        });
        handler.with_state(())
    }

    async fn answer(&self) -> Response {
        self.calls.fetch_add(1, Ordering::Relaxed);
        if !self.takes.is_zero() {
            tokio::time::sleep(self.takes).await;
        }
        while self.waiting.load(Ordering::Relaxed) < self.crowd {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(!self.panics, "this origin panics");
        if !self.takes.is_zero() {
            *self.answered.lock().expect("no handler panics with it") = Some(Instant::now());
        }
        let mut response = Response::new(Body::from(self.body.clone()));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.fields.clone();
        response
    }
}
