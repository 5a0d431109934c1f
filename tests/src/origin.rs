//! Handlers behind a gate.

use std::io;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};

use crate::gate::Gate;

/// An origin that passes `gate`, and then answers by the number of the call.
pub fn gated(gate: &Gate, answer: fn(usize) -> Response) -> MethodRouter {
    let gate = gate.clone();
    get(move || async move { answer(gate.enter().await) })
}

/// An origin that passes `gate`, and then answers `answer 0`, `answer 1`, and so on.
pub fn numbered(gate: &Gate) -> MethodRouter {
    gated(gate, |number| format!("answer {number}").into_response())
}

/// A body that begins with `first` at once, and goes on with `rest` when `gate` lets it.
pub fn held_body(first: &'static str, gate: &Gate, rest: io::Result<&'static str>) -> Body {
    let gate = gate.clone();
    let first = stream::iter([Ok(Bytes::from(first))]);
    let rest = stream::once(async move {
        gate.enter().await;
        rest.map(Bytes::from)
    });
    Body::from_stream(first.chain(rest))
}
