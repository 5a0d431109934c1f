//! Interim answers (RFC 9110 section 15.2): what the origin says of a request before it answers it, early hints (RFC 8297)
//! above all.
//!
//! The server below has no way to send them. So they are written into a client's connection of HTTP/1.1 beneath it, between
//! two messages of its own:
//!
//! ```text
//!   origin's client ──offer──▶ Interims ──▶ Interjected ──▶ the connection
//!                                             ▲ hyper: head, body, flush
//! ```
//!
//! They are for who asked: the client whose request has become the call, while it still waits for its answer. Who waits for
//! the same call, or finds its answer kept, is told the answer alone.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf as _, Bytes};
use http::{HeaderMap, StatusCode};
use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The most that may be unsent of one request, in bytes. What an origin says beyond is lost: it is only a hint.
const MOST: usize = 16 << 10;

/// What is to be said on one connection. Its requests wait one after the other.
#[derive(Debug, Default)]
pub(crate) struct Interims {
    /// Counts the beginnings and the ends of waiting: odd while a request waits. Written by the connection's task alone,
    /// and the ends under the lock, so that nothing is said behind them.
    turn: AtomicU64,
    /// Whether there is something to take. Nearly always there is not, and nobody need lock for that.
    are_unsent: AtomicBool,
    unsent: Mutex<Unsent>,
}

#[derive(Debug, Default)]
struct Unsent {
    text: Vec<u8>,
    /// The connection's.
    waker: Option<Waker>,
}

impl Interims {
    /// A request begins to wait, and the one before is through.
    pub(crate) fn begin(self: &Arc<Self>) -> Waiting {
        let number = self.turn.load(Ordering::Relaxed) + 1;
        self.turn.store(number, Ordering::Relaxed);
        Waiting(Turn {
            interims: Arc::clone(self),
            number,
        })
    }

    fn end(&self) {
        let mut unsent = self.lock();
        self.turn.fetch_add(1, Ordering::Relaxed);
        let waker = unsent.waker.take();
        drop(unsent);
        drop(waker);
    }

    /// What is to be said before anything else is, if the place for it is now.
    fn take(&self) -> Option<Bytes> {
        if !self.are_unsent.load(Ordering::Relaxed) {
            return None;
        }
        let mut unsent = self.lock();
        self.are_unsent.store(false, Ordering::Relaxed);
        Some(std::mem::take(&mut unsent.text).into())
    }

    /// Whether there is something left for a request that has ceased to wait.
    fn are_late(&self) -> bool {
        self.are_unsent.load(Ordering::Relaxed)
            && self.turn.load(Ordering::Relaxed).is_multiple_of(2)
    }

    fn lock(&self) -> MutexGuard<'_, Unsent> {
        self.unsent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that waits for its answer, until it is dropped.
#[derive(Debug)]
pub(crate) struct Waiting(Turn);

impl Waiting {
    /// By which others can say something to it.
    pub(crate) fn turn(&self) -> Turn {
        self.0.clone()
    }

    /// Has `waker` woken when there is something to say.
    pub(crate) fn listen(&self, waker: &Waker) {
        let mut unsent = self.0.interims.lock();
        let known = unsent.waker.as_ref();
        if !known.is_some_and(|known| known.will_wake(waker)) {
            let replaced = unsent.waker.replace(waker.clone());
            drop(unsent);
            drop(replaced);
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.interims.end();
    }
}

/// A request to which interim answers may be said while it waits.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    interims: Arc<Interims>,
    number: u64,
}

impl Turn {
    /// Says an interim answer to the client, if that still waits. Never waits itself.
    pub(crate) fn offer(&self, status: StatusCode, fields: &HeaderMap) {
        let text = written(status, fields);
        let mut unsent = self.interims.lock();
        let is_over = self.interims.turn.load(Ordering::Relaxed) != self.number;
        if is_over || unsent.text.len() + text.len() > MOST {
            return;
        }
        unsent.text.extend_from_slice(&text);
        self.interims.are_unsent.store(true, Ordering::Relaxed);
        let waker = unsent.waker.clone();
        drop(unsent);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The body of a request, and by which its client can be told something meanwhile: so it travels with the request, and a
/// hit pays for no extension.
#[derive(Debug)]
pub(crate) struct Awaited<B> {
    pub(crate) body: B,
    /// Not where its client cannot be told any.
    pub(crate) turn: Option<Turn>,
}

impl<B: Body + Unpin> Body for Awaited<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn written(status: StatusCode, fields: &HeaderMap) -> Vec<u8> {
    let reason = status.canonical_reason().unwrap_or_default();
    let mut text = format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).into_bytes();
    for (name, value) in fields {
        let (name, value) = (name.as_str().as_bytes(), value.as_bytes());
        text.extend_from_slice(&[name, b": ", value, b"\r\n"].concat());
    }
    text.extend_from_slice(b"\r\n");
    text
}

/// A connection of a server, into which interim answers are written where they do no harm.
///
/// A server flushes when it has written all that it has. From then until it writes again there is a place between two
/// messages, if a request waits or has just ceased to: nothing of its answer is written yet, and the one before it is all
/// there, since the server hands out no request before that.
#[derive(Debug)]
pub(crate) struct Interjected<S> {
    stream: S,
    interims: Arc<Interims>,
    /// The server has flushed, and has written nothing since.
    is_flushed: bool,
    /// What of an interim answer is not written yet.
    rest: Bytes,
}

impl<S: AsyncWrite + Unpin> Interjected<S> {
    pub(crate) fn new(stream: S, interims: Arc<Interims>) -> Self {
        Self {
            stream,
            interims,
            is_flushed: false,
            rest: Bytes::new(),
        }
    }

    /// Makes room for what the server writes. What was said before the end of a request's turn goes before its answer.
    fn give_way(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_flushed {
            ready!(self.interject(cx))?;
            self.is_flushed = false;
        } else if self.interims.are_late() {
            // Its place was amid the answer before, which the client was slow to take: it is too late for it.
            self.interims.take();
        }
        Poll::Ready(Ok(()))
    }

    fn interject(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.rest.is_empty() {
            self.rest = self.interims.take().unwrap_or_default();
        }
        while !self.rest.is_empty() {
            let stream = Pin::new(&mut self.stream);
            match ready!(stream.poll_write(cx, &self.rest))? {
                0 => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                length => self.rest.advance(length),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Interjected<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Interjected<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.give_way(cx))?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.is_flushed = true;
        ready!(self.interject(cx))?;
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
        ready!(self.give_way(cx))?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join;
    use http::HeaderValue;
    use http::header::LINK;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;

    const HINT: &str = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";

    fn connection(room: usize) -> (Interjected<DuplexStream>, Arc<Interims>, DuplexStream) {
        let interims = Arc::<Interims>::default();
        let (server, client) = duplex(room);
        let server = Interjected::new(server, Arc::clone(&interims));
        (server, interims, client)
    }

    fn hint(turn: &Turn) {
        let fields = HeaderMap::from_iter([(LINK, HeaderValue::from_static("</a>"))]);
        turn.offer(StatusCode::EARLY_HINTS, &fields);
    }

    async fn said(server: Interjected<DuplexStream>, mut client: DuplexStream) -> String {
        drop(server);
        let mut said = String::new();
        client.read_to_string(&mut said).await.expect("UTF-8");
        said
    }

    #[tokio::test]
    async fn a_hint_goes_before_the_answer_it_is_about_whether_there_was_time_to_flush_or_not() {
        for has_time in [true, false] {
            let (mut server, interims, client) = connection(1024);
            server.flush().await.expect("an open connection");
            let waiting = interims.begin();
            hint(&waiting.turn());
            if has_time {
                server.flush().await.expect("an open connection");
            }
            drop(waiting);
            server
                .write_all(b"answer")
                .await
                .expect("an open connection");
            server.flush().await.expect("an open connection");
            assert_eq!(said(server, client).await, format!("{HINT}answer"));
        }
    }

    #[tokio::test]
    async fn amid_an_answer_nothing_is_said() {
        let (mut server, interims, client) = connection(1024);
        server.flush().await.expect("an open connection");
        let first = interims.begin();
        let late = first.turn();
        drop(first);
        for piece in [b"an", b"sw", b"er"] {
            hint(&late);
            server.write_all(piece).await.expect("an open connection");
            server.flush().await.expect("an open connection");
        }
        assert_eq!(said(server, client).await, "answer");
    }

    #[tokio::test]
    async fn what_the_server_says_meanwhile_stays_whole() {
        let (mut server, interims, client) = connection(1024);
        server.flush().await.expect("an open connection");
        let waiting = interims.begin();
        server
            .write_all(b"conti")
            .await
            .expect("an open connection");
        hint(&waiting.turn());
        server.write_all(b"nue").await.expect("an open connection");
        server.flush().await.expect("an open connection");
        drop(waiting);
        assert_eq!(said(server, client).await, format!("continue{HINT}"));
    }

    #[tokio::test]
    async fn the_next_request_is_not_told_what_was_said_to_the_one_before() {
        let (mut server, interims, client) = connection(1024);
        server.write_all(b"an").await.expect("an open connection");
        let first = interims.begin();
        let late = first.turn();
        hint(&late);
        drop(first);
        // The place for it is amid the answer before.
        server.write_all(b"swer").await.expect("an open connection");
        server.flush().await.expect("an open connection");
        let second = interims.begin();
        hint(&late);
        server.flush().await.expect("an open connection");
        drop(second);
        assert_eq!(said(server, client).await, "answer");
    }

    #[tokio::test]
    async fn a_client_that_is_slow_gets_hints_whole() {
        let (mut server, interims, mut client) = connection(8);
        server.flush().await.expect("an open connection");
        let waiting = interims.begin();
        hint(&waiting.turn());
        drop(waiting);
        let answering = async move { server.write_all(b"answer").await };
        let mut said = String::new();
        let (answered, read) = join(answering, client.read_to_string(&mut said)).await;
        answered.and(read).expect("an open connection");
        assert_eq!(said, format!("{HINT}answer"));
    }

    #[test]
    fn what_is_said_without_end_is_lost() {
        let interims = Arc::<Interims>::default();
        let waiting = interims.begin();
        for _ in 0..10_000 {
            hint(&waiting.turn());
        }
        let unsent = interims.take().expect("as much as there is room for");
        assert!(unsent.len() <= MOST);
        assert_eq!(unsent.len() % HINT.len(), 0);
    }
}
