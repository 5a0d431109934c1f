//! An axum handler with nothing around it: the origin of `tests/proxy_bench`, and what it measures the proxy against.
//!
//! It answers every path with one kibibyte and the fields that such an answer has in the wild.

use axum::Router;
use axum::http::HeaderMap;
use axum::http::header::{self, HeaderName, HeaderValue};
use bytes::Bytes;
use tokio::net::TcpListener;

const FIELDS: [(HeaderName, &str); 8] = [
    (header::CONTENT_TYPE, "application/json; charset=utf-8"),
    (header::CACHE_CONTROL, "public, max-age=86400"),
    (header::ETAG, "\"33a64df551425fcc55e4d42a148795d9f25f89d4\""),
    (header::LAST_MODIFIED, "Wed, 21 Oct 2015 07:28:00 GMT"),
    (header::VARY, "Accept-Encoding"),
    (
        header::STRICT_TRANSPORT_SECURITY,
        "max-age=63072000; includeSubDomains",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'self'"),
];

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let fields = FIELDS.map(|(name, value)| (name, HeaderValue::from_static(value)));
    let fields = HeaderMap::from_iter(fields);
    let body = Bytes::from(vec![b'x'; 1024]);
    let answer = move || async move { (fields, body) };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    axum::serve(listener, Router::new().fallback(answer)).await
}
