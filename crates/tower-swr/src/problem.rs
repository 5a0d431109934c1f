//! Answers of our own, for want of another: RFC 9457 problem details.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, Response, StatusCode};
use tower_swr_core::Lost;

use crate::body::CacheBody;

/// What went wrong, as the client is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// The handler's service failed.
    OriginFailed,
    /// The handler panicked.
    OriginPanicked,
    /// The handler took too long.
    OriginTimedOut,
    /// Somebody else's call took too long.
    WaitTimedOut,
    /// The call was dropped.
    Interrupted,
    /// Nothing is kept that the client would take, and the origin is not to be asked.
    NotKept,
}

/// When to come again: the flight of now will have ended, and a storm of retries should not come at once.
const RETRY_AFTER_PAUSE: Duration = Duration::from_secs(1);

impl Problem {
    fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::OriginFailed => (
                StatusCode::BAD_GATEWAY,
                "origin-failed",
                "The service behind this cache failed to answer.",
            ),
            Self::OriginPanicked => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "origin-panicked",
                "The service behind this cache stopped in the middle of its work.",
            ),
            Self::OriginTimedOut => (
                StatusCode::GATEWAY_TIMEOUT,
                "origin-timed-out",
                "The service behind this cache did not answer in time.",
            ),
            Self::WaitTimedOut => (
                StatusCode::SERVICE_UNAVAILABLE,
                "wait-timed-out",
                "This answer is being made for somebody else and did not come in time.",
            ),
            Self::Interrupted => (
                StatusCode::SERVICE_UNAVAILABLE,
                "interrupted",
                "The making of this answer was interrupted, as when a server shuts down.",
            ),
            Self::NotKept => (
                StatusCode::GATEWAY_TIMEOUT,
                "only-if-cached",
                "Nothing is kept that this request would take, and it does not want the origin to be asked.",
            ),
        }
    }

    /// The word for `Cache-Status`'s `detail`.
    pub(crate) fn token(self) -> &'static str {
        self.parts().1
    }

    pub(crate) fn response<B>(self) -> Response<CacheBody<B>> {
        let (status, kind, detail) = self.parts();
        let title = status.canonical_reason().unwrap_or_default();
        let text = format!(
            r#"{{"type":"about:blank","title":"{title}","status":{},"detail":"{detail}","code":"{kind}"}}"#,
            status.as_u16()
        );
        let mut response = Response::new(CacheBody::stored(Bytes::from(text)));
        *response.status_mut() = status;
        fill_fields(response.headers_mut());
        response
    }
}

fn fill_fields(fields: &mut HeaderMap) {
    fields.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    fields.insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_PAUSE.as_secs()));
}

impl From<&Lost> for Problem {
    fn from(lost: &Lost) -> Self {
        match lost {
            Lost::Panicked => Self::OriginPanicked,
            Lost::TimedOut => Self::OriginTimedOut,
            Lost::Failed(_) => Self::OriginFailed,
            // Dropped, or whatever else may keep a call from its end.
            _ => Self::Interrupted,
        }
    }
}
