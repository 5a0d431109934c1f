//! Calls of the origin: as many at a time as there may be, each of which counts until its answer has been read.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// A limit on the calls under way. Each takes a connection, and so a descriptor: a client of HTTP/2 may ask a hundred
/// things at a time and read none of the answers.
#[derive(Debug)]
pub(crate) struct Calls {
    free: Arc<Semaphore>,
    patience: Duration,
}

impl Calls {
    /// At most `limit` at a time; who has to wait for one does so for `patience`.
    pub(crate) fn new(limit: usize, patience: Duration) -> Self {
        Self {
            free: Arc::new(Semaphore::new(limit.min(Semaphore::MAX_PERMITS))),
            patience,
        }
    }

    /// The right to make a call, unless none is free for too long.
    #[allow(
        clippy::disallowed_methods,
        reason = "an application may use the runtime's timers"
    )]
    pub(crate) async fn begin(&self) -> Option<OwnedSemaphorePermit> {
        let free = Arc::clone(&self.free).acquire_owned();
        timeout(self.patience, free).await.ok()?.ok()
    }
}

pin_project! {
    /// A body whose call is under way until this is dropped.
    #[derive(Debug)]
    pub struct Called<B> {
        #[pin]
        body: B,
        call: Option<OwnedSemaphorePermit>,
    }
}

impl<B> Called<B> {
    pub(crate) fn new(body: B, call: Option<OwnedSemaphorePermit>) -> Self {
        Self { body, call }
    }
}

impl<B: Body> Body for Called<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.project().body.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
