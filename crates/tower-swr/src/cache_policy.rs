//! What a handler says of one answer, to this cache alone.

use std::time::Duration;

/// A handler's word on its own answer: put it into the answer's extensions.
///
/// It is for this cache alone: other caches learn of it only where the answer states no lifetime of its own and the layer
/// adds one in `Cache-Control`. What it sets goes before the answer's `Cache-Control` and before the layer's own settings,
/// and it holds for every status: an answer of 404 that says how long it is fresh is kept as long ("negative caching"). A
/// prohibition in the answer (`private`, `no-store`, `no-cache`, `Set-Cookie`, `Vary: *`, `must-revalidate`) stands
/// whatever is said here.
///
/// ```
/// use std::time::Duration;
/// use axum::{Extension, Router, http::StatusCode, response::IntoResponse, routing::get};
/// use tower_swr::{CachePolicy, HttpCache};
///
/// async fn product() -> impl IntoResponse {
///     let policy = CachePolicy::new().max_age(Duration::from_secs(30)).tag("product-7");
///     (Extension(policy), "a product")
/// }
///
/// async fn missing() -> impl IntoResponse {
///     let policy = CachePolicy::new().max_age(Duration::from_secs(5));
///     (StatusCode::NOT_FOUND, Extension(policy), "no such product")
/// }
///
/// let cache = HttpCache::in_memory(64 << 20);
/// let app: Router = Router::new()
///     .route("/product/7", get(product).layer(cache.layer("products")))
///     .route("/product/8", get(missing).layer(cache.layer("products")));
/// cache.purge_tag("product-7");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CachePolicy {
    pub(crate) max_age: Option<Duration>,
    pub(crate) stale_while_revalidate: Option<Duration>,
    pub(crate) stale_if_error: Option<Duration>,
    pub(crate) tags: Vec<String>,
    pub(crate) passes: bool,
}

impl CachePolicy {
    /// Says nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How long the answer is fresh. Zero keeps it only where one of the windows below lets it be served stale.
    #[must_use]
    pub fn max_age(mut self, span: Duration) -> Self {
        self.max_age = Some(span);
        self
    }

    /// How long after that it is served at once, while one refresh runs behind (RFC 5861 section 3).
    #[must_use]
    pub fn stale_while_revalidate(mut self, span: Duration) -> Self {
        self.stale_while_revalidate = Some(span);
        self
    }

    /// How long after freshness it stands in for a failing origin (RFC 5861 section 4).
    #[must_use]
    pub fn stale_if_error(mut self, span: Duration) -> Self {
        self.stale_if_error = Some(span);
        self
    }

    /// One more tag: a name by which [`HttpCache::purge_tag`](crate::HttpCache::purge_tag) finds the answer. An answer
    /// with more than 1,024 tags is given to those who wait for it and not kept.
    #[must_use]
    pub fn tag(mut self, name: impl Into<String>) -> Self {
        self.tags.push(name.into());
        self
    }

    /// The bytes it counts for.
    pub(crate) fn weight(&self) -> usize {
        let tags = self.tags.iter();
        let tags: usize = tags.map(|tag| size_of::<String>() + tag.capacity()).sum();
        size_of::<Self>() + tags
    }

    /// The answer is for nobody but who asked: it is neither kept nor shared, and the next ones for the same key do not
    /// wait for each other.
    #[must_use]
    pub fn pass(mut self) -> Self {
        self.passes = true;
        self
    }
}
