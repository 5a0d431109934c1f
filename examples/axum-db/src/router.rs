//! The routes, and the one place where the cache is put in front of one of them.

use std::time::Duration;

use axum::Router;
use axum::extract::FromRef;
use axum::http::Uri;
use axum::response::Html;
use axum::routing::{MethodRouter, get};
use tower_swr::HttpCache;

use crate::database::Database;
use crate::problem::Problem;
use crate::report::report;
use crate::stats::stats;

/// How long a report is served from the cache.
#[derive(Clone, Copy, Debug)]
pub struct ReportLifetime {
    /// How long it counts as fresh.
    pub max_age: Duration,
    /// How long after that it is still served, at once, while one refresh runs.
    pub stale_while_revalidate: Duration,
}

/// What the handlers share.
#[derive(Clone)]
struct Shop {
    database: Database,
    cache: HttpCache,
}

/// The application: the live page, the report with and without the cache, and the numbers.
///
/// The caller keeps its own handles on the cache and the database, to drain and close them at the end.
pub fn router(database: Database, cache: HttpCache, lifetime: ReportLifetime) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/report/{region}", protected(get(report), &cache, lifetime))
        .route("/raw/report/{region}", get(report))
        .route("/stats", get(stats))
        .fallback(unknown_page)
        .with_state(Shop { database, cache })
}

/// Puts the cache in front of the report.
fn protected(
    report: MethodRouter<Shop>,
    cache: &HttpCache,
    lifetime: ReportLifetime,
) -> MethodRouter<Shop> {
    report.layer(
        cache
            .layer("report")
            .max_age(lifetime.max_age)
            .stale_while_revalidate(lifetime.stale_while_revalidate)
            // The report is the same for everyone, whoever is logged in. Without this line a request
            // with a cookie goes around the cache, because its answer might be one visitor's own.
            .ignore_cookies()
            // It reads no query either: `?x=1` and `?x=2` are one report, and one slow query.
            .ignore_query(),
    )
}

async fn page() -> Html<&'static str> {
    Html(include_str!("page.html"))
}

async fn unknown_page(uri: Uri) -> Problem {
    Problem::unknown_page(uri.path())
}

impl FromRef<Shop> for Database {
    fn from_ref(shop: &Shop) -> Self {
        shop.database.clone()
    }
}

impl FromRef<Shop> for HttpCache {
    fn from_ref(shop: &Shop) -> Self {
        shop.cache.clone()
    }
}
