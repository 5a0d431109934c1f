use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use futures_util::FutureExt as _;
use http::Response;
use http_body_util::BodyExt as _;
use tower::Layer as _;
use tower_swr::{CacheBody, CacheLayer, CacheService};

use super::{Answer, House, Origin, Pipe, Reply, pipe, settle};

/// An answer whose body has not been read.
pub(crate) type Live = Response<CacheBody<Body>>;

/// An origin whose calls answer with the bodies that the test writes.
pub(crate) struct Stage {
    pub(crate) house: House,
    pub(crate) origin: Origin,
    pub(crate) service: CacheService<Origin>,
    pub(crate) pipes: Vec<Pipe>,
}

pub(crate) fn stage(reply: Reply, of: impl FnOnce(&House) -> CacheLayer) -> Stage {
    let (pipes, bodies): (Vec<Pipe>, VecDeque<Body>) = (0..3).map(|_| pipe()).unzip();
    let bodies = Arc::new(Mutex::new(bodies));
    let origin = Origin::new(move |_| {
        let body = bodies.lock().expect("no test panics with it").pop_front();
        Ok(reply.around(body.expect("a body")))
    });
    let house = House::new();
    let service = of(&house).layer(origin.clone());
    Stage {
        house,
        origin,
        service,
        pipes,
    }
}

/// What is there of the body now: text, the end, an error, or nothing yet.
pub(crate) async fn next(live: &mut Live) -> String {
    settle().await;
    match live.body_mut().frame().now_or_never() {
        None => "nothing yet".to_owned(),
        Some(None) => "the end".to_owned(),
        Some(Some(Err(error))) => format!("error: {error}"),
        Some(Some(Ok(frame))) => match frame.into_data() {
            Ok(data) => String::from_utf8_lossy(&data).into_owned(),
            Err(_) => "trailers".to_owned(),
        },
    }
}

pub(crate) async fn is_cut(live: Live, because: &str) -> bool {
    let body = Answer::read(live).await.body;
    body.is_err_and(|error| error.contains(because))
}
