//! The shop's database: opened once, filled on first use, asked for one slow report.

mod error;
mod fill;
mod location;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::FromRow;
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::sqlite::{SqlitePool, SqlitePoolOptions};

use crate::region::Region;

pub use self::error::DatabaseError;
pub use self::location::{DatabaseLocation, ParseLocationError};

/// As many connections as a small service would have: enough to work in parallel, few enough that a
/// stampede queues in front of them.
const CONNECTIONS: u32 = 8;

const REPORT_SQL: &str = include_str!("report.sql");

/// Month, category, orders, customers, items, cents, percent of all regions, rank, cents so far.
pub(crate) type ReportTuple = (String, String, i64, i64, i64, i64, f64, i64, i64);

/// A pool of connections to the shop, and a count of the report queries sent through it.
///
/// Clones share both.
#[derive(Clone, Debug)]
pub struct Database {
    pool: Pool,
    orders: u32,
    queries: Arc<AtomicU64>,
}

/// An enum rather than sqlx's `Any` driver: each database keeps its own connect options (a path with
/// any characters, a busy timeout, passwords never in a text), and only two `match`es pay for it.
#[derive(Clone, Debug)]
enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl Database {
    /// Connects, and fills the database with `orders` orders unless that has already been done.
    ///
    /// The fill is one transaction under a lock: of two processes that start at the same time one
    /// fills and the other waits, and a process that dies half-way leaves nothing behind.
    ///
    /// ```
    /// use axum_db::{Database, DatabaseLocation, Region};
    ///
    /// # tokio::runtime::Runtime::new()?.block_on(async {
    /// let folder = tempfile::tempdir()?;
    /// let location = DatabaseLocation::Sqlite(folder.path().join("shop.sqlite"));
    /// let database = Database::open(&location, 500).await?;
    ///
    /// let north = Region::find("north").ok_or("there is a north")?;
    /// let report = axum_db::Report::of(&database, north).await?;
    /// assert_eq!(report.region, north);
    /// assert_eq!(database.queries(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The database cannot be reached or written, or it holds `shop_…` tables that are not whole.
    pub async fn open(location: &DatabaseLocation, orders: u32) -> Result<Self, DatabaseError> {
        let pool = Pool::connect(location)
            .await
            .map_err(|source| DatabaseError::Connect {
                location: location.clone(),
                source,
            })?;
        let orders = pool
            .fill(orders)
            .await
            .map_err(|trouble| DatabaseError::from_fill(location.clone(), trouble))?;
        Ok(Self {
            pool,
            orders,
            queries: Arc::default(),
        })
    }

    /// How many orders it holds: those of its first fill, whatever later starts asked for.
    #[must_use]
    pub fn orders(&self) -> u32 {
        self.orders
    }

    /// How many report queries were sent to the database since it was opened.
    #[must_use]
    pub fn queries(&self) -> u64 {
        self.queries.load(Ordering::Relaxed)
    }

    /// Closes the pool after the queries that are under way.
    pub async fn close(&self) {
        match &self.pool {
            Pool::Sqlite(pool) => pool.close().await,
            Pool::Postgres(pool) => pool.close().await,
        }
    }

    /// The slow query.
    pub(crate) async fn report(&self, region: Region) -> Result<Vec<ReportTuple>, DatabaseError> {
        let rows = match &self.pool {
            Pool::Sqlite(pool) => self.ask(pool, region).await,
            Pool::Postgres(pool) => self.ask(pool, region).await,
        };
        rows.map_err(DatabaseError::Query)
    }

    async fn ask<DB>(&self, pool: &sqlx::Pool<DB>, region: Region) -> sqlx::Result<Vec<ReportTuple>>
    where
        DB: sqlx::Database,
        DB::Arguments: sqlx::IntoArguments<DB>,
        for<'c> &'c mut DB::Connection: sqlx::Executor<'c, Database = DB>,
        for<'q> &'q str: sqlx::Encode<'q, DB> + sqlx::Type<DB>,
        for<'r> ReportTuple: FromRow<'r, DB::Row>,
    {
        let mut connection = pool.acquire().await?;
        // Counted only now: a request that waits for a connection has not asked the database anything.
        self.queries.fetch_add(1, Ordering::Relaxed);
        sqlx::query_as(REPORT_SQL)
            .bind(region.name())
            .fetch_all(&mut *connection)
            .await
    }
}

impl Pool {
    async fn connect(location: &DatabaseLocation) -> sqlx::Result<Self> {
        Ok(match location {
            DatabaseLocation::Sqlite(path) => {
                let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS);
                Self::Sqlite(pool.connect_with(location::sqlite_options(path)).await?)
            }
            DatabaseLocation::Postgres(server) => {
                let server = location::postgres_options(server);
                location::knock(&server).await?;
                let pool = PgPoolOptions::new().max_connections(CONNECTIONS);
                Self::Postgres(pool.connect_lazy_with(server))
            }
        })
    }

    async fn fill(&self, orders: u32) -> Result<u32, fill::FillTrouble> {
        match self {
            Self::Sqlite(pool) => {
                let mut transaction = pool.begin_with(fill::SQLITE_BEGIN).await?;
                let orders = fill::fill_once::<sqlx::Sqlite>(&mut transaction, orders).await?;
                transaction.commit().await?;
                Ok(orders)
            }
            Self::Postgres(pool) => {
                let mut transaction = pool.begin().await?;
                sqlx::query(fill::POSTGRES_LOCK)
                    .execute(&mut *transaction)
                    .await?;
                let orders = fill::fill_once::<sqlx::Postgres>(&mut transaction, orders).await?;
                transaction.commit().await?;
                Ok(orders)
            }
        }
    }
}
