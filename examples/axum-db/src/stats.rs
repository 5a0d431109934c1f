//! The numbers behind the live page.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, header};
use serde::Serialize;
use tower_swr::{FarHealth, HttpCache};

use crate::database::Database;

/// What the cache and the database counted since the start.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Counts {
    /// Requests that reached the protected route.
    pub requests: u64,
    /// Answered from the store, fresh.
    pub hits: u64,
    /// Answered from the store at once, while a refresh ran.
    pub stale: u64,
    /// Answered from the store, after the handler confirmed that nothing has changed.
    pub revalidated: u64,
    /// Waited for a computation that another request had started.
    pub collapsed: u64,
    /// Started a computation.
    pub misses: u64,
    /// Went around the cache.
    pub bypassed: u64,
    /// Made a call of their own, since the answer may not be shared.
    pub passed: u64,
    /// Answered by the cache itself, for want of an answer in time.
    pub errors: u64,
    /// Times the handler ran behind the layer.
    pub origin_calls: u64,
    /// Report queries that reached the database, those of the raw route included.
    pub queries: u64,
    /// Answers that another process had, so that nothing was computed here.
    pub far_hits: u64,
    /// Computations of another process that this one waited for.
    pub far_collapsed: u64,
    /// How the server is doing that the processes share: `up`, `connecting` or `down`; nothing where none is named.
    pub far: Option<&'static str>,
    /// Second computations of one report at the same time. Must stay 0.
    pub stampede_violations: u64,
}

impl Counts {
    /// Reads both counters. They are not read in one instant: under load they may differ by what
    /// happens in between.
    #[must_use]
    pub fn read(cache: &HttpCache, database: &Database) -> Self {
        let far = cache.far_health().map(|health| match health {
            FarHealth::Up => "up",
            FarHealth::Connecting => "connecting",
            FarHealth::Down { .. } => "down",
        });
        let cache = cache.stats();
        Self {
            requests: cache.requests,
            hits: cache.hits,
            stale: cache.stale,
            revalidated: cache.revalidated,
            collapsed: cache.collapsed,
            misses: cache.misses,
            bypassed: cache.bypassed,
            passed: cache.passed,
            errors: cache.errors,
            origin_calls: cache.origin_calls,
            queries: database.queries(),
            far_hits: cache.far.hits,
            far_collapsed: cache.far.collapsed,
            far,
            stampede_violations: cache.stampede_violations,
        }
    }
}

/// The handler. Numbers are only good live, so no cache on the way may keep them.
pub(crate) async fn stats(
    State(cache): State<HttpCache>,
    State(database): State<Database>,
) -> ([(HeaderName, HeaderValue); 1], Json<Counts>) {
    let no_store = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    ([no_store], Json(Counts::read(&cache, &database)))
}
