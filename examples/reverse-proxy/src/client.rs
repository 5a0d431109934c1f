//! The client: a pool of connections to the origin.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Extensions, Method, Request, Response};
use http_body::Body as _;
use http_body_util::{Either, Empty};
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::line::{LineState, Lines};
use crate::problem::Failure;
use crate::progress::{Progress, Upload};

/// What goes to the origin: a client's body as it comes, or none.
type Payload = Either<Upload, Empty<Bytes>>;

/// How long a connection is kept that nobody uses. Shorter than what servers usually allow, so that few of them close
/// one just as it is used again.
const IDLE: Duration = Duration::from_secs(4);

/// Sends requests to the origin.
#[derive(Debug)]
pub(crate) struct OriginClient {
    pool: Client<Lines, Payload>,
    timeout: Duration,
}

impl OriginClient {
    /// A client that waits for at most `connect` for a connection and `timeout` for the beginning of an answer.
    pub(crate) fn new(connect: Duration, timeout: Duration) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(connect));
        // An origin whose machine is gone says nothing, and a tunnel may be silent for long.
        connector.set_keepalive(Some(Duration::from_secs(60)));
        let pool = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(Lines(connector));
        Self { pool, timeout }
    }

    /// The head of the origin's answer; its body is still on its way.
    pub(crate) async fn send(
        &self,
        head: Parts,
        body: Incoming,
    ) -> Result<Response<Incoming>, Failure> {
        let progress = Progress::begin();
        let answer = async {
            if !body.is_end_stream() {
                let upload = Upload::new(body, &progress);
                return self.attempt(head, Either::Left(upload)).await;
            }
            let is_repeatable = is_idempotent(&head.method);
            match self
                .attempt(head.clone(), Either::Right(Empty::new()))
                .await
            {
                Err(error) if is_repeatable && was_stale(&error) => {
                    tracing::debug!("the origin had closed the connection; trying another one");
                    self.attempt(head, Either::Right(Empty::new())).await
                }
                answer => answer,
            }
        };
        let answer = async {
            answer.await.map_err(|error| match progress.is_broken() {
                true => Failure::RequestBroken,
                false => failure(&error),
            })
        };
        progress.patiently(self.timeout, answer).await
    }

    async fn attempt(
        &self,
        head: Parts,
        body: Payload,
    ) -> Result<Response<Incoming>, legacy::Error> {
        let request = Request::from_parts(head, body);
        let mut response = self.pool.request(request).await?;
        // Taken out, since it is nobody else's business.
        if let Some(line) = response.extensions_mut().remove::<LineState>() {
            line.answered();
        }
        Ok(response)
    }
}

/// What may be done twice (RFC 9110 section 9.2.2).
fn is_idempotent(method: &Method) -> bool {
    method.is_safe() || matches!(*method, Method::PUT | Method::DELETE)
}

/// Whether the request went into a connection that the origin had closed meanwhile.
fn was_stale(error: &legacy::Error) -> bool {
    let mut extras = Extensions::new();
    if let Some(connected) = error.connect_info() {
        connected.get_extras(&mut extras);
    }
    extras.get::<LineState>().is_some_and(LineState::was_stale)
}

fn failure(error: &legacy::Error) -> Failure {
    let failure = match (error.is_connect(), is_timeout(error)) {
        (_, true) => Failure::TimedOut,
        (true, false) => Failure::Unreachable,
        (false, false) => Failure::Broken,
    };
    let mut reasons = causes(error).map(ToString::to_string);
    let reason = reasons.by_ref().collect::<Vec<_>>().join(": ");
    tracing::warn!(reason, "no answer from the origin");
    failure
}

fn is_timeout(error: &legacy::Error) -> bool {
    causes(error).any(|cause| {
        let io = cause.downcast_ref::<io::Error>();
        io.is_some_and(|io| io.kind() == ErrorKind::TimedOut)
    })
}

fn causes(error: &legacy::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    let outermost: &(dyn Error + 'static) = error;
    std::iter::successors(Some(outermost), |&error| error.source())
}
