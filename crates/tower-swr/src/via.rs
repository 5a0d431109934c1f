//! The layers of this process that a request has come through: what the `Via` field is between machines.

use std::sync::Arc;

use http::Extensions;

use crate::order::Order;
use crate::route::Scope;

/// Travels with every request that a layer sends on. A router may wrap one handler twice in layers of one scope; the
/// inner one would then wait for the answer that the outer one waits for from it.
///
/// A worker's order travels with it, so that a hit looks once for both.
#[derive(Clone, Default)]
struct Via {
    scopes: Vec<Arc<Scope>>,
    order: Option<Arc<Order>>,
    /// A worker has begun it.
    is_ordered: bool,
}

/// Where a request comes from.
pub(crate) enum Origin {
    /// A client, or something between.
    Client,
    /// A layer of the same scope.
    Own,
    /// A worker, which was given a refresh.
    Worker(Arc<Order>),
}

/// Where the request comes from that a layer of `scope` was handed.
#[inline]
pub(crate) fn origin(scope: &Arc<Scope>, extensions: &Extensions) -> Origin {
    match extensions.get::<Via>() {
        None => Origin::Client,
        Some(via) => via.origin(scope),
    }
}

/// Notes that the request has come through a layer of `scope`.
pub(crate) fn note(scope: &Arc<Scope>, extensions: &mut Extensions) {
    let via = extensions.get_or_insert_default::<Via>();
    via.scopes.push(Arc::clone(scope));
    // It is carried out: what the handler asks of other layers is a request like any other.
    via.order = None;
}

/// Sends `order` along with a request.
pub(crate) fn order(order: Arc<Order>, extensions: &mut Extensions) {
    let via = extensions.get_or_insert_default::<Via>();
    via.order = Some(order);
    via.is_ordered = true;
}

/// Whether a worker has begun the request: what that sets off is not left to workers again.
pub(crate) fn is_ordered(extensions: &Extensions) -> bool {
    let via = extensions.get::<Via>();
    via.is_some_and(|via| via.is_ordered)
}

impl Via {
    fn origin(&self, scope: &Arc<Scope>) -> Origin {
        if self.scopes.iter().any(|seen| Arc::ptr_eq(seen, scope)) {
            return Origin::Own;
        }
        let order = self.order.as_ref();
        order.map_or(Origin::Client, |order| Origin::Worker(Arc::clone(order)))
    }
}
