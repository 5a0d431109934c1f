//! Several processes behind one far side: the handler is called once for all, and what changes in one is seen by all.

mod answers;
mod changes;
mod one_call;
mod trouble;

use crate::house::{House, Origin, Reply, get, secs, settle};
use http::Method;
use tower::Layer as _;
use tower_swr::{CacheLayer, CacheService, HttpCache, MemorySettings};
use tower_swr_core::testing::{FarNode, FarServer, ManualClock, RecordingObserver};

/// What several processes have in common.
struct World {
    clock: ManualClock,
    server: FarServer,
}

impl World {
    fn new() -> Self {
        let clock = ManualClock::default();
        let server = FarServer::new(clock.clone());
        Self { clock, server }
    }

    fn process(&self) -> (House, FarNode) {
        let (node, heard) = (self.server.node(), RecordingObserver::default());
        let builder = HttpCache::builder(MemorySettings::new(8 << 20)).far(node.clone());
        let builder = builder.clock(self.clock.clone()).observer(heard.clone());
        let house = House {
            cache: builder.build(),
            clock: self.clock.clone(),
            heard,
        };
        (house, node)
    }

    fn house(&self) -> House {
        self.process().0
    }

    async fn pass(&self, span: std::time::Duration) {
        self.clock.advance(span);
        settle().await;
    }
}

fn minute(house: &House) -> CacheLayer {
    let layer = house.layer().max_age(secs(60));
    layer.stale_while_revalidate(secs(120))
}

/// The service of one process, with an origin that the other has no part in.
fn service(house: &House, reply: Reply) -> (CacheService<Origin>, Origin) {
    let origin = Origin::always(reply);
    (minute(house).layer(origin.clone()), origin)
}

fn post(path: &str) -> http::Request<axum::body::Body> {
    let mut request = get(path);
    *request.method_mut() = Method::POST;
    request
}
