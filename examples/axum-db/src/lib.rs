//! An axum application whose report takes a real half second of SQL, with and without the cache.
//!
//! The same handler serves two routes. Behind `/raw/report/{region}` every request runs the query,
//! eight at a time, and a crowd waits in a queue that only grows. Behind `/report/{region}` there is
//! one line more ([`router()`]), and a crowd costs one query: the first request computes, the others
//! wait for its answer, and from then on everybody is answered at once while at most one refresh runs.
//!
//! It is a program (`cargo run --release -p axum-db`) and a library, so that tests can put their own
//! load on the same [`router()`].
//!
//! Several processes that name one Redis (`--redis`) share their reports, and leave refreshes to those that run with
//! `--worker`, while one does.
//!
//! The database is `SQLite` in a file, or `PostgreSQL` by URL; [`Database::open`] fills it.

mod database;
mod problem;
mod region;
mod report;
mod router;
mod server;
mod settings;
mod stats;
mod stop;
mod worker;

pub use database::{Database, DatabaseError, DatabaseLocation, ParseLocationError};
pub use region::Region;
pub use report::{GrandTotal, Report, ReportRow};
pub use router::{ReportLifetime, router};
pub use server::{ServeError, serve};
pub use settings::Settings;
pub use stats::Counts;
pub use stop::stop_signal;
