//! Calling the inner service: always ready and call together, on a clone that nobody else uses.

use std::future::poll_fn;

use http::{Request, Response};
use tower_service::Service;

use crate::route::Route;

/// Waits until `service` is ready, and calls it. A clone that is called without that panics in half of tower.
pub(crate) async fn call<S, A, B>(
    route: &Route,
    mut service: S,
    request: Request<A>,
) -> Result<Response<B>, S::Error>
where
    S: Service<Request<A>, Response = Response<B>>,
{
    poll_fn(|cx| service.poll_ready(cx)).await?;
    route.scope.counters.count_origin_call();
    service.call(request).await
}

/// The same for a request that another layer of the route has sent on, and counted.
pub(crate) async fn call_uncounted<S, A, B>(
    mut service: S,
    request: Request<A>,
) -> Result<Response<B>, S::Error>
where
    S: Service<Request<A>, Response = Response<B>>,
{
    poll_fn(|cx| service.poll_ready(cx)).await?;
    service.call(request).await
}
