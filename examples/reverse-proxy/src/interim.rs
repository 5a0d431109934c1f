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
    /// A request begins to wait, and the one before is through: what was not said to it in time is for nobody.
    pub(crate) fn begin(self: &Arc<Self>) -> Waiting {
        drop(self.take());
        Waiting(Turn {
            interims: Arc::clone(self),
            number: self.turn.fetch_add(1, Ordering::Relaxed) + 1,
        })
    }

    fn end(&self) {
        let _unsent = self.lock();
        self.turn.fetch_add(1, Ordering::Relaxed);
    }

    /// What was offered to the last request that has begun to wait, and is not taken yet.
    fn take(&self) -> Bytes {
        if !self.are_unsent.load(Ordering::Relaxed) {
            return Bytes::new();
        }
        let mut unsent = self.lock();
        self.are_unsent.store(false, Ordering::Relaxed);
        std::mem::take(&mut unsent.text).into()
    }

    fn is_waiting(&self) -> bool {
        !self.turn.load(Ordering::Relaxed).is_multiple_of(2)
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
        let mut unsent = self.interims.lock();
        if self.interims.turn.load(Ordering::Relaxed) != self.number {
            return;
        }
        let before = unsent.text.len();
        write(&mut unsent.text, status, fields);
        if unsent.text.len() > MOST {
            unsent.text.truncate(before);
            return;
        }
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

fn write(text: &mut Vec<u8>, status: StatusCode, fields: &HeaderMap) {
    let reason = status.canonical_reason().unwrap_or_default();
    text.extend_from_slice(format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).as_bytes());
    for (name, value) in fields {
        let (name, value) = (name.as_str().as_bytes(), value.as_bytes());
        text.extend_from_slice(&[name, b": ", value, b"\r\n"].concat());
    }
    text.extend_from_slice(b"\r\n");
}

/// A connection of a server, into which interim answers are written where they do no harm.
///
/// A server flushes when it has written all that it has: the answer before is all there, and nothing is from then until it
/// writes again. There are two places for what was offered:
///
/// - at a flush, while a request waits. If none does, its answer is there already, wholly or in part: too late.
/// - at the first write after a flush, if no request waits: it is the answer to the one that has just ceased to. If one
///   does, it may be the answer to the one before, whose client was slow, or a `100 Continue`: too early.
#[derive(Debug)]
pub(crate) struct Interjected<S> {
    stream: S,
    interims: Arc<Interims>,
    /// The server has written nothing since it last flushed.
    is_flushed: bool,
    /// What of an interim answer is not written yet.
    rest: Bytes,
}

impl<S: AsyncWrite + Unpin> Interjected<S> {
    pub(crate) fn new(stream: S, interims: Arc<Interims>) -> Self {
        Self {
            stream,
            interims,
            is_flushed: true,
            rest: Bytes::new(),
        }
    }

    /// Makes room for what the server writes.
    fn give_way(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_flushed {
            ready!(self.finish(cx))?;
            if !self.interims.is_waiting() {
                ready!(self.interject(cx))?;
            }
            self.is_flushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Says what was offered, and what is offered meanwhile.
    fn interject(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.finish(cx))?;
            self.rest = self.interims.take();
            if self.rest.is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Writes the rest of what has been begun.
    fn finish(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
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
        if !self.interims.is_waiting() {
            drop(self.interims.take());
        }
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
    use std::future::poll_fn;
    use std::io::IoSlice;

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

    /// The server flushes beside `client`, which does not read what there is no room for.
    async fn flush_without_room(server: &mut Interjected<DuplexStream>) {
        let flushing = poll_fn(|cx| Poll::Ready(Pin::new(&mut *server).poll_flush(cx)));
        assert!(flushing.await.is_pending());
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
            let answer = [IoSlice::new(b"answer")];
            let written = server.write_vectored(&answer).await;
            assert_eq!(written.expect("an open connection"), 6);
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

    #[tokio::test]
    async fn hints_that_a_slow_client_had_no_room_for_go_before_the_answer_or_are_lost() {
        for has_next in [false, true] {
            let (mut server, interims, mut client) = connection(8);
            let waiting = interims.begin();
            hint(&waiting.turn());
            flush_without_room(&mut server).await;
            hint(&waiting.turn());
            drop(waiting);
            // Its request may come before the answer is written, and be told something.
            let next = has_next.then(|| interims.begin());
            if let Some(next) = &next {
                hint(&next.turn());
            }
            let answering = async move {
                server.write_all(b"an").await?;
                server.write_all(b"swer").await?;
                server.flush().await
            };
            let mut said = String::new();
            let (answered, read) = join(answering, client.read_to_string(&mut said)).await;
            answered.and(read.map(drop)).expect("an open connection");
            let expected = if has_next {
                format!("{HINT}answer{HINT}")
            } else {
                format!("{HINT}{HINT}answer")
            };
            assert_eq!(said, expected);
        }
    }

    /// Its answer was written at once behind another one.
    #[tokio::test]
    async fn what_was_not_said_before_the_answer_is_not_said_behind_it() {
        let (mut server, interims, client) = connection(1024);
        server
            .write_all(b"before")
            .await
            .expect("an open connection");
        let waiting = interims.begin();
        hint(&waiting.turn());
        drop(waiting);
        server
            .write_all(b"answer")
            .await
            .expect("an open connection");
        server.flush().await.expect("an open connection");
        server
            .write_all(b"tunnel")
            .await
            .expect("an open connection");
        server.flush().await.expect("an open connection");
        assert_eq!(said(server, client).await, "beforeanswertunnel");
    }

    #[tokio::test]
    async fn the_next_request_is_not_told_what_a_slow_client_was_not() {
        let (mut server, interims, client) = connection(1024);
        server
            .write_all(b"before")
            .await
            .expect("an open connection");
        let first = interims.begin();
        hint(&first.turn());
        drop(first);
        server
            .write_all(b"answer")
            .await
            .expect("an open connection");
        let second = interims.begin();
        server.flush().await.expect("an open connection");
        drop(second);
        assert_eq!(said(server, client).await, "beforeanswer");
    }

    #[test]
    fn what_is_said_without_end_is_lost() {
        let interims = Arc::<Interims>::default();
        let waiting = interims.begin();
        for _ in 0..10_000 {
            hint(&waiting.turn());
        }
        let unsent = interims.take();
        assert!(MOST - HINT.len() < unsent.len() && unsent.len() <= MOST);
        assert_eq!(unsent.len() % HINT.len(), 0);
    }
}
