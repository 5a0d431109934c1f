//! A client's connection: it takes one of a limited number of seats, and may not hold it for nothing.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep};

/// As many connections as there may be at a time.
#[derive(Debug)]
pub(crate) struct Seats {
    free: Arc<Semaphore>,
    limit: usize,
    is_told: AtomicBool,
}

/// One of them, which is free again when this is dropped.
pub(crate) type Seat = OwnedSemaphorePermit;

impl Seats {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(limit.min(Semaphore::MAX_PERMITS))),
            limit,
            is_told: AtomicBool::new(false),
        }
    }

    /// Waits until one is free. Whoever connects meanwhile is kept waiting by the system.
    pub(crate) async fn take(&self) -> Seat {
        if self.free.available_permits() == 0 && !self.is_told.swap(true, Ordering::Relaxed) {
            let limit = self.limit;
            tracing::warn!(
                limit,
                "as many clients are connected as may be, and others wait: --connections allows more"
            );
        }
        let seat = Arc::clone(&self.free).acquire_owned().await;
        seat.expect("nobody closes the semaphore")
    }
}

/// The beginning by which HTTP/2 is told from HTTP/1.1 (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection in a seat, and in the end the tunnel that became of it.
///
/// Requests have a limit of their own in the server, which begins once it knows which protocol the client speaks.
#[derive(Debug)]
pub(crate) struct Seated {
    stream: TcpStream,
    patience: Duration,
    heard: usize,
    /// Runs until enough was heard to know the protocol.
    greeting: Option<Pin<Box<Sleep>>>,
    /// Runs while the client takes nothing of what it is sent.
    stall: Option<Pin<Box<Sleep>>>,
    _seat: Seat,
}

impl Seated {
    /// A client that has `patience` to begin, and to take some more of its answers.
    pub(crate) fn new(stream: TcpStream, seat: Seat, patience: Duration) -> Self {
        Self {
            stream,
            patience,
            heard: 0,
            greeting: Some(timer(patience)),
            stall: None,
            _seat: seat,
        }
    }

    /// A beginning that is none of HTTP/2's has told the protocol, however short it is.
    fn hear(&mut self, bytes: &[u8]) {
        let is_preface = PREFACE[self.heard.min(PREFACE.len())..].starts_with(bytes);
        self.heard = self.heard.saturating_add(bytes.len());
        if !is_preface || self.heard >= PREFACE.len() {
            self.greeting = None;
        }
    }

    /// The outcome of a write, unless the client has taken nothing for too long.
    fn unless_stalled<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stall = None;
            return written;
        }
        let patience = self.patience;
        let stall = self.stall.get_or_insert_with(|| timer(patience));
        ready!(stall.as_mut().poll(cx));
        Poll::Ready(Err(ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Seated {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let Some(greeting) = &mut self.greeting else {
            return read;
        };
        if read.is_pending() {
            ready!(greeting.as_mut().poll(cx));
            return Poll::Ready(Err(ErrorKind::TimedOut.into()));
        }
        self.hear(&buffer.filled()[before..]);
        read
    }
}

impl AsyncWrite for Seated {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        // Who is answered has begun, however short the request was.
        self.greeting = None;
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.unless_stalled(cx, written)
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
        self.greeting = None;
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, pieces);
        self.unless_stalled(cx, written)
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "an application may use the runtime's timers"
)]
fn timer(span: Duration) -> Pin<Box<Sleep>> {
    Box::pin(sleep(span))
}
