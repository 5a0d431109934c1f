//! The example `axum-db` on a socket, over a database of its own.
//!
//! Its futures are boxed, and so compiled once, with all that a database driver is made of, and not again with the
//! stories'.

use std::path::PathBuf;
use std::time::Duration;

use axum_db::{Database, DatabaseLocation, ReportLifetime};
use futures_util::future::BoxFuture;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use tempfile::TempDir;
use tower_swr::HttpCache;

use crate::server::Server;

/// Few enough that a fill and a query take milliseconds.
const ORDERS: u32 = 500;

const CACHE_BYTES: usize = 64 << 20;

/// The example's router, database and cache, in a folder that goes with them.
#[derive(Debug)]
pub struct Shop {
    /// The server.
    pub server: Server,
    /// The cache in front of `/report/{region}`.
    pub cache: HttpCache,
    /// The database behind it.
    pub database: Database,
    folder: TempDir,
}

/// Holds all queries of a [`Shop`] for as long as it lives.
#[derive(Debug)]
pub struct DatabaseLock(SqliteConnection);

impl Shop {
    /// A shop with a new database.
    #[must_use]
    pub fn open() -> BoxFuture<'static, Self> {
        Box::pin(Self::open_in_place())
    }

    /// Locks the database, as another process might: who asks it waits until the lock is released.
    #[must_use]
    pub fn lock(&self) -> BoxFuture<'static, DatabaseLock> {
        Box::pin(DatabaseLock::on(file(&self.folder)))
    }

    async fn open_in_place() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let location = DatabaseLocation::Sqlite(file(&folder));
        let database = Database::open(&location, ORDERS)
            .await
            .expect("a new database");
        let cache = HttpCache::in_memory(CACHE_BYTES);
        let lifetime = ReportLifetime {
            max_age: Duration::from_secs(3600),
            stale_while_revalidate: Duration::from_secs(3600),
        };
        let app = axum_db::router(database.clone(), cache.clone(), lifetime);
        Self {
            server: Server::start(app).await,
            cache,
            database,
            folder,
        }
    }
}

impl DatabaseLock {
    async fn on(file: PathBuf) -> Self {
        let options = SqliteConnectOptions::new().filename(file);
        let mut connection = options
            .disable_statement_logging()
            .connect()
            .await
            .expect("the database is a file");
        sqlx::query("BEGIN EXCLUSIVE")
            .execute(&mut connection)
            .await
            .expect("nobody else holds a lock");
        Self(connection)
    }

    /// Lets the queries go on.
    #[must_use]
    pub fn release(self) -> BoxFuture<'static, ()> {
        Box::pin(async { self.0.close().await.expect("a connection can be closed") })
    }
}

fn file(folder: &TempDir) -> PathBuf {
    folder.path().join("shop.sqlite")
}
