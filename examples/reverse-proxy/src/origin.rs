//! The room behind the cache: a request becomes the origin's, and its answer becomes ours.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{
    CONTENT_LENGTH, COOKIE, HeaderMap, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::{Extensions, Request, Response, StatusCode, Version};
use http_body::Body as _;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::ext::on_informational;
use hyper::upgrade::{self, OnUpgrade};
use tower_service::Service;

use crate::calls::{Called, Calls};
use crate::client::OriginClient;
use crate::forwarded::{Peer, translate_vary};
use crate::hop_by_hop;
use crate::interim::{Awaited, Turn};
use crate::origin_address::OriginAddress;
use crate::problem::Failure;
use crate::tunnel::Tunnels;
use crate::via::Pseudonym;

/// The origin's own body, or the proxy's word on why there is none.
pub(crate) type OriginBody = Called<Either<Incoming, Full<Bytes>>>;

/// The origin, and what a request takes to reach it.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) address: OriginAddress,
    pub(crate) client: OriginClient,
    pub(crate) calls: Calls,
    pub(crate) pseudonym: Pseudonym,
    pub(crate) tunnels: Tunnels,
}

/// The origin as the service that the cache calls, on behalf of the client at one connection.
///
/// It never fails: see [`Failure::response`].
#[derive(Clone, Debug)]
pub(crate) struct OriginService {
    pub(crate) origin: Arc<Origin>,
    pub(crate) peer: Arc<Peer>,
}

impl Service<Request<Awaited<Incoming>>> for OriginService {
    type Response = Response<OriginBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // The pool opens as many connections as are needed.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Awaited<Incoming>>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move { Ok(service.ask(request).await) })
    }
}

impl OriginService {
    async fn ask(self, request: Request<Awaited<Incoming>>) -> Response<OriginBody> {
        let Some(call) = self.origin.calls.begin().await else {
            let busy = Failure::Busy.response();
            return busy.map(|body| Called::new(Either::Right(body), None));
        };
        let answer = self.exchange(request).await;
        answer.map(|body| Called::new(body, Some(call)))
    }

    async fn exchange(
        &self,
        mut request: Request<Awaited<Incoming>>,
    ) -> Response<Either<Incoming, Full<Bytes>>> {
        let wants_upgrade = request.headers().contains_key(UPGRADE);
        let client_side = wants_upgrade.then(|| upgrade::on(&mut request));
        let question = Question::of(request.headers());
        let (head, body) = self.outgoing(request);
        let answered = match self.origin.client.send(head, body).await {
            Ok(response) if !question.is_answered_by(&response) => Err(Failure::Broken),
            Ok(response) => self.incoming(response, client_side),
            Err(failure) => Err(failure),
        };
        answered.unwrap_or_else(|failure| failure.response().map(Either::Right))
    }

    /// The request, as the origin gets it.
    fn outgoing(&self, request: Request<Awaited<Incoming>>) -> (Parts, Incoming) {
        let (mut head, Awaited { body, turn }) = request.into_parts();
        let fields = &mut head.headers;
        self.origin.pseudonym.append(fields, head.version);
        self.peer.describe(fields);
        hop_by_hop::announce(fields);
        join_cookies(fields);
        say_length_once(fields);
        if !body.is_end_stream() && body.size_hint().exact().is_none() {
            // Said aloud, because a client takes a GET of unknown length for one without a body.
            fields.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        let path = head.uri.path_and_query().cloned();
        head.uri = self.origin.address.uri(path);
        head.version = Version::HTTP_11;
        head.extensions = Extensions::new();
        let mut request = Request::from_parts(head, body);
        if let Some(turn) = turn {
            self.hear(&mut request, turn);
        }
        request.into_parts()
    }

    /// Hands on to the client what the origin says before its answer. That it waits for a body (100) does not go on: the
    /// server has said so of its own, when the body was asked for.
    fn hear(&self, request: &mut Request<Incoming>, turn: Turn) {
        let origin = Arc::clone(&self.origin);
        on_informational(request, move |heard| {
            if heard.status() == StatusCode::CONTINUE {
                return;
            }
            let mut interim = Response::new(());
            *interim.status_mut() = heard.status();
            *interim.version_mut() = heard.version();
            *interim.headers_mut() = heard.headers().clone();
            hop_by_hop::strip_response(&mut interim);
            origin.pseudonym.append_to(&mut interim);
            turn.offer(interim.status(), interim.headers());
        });
    }

    /// The answer, as the cache and the client get it.
    fn incoming(
        &self,
        mut response: Response<Incoming>,
        client_side: Option<OnUpgrade>,
    ) -> Result<Response<Either<Incoming, Full<Bytes>>>, Failure> {
        let is_changing = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        let protocol = response.headers_mut().remove(UPGRADE);
        hop_by_hop::strip_response(&mut response);
        if is_changing {
            let client_side = client_side.ok_or(Failure::UnaskedUpgrade)?;
            let origin_side = upgrade::on(&mut response);
            self.origin.tunnels.open(client_side, origin_side);
            if let Some(protocol) = protocol {
                response.headers_mut().insert(UPGRADE, protocol);
                hop_by_hop::announce(response.headers_mut());
            }
        }
        translate_vary(response.headers_mut());
        self.origin.pseudonym.append_to(&mut response);
        // The version is each hop's own (RFC 9110 section 2.5).
        *response.version_mut() = Version::HTTP_11;
        Ok(response.map(Either::Left))
    }
}

/// What a request asks for that changes which answers there are to it.
#[derive(Clone, Copy, Debug)]
struct Question {
    is_conditional: bool,
}

impl Question {
    fn of(fields: &HeaderMap) -> Self {
        Self {
            is_conditional: fields.contains_key(IF_NONE_MATCH)
                || fields.contains_key(IF_MODIFIED_SINCE),
        }
    }

    /// Whether a client can make anything of the answer: "not modified" is none to who did not ask for that, and a coding
    /// that is not undone here would pass for the body itself. A part says that it is one.
    fn is_answered_by(self, response: &Response<Incoming>) -> bool {
        let is_unmodified = response.status() == StatusCode::NOT_MODIFIED;
        let fits =
            (self.is_conditional || !is_unmodified) && !hop_by_hop::is_coded(response.headers());
        if !fits {
            tracing::warn!(status = %response.status(), "the origin answers what it was not asked");
        }
        fits
    }
}

/// HTTP/2 may send each cookie in a field of its own, HTTP/1.1 knows one field (RFC 9113 section 8.2.3).
fn join_cookies(fields: &mut HeaderMap) {
    let lines: Vec<_> = fields.get_all(COOKIE).iter().collect();
    if lines.len() < 2 {
        return;
    }
    let bytes: Vec<_> = lines.iter().map(|line| line.as_bytes()).collect();
    // Parts of values, with what values may have between them.
    if let Ok(joined) = HeaderValue::from_bytes(&bytes.join(&b"; "[..])) {
        fields.insert(COOKIE, joined);
    }
}

/// A length that is said twice goes on once (RFC 9110 section 8.6). Where the lines differ, they stay for the client of
/// the origin to refuse.
fn say_length_once(fields: &mut HeaderMap) {
    let mut lines = fields.get_all(CONTENT_LENGTH).iter();
    let Some(first) = lines.next().cloned() else {
        return;
    };
    if lines.all(|line| *line == first) {
        fields.insert(CONTENT_LENGTH, first);
    }
}
