//! What can be set on the command line or in the environment.

use std::net::{SocketAddr, ToSocketAddrs};
use std::num::NonZeroU32;
use std::time::Duration;

use clap::Parser;
use clap::error::{ContextKind, ContextValue};
use tower_swr::{HttpCache, MemorySettings};
use tower_swr_redis::Redis;
use tracing_subscriber::EnvFilter;

use crate::database::DatabaseLocation;
use crate::router::ReportLifetime;

const CACHE_BYTES: usize = 64 * 1024 * 1024;

/// An axum application with a slow database-backed report behind the tower-swr cache.
#[derive(Clone, Debug, Parser)]
#[command(version, about)]
pub struct Settings {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, env = "AXUM_DB_LISTEN", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:3000", value_parser = address)]
    pub listen: SocketAddr,

    /// The database: the path of a SQLite file, made and filled when it is missing, or a postgres:// URL.
    // The value may hold a password, which --help must not print.
    #[arg(
        long,
        env = "AXUM_DB_DATABASE",
        hide_env_values = true,
        value_name = "PATH|URL",
        default_value = "axum-db.sqlite"
    )]
    pub database: DatabaseLocation,

    /// How many orders to fill a new database with; more make the report slower.
    #[arg(long, env = "AXUM_DB_ORDERS", value_name = "NUMBER", default_value = "60000", value_parser = orders)]
    pub orders: u32,

    /// How long a report is fresh, in seconds.
    #[arg(long, env = "AXUM_DB_MAX_AGE", value_name = "SECONDS", default_value = "60", value_parser = fresh_seconds)]
    pub max_age: NonZeroU32,

    /// How long after that it is still served, at once, while one refresh runs, in seconds.
    #[arg(long, env = "AXUM_DB_STALE_WHILE_REVALIDATE", value_name = "SECONDS", default_value = "120", value_parser = seconds)]
    pub stale_while_revalidate: u32,

    /// A Redis or Valkey server, to share reports with the other processes that name it: `redis://[user:password@]host[:port]`.
    // The value may hold a password, which --help must not print.
    #[arg(long, env = "AXUM_DB_REDIS", hide_env_values = true, value_name = "URL", value_parser = redis)]
    pub redis: Option<Redis>,

    /// Serve nobody: compute the reports that the other processes behind the same Redis leave to workers, until Ctrl-C.
    // While one runs they leave all refreshes to it; where none does each computes its own.
    #[arg(long, env = "AXUM_DB_WORKER", requires = "redis")]
    pub worker: bool,

    /// What to log, as tracing-subscriber's filter directives.
    // sqlx warns of every wait for a connection, and a crowd on the raw route is made to wait.
    #[arg(long, env = "RUST_LOG", value_name = "FILTER", default_value = "info,sqlx=error", value_parser = log_filter)]
    pub log: String,
}

impl Settings {
    /// Reads them, or says what is wrong and ends the program. A refused value is named, unless it may hold a password.
    #[must_use]
    pub fn read() -> Self {
        Self::try_parse().unwrap_or_else(|mut error| {
            let said = |kind| error.get(kind).map(ToString::to_string).unwrap_or_default();
            let is_redis = said(ContextKind::InvalidArg).starts_with("--redis");
            if is_redis || said(ContextKind::InvalidValue).contains('@') {
                let hidden = ContextValue::String("…".to_owned());
                error.insert(ContextKind::InvalidValue, hidden);
            }
            error.exit()
        })
    }

    /// The cache, shared with other processes where a Redis is named, and with their workers.
    #[must_use]
    pub fn cache(&self) -> HttpCache {
        let builder = HttpCache::builder(MemorySettings::new(CACHE_BYTES));
        match &self.redis {
            Some(redis) => {
                let shared = builder.far(redis.clone());
                shared.remote_refreshes(redis.clone()).build()
            }
            None => builder.build(),
        }
    }

    /// The two lifetimes together.
    #[must_use]
    pub fn report_lifetime(&self) -> ReportLifetime {
        ReportLifetime {
            max_age: Duration::from_secs(self.max_age.get().into()),
            stale_while_revalidate: Duration::from_secs(self.stale_while_revalidate.into()),
        }
    }
}

/// A URL that is none is told at once; whether a server is there is found out while the application runs.
fn redis(text: &str) -> Result<Redis, String> {
    Redis::connect(text).map_err(|error| error.to_string())
}

/// Names are resolved too, since everybody writes `localhost:3000` sooner or later.
fn address(text: &str) -> Result<SocketAddr, &'static str> {
    let unknown = "give an address and a port such as 127.0.0.1:3000";
    text.to_socket_addrs()
        .ok()
        .and_then(|mut addresses| addresses.next())
        .ok_or(unknown)
}

/// A full-size year takes a second to fill; a thousand times that is surely a slip of the finger.
fn orders(text: &str) -> Result<u32, &'static str> {
    match text.parse() {
        Ok(orders @ 1..=60_000_000) => Ok(orders),
        _ => Err("give a whole number from 1 to 60000000"),
    }
}

fn fresh_seconds(text: &str) -> Result<NonZeroU32, &'static str> {
    text.parse()
        .map_err(|_| "give whole seconds, at least 1; /raw/report/… is the route without the cache")
}

fn seconds(text: &str) -> Result<u32, &'static str> {
    text.parse()
        .map_err(|_| "give whole seconds such as 120, or 0 for none")
}

/// Checked here, where the message can name the value; the filter itself cannot be cloned.
fn log_filter(text: &str) -> Result<String, &'static str> {
    let checked = EnvFilter::builder().parse(text);
    checked
        .map(|_| text.to_owned())
        .map_err(|_| "give a level or directives such as info or axum_db=debug,warn")
}
