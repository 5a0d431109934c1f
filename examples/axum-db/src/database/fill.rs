//! The first fill: all of it or nothing, once.

use sqlx::{AssertSqlSafe, FromRow, raw_sql};

const FILL_SQL: &str = include_str!("fill.sql");

/// Takes `SQLite`'s write lock at the start. A plain `BEGIN` would take it at the first write, and of
/// two processes that had both read by then one would fail instead of waiting.
pub(super) const SQLITE_BEGIN: &str = "BEGIN IMMEDIATE";

/// Held until the transaction ends; the number is ours alone ("shop" in ASCII).
pub(super) const POSTGRES_LOCK: &str = "SELECT pg_advisory_xact_lock(1936224112)";

/// Why the database could not be made ready.
#[derive(Debug)]
pub(super) enum FillTrouble {
    Sql(sqlx::Error),
    NotWhole { promised: i64, found: i64 },
}

impl From<sqlx::Error> for FillTrouble {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

/// Fills the tables unless the marker table says that they are full, and returns how many orders they
/// hold. The caller holds a transaction that keeps every other process out, so the marker is seen
/// together with all of the rows or not at all.
pub(super) async fn fill_once<DB>(
    connection: &mut DB::Connection,
    orders: u32,
) -> Result<u32, FillTrouble>
where
    DB: sqlx::Database,
    DB::Arguments: sqlx::IntoArguments<DB>,
    for<'c> &'c mut DB::Connection: sqlx::Executor<'c, Database = DB>,
    for<'r> (i64,): FromRow<'r, DB::Row>,
{
    raw_sql("CREATE TABLE IF NOT EXISTS shop_filled (orders BIGINT NOT NULL)")
        .execute(&mut *connection)
        .await?;
    let marker: Option<(i64,)> = sqlx::query_as("SELECT orders FROM shop_filled")
        .fetch_optional(&mut *connection)
        .await?;
    if let Some((promised,)) = marker {
        return check::<DB>(connection, promised).await;
    }
    tracing::info!(orders, "filling the database");
    let mark = format!("INSERT INTO shop_filled VALUES ({orders})");
    // Safe: the only thing written into the text is an integer.
    raw_sql(AssertSqlSafe(mark))
        .execute(&mut *connection)
        .await?;
    raw_sql(FILL_SQL).execute(&mut *connection).await?;
    Ok(orders)
}

/// Somebody may have deleted rows, or made the marker by hand: better said at the start than by
/// reports that are quietly wrong.
async fn check<DB>(connection: &mut DB::Connection, promised: i64) -> Result<u32, FillTrouble>
where
    DB: sqlx::Database,
    DB::Arguments: sqlx::IntoArguments<DB>,
    for<'c> &'c mut DB::Connection: sqlx::Executor<'c, Database = DB>,
    for<'r> (i64,): FromRow<'r, DB::Row>,
{
    let (found,): (i64,) = sqlx::query_as("SELECT COUNT(*) FROM shop_order")
        .fetch_one(connection)
        .await?;
    match u32::try_from(found) {
        Ok(orders) if found == promised => Ok(orders),
        _ => Err(FillTrouble::NotWhole { promised, found }),
    }
}
