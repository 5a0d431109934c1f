use std::net::SocketAddr;

use clap::Parser as _;
use reverse_proxy::{Proxy, Settings};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tower_swr::HttpCache;
use tower_swr_core::testing::ManualClock;

use super::deadline::{beside, until, within};
use super::message::Message;
use super::origin::{Origin, Script};
use super::wire::Wire;

/// A proxy on a free port before an origin. The clock of its cache stands still until the test moves it.
#[derive(Debug)]
pub(crate) struct House {
    pub(crate) address: SocketAddr,
    pub(crate) origin: Origin,
    pub(crate) cache: HttpCache,
    pub(crate) clock: ManualClock,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<()>,
}

impl House {
    /// A proxy with its default settings.
    pub(crate) async fn before(
        script: impl Fn(&Message, usize) -> Script + Send + Sync + 'static,
    ) -> Self {
        Self::with(&[], script).await
    }

    /// A proxy with these arguments.
    pub(crate) async fn with(
        arguments: &[&str],
        script: impl Fn(&Message, usize) -> Script + Send + Sync + 'static,
    ) -> Self {
        let origin = Origin::start(script).await;
        let settings = settings(&format!("http://{}", origin.address), arguments);
        let clock = ManualClock::default();
        let cache = HttpCache::builder(settings.store())
            .clock(clock.clone())
            .build();
        let proxy = Proxy::behind(cache.clone(), &settings);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let server = beside(async move {
            let stopped = async { drop(stopped.await) };
            proxy.serve(listener, stopped).await;
        });
        Self {
            address,
            origin,
            cache,
            clock,
            stop: Some(stop),
            server,
        }
    }

    pub(crate) async fn connect(&self) -> Wire {
        Wire::to(self.address).await
    }

    /// The answer to `line` with `fields` on a connection of its own.
    pub(crate) async fn ask(&self, line: &str, fields: &str) -> Message {
        self.connect().await.ask(line, fields).await
    }

    pub(crate) async fn get(&self, path: &str) -> Message {
        self.connect().await.get(path).await
    }

    /// Waits until no call of the origin runs for anybody, and asserts that none was ever one too many.
    pub(crate) async fn settled(&self) {
        until("the flights to end", || self.cache.stats().flights == 0).await;
        assert_eq!(self.cache.stats().stampede_violations, 0);
    }

    /// Begins to stop.
    pub(crate) fn stop(&mut self) {
        let stop = self.stop.take().expect("a house stops once");
        stop.send(()).unwrap();
    }

    /// Waits until it has stopped.
    pub(crate) async fn stopped(&mut self) {
        within("the proxy to end", &mut self.server).await.unwrap();
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.server.abort();
    }
}

pub(crate) fn settings(origin: &str, arguments: &[&str]) -> Settings {
    let program = ["reverse-proxy", "--origin", origin];
    let all = program.iter().chain(arguments);
    Settings::try_parse_from(all).unwrap()
}
