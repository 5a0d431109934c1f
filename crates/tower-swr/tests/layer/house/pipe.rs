use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use tokio::sync::mpsc;
use tower_swr::BoxError;

/// The writing end of a body: what is sent here, its reader gets. Dropped, it ends the body.
pub(crate) struct Pipe {
    frames: Option<mpsc::UnboundedSender<Result<Frame<Bytes>, BoxError>>>,
    dropped: Arc<AtomicBool>,
}

struct Reading {
    frames: mpsc::UnboundedReceiver<Result<Frame<Bytes>, BoxError>>,
    dropped: Arc<AtomicBool>,
}

/// A body of which nothing is there yet, and whose length nobody knows.
pub(crate) fn pipe() -> (Pipe, Body) {
    let (send, frames) = mpsc::unbounded_channel();
    let dropped = Arc::new(AtomicBool::new(false));
    let pipe = Pipe {
        frames: Some(send),
        dropped: Arc::clone(&dropped),
    };
    (pipe, Body::new(Reading { frames, dropped }))
}

impl Pipe {
    pub(crate) fn send(&self, chunk: impl Into<Bytes>) {
        self.frame(Ok(Frame::data(chunk.into())));
    }

    pub(crate) fn trailers(&self, trailers: HeaderMap) {
        self.frame(Ok(Frame::trailers(trailers)));
    }

    pub(crate) fn fail(&self) {
        self.frame(Err("the origin's body broke".into()));
    }

    pub(crate) fn end(&mut self) {
        self.frames = None;
    }

    /// Whether the cache has let go of the body.
    pub(crate) fn is_dropped(&self) -> bool {
        self.dropped.load(Ordering::SeqCst)
    }

    fn frame(&self, frame: Result<Frame<Bytes>, BoxError>) {
        let frames = self.frames.as_ref().expect("the body has not been ended");
        // Whether somebody reads is what some tests are about.
        let _ = frames.send(frame);
    }
}

impl http_body::Body for Reading {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.frames.poll_recv(cx)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.dropped.store(true, Ordering::SeqCst);
    }
}
