//! Reading the origin's body: what is there at once, and the rest onto a tape.

use std::future::{pending, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, select};
use http::HeaderMap;
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use tower_swr_core::{Clock, Ending, Mode, Moment, Product};

use crate::body::BoxError;
use crate::response::Held;
use crate::route::Route;
use crate::tape::{CutReason, NoReaders, TapeError, TapeWriter};

/// What the first polls of a body brought.
pub(crate) enum Gathered<B> {
    /// All of it, in memory of its own: such a body needs no tape.
    Whole(Bytes),
    /// Its beginning.
    Begun(Beginning<B>),
    /// It failed.
    Failed,
}

/// A body of which the rest is not there yet, or is too large to be gathered.
pub(crate) struct Beginning<B> {
    pub(crate) chunks: Vec<Bytes>,
    pub(crate) trailers: Option<HeaderMap>,
    pub(crate) body: Pin<Box<B>>,
}

/// What a chunk costs beside its bytes, as the tape counts.
const CHUNK_OVERHEAD: usize = 64;

/// Takes what is there of `body` without waiting, up to `limit` bytes.
pub(crate) async fn gather<B>(mut body: Pin<Box<B>>, limit: usize) -> Gathered<B>
where
    B: Body<Data = Bytes>,
{
    let (mut chunks, mut trailers) = (Vec::new(), None);
    let (mut size, mut cost) = (0, 0);
    loop {
        let is_whole = body.is_end_stream() && size <= limit && trailers.is_none();
        if is_whole {
            return Gathered::Whole(joined(&chunks));
        }
        if cost > limit || trailers.is_some() {
            break;
        }
        // A poll, not a wait: who waits next is the task that fills the tape.
        match poll_fn(|cx| Poll::Ready(body.as_mut().poll_frame(cx))).await {
            Poll::Pending => break,
            Poll::Ready(None) => return Gathered::Whole(joined(&chunks)),
            Poll::Ready(Some(Err(_))) => return Gathered::Failed,
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(chunk) => {
                    size += chunk.len();
                    cost += chunk.len() + CHUNK_OVERHEAD;
                    chunks.push(chunk);
                }
                Err(frame) => trailers = frame.into_trailers().ok(),
            },
        }
    }
    Gathered::Begun(Beginning {
        chunks,
        trailers,
        body,
    })
}

/// The chunks in one allocation of their own: the origin's may be slices that hold a connection's whole read buffer.
fn joined(chunks: &[Bytes]) -> Bytes {
    let mut whole = Vec::with_capacity(chunks.iter().map(Bytes::len).sum());
    chunks
        .iter()
        .for_each(|chunk| whole.extend_from_slice(chunk));
    Bytes::from(whole)
}

/// Reads the rest of a body onto its tape.
pub(crate) struct Recording<B> {
    pub(crate) body: Pin<Box<B>>,
    pub(crate) writer: TapeWriter,
    pub(crate) route: Arc<Route>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) idle: Duration,
    /// The length that the origin said.
    pub(crate) length: Option<u64>,
    pub(crate) written: u64,
    /// Trailers are passed on and not kept, so an answer with them is not kept either.
    pub(crate) has_trailers: bool,
    /// Whether the whole is to be kept; if not, it is of use only while somebody reads.
    pub(crate) is_kept: bool,
    /// When what is kept may not be served any more, in whatever capacity.
    pub(crate) useful_until: Moment,
}

/// How far reading got.
enum Read {
    /// On.
    More,
    /// The end.
    End,
    /// Something is wrong with it.
    Cut(CutReason),
    /// Nobody reads any more.
    Unread,
}

impl<B> Recording<B>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    /// Reads to the end. `finish` makes what is kept of the whole body.
    pub(crate) async fn run(
        mut self,
        finish: impl FnOnce(Bytes) -> Product<Held> + Send + 'static,
    ) -> Ending<Held> {
        loop {
            if self.writer.overflowed() {
                return Ending::Overflow(Box::pin(self.run_over_limit()));
            }
            match self.read().await {
                Read::More => {}
                Read::End => return self.complete(finish),
                Read::Cut(reason) => return self.cut(reason),
                Read::Unread => return self.cut(CutReason::Failed),
            }
        }
    }

    /// Goes on for those who read, at the pace of the slowest. Nobody reading ends it, which cancels the origin's body.
    async fn run_over_limit(mut self) {
        loop {
            match self.read().await {
                Read::More => {}
                Read::End => return self.writer.finish(),
                Read::Cut(reason) => return self.writer.cut(TapeError::Cut(reason)),
                Read::Unread => return,
            }
        }
    }

    async fn read(&mut self) -> Read {
        let is_read_for_its_readers =
            !self.is_kept || self.writer.overflowed() || self.clock.now() >= self.useful_until;
        let unread = async {
            match is_read_for_its_readers {
                true => self.writer.unread().await,
                false => pending().await,
            }
        };
        let frame = select(self.body.frame(), self.clock.sleep(self.idle));
        let next = match select(pin!(unread), frame).await {
            Either::Left(_) => return Read::Unread,
            // What went wrong is nobody's business but the log's, and it need not be `Send`.
            Either::Right((Either::Left((next, _)), _)) => next.map(|frame| frame.map_err(|_| ())),
            Either::Right((Either::Right(_), _)) => return Read::Cut(CutReason::Stalled),
        };
        match next {
            None if self.length.is_some_and(|length| self.written < length) => {
                Read::Cut(CutReason::Short)
            }
            None if self.length.is_some_and(|length| self.written > length) => {
                Read::Cut(CutReason::Long)
            }
            None => Read::End,
            Some(Err(())) => Read::Cut(CutReason::Failed),
            Some(Ok(frame)) => self.write(frame).await,
        }
    }

    async fn write(&mut self, frame: Frame<Bytes>) -> Read {
        let chunk = match frame.into_data() {
            Ok(chunk) => chunk,
            Err(frame) => {
                if let Ok(trailers) = frame.into_trailers() {
                    self.has_trailers = true;
                    self.writer.set_trailers(trailers);
                }
                return Read::More;
            }
        };
        self.written += chunk.len() as u64;
        if self.length.is_some_and(|length| self.written > length) {
            return Read::Cut(CutReason::Long);
        }
        match self.writer.write(chunk).await {
            Ok(()) => Read::More,
            Err(NoReaders) => Read::Unread,
        }
    }

    fn complete(self, finish: impl FnOnce(Bytes) -> Product<Held>) -> Ending<Held> {
        let whole = self
            .writer
            .whole()
            .filter(|_| self.is_kept && !self.has_trailers && self.route.mode() != Mode::Off);
        let writer = self.writer;
        Ending::Complete {
            product: whole.map(finish),
            tell: Box::new(move || writer.finish()),
        }
    }

    fn cut(self, reason: CutReason) -> Ending<Held> {
        let writer = self.writer;
        Ending::Cut(Box::new(move || writer.cut(TapeError::Cut(reason))))
    }
}
