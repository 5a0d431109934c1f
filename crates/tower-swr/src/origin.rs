//! The origin call that a key's answers come from.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use tokio::sync::oneshot;
use tower_service::Service;
use tower_swr_core::{Entry, Fetched, Key};

use crate::body::BoxError;
use crate::key;
use crate::policy::{self, PassReason};
use crate::question::Question;
use crate::response::{Held, Partial};
use crate::revalidation;
use crate::route::Route;
use crate::sharing::{Sharing, failed};

/// A call of the handler on behalf of all who wait for its answer.
pub(crate) struct Errand<S, A, B, E> {
    pub(crate) route: Arc<Route>,
    pub(crate) service: S,
    pub(crate) request: Request<A>,
    pub(crate) question: Question,
    /// What is kept of the key, however old.
    pub(crate) old: Option<Arc<Entry<Held>>>,
    /// The key that the flight has.
    pub(crate) flight: Key,
    /// The way to the client whose request this is, for what is nobody else's.
    pub(crate) own: Option<oneshot::Sender<Own<B, E>>>,
}

/// What only the client whose request reached the origin gets.
pub(crate) enum Own<B, E> {
    Response(Response<B>, PassReason),
    /// What was kept, which the origin confirmed to this client and to nobody else; with the reason.
    Kept(Response<Bytes>, &'static str),
    Error(E),
}

impl<S, A, B> Errand<S, A, B, S::Error>
where
    S: Service<Request<A>, Response = Response<B>>,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    pub(crate) async fn run(self) -> Fetched<Held, Partial> {
        let Self {
            route,
            service,
            mut request,
            question,
            old,
            flight,
            own,
        } = self;
        // It may have been purged while this process waited for another.
        let old = old.filter(|old| route.shared.engine.counts(old));
        let mut sharing = Sharing {
            fields: request.headers().clone(),
            host: key::host(&request),
            asked_at: route.shared.engine.now(),
            route,
            question,
            old,
            flight,
        };
        let is_conditional = revalidation::ask(sharing.old_response(), request.headers_mut());
        let response = match sharing.route.call(service, request).await {
            Ok(response) => response,
            Err(error) => {
                tracing::warn!("the service failed; who waits gets 502, or what is stale");
                send(own, Own::Error(error));
                return failed("the service returned an error");
            }
        };
        if is_conditional && response.status() == StatusCode::NOT_MODIFIED {
            return Box::pin(sharing.freshen(&response.map(drop), own)).await;
        }
        match sharing.admit(&response) {
            Ok(admitted) => {
                tracing::debug!(status = response.status().as_u16(), keep = ?admitted.keep, "answered");
                // Boxed, as above: what a call needs once it is answered it need not have while it runs.
                Box::pin(sharing.share(response, admitted)).await
            }
            // Frameworks put `no-store` on their error pages: an outage must neither cost the good copy nor switch
            // coalescing off. Nor is an error that one user was shown a reason for all others to call a failing origin.
            Err(reason)
                if sharing.would_replace_a_good_copy(response.status())
                    || (reason == PassReason::NotFresh
                        && policy::is_failure(response.status())) =>
            {
                send(own, Own::Response(response, reason));
                failed("the service answered with a 5xx")
            }
            Err(reason) => {
                tracing::debug!(reason = reason.token(), "not to be shared");
                let is_remembered = reason.remembered() && !policy::is_failure(response.status());
                let remember = is_remembered.then(|| sharing.remember(response.headers()));
                send(own, Own::Response(response, reason));
                Fetched::Pass { remember }
            }
        }
    }
}

pub(crate) fn send<B, E>(own: Option<oneshot::Sender<Own<B, E>>>, what: Own<B, E>) {
    if let Some(own) = own {
        // Its client may have hung up.
        let _ = own.send(what);
    }
}
