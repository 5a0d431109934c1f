//! The life of the server: open, tell, serve, drain, close.

use std::error::Error;
use std::fmt;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::database::{Database, DatabaseError, DatabaseLocation};
use crate::router::router;
use crate::settings::Settings;
use crate::worker::work;

/// How long each of the three steps of stopping may take: open connections, refreshes, queries.
pub(crate) const STOP_DEADLINE: Duration = Duration::from_secs(5);

/// Runs the application until `stop` resolves, then ends it in order: one that serves, or a worker.
///
/// # Errors
///
/// The address is taken, or the database cannot be used.
pub async fn serve(
    settings: Settings,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    if let Some(redis) = settings.redis.clone().filter(|_| settings.worker) {
        return work(settings, redis, stop).await;
    }
    // Before the database, because a taken port should be told before a second is spent on filling.
    let listener = listen(settings.listen).await?;
    let mut stop = Box::pin(stop);
    let database = tokio::select! {
        opened = Database::open(&settings.database, settings.orders) => opened?,
        // A large fill takes minutes. Given up half-way it leaves nothing behind.
        () = &mut stop => return Ok(()),
    };
    let cache = settings.cache();
    let app = router(database.clone(), cache.clone(), settings.report_lifetime());

    let address = listener.local_addr().map_err(ServeError::Serve)?;
    tell(&welcome(address, &settings.database, database.orders()));
    let served = until(stop, listener, app).await;
    // A refresh has no connection that would wait for it, and it still needs the database.
    let running = cache.drain(STOP_DEADLINE).await;
    if running > 0 {
        tracing::warn!(running, "reports were still being computed at the deadline");
    }
    close(&database).await;
    served.map_err(ServeError::Serve)
}

async fn listen(address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| ServeError::Listen { address, source })
}

/// Serves, then stops accepting and gives the open connections until the deadline: a client that
/// never finishes its request must not keep the process alive.
async fn until(
    stop: impl Future<Output = ()> + Send + 'static,
    listener: TcpListener,
    app: Router,
) -> io::Result<()> {
    let (told, stopping) = oneshot::channel();
    let server = axum::serve(listener, app).with_graceful_shutdown(async move {
        stop.await;
        // The receiver lives as long as the server that runs this.
        let _ = told.send(());
    });
    tokio::select! {
        served = server => served,
        () = deadline(stopping) => {
            tracing::warn!("connections were still open at the deadline");
            Ok(())
        }
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "an application may use the runtime's timers"
)]
async fn deadline(stopping: oneshot::Receiver<()>) {
    match stopping.await {
        Ok(()) => sleep(STOP_DEADLINE).await,
        // The server has ended by itself, which the caller sees first.
        Err(_) => std::future::pending().await,
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "an application may use the runtime's timers"
)]
pub(crate) async fn close(database: &Database) {
    if timeout(STOP_DEADLINE, database.close()).await.is_err() {
        tracing::warn!("a query was still running at the deadline");
    }
}

fn welcome(address: SocketAddr, location: &DatabaseLocation, orders: u32) -> String {
    format!(
        "\
Database: {location} with {orders} orders
Open:     http://{address}/
One:      curl -i http://{address}/report/north
Load:     seq 1000 | xargs -P 50 -I_ curl -s -o /dev/null http://{address}/report/north
Compare:  curl -s http://{address}/stats    (the same without the cache: /raw/report/north)
Stop:     Ctrl-C
"
    )
}

pub(crate) fn tell(text: &str) {
    // Whoever closed our standard output does not want to read it; that is no reason to stop.
    let _ = io::stdout().write_all(text.as_bytes());
}

/// The server could not start, or its listener broke.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServeError {
    /// The address cannot be listened on.
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The database cannot be used.
    Database(DatabaseError),
    /// The listener broke while it served.
    Serve(io::Error),
}

impl From<DatabaseError> for ServeError {
    fn from(error: DatabaseError) -> Self {
        Self::Database(error)
    }
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen { address, source } => {
                write!(
                    f,
                    "cannot listen on {address}: {source}; choose another address with --listen"
                )
            }
            Self::Database(error) => error.fmt(f),
            Self::Serve(error) => write!(f, "the listener broke: {error}"),
        }
    }
}

impl Error for ServeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Listen { source, .. } => Some(source),
            // Its text is this one's text already.
            Self::Database(error) => error.source(),
            Self::Serve(error) => Some(error),
        }
    }
}
