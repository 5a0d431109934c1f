//! Requests and answers of a realistic size.

use std::sync::LazyLock;

use axum::body::Body;
use axum::http::header::{
    ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE, CONNECTION, CONTENT_LANGUAGE, CONTENT_TYPE, ETAG,
    HOST, HeaderMap, HeaderName, HeaderValue, LAST_MODIFIED, REFERRER_POLICY, SERVER,
    STRICT_TRANSPORT_SECURITY, UPGRADE_INSECURE_REQUESTS, USER_AGENT, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{Request, Uri};
use bytes::Bytes;

pub(crate) const KIB: usize = 1024;

/// What a browser sends with the address line typed in: ten fields, no cookie.
const REQUEST_FIELDS: [(HeaderName, &str); 10] = [
    (HOST, "reports.example.com"),
    (
        USER_AGENT,
        "Mozilla/5.0 (X11; Linux x86_64; rv:141.0) Gecko/20100101 Firefox/141.0",
    ),
    (
        ACCEPT,
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    ),
    (ACCEPT_LANGUAGE, "en-GB,en;q=0.7,de;q=0.3"),
    (ACCEPT_ENCODING, "gzip, deflate, br, zstd"),
    (CONNECTION, "keep-alive"),
    (UPGRADE_INSECURE_REQUESTS, "1"),
    (HeaderName::from_static("sec-fetch-dest"), "document"),
    (HeaderName::from_static("sec-fetch-mode"), "navigate"),
    (HeaderName::from_static("sec-fetch-site"), "none"),
];

/// What a handler says of its answer; axum adds the `Content-Length`, which makes nine.
const ANSWER_FIELDS: [(HeaderName, &str); 8] = [
    (CONTENT_TYPE, "application/json"),
    (CONTENT_LANGUAGE, "en"),
    (ETAG, "\"5f3c-61a2b7d4c0e80\""),
    (LAST_MODIFIED, "Wed, 21 Oct 2026 07:28:00 GMT"),
    (SERVER, "reports/2.4"),
    (
        STRICT_TRANSPORT_SECURITY,
        "max-age=63072000; includeSubDomains",
    ),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "strict-origin-when-cross-origin"),
];

/// A request to be cloned: its values are static, so that the clone is as cheap as can be and hides nothing of what
/// is measured.
pub(crate) fn request(uri: Uri) -> Request<()> {
    let mut request = Request::new(());
    *request.uri_mut() = uri;
    *request.headers_mut() = fields(&REQUEST_FIELDS);
    request
}

/// The request that nearly all of the benches send.
pub(crate) fn usual_request() -> &'static Request<()> {
    static USUAL: LazyLock<Request<()>> =
        LazyLock::new(|| request(Uri::from_static("/report/north?quarter=3")));
    &USUAL
}

/// A request as a server hands it on.
pub(crate) fn sent(request: &Request<()>) -> Request<Body> {
    request.clone().map(|()| Body::empty())
}

pub(crate) fn answer_fields() -> HeaderMap {
    fields(&ANSWER_FIELDS)
}

pub(crate) fn body(length: usize) -> Bytes {
    Bytes::from(vec![b'x'; length])
}

fn fields(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
        .collect()
}
