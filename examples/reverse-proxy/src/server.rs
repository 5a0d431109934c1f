//! The life of the server: listen, tell, serve, stop.

use std::error::Error;
use std::fmt;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::interim::{Interims, Interjected};
use crate::proxy::Proxy;
use crate::seat::{Seat, Seated, Seats};
use crate::settings::Settings;

/// Runs the proxy until `stop` resolves, then ends it in order.
///
/// # Errors
///
/// The address cannot be listened on.
pub async fn serve(
    settings: Settings,
    stop: impl Future<Output = ()> + Send,
) -> Result<(), ServeError> {
    let failed = |source| ServeError {
        address: settings.listen,
        source,
    };
    let listener = TcpListener::bind(settings.listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    tell(&greeting(address, &settings));
    if settings.bypass_cookies {
        tracing::info!(
            "--bypass-cookies: requests with cookies go past the cache. An origin that says `private` or `Vary: Cookie` \
             where it matters does not need it"
        );
    }
    let largest = settings.largest_kept();
    if largest < settings.largest {
        tracing::warn!(
            largest,
            "--largest: answers of more bytes than an eighth of --memory are not kept"
        );
    }
    Proxy::new(&settings).serve(listener, stop).await;
    Ok(())
}

fn greeting(address: SocketAddr, settings: &Settings) -> String {
    let Settings { origin, .. } = settings;
    format!(
        "\
Origin:   {origin}
Open:     http://{address}/
Try:      curl -i http://{address}/    (X-Cache and Cache-Status say what happened)
Stop:     Ctrl-C
"
    )
}

fn tell(text: &str) {
    // Whoever closed our standard output does not want to read it; that is no reason to stop.
    let _ = io::stdout().write_all(text.as_bytes());
}

/// How connections are served.
#[derive(Debug)]
pub(crate) struct Server {
    builder: Builder<TokioExecutor>,
    graceful: GracefulShutdown,
    connections: JoinSet<()>,
    seats: Seats,
    patience: Duration,
}

/// How often a quiet client of HTTP/2 is asked whether it is still there.
const PING: Duration = Duration::from_secs(20);

/// What is read of one client of HTTP/1.1 before somebody takes it, in bytes: a head, above all.
const MOST_UNREAD: usize = 64 << 10;

/// The same for HTTP/2, of all its requests together.
const WINDOW: u32 = 256 << 10;

/// Requests of one client of HTTP/2 at a time: the least that RFC 9113 section 6.5.2 recommends to allow.
const STREAMS: u32 = 100;

impl Server {
    /// HTTP/1.1 and HTTP/2, told apart by how a client begins, for at most `limit` connections. It has `patience` for
    /// the head of a request, from the end of the one before it, and for a client that takes nothing of its answer.
    pub(crate) fn new(limit: usize, patience: Duration) -> Self {
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(patience)
            .max_buf_size(MOST_UNREAD);
        builder
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(PING)
            .max_concurrent_streams(STREAMS)
            .initial_connection_window_size(WINDOW)
            .initial_stream_window_size(WINDOW);
        Self {
            builder,
            graceful: GracefulShutdown::new(),
            connections: JoinSet::new(),
            seats: Seats::new(limit),
            patience,
        }
    }

    /// Serves until `stop`; then accepts no more, and gives open connections until `deadline`: a client that never
    /// finishes its request must not keep the process alive.
    pub(crate) async fn serve(
        mut self,
        listener: TcpListener,
        proxy: &Proxy,
        stop: impl Future<Output = ()>,
        deadline: Duration,
    ) {
        let mut stop = std::pin::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                (seat, accepted) = next_client(&self.seats, &listener) => match accepted {
                    Ok((stream, peer)) => self.begin(stream, peer, seat, proxy),
                    Err(error) => recover(&error).await,
                },
                Some(_) = self.connections.join_next() => {}
            }
        }
        drop(listener);
        self.end(deadline).await;
    }

    fn begin(&mut self, stream: TcpStream, peer: SocketAddr, seat: Seat, proxy: &Proxy) {
        // Answers are written whole; waiting for more would only delay them.
        let _ = stream.set_nodelay(true);
        let stream = Seated::new(stream, seat, self.patience);
        let interims = Arc::<Interims>::default();
        let stream = Interjected::new(stream, Arc::clone(&interims));
        let service = proxy.front(peer.ip(), interims);
        let connection = self
            .builder
            .serve_connection_with_upgrades(TokioIo::new(stream), service)
            .into_owned();
        let connection = self.graceful.watch(connection);
        self.connections.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error, "a connection broke");
            }
        });
    }

    #[allow(
        clippy::disallowed_methods,
        reason = "an application may use the runtime's timers"
    )]
    async fn end(self, deadline: Duration) {
        let Self {
            graceful,
            connections,
            ..
        } = self;
        if timeout(deadline, graceful.shutdown()).await.is_err() {
            tracing::warn!("connections were still open at the deadline");
        }
        drop(connections);
    }
}

async fn next_client(
    seats: &Seats,
    listener: &TcpListener,
) -> (Seat, io::Result<(TcpStream, SocketAddr)>) {
    let seat = seats.take().await;
    (seat, listener.accept().await)
}

/// Out of descriptors, most likely: others will be closed in a moment. A client that went away again is no trouble.
#[allow(
    clippy::disallowed_methods,
    reason = "an application may use the runtime's timers"
)]
async fn recover(error: &io::Error) {
    let is_clients = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    );
    if !is_clients {
        tracing::error!(%error, "cannot accept a connection");
        sleep(Duration::from_millis(100)).await;
    }
}

/// The server could not start.
#[derive(Debug)]
pub struct ServeError {
    address: SocketAddr,
    source: io::Error,
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, source } = self;
        write!(
            f,
            "cannot listen on {address}: {source}; choose another address with --listen"
        )
    }
}

impl Error for ServeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}
