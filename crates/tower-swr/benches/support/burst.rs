//! Many requests at once, each a task of its own as a connection is.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::body::{Body, HttpBody};
use axum::http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use tokio::task::JoinHandle;
use tower::{Service, ServiceExt as _};

use super::message::{sent, usual_request};
use super::origin::Origin;

/// A request that was answered, its body read to the end.
#[derive(Clone, Copy)]
pub(crate) struct Answered {
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
    pub(crate) status: StatusCode,
}

/// What became of a burst.
pub(crate) struct Burst {
    pub(crate) began: Instant,
    pub(crate) answers: Vec<Answered>,
}

impl Burst {
    /// How long after the burst began so much of it was answered.
    pub(crate) fn percentile(&self, share: f64) -> Duration {
        self.sorted(share, |answer| answer.ended - self.began)
    }

    /// The latency that so many of the clients saw, each from its own beginning.
    pub(crate) fn latency(&self, share: f64) -> Duration {
        self.sorted(share, |answer| answer.ended - answer.began)
    }

    pub(crate) fn last(&self) -> Instant {
        let ends = self.answers.iter().map(|answer| answer.ended);
        ends.max().expect("a burst is not empty")
    }

    pub(crate) fn with_status(&self, status: StatusCode) -> usize {
        let answers = self.answers.iter();
        answers.filter(|answer| answer.status == status).count()
    }

    fn sorted(&self, share: f64, span: impl Fn(&Answered) -> Duration) -> Duration {
        let mut spans: Vec<Duration> = self.answers.iter().map(span).collect();
        spans.sort_unstable();
        let place = (spans.len() as f64 * share).ceil() as usize;
        spans[place.clamp(1, spans.len()) - 1]
    }
}

/// Sends `count` of the usual requests at once, and waits for all.
pub(crate) async fn burst<S, B>(service: S, origin: &Arc<Origin>, count: usize) -> Burst
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: HttpBody + Send + 'static,
    B::Data: Send,
{
    let origin = Arc::clone(origin);
    // In a task, so that one of the workers sends, not a third thread.
    let sending = tokio::spawn(async move {
        let began = Instant::now();
        let clients: Vec<_> = (0..count)
            .map(|_| client(service.clone(), Arc::clone(&origin)))
            .collect();
        (began, clients)
    });
    let (began, clients) = sending.await.expect("the sender does not panic");
    let mut answers = Vec::with_capacity(count);
    for client in clients {
        answers.push(client.await.expect("no client panics"));
    }
    Burst { began, answers }
}

/// One request in a task of its own.
pub(crate) fn client<S, B>(service: S, origin: Arc<Origin>) -> JoinHandle<Answered>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Send + 'static,
    S::Future: Send,
    B: HttpBody + Send + 'static,
    B::Data: Send,
{
    tokio::spawn(async move {
        let began = Instant::now();
        let answering = service.oneshot(sent(usual_request()));
        let mut answering = std::pin::pin!(answering);
        let response = match futures_util::poll!(answering.as_mut()) {
            std::task::Poll::Ready(response) => response,
            std::task::Poll::Pending => {
                origin.waiting.fetch_add(1, Ordering::Relaxed);
                answering.await
            }
        };
        let Ok(response) = response;
        let status = response.status();
        // Cut short or whole: the client is through.
        let _ = response.into_body().collect().await;
        Answered {
            began,
            ended: Instant::now(),
            status,
        }
    })
}
