//! What can go wrong with the database.

use std::error::Error;
use std::fmt;

use super::fill::FillTrouble;
use super::location::DatabaseLocation;

/// The database could not be opened, filled or asked.
///
/// The text says what to do about it, and never contains a password.
#[derive(Debug)]
#[non_exhaustive]
pub enum DatabaseError {
    /// No connection could be made.
    Connect {
        /// Where it should have been.
        location: DatabaseLocation,
        /// What the driver said.
        source: sqlx::Error,
    },
    /// The tables could not be made, filled or read at the start.
    Fill {
        /// Where they should be.
        location: DatabaseLocation,
        /// What the driver said.
        source: sqlx::Error,
    },
    /// The tables hold another number of orders than the fill wrote.
    NotWhole {
        /// Where they are.
        location: DatabaseLocation,
        /// How many orders the fill wrote.
        promised: i64,
        /// How many there are now.
        found: i64,
    },
    /// The report query failed.
    Query(sqlx::Error),
}

impl DatabaseError {
    pub(super) fn from_fill(location: DatabaseLocation, trouble: FillTrouble) -> Self {
        match trouble {
            FillTrouble::Sql(source) => Self::Fill { location, source },
            FillTrouble::NotWhole { promised, found } => Self::NotWhole {
                location,
                promised,
                found,
            },
        }
    }
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect { location, source } => {
                write!(f, "cannot open the database {location}: {source}; ")?;
                f.write_str(match location {
                    DatabaseLocation::Sqlite(_) => {
                        "its folder must exist and be writable, or choose another with --database"
                    }
                    DatabaseLocation::Postgres(_) => {
                        "is the server up, and are user, password and database name right?"
                    }
                })
            }
            Self::Fill { location, source } => write!(
                f,
                "cannot fill the database {location}: {source}; choose with --database one that is \
                 writable and has no shop_… tables of another origin"
            ),
            Self::NotWhole {
                location,
                promised,
                found,
            } => write!(
                f,
                "the database {location} was filled with {promised} orders but holds {found}; \
                 delete it (or its shop_… tables) and start again"
            ),
            Self::Query(source) => write!(f, "the report query failed: {source}"),
        }
    }
}

impl Error for DatabaseError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Connect { source, .. } | Self::Fill { source, .. } | Self::Query(source) => {
                Some(source)
            }
            Self::NotWhole { .. } => None,
        }
    }
}
