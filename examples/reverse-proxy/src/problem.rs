//! Answers of the proxy's own, for want of another: RFC 9457 problem details.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use http_body_util::Full;

/// Why a request is not even looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It wants a tunnel to somewhere.
    Connect,
    /// It has been here before.
    Loop,
    /// Whom it is for is missing, said twice, or no host.
    Host,
    /// It is for another protocol than this server speaks.
    Scheme,
    /// Its target is of a form that its method does not have.
    Target,
    /// Its body is coded in a way that is not undone here (RFC 9112 section 6.1).
    Coding,
    /// It may go no further than this, and wants what only an origin can say.
    MaxForwards,
}

/// Why there is no answer of the origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No connection to it could be opened.
    Unreachable,
    /// As many are asking it as may.
    Busy,
    /// The connection broke, or what came was no HTTP.
    Broken,
    /// It took too long to connect, or to begin an answer.
    TimedOut,
    /// The client took too long to send the rest of its request.
    RequestStalled,
    /// The client's request ended early, or in what is no HTTP.
    RequestBroken,
    /// It changed the protocol though nobody had asked it to.
    UnaskedUpgrade,
}

impl Refusal {
    pub(crate) fn response(self) -> Response<Full<Bytes>> {
        let (status, detail) = match self {
            Self::Connect => (
                StatusCode::NOT_IMPLEMENTED,
                "This is a reverse proxy: it opens no tunnels.",
            ),
            Self::Loop => (
                StatusCode::LOOP_DETECTED,
                "This request has come through this proxy before: its origin leads back to it.",
            ),
            Self::Host => (
                StatusCode::BAD_REQUEST,
                "A request says once and clearly which host it is for.",
            ),
            Self::Scheme => (
                StatusCode::MISDIRECTED_REQUEST,
                "This server answers for http: URIs only.",
            ),
            Self::Target => (
                StatusCode::BAD_REQUEST,
                "This method does not go with a target of this form.",
            ),
            Self::Coding => (
                StatusCode::NOT_IMPLEMENTED,
                "The body of a request has no transfer coding but chunks.",
            ),
            Self::MaxForwards => (
                StatusCode::NOT_IMPLEMENTED,
                "Max-Forwards ends here, and this proxy has nothing to say about its origin.",
            ),
        };
        let mut response = problem(status, detail);
        response
            .headers_mut()
            .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

impl Failure {
    /// The answer, as the cache sees it, too: a 5xx is a failure to it, for which a kept answer stands in. It is no
    /// error of the service, for then only the client whose request it was could be told the reason.
    ///
    /// It does not say `no-store`, or all who wait for it would go to the failing origin on their own. A 5xx without a
    /// lifetime is not kept by anybody.
    pub(crate) fn response(self) -> Response<Full<Bytes>> {
        let (status, detail) = match self {
            Self::Unreachable => (
                StatusCode::BAD_GATEWAY,
                "The server behind this proxy cannot be reached.",
            ),
            Self::Busy => (
                StatusCode::SERVICE_UNAVAILABLE,
                "As many requests are with the server behind this proxy as may be.",
            ),
            Self::Broken => (
                StatusCode::BAD_GATEWAY,
                "The server behind this proxy did not give a proper answer.",
            ),
            Self::TimedOut => (
                StatusCode::GATEWAY_TIMEOUT,
                "The server behind this proxy did not answer in time.",
            ),
            Self::RequestStalled => (
                StatusCode::REQUEST_TIMEOUT,
                "The rest of the request did not come in time.",
            ),
            Self::RequestBroken => (
                StatusCode::BAD_REQUEST,
                "The body of the request breaks off, or is not framed as HTTP has it.",
            ),
            Self::UnaskedUpgrade => (
                StatusCode::BAD_GATEWAY,
                "The server behind this proxy changed the protocol without being asked.",
            ),
        };
        let mut response = problem(status, detail);
        if status.is_server_error() {
            // Soon: what is served meanwhile is served by the cache, which spaces its own attempts.
            let fields = response.headers_mut();
            fields.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

fn problem(status: StatusCode, detail: &str) -> Response<Full<Bytes>> {
    let title = status.canonical_reason().unwrap_or_default();
    let code = status.as_u16();
    // None of the texts has anything in it that JSON would want escaped.
    let text = format!(
        r#"{{"type":"about:blank","title":"{title}","status":{code},"detail":"{detail}"}}"#
    );
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
