//! Answers as a client sees them.

use std::error::Error as _;
use std::io::{self, ErrorKind};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::{Response, StatusCode};

use crate::deadline::within;

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its fields.
    pub fields: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Answer {
    /// The body, which is text.
    #[must_use]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the stories' origins answer in UTF-8")
    }

    /// The first field of that name; empty where there is none.
    #[must_use]
    pub fn field(&self, name: &str) -> &str {
        text_of(&self.fields, name)
    }

    /// What the cache says it did.
    #[must_use]
    pub fn verb(&self) -> &str {
        self.field("x-cache")
    }
}

/// An answer of which the head has arrived.
#[derive(Debug)]
pub struct Arriving {
    /// Its status.
    pub status: StatusCode,
    /// Its fields.
    pub fields: HeaderMap,
    body: Incoming,
}

impl Arriving {
    /// An answer that begins with `response`.
    #[must_use]
    pub fn new(response: Response<Incoming>) -> Self {
        let (head, body) = response.into_parts();
        Self {
            status: head.status,
            fields: head.headers,
            body,
        }
    }

    /// The first field of that name; empty where there is none.
    #[must_use]
    pub fn field(&self, name: &str) -> &str {
        text_of(&self.fields, name)
    }

    /// What the cache says it did.
    #[must_use]
    pub fn verb(&self) -> &str {
        self.field("x-cache")
    }

    /// The next bytes of the body.
    pub async fn chunk(&mut self) -> Bytes {
        let frame = within("the next bytes of a body", self.body.frame()).await;
        let frame = frame
            .expect("the body goes on")
            .expect("the body is not cut");
        frame.into_data().expect("the stories send no trailers")
    }

    /// The answer with what is left of its body.
    ///
    /// # Errors
    ///
    /// The body does not come to a clean end.
    pub async fn rest(self) -> hyper::Result<Answer> {
        let rest = within("the end of a body", self.body.collect()).await?;
        Ok(Answer {
            status: self.status,
            fields: self.fields,
            body: rest.to_bytes(),
        })
    }

    /// The answer with what is left of its body, which comes to a clean end.
    pub async fn whole(self) -> Answer {
        self.rest().await.expect("the body is not cut")
    }
}

/// Whether a body over HTTP/1.1 ended before its length, or without its last chunk.
#[must_use]
pub fn is_incomplete(error: &hyper::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref());
    cause.is_some_and(|cause: &io::Error| cause.kind() == ErrorKind::UnexpectedEof)
}

fn text_of<'f>(fields: &'f HeaderMap, name: &str) -> &'f str {
    let value = fields.get(name);
    value.map_or("", |value| value.to_str().expect("a field of ASCII"))
}
