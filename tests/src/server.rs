//! An application on a socket of the loopback.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use axum::{Router, middleware};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::arrivals::{Arrivals, counted};
use crate::client::{Client, Protocol};
use crate::deadline::within;

/// A server on a free port, of HTTP/1.1 and of HTTP/2 with prior knowledge. It ends with the test's runtime.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// How far its requests have got.
    pub arrivals: Arrivals,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<io::Result<()>>,
}

impl Server {
    /// Serves `app`.
    pub async fn start(app: Router) -> Self {
        let free = (Ipv4Addr::LOCALHOST, 0);
        let listener = TcpListener::bind(free)
            .await
            .expect("the loopback has a free port");
        Self::serve(listener, app)
    }

    /// Not `async`, and so compiled once, with all that a server is made of, and not again with every story's future.
    #[allow(
        clippy::disallowed_methods,
        reason = "a server runs beside those who call on it"
    )]
    fn serve(listener: TcpListener, app: Router) -> Self {
        let address = listener
            .local_addr()
            .expect("a bound listener has an address");
        let arrivals = Arrivals::default();
        let app = app.layer(middleware::from_fn_with_state(arrivals.clone(), counted));
        let (stop, stopped) = oneshot::channel();
        let serving = axum::serve(listener, app).with_graceful_shutdown(async {
            // A server that nobody stops runs on.
            if stopped.await.is_err() {
                std::future::pending::<()>().await;
            }
        });
        Self {
            address,
            arrivals,
            stop: Some(stop),
            task: tokio::spawn(serving.into_future()),
        }
    }

    /// A connection to it.
    pub async fn connect(&self, protocol: Protocol) -> Client {
        Client::connect(self.address, protocol).await
    }

    /// Accepts no more requests, and answers those that are there.
    pub fn stop(&mut self) {
        let stop = self.stop.take().expect("a server is stopped once");
        stop.send(())
            .expect("the server listens for the word to stop");
    }

    /// Waits until it has ended.
    pub async fn ended(self) {
        let served = within("the server to end", self.task).await;
        served
            .expect("the server does not panic")
            .expect("the listener does not break");
    }
}
