//! Calling the inner service: always ready and call together, on a clone that nobody else uses.

use std::future::poll_fn;

use http::{Request, Response};
use tower_service::Service;

use crate::route::Route;

/// Waits until `service` is ready, tells `is_ready`, and calls it. A clone that is called without that panics in half of
/// tower.
pub(crate) async fn call<S, A, B>(
    mut service: S,
    request: Request<A>,
    is_ready: impl FnOnce(),
) -> Result<Response<B>, S::Error>
where
    S: Service<Request<A>, Response = Response<B>>,
{
    poll_fn(|cx| service.poll_ready(cx)).await?;
    is_ready();
    service.call(request).await
}

impl Route {
    /// The same, counted.
    pub(crate) async fn call<S, A, B>(
        &self,
        service: S,
        request: Request<A>,
    ) -> Result<Response<B>, S::Error>
    where
        S: Service<Request<A>, Response = Response<B>>,
    {
        call(service, request, || self.scope.counters.count_origin_call()).await
    }
}
