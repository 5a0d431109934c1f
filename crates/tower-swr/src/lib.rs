//! A tower middleware that makes stampedes on shared answers impossible.
//!
//! A slow handler behind [`HttpCache::layer`] is called once per key and refresh, however many ask; while an entry is
//! stale but may be served, everybody is answered at once and one refresh runs behind; and every answer says what
//! happened.
//!
//! ```
//! use std::time::Duration;
//! use axum::{Router, routing::get};
//! use tower_swr::HttpCache;
//!
//! let cache = HttpCache::in_memory(64 << 20);
//! let app: Router = Router::new().route(
//!     "/report",
//!     get(|| async { "slow to make" }).layer(
//!         cache
//!             .layer("report")
//!             .max_age(Duration::from_secs(60))
//!             .stale_while_revalidate(Duration::from_secs(120)),
//!     ),
//! );
//! ```
//!
//! # Where it goes
//!
//! On a route or router of axum, on hyper through `TowerToHyperService`, around any tower service of HTTP requests.
//! It is a readiness boundary: a hit needs no origin, so it waits for none, and the inner service is asked whether it
//! is ready only when it is about to be called.
//!
//! In axum, `get(h).layer(l).post(h2)` wraps the `GET` handler alone: the layer never sees the `POST`.
//! What an outer middleware puts into a request's extensions (a user, a transaction) travels with the one request that
//! fills the cache, and its answer goes to everybody: such middleware belongs inside this layer.
//!
//! # Several processes
//!
//! With [`HttpCacheBuilder::far`] they share what they have and call a handler once among them; with
//! [`HttpCacheBuilder::remote_refreshes`] they leave refreshes to processes that run a [`RefreshWorker`].
//!
//! # What is shared
//!
//! A `GET` without `Cookie` and `Authorization` whose answer does not forbid it (RFC 9111 section 3): no `no-store`, no
//! `private`, no `Set-Cookie`, no `Vary: *`. See [`CacheLayer`] for each setting.
//!
//! # Features
//!
//! * `axum` (default): reads the URI that the client sent, which axum's nested routers otherwise hide.
//! * `serde`: [`RouteConfig`] from files and the environment.
//! * `no-vary-search`: routes may heed `No-Vary-Search` (draft-ietf-httpbis-no-vary-search-10), by which answers say which
//!   parts of a query make no difference to them: `CacheLayer::no_vary_search`.

mod body;
mod cache;
mod cache_policy;
mod call;
mod conditions;
mod config;
mod date;
mod exchange;
mod far;
mod fields;
mod future;
mod gate;
mod head;
mod hop_by_hop;
mod job;
mod key;
mod layer;
mod no_vary_search;
mod order;
mod origin;
mod place;
mod policy;
mod problem;
mod prototype;
mod query;
mod question;
mod ranges;
mod recording;
mod recurring;
mod refresh_fields;
mod request;
mod respond;
mod response;
mod revalidation;
mod route;
mod rules;
mod scan;
mod select;
mod service;
mod settings;
mod sharing;
mod stats;
mod tags;
mod tape;
mod via;
mod worker;

pub use body::{BoxError, CacheBody};
pub use cache::{HttpCache, HttpCacheBuilder};
pub use cache_policy::CachePolicy;
pub use config::{AuthorizationConfig, ConfigError, CookieConfig, QueryConfig, RouteConfig};
pub use future::ResponseFuture;
pub use layer::CacheLayer;
pub use service::CacheService;
pub use stats::{ScopeStats, Stats};
pub use tower_swr_core::{FarHealth, FarStats, MemorySettings, Mode, Purged, QueueLimits, Reach};
pub use worker::{RefreshWorker, WorkerStats};

#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
