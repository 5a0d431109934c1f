//! Where the database is: a file or a server.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection as _};
use tokio::time::timeout;

/// How long a second process waits while the first one fills the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a `PostgreSQL` server has to accept the first connection.
const KNOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// A `SQLite` file or a `PostgreSQL` server, parsed from what the user wrote.
///
/// Its text never contains the password.
///
/// ```
/// use axum_db::DatabaseLocation;
///
/// let file: DatabaseLocation = "shop.sqlite".parse()?;
/// assert!(matches!(file, DatabaseLocation::Sqlite(_)));
///
/// let server: DatabaseLocation = "postgres://ann:secret@db.example/shop".parse()?;
/// assert_eq!(server.to_string(), "postgres://ann@db.example:5432/shop");
/// # Ok::<(), axum_db::ParseLocationError>(())
/// ```
#[derive(Clone, Debug)]
pub enum DatabaseLocation {
    /// The path of a file that is made when it is missing.
    Sqlite(PathBuf),
    /// A server, boxed because its options are many.
    Postgres(Box<PgConnectOptions>),
}

impl FromStr for DatabaseLocation {
    type Err = ParseLocationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return match text.parse() {
                Ok(server) => Ok(Self::Postgres(Box::new(server))),
                Err(source) => Err(ParseLocationError::Postgres(source)),
            };
        }
        let path = text
            .strip_prefix("sqlite://")
            .or_else(|| text.strip_prefix("sqlite:"))
            .unwrap_or(text);
        match path {
            "" => Err(ParseLocationError::Empty),
            // Every connection of the pool would get an empty database of its own.
            ":memory:" => Err(ParseLocationError::Memory),
            _ if path.contains("://") => Err(ParseLocationError::Scheme),
            _ => Ok(Self::Sqlite(PathBuf::from(path))),
        }
    }
}

impl fmt::Display for DatabaseLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Absolute, so that the reader finds the file whatever folder the program was started in.
            Self::Sqlite(path) => match std::path::absolute(path) {
                Ok(absolute) => absolute.display().fmt(f),
                Err(_) => path.display().fmt(f),
            },
            Self::Postgres(server) => {
                let (user, host, port) =
                    (server.get_username(), server.get_host(), server.get_port());
                // PostgreSQL's own rule: the database is named like the user unless it is said.
                let database = server.get_database().unwrap_or(user);
                write!(f, "postgres://{user}@{host}:{port}/{database}")
            }
        }
    }
}

/// The text names neither a file nor a `PostgreSQL` server.
#[derive(Debug)]
#[non_exhaustive]
pub enum ParseLocationError {
    /// Nothing was written.
    Empty,
    /// `SQLite` in memory, which a pool cannot share.
    Memory,
    /// A URL of another database.
    Scheme,
    /// The `PostgreSQL` URL cannot be read.
    Postgres(sqlx::Error),
}

impl fmt::Display for ParseLocationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("it is empty; ")?,
            Self::Memory => f.write_str("a database in memory cannot be shared by a pool; ")?,
            Self::Scheme => f.write_str("only SQLite files and PostgreSQL are supported; ")?,
            Self::Postgres(source) => write!(f, "{source}; ")?,
        }
        f.write_str("give a path such as shop.sqlite, or a URL such as postgres://user:password@localhost/shop")
    }
}

impl Error for ParseLocationError {}

pub(super) fn sqlite_options(path: &Path) -> SqliteConnectOptions {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .busy_timeout(BUSY_TIMEOUT);
    quiet(options)
}

pub(super) fn postgres_options(server: &PgConnectOptions) -> PgConnectOptions {
    quiet(server.clone())
}

/// The load that this program invites makes every query slow, and a warning with the whole text of
/// each would bury the rest of the log.
fn quiet<O: ConnectOptions>(options: O) -> O {
    options.disable_statement_logging()
}

/// One connection outside the pool: the pool would try a refused address again until its own timeout
/// and then say only that it timed out.
#[allow(
    clippy::disallowed_methods,
    reason = "an application may use the runtime's timers"
)]
pub(super) async fn knock(server: &PgConnectOptions) -> sqlx::Result<()> {
    let connection = timeout(KNOCK_TIMEOUT, server.connect())
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    connection.close().await
}
