//! The access log: a line per request, written when its answer has been read, or left.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes};
use http::header::{HOST, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Request, Response, StatusCode, Uri, Version};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tracing::Level;

use crate::forwarded::Peer;

/// What is known of a request, until it is written down.
#[derive(Debug)]
pub(crate) struct Record {
    began: Instant,
    client: HeaderValue,
    method: Method,
    host: Option<HeaderValue>,
    target: Uri,
    version: Version,
    answer: Option<Answer>,
}

#[derive(Debug)]
struct Answer {
    status: StatusCode,
    verb: Option<HeaderValue>,
    bytes: u64,
    end: End,
}

/// How far an answer got.
#[derive(Debug)]
enum End {
    /// To its end.
    Whole,
    /// Until the origin's body broke.
    Cut,
    /// Until the client went away.
    Left,
}

impl Record {
    /// Nothing, where nobody reads the log: a hit is cheaper than its line.
    pub(crate) fn begin<B>(request: &Request<B>, peer: &Peer) -> Option<Box<Self>> {
        if !tracing::enabled!(target: "reverse_proxy::access", Level::INFO) {
            return None;
        }
        Some(Box::new(Self {
            began: now(),
            client: peer.address().clone(),
            method: request.method().clone(),
            host: request.headers().get(HOST).cloned(),
            target: request.uri().clone(),
            version: request.version(),
            answer: None,
        }))
    }

    fn note<B: Body>(&mut self, response: &Response<B>) {
        let verb = response.headers().get("x-cache").cloned();
        self.answer = Some(Answer {
            status: response.status(),
            verb,
            bytes: 0,
            end: End::of(response.body()),
        });
    }
}

impl End {
    fn of<B: Body>(body: &B) -> Self {
        match body.is_end_stream() {
            true => Self::Whole,
            false => Self::Left,
        }
    }
}

/// A path and a query, which the log escapes as it does every text: letters that are no ASCII could be taken for its own
/// lines. Whom it is for stands beside it, and a password in front of that nowhere.
fn path(target: &Uri) -> String {
    let path = target.path_and_query().map_or("", PathAndQuery::as_str);
    let letters = path.chars().map(|letter| match letter.is_ascii() {
        true => letter.to_string(),
        false => letter.escape_unicode().to_string(),
    });
    letters.collect()
}

impl Drop for Record {
    fn drop(&mut self) {
        let answer = self.answer.as_ref();
        tracing::info!(
            target: "reverse_proxy::access",
            client = text(Some(&self.client)),
            method = self.method.as_str(),
            host = text(self.host.as_ref()),
            target = path(&self.target),
            version = ?self.version,
            // Nothing where the client had gone before there was an answer.
            status = answer.map(|answer| answer.status.as_u16()),
            cache = text(answer.and_then(|answer| answer.verb.as_ref())),
            bytes = answer.map(|answer| answer.bytes),
            end = match answer.map(|answer| &answer.end) {
                Some(End::Whole) => "whole",
                Some(End::Cut) => "cut",
                Some(End::Left) | None => "left",
            },
            millis = millis(self.began),
        );
    }
}

pin_project! {
    /// A body that notes how much of it was read.
    pub(crate) struct Recorded<B> {
        #[pin]
        body: B,
        record: Option<Box<Record>>,
    }
}

impl<B: Body> Recorded<B> {
    pub(crate) fn of(response: Response<B>, mut record: Option<Box<Record>>) -> Response<Self> {
        if let Some(record) = &mut record {
            record.note(&response);
        }
        response.map(|body| Self { body, record })
    }
}

impl<B: Body<Data = Bytes>> Body for Recorded<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        let polled = this.body.as_mut().poll_frame(cx);
        let answer = this
            .record
            .as_mut()
            .and_then(|record| record.answer.as_mut());
        if let (Some(answer), Poll::Ready(frame)) = (answer, &polled) {
            match frame {
                None => answer.end = End::Whole,
                Some(Err(_)) => answer.end = End::Cut,
                Some(Ok(frame)) => {
                    let bytes = frame.data_ref().map_or(0, |data| data.remaining());
                    answer.bytes += bytes as u64;
                    // A server that has been told so does not ask again.
                    answer.end = End::of(&*this.body);
                }
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn text(value: Option<&HeaderValue>) -> &str {
    value.map_or("-", |value| value.to_str().unwrap_or("?"))
}

#[allow(
    clippy::disallowed_methods,
    reason = "an application may read the runtime's clock"
)]
fn now() -> Instant {
    Instant::now()
}

fn millis(since: Instant) -> f64 {
    let span = now().duration_since(since);
    (span.as_secs_f64() * 1e6).round() / 1e3
}
