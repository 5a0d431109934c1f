//! What the tests of the example share: requests to the router, and answers read whole.

// Each test binary is a crate of its own and uses a part of this.
#![allow(dead_code, unreachable_pub)]

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use axum_db::{Database, DatabaseLocation, ReportLifetime};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt as _;
use tower_swr::HttpCache;

/// Small enough that a fill and a report take milliseconds.
pub const ORDERS: u32 = 500;

pub const CACHE_BYTES: usize = 8 * 1024 * 1024;

/// An application over a new database, in a folder that goes with it.
pub struct Shop {
    pub router: Router,
    pub database: Database,
    pub cache: HttpCache,
    pub folder: TempDir,
}

impl Shop {
    pub async fn open() -> Self {
        Self::behind(HttpCache::in_memory(CACHE_BYTES)).await
    }

    pub async fn behind(cache: HttpCache) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&file_in(&folder), ORDERS).await.unwrap();
        let router = axum_db::router(database.clone(), cache.clone(), lifetime());
        Self {
            router,
            database,
            cache,
            folder,
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        get(&self.router, path).await
    }
}

pub fn file_in(folder: &TempDir) -> DatabaseLocation {
    DatabaseLocation::Sqlite(folder.path().join("shop.sqlite"))
}

pub fn lifetime() -> ReportLifetime {
    ReportLifetime {
        max_age: Duration::from_secs(60),
        stale_while_revalidate: Duration::from_secs(120),
    }
}

/// An answer, read to its end.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

pub async fn get(router: &Router, path: &str) -> Answer {
    ask(router, Request::get(path).body(Body::empty()).unwrap()).await
}

pub async fn ask(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    Answer {
        status: head.status,
        headers: head.headers,
        text: String::from_utf8(bytes.to_vec()).unwrap(),
    }
}
