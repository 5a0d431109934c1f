//! Connections to the origin that know whether they were still good.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tower_service::Service;

/// What a connection has seen so far. Clones are the same connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct LineState(Arc<Seen>);

#[derive(Debug, Default)]
struct Seen {
    has_answered: AtomicBool,
    is_silent: AtomicBool,
}

impl LineState {
    /// Notes that an answer has come over the connection.
    pub(crate) fn answered(&self) {
        self.0.has_answered.store(true, Ordering::Relaxed);
    }

    /// Whether the origin had closed the connection, most likely, before it saw the last request: it was kept from an
    /// earlier one, and not a byte has come since something was written.
    pub(crate) fn was_stale(&self) -> bool {
        self.0.has_answered.load(Ordering::Relaxed) && self.0.is_silent.load(Ordering::Relaxed)
    }

    fn note(&self, is_silent: bool) {
        self.0.is_silent.store(is_silent, Ordering::Relaxed);
    }
}

/// Opens lines.
#[derive(Clone, Debug)]
pub(crate) struct Lines(pub(crate) HttpConnector);

impl Service<Uri> for Lines {
    type Response = TokioIo<Line>;
    type Error = <HttpConnector as Service<Uri>>::Error;
    type Future = Pin<Box<dyn Future<Output = Result<TokioIo<Line>, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, origin: Uri) -> Self::Future {
        let connecting = self.0.call(origin);
        Box::pin(async move {
            let stream = connecting.await?.into_inner();
            let state = LineState::default();
            Ok(TokioIo::new(Line { stream, state }))
        })
    }
}

/// A connection to the origin.
#[derive(Debug)]
pub(crate) struct Line {
    stream: TcpStream,
    state: LineState,
}

impl Connection for Line {
    fn connected(&self) -> Connected {
        Connected::new().extra(self.state.clone())
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            self.state.note(false);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.state.note(true);
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.state.note(true);
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces)
    }
}
