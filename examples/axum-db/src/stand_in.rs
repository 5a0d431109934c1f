//! Stands in for the layer crate, with the same names and no caching, until that crate can be used.

use std::time::Duration;

use tower::layer::util::Identity;

/// A cache that keeps nothing.
#[derive(Clone, Debug)]
pub struct HttpCache;

/// What the cache counted: nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stats {
    #[allow(missing_docs)]
    pub requests: u64,
    #[allow(missing_docs)]
    pub hits: u64,
    #[allow(missing_docs)]
    pub stale: u64,
    #[allow(missing_docs)]
    pub collapsed: u64,
    #[allow(missing_docs)]
    pub misses: u64,
    #[allow(missing_docs)]
    pub bypassed: u64,
    #[allow(missing_docs)]
    pub passed: u64,
    #[allow(missing_docs)]
    pub errors: u64,
    #[allow(missing_docs)]
    pub origin_calls: u64,
    #[allow(missing_docs)]
    pub stampede_violations: u64,
}

/// A layer that does nothing.
#[derive(Clone, Debug)]
pub struct CacheLayer;

#[allow(missing_docs, clippy::must_use_candidate)]
impl HttpCache {
    pub fn in_memory(_bytes: usize) -> Self {
        Self
    }

    pub fn layer(&self, _scope: &str) -> CacheLayer {
        CacheLayer
    }

    pub fn stats(&self) -> Stats {
        Stats::default()
    }

    #[allow(clippy::unused_async)]
    pub async fn drain(&self, _deadline: Duration) {}
}

#[allow(missing_docs, clippy::must_use_candidate)]
impl CacheLayer {
    pub fn max_age(self, _max_age: Duration) -> Self {
        self
    }

    pub fn stale_while_revalidate(self, _window: Duration) -> Self {
        self
    }

    pub fn ignore_cookies(self) -> Self {
        self
    }
}

impl<S> tower::Layer<S> for CacheLayer {
    type Service = S;

    fn layer(&self, inner: S) -> S {
        Identity::new().layer(inner)
    }
}
