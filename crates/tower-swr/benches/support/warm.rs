//! Caches that have the answer already.

use std::sync::Arc;

use axum::routing::MethodRouter;
use tokio::runtime::{Builder, Runtime};
use tower::{Layer as _, ServiceExt as _};
use tower_swr::{CacheLayer, CacheService, HttpCache};

use super::message::{KIB, body, sent, usual_request};
use super::origin::Origin;
use super::rows::{Bare, LookedUp, Prebuilt, answer_at_once};

/// A warm cache, and the very answer that it gives.
pub(crate) struct Warm {
    layer: CacheLayer,
    service: CacheService<MethodRouter>,
    pub(crate) answer: Arc<Prebuilt>,
}

/// What is compared: our answers with few and with all fields of ours, with `Vary`, and with a large body.
pub(crate) struct Services {
    pub(crate) two: Warm,
    pub(crate) all: Warm,
    pub(crate) vary: Warm,
    pub(crate) large: Warm,
}

impl Services {
    pub(crate) fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_time().build();
        let runtime = runtime.expect("a runtime");
        let warm = |layer, origin| Warm::new(&runtime, layer, origin);
        let vary = Origin::new().with_vary("accept-language");
        let large = Origin::new().with_body(body(64 * KIB));
        Self {
            two: warm(layer().x_cache(false).cache_status(false), Origin::new()),
            all: warm(layer(), Origin::new()),
            vary: warm(layer(), vary),
            large: warm(layer(), large),
        }
    }
}

impl Warm {
    fn new(runtime: &Runtime, layer: CacheLayer, origin: Origin) -> Self {
        let mut service = layer.layer(Arc::new(origin).handler());
        drop(runtime.block_on(service.clone().oneshot(sent(usual_request()))));
        let hit = answer_at_once(&mut service, sent(usual_request()));
        Self {
            layer,
            service,
            answer: Arc::new(Prebuilt::of(hit)),
        }
    }

    pub(crate) fn ours(&self) -> CacheService<MethodRouter> {
        self.service.clone()
    }

    /// Around a route of axum's, as an application has it.
    pub(crate) fn in_axum(&self) -> MethodRouter {
        uncached().layer(self.layer.clone()).with_state(())
    }

    pub(crate) fn bare(&self) -> Bare {
        Bare(Arc::clone(&self.answer))
    }

    pub(crate) fn looked_up(&self) -> LookedUp {
        let kept = LookedUp::new(1024);
        kept.insert(usual_request(), Arc::clone(&self.answer));
        kept
    }
}

/// What axum does without us.
pub(crate) fn uncached() -> MethodRouter {
    Arc::new(Origin::new()).handler()
}

fn layer() -> CacheLayer {
    HttpCache::in_memory(64 << 20).layer("hit")
}
