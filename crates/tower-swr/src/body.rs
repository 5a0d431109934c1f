//! The body of every answer that leaves the cache.

use std::error::Error;
use std::fmt;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::tape::{CutReason, TapeError, TapeReader};

/// Any error, as tower passes them on.
pub type BoxError = Box<dyn Error + Send + Sync>;

pin_project! {
    /// The response body of a cached service.
    ///
    /// It is one of three, and tells by [`Debug`] which:
    ///
    /// * **stored**: the whole body in one piece of shared memory, where the answer came from the store or the cache
    ///   wrote it itself; cloning the answer copied no byte of it. Empty for answers without content, and for `HEAD`,
    ///   where it is *untold* if nobody knows the length.
    /// * **streaming**: what the origin sends right now, shared by all who wait for the same key. It ends with an
    ///   error, never with a clean end, where the origin's body fails or does not have the length it announced, where
    ///   the task that reads it is stopped, and where this client stops reading an answer larger than the body limit
    ///   for the idle timeout.
    /// * **passed**: the handler's own body, untouched, where nothing is cached or shared.
    ///
    /// The size hint is exact for the first two wherever the length is known, so servers write a `Content-Length`.
    ///
    /// # Cancel safety
    ///
    /// Dropping a stored or streaming body harms nobody: a streamed answer goes on for the others, and into the store.
    /// Where it is not kept, or larger than the body limit, the origin's body is cancelled once the last reader is gone.
    /// Dropping a passed body does what it does without the cache.
    pub struct CacheBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind<B> {
        Stored { bytes: Bytes },
        Untold,
        Streaming { stream: Stream },
        Passed { #[pin] body: B },
    }
}

impl<B> CacheBody<B> {
    /// A body that is here as a whole.
    pub(crate) fn stored(bytes: Bytes) -> Self {
        Self {
            kind: Kind::Stored { bytes },
        }
    }

    /// A body that is at its end.
    pub(crate) fn empty() -> Self {
        Self::stored(Bytes::new())
    }

    /// No body, where there would be one of whatever length: the answer to a `HEAD`. Of an empty body's length servers
    /// make a `Content-Length`.
    pub(crate) fn untold() -> Self {
        Self { kind: Kind::Untold }
    }

    /// A body that is being written. `length` is what the origin announced for all of it; `reader` has read nothing.
    pub(crate) fn streaming(reader: TapeReader, length: Option<u64>) -> Self {
        Self {
            kind: Kind::Streaming {
                stream: Stream {
                    reader,
                    remaining: length,
                },
            },
        }
    }

    /// A body that is none of the cache's business.
    pub(crate) fn passed(body: B) -> Self {
        Self {
            kind: Kind::Passed { body },
        }
    }
}

impl<B> Body for CacheBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut kind = self.project().kind;
        match kind.as_mut().project() {
            KindProj::Stored { bytes } => Poll::Ready(rest(bytes).map(Ok)),
            KindProj::Untold => Poll::Ready(None),
            KindProj::Passed { body } => body.poll_frame(cx).map_err(Into::into),
            KindProj::Streaming { stream } => {
                let frame = stream.poll_frame(cx);
                if let Poll::Ready(None | Some(Err(_))) = frame {
                    // Leaves the tape now, for a server may keep the body longer than it reads it.
                    kind.set(Kind::Stored {
                        bytes: Bytes::new(),
                    });
                }
                frame.map_err(Into::into)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Stored { bytes } => bytes.is_empty(),
            Kind::Untold => true,
            Kind::Streaming { stream } => stream.is_end(),
            Kind::Passed { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Stored { bytes } => SizeHint::with_exact(bytes.len() as u64),
            Kind::Untold => SizeHint::default(),
            Kind::Streaming { stream } => stream.size_hint(),
            Kind::Passed { body } => body.size_hint(),
        }
    }
}

fn rest(bytes: &mut Bytes) -> Option<Frame<Bytes>> {
    (!bytes.is_empty()).then(|| Frame::data(mem::take(bytes)))
}

/// An empty body.
impl<B> Default for CacheBody<B> {
    fn default() -> Self {
        Self::empty()
    }
}

/// Tells the kind and the length, never the content.
impl<B> fmt::Debug for CacheBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CacheBody::")?;
        match &self.kind {
            Kind::Stored { bytes } => write!(f, "Stored({} bytes)", bytes.len()),
            Kind::Untold => f.write_str("Untold"),
            Kind::Streaming { stream } => match stream.remaining {
                Some(remaining) => write!(f, "Streaming({remaining} bytes to come)"),
                None => f.write_str("Streaming"),
            },
            Kind::Passed { .. } => f.write_str("Passed"),
        }
    }
}

/// A tape's reader that knows how much is to come.
struct Stream {
    reader: TapeReader,
    remaining: Option<u64>,
}

impl Stream {
    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, TapeError>>> {
        self.reader.poll_frame(cx).map(|frame| match frame {
            Some(Ok(frame)) => Some(self.count(frame)),
            None => self.missing().map(Err),
            error => error,
        })
    }

    /// The tape's writer compares the lengths, too. This is what a client relies on: with a length it has announced, a
    /// server takes whatever number of bytes comes.
    fn count(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, TapeError> {
        if let (Some(remaining), Some(data)) = (&mut self.remaining, frame.data_ref()) {
            *remaining = remaining
                .checked_sub(data.len() as u64)
                .ok_or(TapeError::Cut(CutReason::Long))?;
        }
        Ok(frame)
    }

    fn missing(&self) -> Option<TapeError> {
        (self.remaining > Some(0)).then_some(TapeError::Cut(CutReason::Short))
    }

    fn is_end(&self) -> bool {
        self.reader.is_end() && self.missing().is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.remaining
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use std::convert::Infallible;
    use std::sync::Arc;
    use std::task::Waker;
    use std::time::Duration;

    use http::HeaderMap;
    use http_body_util::{BodyExt, Empty, Full};
    use tower_swr_core::SystemClock;

    use super::*;
    use crate::tape::{TapeWriter, tape};

    type Plain = CacheBody<Empty<Bytes>>;

    fn streaming(length: Option<u64>) -> (TapeWriter, Plain) {
        let clock = Arc::new(SystemClock::default());
        let (writer, reader) = tape(1 << 20, clock, Duration::from_secs(30));
        (writer, CacheBody::streaming(reader, length))
    }

    fn poll<B>(body: &mut CacheBody<B>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: Into<BoxError>,
    {
        Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop()))
    }

    /// The body's error, after which it must be at its end.
    fn error(body: &mut Plain) -> TapeError {
        let Poll::Ready(Some(Err(error))) = poll(body) else {
            panic!("no error");
        };
        assert!(body.is_end_stream());
        assert!(matches!(poll(body), Poll::Ready(None)));
        assert_eq!(body.size_hint().exact(), Some(0));
        *error.downcast().unwrap()
    }

    #[tokio::test]
    async fn a_stored_body_is_one_frame_of_known_length() {
        let mut body = Plain::stored(Bytes::from_static(b"text"));
        assert_eq!(body.size_hint().exact(), Some(4));
        assert!(!body.is_end_stream());
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), "text");
        assert_eq!(body.size_hint().exact(), Some(0));
        assert!(body.is_end_stream());
        assert!(body.frame().await.is_none());
    }

    #[test]
    fn an_empty_body_is_at_its_end_before_it_is_polled() {
        for mut body in [
            Plain::empty(),
            Plain::default(),
            Plain::stored(Bytes::new()),
        ] {
            assert!(body.is_end_stream());
            assert_eq!(body.size_hint().exact(), Some(0));
            assert!(matches!(poll(&mut body), Poll::Ready(None)));
        }
    }

    #[tokio::test]
    async fn a_streaming_body_counts_down_and_ends_with_its_trailers() {
        let (mut writer, mut body) = streaming(Some(7));
        assert_eq!(body.size_hint().exact(), Some(7));
        assert!(poll(&mut body).is_pending());
        writer.write(Bytes::from_static(b"one ")).await.unwrap();
        assert_eq!(
            body.frame().await.unwrap().unwrap().into_data().unwrap(),
            "one "
        );
        assert_eq!(body.size_hint().exact(), Some(3));
        writer.write(Bytes::from_static(b"two")).await.unwrap();
        writer.set_trailers(HeaderMap::from_iter([(
            http::header::ETAG,
            http::HeaderValue::from_static("\"x\""),
        )]));
        writer.finish();
        assert_eq!(
            body.frame().await.unwrap().unwrap().into_data().unwrap(),
            "two"
        );
        assert_eq!(body.size_hint().exact(), Some(0));
        assert!(!body.is_end_stream(), "the trailers are to come");
        assert!(body.frame().await.unwrap().unwrap().is_trailers());
        assert!(body.is_end_stream());
        assert!(body.frame().await.is_none());
    }

    #[tokio::test]
    async fn a_streaming_body_of_unknown_length_promises_nothing() {
        let (mut writer, mut body) = streaming(None);
        assert_eq!(
            (body.size_hint().lower(), body.size_hint().upper()),
            (0, None)
        );
        writer.write(Bytes::from_static(b"text")).await.unwrap();
        writer.finish();
        assert!(!body.is_end_stream());
        assert!(body.frame().await.unwrap().is_ok());
        assert!(body.is_end_stream());
        assert!(body.frame().await.is_none());
    }

    #[tokio::test]
    async fn a_streaming_body_that_breaks_ends_with_an_error() {
        let (mut writer, mut body) = streaming(None);
        writer.write(Bytes::from_static(b"text")).await.unwrap();
        drop(writer);
        assert!(poll(&mut body).is_ready());
        assert!(!body.is_end_stream());
        assert_eq!(error(&mut body), TapeError::Abandoned);
    }

    #[tokio::test]
    async fn a_wrong_length_never_passes_as_right() {
        for (length, wrong) in [(5, CutReason::Short), (3, CutReason::Long)] {
            let (mut writer, mut body) = streaming(Some(length));
            writer.write(Bytes::from_static(b"text")).await.unwrap();
            writer.finish();
            if wrong == CutReason::Short {
                assert!(poll(&mut body).is_ready());
                assert!(!body.is_end_stream(), "the error is to come");
            }
            assert_eq!(error(&mut body), TapeError::Cut(wrong));
        }
    }

    #[test]
    fn a_body_leaves_the_tape_at_its_end_or_when_it_is_dropped() {
        let (writer, body) = streaming(None);
        assert_eq!(writer.readers(), 1);
        drop(body);
        assert_eq!(writer.readers(), 0);

        let (writer, mut body) = streaming(None);
        writer.finish();
        assert!(matches!(poll(&mut body), Poll::Ready(None)));
        assert_eq!(format!("{body:?}"), "CacheBody::Stored(0 bytes)");
    }

    #[tokio::test]
    async fn a_passed_body_is_what_it_was() {
        let mut body = CacheBody::passed(Full::new(Bytes::from_static(b"text")));
        assert_eq!(body.size_hint().exact(), Some(4));
        assert!(!body.is_end_stream());
        assert_eq!(
            body.frame().await.unwrap().unwrap().into_data().unwrap(),
            "text"
        );
        assert!(body.is_end_stream());
        assert!(body.frame().await.is_none());

        let failing = Full::<Bytes>::default().map_err(|error: Infallible| match error {});
        assert!(CacheBody::passed(failing).is_end_stream());
    }

    /// What axum and hyper ask of a body, whatever the handler's own body is.
    #[test]
    fn a_body_is_as_send_as_the_passed_one_and_shows_no_content() {
        fn send<T: Send + 'static>(_: &T) {}
        let (_writer, body) = streaming(Some(7));
        send(&body);
        assert_eq!(format!("{body:?}"), "CacheBody::Streaming(7 bytes to come)");
        assert_eq!(format!("{:?}", streaming(None).1), "CacheBody::Streaming");
        let stored = Plain::stored(Bytes::from_static(b"secret"));
        assert_eq!(format!("{stored:?}"), "CacheBody::Stored(6 bytes)");
        assert_eq!(format!("{:?}", CacheBody::passed(())), "CacheBody::Passed");
        assert!(size_of::<Plain>() <= 80, "{}", size_of::<Plain>());
    }
}
