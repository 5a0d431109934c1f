use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::io::DuplexStream;
use tower::Service;

/// The body of a request that a client sends.
pub(crate) type Sent = BoxBody<Bytes, Infallible>;

/// The client's end of a connection to a server of `service`.
#[allow(clippy::disallowed_methods, reason = "a server is a task of its own")]
pub(crate) fn serve<S, B>(service: S) -> DuplexStream
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<tower_swr::BoxError>,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<tower_swr::BoxError>,
{
    let (client, server) = tokio::io::duplex(64 << 10);
    let service = TowerToHyperService::new(service);
    tokio::spawn(async move {
        let connections = auto::Builder::new(TokioExecutor::new());
        // A client that breaks a connection off is what some tests are about.
        let _ = connections
            .serve_connection(TokioIo::new(server), service)
            .await;
    });
    client
}

#[allow(
    clippy::disallowed_methods,
    reason = "a connection is a task of its own"
)]
pub(crate) async fn first_version(stream: DuplexStream) -> http1::SendRequest<Sent> {
    let (client, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .expect("a connection");
    tokio::spawn(connection);
    client
}

#[allow(
    clippy::disallowed_methods,
    reason = "a connection is a task of its own"
)]
pub(crate) async fn second_version(stream: DuplexStream) -> http2::SendRequest<Sent> {
    let io = TokioIo::new(stream);
    let (client, connection) = http2::handshake(TokioExecutor::new(), io)
        .await
        .expect("a connection");
    tokio::spawn(connection);
    client
}
