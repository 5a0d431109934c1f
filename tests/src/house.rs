//! A server, the cache in it, and the cache's clock.

use axum::Router;
use axum::routing::MethodRouter;
use tower_swr::{CacheLayer, HttpCache, MemorySettings};
use tower_swr_core::testing::ManualClock;

use crate::answer::Answer;
use crate::client::{Client, Protocol};
use crate::deadline::within;
use crate::server::Server;

const CACHE_BYTES: usize = 64 << 20;

/// A server whose cache goes by a clock that stands still until the test moves it.
#[derive(Debug)]
pub struct House {
    /// The server.
    pub server: Server,
    /// The cache in it.
    pub cache: HttpCache,
    /// The cache's clock.
    pub clock: ManualClock,
}

impl House {
    /// A house with the routes that `build` makes.
    pub async fn open(build: impl FnOnce(&HttpCache) -> Router) -> Self {
        let clock = ManualClock::default();
        let cache = HttpCache::builder(MemorySettings::new(CACHE_BYTES))
            .clock(clock.clone())
            .build();
        let server = Server::start(build(&cache)).await;
        Self {
            server,
            cache,
            clock,
        }
    }

    /// A house with `/report` alone, in the scope `report` with its default settings.
    pub async fn of(report: MethodRouter) -> Self {
        Self::with(report, |layer| layer).await
    }

    /// A house with `/report` alone, in the scope `report` with these `settings`.
    pub async fn with(
        report: MethodRouter,
        settings: impl FnOnce(CacheLayer) -> CacheLayer,
    ) -> Self {
        Self::open(|cache| behind(settings(cache.layer("report")), report)).await
    }

    /// A connection to it.
    pub async fn connect(&self, protocol: Protocol) -> Client {
        self.server.connect(protocol).await
    }

    /// The answer to `GET /report` on a new connection. Only HTTP/2 says the scheme, so each protocol has a key.
    pub async fn report(&self, protocol: Protocol) -> Answer {
        self.connect(protocol).await.get("/report").await
    }

    /// Asks for `/report` until the answer says `verb`: a refresh, or a body, ends when it ends.
    pub async fn report_until(&self, protocol: Protocol, verb: &str) -> Answer {
        let mut client = self.connect(protocol).await;
        let asking = async {
            loop {
                let answer = client.get("/report").await;
                if answer.verb() == verb {
                    return answer;
                }
            }
        };
        within(verb, asking).await
    }

    /// How many calls reached the origin, after a check that no two of them were for one key at one time.
    #[must_use]
    pub fn origin_calls(&self) -> u64 {
        let stats = self.cache.stats();
        assert_eq!(stats.stampede_violations, 0, "no two calls for one key");
        stats.origin_calls
    }
}

/// Compiled here, once, with all that a cached route is made of.
fn behind(layer: CacheLayer, report: MethodRouter) -> Router {
    Router::new().route("/report", report.layer(layer))
}
