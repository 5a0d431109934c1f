//! The room before the cache: a client's request is put in order, or refused.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::UPGRADE;
use http::{Request, Response, Version};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::service::Service;
use tower_service::Service as _;
use tower_swr::{CacheBody, CacheService, ResponseFuture};

use crate::access::{Record, Recorded};
use crate::forwarded::Peer;
use crate::hop_by_hop;
use crate::interim::{Awaited, Interims, Waiting};
use crate::max_forwards;
use crate::origin::{Origin, OriginBody, OriginService};
use crate::problem::Refusal;
use crate::target;

/// What a client gets: an answer that came through the cache, or a refusal.
type Reply = Recorded<Either<CacheBody<OriginBody>, Full<Bytes>>>;

/// The service of one client's connection.
#[derive(Debug)]
pub(crate) struct Front {
    pub(crate) cached: CacheService<OriginService>,
    pub(crate) origin: Arc<Origin>,
    pub(crate) peer: Arc<Peer>,
    pub(crate) interims: Arc<Interims>,
}

impl Front {
    /// Brings the request into the form that the cache makes keys of. Its order matters: loops are looked for before
    /// `Connection` has its say, and what is known of the client is added after.
    fn admit(&self, request: &mut Request<Incoming>) -> Result<(), Refusal> {
        target::normalise(request)?;
        if self.origin.pseudonym.is_named(request.headers()) {
            return Err(Refusal::Loop);
        }
        if !max_forwards::count(request) {
            return Err(Refusal::MaxForwards);
        }
        if hop_by_hop::is_coded(request.headers()) {
            return Err(Refusal::Coding);
        }
        if request.version() == Version::HTTP_10 {
            // RFC 9110 section 7.8: an older client cannot mean it.
            request.headers_mut().remove(UPGRADE);
        }
        hop_by_hop::strip_request(request.headers_mut());
        self.peer.introduce(request.headers_mut());
        Ok(())
    }
}

impl Service<Request<Incoming>> for Front {
    type Response = Response<Reply>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, mut request: Request<Incoming>) -> Answering {
        let record = Record::begin(&request, &self.peer);
        // Clients of HTTP/1.0 may not be sent any interim answers (RFC 9110 section 15.2), and into a connection of HTTP/2
        // none can be put.
        let may_be_told = request.version() == Version::HTTP_11;
        let waiting = may_be_told.then(|| self.interims.begin());
        let answer = match self.admit(&mut request) {
            Ok(()) => {
                let turn = waiting.as_ref().map(Waiting::turn);
                let request = request.map(|body| Awaited { body, turn });
                Answer::Coming(self.cached.clone().call(request))
            }
            Err(refusal) => Answer::Refused(refusal),
        };
        Answering {
            answer,
            record,
            waiting,
        }
    }
}

/// The answer to a request.
#[derive(Debug)]
pub(crate) struct Answering {
    answer: Answer,
    record: Option<Box<Record>>,
    /// Until there is an answer, interim ones may be said.
    waiting: Option<Waiting>,
}

#[derive(Debug)]
enum Answer {
    Refused(Refusal),
    Coming(ResponseFuture<OriginBody, Infallible>),
}

impl Future for Answering {
    type Output = Result<Response<Reply>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let response = match &mut self.answer {
            Answer::Refused(refusal) => refusal.response().map(Either::Right),
            Answer::Coming(answer) => match Pin::new(answer).poll(cx) {
                Poll::Ready(Ok(response)) => response.map(Either::Left),
                Poll::Pending => {
                    if let Some(waiting) = &self.waiting {
                        waiting.listen(cx.waker());
                    }
                    return Poll::Pending;
                }
            },
        };
        self.waiting = None;
        Poll::Ready(Ok(Recorded::of(response, self.record.take())))
    }
}
