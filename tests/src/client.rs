//! A client's connection.

use std::net::SocketAddr;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::header::{HOST, HeaderValue};
use hyper::{Request, Response, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::answer::{Answer, Arriving};
use crate::deadline::within;

/// What a request's body is: who wants to send one writes it with a [`Wire`](crate::Wire).
type Payload = Empty<Bytes>;

/// How a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1: one request at a time.
    Http1,
    /// HTTP/2 with prior knowledge: a stream per request.
    Http2,
}

/// A `GET` of `path`, without a body.
#[must_use]
pub fn get(path: &str) -> Request<()> {
    let mut request = Request::new(());
    *request.uri_mut() = path.parse().expect("the stories ask for paths");
    request
}

/// One connection to a server.
#[derive(Debug)]
pub struct Client {
    sender: Sender,
    host: String,
}

#[derive(Debug)]
enum Sender {
    Http1(http1::SendRequest<Payload>),
    Http2(http2::SendRequest<Payload>),
}

impl Client {
    /// Connects to `address`.
    pub async fn connect(address: SocketAddr, protocol: Protocol) -> Self {
        let socket = within("a connection", TcpStream::connect(address)).await;
        let socket = TokioIo::new(socket.expect("the server listens"));
        Self {
            sender: Sender::over(socket, protocol).await,
            host: address.to_string(),
        }
    }

    /// A `GET` of `path`, answered whole.
    pub async fn get(&mut self, path: &str) -> Answer {
        self.ask(get(path)).await
    }

    /// The whole answer to `request`.
    pub async fn ask(&mut self, request: Request<()>) -> Answer {
        self.begin(request).await.whole().await
    }

    /// The answer to `request`, of which only the head has arrived.
    pub async fn begin(&mut self, request: Request<()>) -> Arriving {
        let answer = self.send(request).await;
        Arriving::new(answer.expect("the server answers"))
    }

    /// What comes of sending `request`.
    ///
    /// # Errors
    ///
    /// The server closes the connection, or resets the stream, before it has answered.
    pub async fn send(&mut self, request: Request<()>) -> hyper::Result<Response<Incoming>> {
        let request = self.addressed(request);
        let answer = async {
            match &mut self.sender {
                Sender::Http1(sender) => {
                    sender.ready().await?;
                    sender.send_request(request).await
                }
                Sender::Http2(sender) => {
                    sender.ready().await?;
                    sender.send_request(request).await
                }
            }
        };
        within("the head of an answer", answer).await
    }

    /// Another handle on the same connection of HTTP/2.
    #[must_use]
    pub fn stream(&self) -> Self {
        let Sender::Http2(sender) = &self.sender else {
            panic!("a connection of HTTP/1.1 has no streams");
        };
        Self {
            sender: Sender::Http2(sender.clone()),
            host: self.host.clone(),
        }
    }

    /// The request, as it is written to this connection.
    fn addressed(&self, request: Request<()>) -> Request<Payload> {
        let mut request = request.map(|()| Empty::new());
        match self.sender {
            Sender::Http1(_) => {
                let host = HeaderValue::try_from(&self.host).expect("an address is a host");
                request.headers_mut().entry(HOST).or_insert(host);
            }
            Sender::Http2(_) => {
                let absolute: Result<Uri, _> =
                    format!("http://{}{}", self.host, request.uri()).parse();
                *request.uri_mut() = absolute.expect("a host and a path are a URI");
            }
        }
        request
    }
}

impl Sender {
    /// Boxed, and so compiled once, with all that a connection is made of, and not again with every story's future.
    fn over(socket: TokioIo<TcpStream>, protocol: Protocol) -> BoxFuture<'static, Self> {
        match protocol {
            Protocol::Http1 => Box::pin(Self::http1(socket)),
            Protocol::Http2 => Box::pin(Self::http2(socket)),
        }
    }

    #[allow(clippy::disallowed_methods, reason = "hyper's connection is a task")]
    async fn http1(socket: TokioIo<TcpStream>) -> Self {
        let connection = http1::handshake(socket).await;
        let (sender, connection) = connection.expect("a connection of HTTP/1");
        tokio::spawn(connection);
        Self::Http1(sender)
    }

    #[allow(clippy::disallowed_methods, reason = "hyper's connection is a task")]
    async fn http2(socket: TokioIo<TcpStream>) -> Self {
        let connection = http2::handshake(TokioExecutor::new(), socket).await;
        let (sender, connection) = connection.expect("a connection of HTTP/2");
        tokio::spawn(connection);
        Self::Http2(sender)
    }
}
