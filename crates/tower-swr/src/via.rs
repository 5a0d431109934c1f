//! The layers of this process that a request has come through: what the `Via` field is between machines.

use std::sync::Arc;

use http::Extensions;

use crate::route::Scope;

/// Travels with every request that a layer sends on. A router may wrap one handler twice in layers of one scope; the
/// inner one would then wait for the answer that the outer one waits for from it.
#[derive(Clone)]
struct Via(Vec<Arc<Scope>>);

/// Whether the request comes from a layer of `scope`.
pub(crate) fn came_through(scope: &Arc<Scope>, extensions: &Extensions) -> bool {
    let via = extensions.get::<Via>();
    via.is_some_and(|via| via.0.iter().any(|seen| Arc::ptr_eq(seen, scope)))
}

/// Notes that the request has come through a layer of `scope`.
pub(crate) fn note(scope: &Arc<Scope>, extensions: &mut Extensions) {
    match extensions.get_mut::<Via>() {
        Some(via) => via.0.push(Arc::clone(scope)),
        None => drop(extensions.insert(Via(vec![Arc::clone(scope)]))),
    }
}
