use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use axum::body::Body;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use tokio::sync::watch;
use tower::Service;
use tower_swr::BoxError;

/// A handler that counts, remembers what it saw, and can be held up. Clones share all of it.
#[derive(Clone)]
pub(crate) struct Origin {
    shared: Arc<Shared>,
}

struct Shared {
    answer: Box<dyn Fn(Call) -> Result<Response<Body>, BoxError> + Send + Sync>,
    seen: Mutex<Vec<Seen>>,
    running: AtomicUsize,
    most: AtomicUsize,
    cancelled: AtomicUsize,
    held: watch::Sender<bool>,
}

/// One call of an [`Origin`].
pub(crate) struct Call {
    /// Counted from zero.
    pub(crate) number: usize,
    pub(crate) parts: Parts,
}

/// What a call saw of its request.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) fields: http::HeaderMap,
    pub(crate) uri: http::Uri,
}

impl Origin {
    /// An origin that answers with what `answer` returns, or panics with it.
    pub(crate) fn new(
        answer: impl Fn(Call) -> Result<Response<Body>, BoxError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                answer: Box::new(answer),
                seen: Mutex::default(),
                running: AtomicUsize::default(),
                most: AtomicUsize::default(),
                cancelled: AtomicUsize::default(),
                held: watch::Sender::new(false),
            }),
        }
    }

    /// Each call answers with the next of `replies`, the last for ever. A body says which call it came from.
    pub(crate) fn script(replies: impl IntoIterator<Item = Reply>) -> Self {
        let replies: Vec<Reply> = replies.into_iter().collect();
        Self::new(move |call| {
            let reply = replies.get(call.number).or(replies.last());
            Ok(reply.expect("a reply").to_response(call.number))
        })
    }

    /// An origin that says all that a handler could make of a request.
    pub(crate) fn telling() -> Self {
        Self::new(|call| {
            let fields = call.parts.headers.iter();
            let mut fields: Vec<String> = fields
                .map(|(name, value)| {
                    format!("{name}={}", String::from_utf8_lossy(value.as_bytes()))
                })
                .collect();
            fields.sort();
            let text = format!(
                "{} {} {}",
                call.parts.method,
                call.parts.uri,
                fields.join(" ")
            );
            Ok(reply(200).text(text).to_response(call.number))
        })
    }

    pub(crate) fn always(reply: Reply) -> Self {
        Self::script([reply])
    }

    pub(crate) fn calls(&self) -> usize {
        self.seen().len()
    }

    /// The most calls that ran at one time.
    pub(crate) fn most_at_once(&self) -> usize {
        self.shared.most.load(Ordering::SeqCst)
    }

    /// Calls that were dropped before they had answered.
    pub(crate) fn cancelled(&self) -> usize {
        self.shared.cancelled.load(Ordering::SeqCst)
    }

    /// What the calls saw, in their order.
    pub(crate) fn seen(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.shared
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Nobody is answered from now on.
    pub(crate) fn hold(&self) {
        self.shared.held.send_replace(true);
    }

    pub(crate) fn release(&self) {
        self.shared.held.send_replace(false);
    }
}

impl Service<Request<Body>> for Origin {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<Body>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (shared, parts) = (Arc::clone(&self.shared), request.into_parts().0);
        let mut seen = self.seen();
        let number = seen.len();
        let (fields, uri) = (parts.headers.clone(), parts.uri.clone());
        seen.push(Seen { fields, uri });
        drop(seen);
        let mut running = Running::begin(Arc::clone(&shared));
        async move {
            let mut held = shared.held.subscribe();
            let _ = held.wait_for(|held| !held).await;
            // A handler that never waits would hide what runs beside it.
            tokio::task::yield_now().await;
            running.end();
            (shared.answer)(Call { number, parts })
        }
        .boxed()
    }
}

struct Running {
    shared: Arc<Shared>,
    ended: bool,
}

impl Running {
    fn begin(shared: Arc<Shared>) -> Self {
        let running = shared.running.fetch_add(1, Ordering::SeqCst) + 1;
        shared.most.fetch_max(running, Ordering::SeqCst);
        Self {
            shared,
            ended: false,
        }
    }
}

impl Running {
    fn end(&mut self) {
        self.ended = true;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.running.fetch_sub(1, Ordering::SeqCst);
        if !self.ended {
            self.shared.cancelled.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Origin").finish_non_exhaustive()
    }
}

/// What an origin answers with.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    status: StatusCode,
    fields: Vec<(HeaderName, HeaderValue)>,
    text: Option<String>,
}

/// A reply of that status. Its body is the number of the call, unless it is given another.
pub(crate) fn reply(status: u16) -> Reply {
    Reply {
        status: StatusCode::from_u16(status).expect("a status"),
        fields: Vec::new(),
        text: None,
    }
}

impl Reply {
    /// One more line of a field.
    pub(crate) fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
        let value = HeaderValue::from_bytes(value.as_ref()).expect("a value");
        self.fields.push((name, value));
        self
    }

    pub(crate) fn text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    pub(crate) fn to_response(&self, number: usize) -> Response<Body> {
        let text = self
            .text
            .clone()
            .unwrap_or_else(|| format!("call {number}"));
        self.around(Body::from(text))
    }

    /// The same head around another body.
    pub(crate) fn around(&self, body: Body) -> Response<Body> {
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        for (name, value) in &self.fields {
            response.headers_mut().append(name.clone(), value.clone());
        }
        response
    }
}
