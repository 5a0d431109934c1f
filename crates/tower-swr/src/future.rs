use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Response;

use crate::body::CacheBody;

/// The answer of a [`CacheService`](crate::CacheService).
///
/// A hit is in it from the start; everything else is boxed, so that a hit does not pay for the size of a miss.
///
/// # Cancel safety
///
/// Dropping it hangs up on nobody else: a call of the handler that others may share goes on.
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture<B, E> {
    state: State<B, E>,
}

pub(crate) type Answering<B, E> =
    Pin<Box<dyn Future<Output = Result<Response<CacheBody<B>>, E>> + Send>>;

enum State<B, E> {
    Ready(Option<Response<CacheBody<B>>>),
    Pending(Answering<B, E>),
}

impl<B, E> ResponseFuture<B, E> {
    pub(crate) fn ready(response: Response<CacheBody<B>>) -> Self {
        Self {
            state: State::Ready(Some(response)),
        }
    }

    pub(crate) fn pending(answering: Answering<B, E>) -> Self {
        Self {
            state: State::Pending(answering),
        }
    }
}

// Nothing in it is ever pinned in place: the box does that.
impl<B, E> Unpin for ResponseFuture<B, E> {}

impl<B, E> Future for ResponseFuture<B, E> {
    type Output = Result<Response<CacheBody<B>>, E>;

    /// # Panics
    ///
    /// When it is polled again after it was ready, as futures may.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.get_mut().state {
            State::Ready(response) => Poll::Ready(Ok(response
                .take()
                .expect("a future is not polled after it was ready"))),
            State::Pending(answering) => answering.as_mut().poll(cx),
        }
    }
}

impl<B, E> fmt::Debug for ResponseFuture<B, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_hit = matches!(self.state, State::Ready(_));
        f.debug_struct("ResponseFuture")
            .field("is_hit", &is_hit)
            .finish_non_exhaustive()
    }
}
