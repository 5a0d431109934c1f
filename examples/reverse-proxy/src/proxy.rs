//! The proxy: the three rooms, put together for each connection.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use tokio::net::TcpListener;
use tower_layer::Layer as _;
use tower_swr::{CacheLayer, HttpCache};

use crate::calls::Calls;
use crate::client::OriginClient;
use crate::forwarded::Peer;
use crate::front::Front;
use crate::interim::Interims;
use crate::origin::{Origin, OriginService};
use crate::server::Server;
use crate::settings::Settings;
use crate::tunnel::Tunnels;
use crate::via::Pseudonym;

/// A caching reverse proxy. Clones share the cache and the connections to the origin.
#[derive(Clone, Debug)]
pub struct Proxy {
    cache: HttpCache,
    layer: CacheLayer,
    origin: Arc<Origin>,
    connections: usize,
    client_timeout: Duration,
    stop_timeout: Duration,
}

/// The cache waits a little longer than the proxy itself, whose answer says more.
const MARGIN: Duration = Duration::from_secs(1);

impl Proxy {
    /// A proxy with a cache of its own.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self::behind(settings.cache(), settings)
    }

    /// A proxy that keeps answers in `cache`.
    #[must_use]
    pub fn behind(cache: HttpCache, settings: &Settings) -> Self {
        let client = OriginClient::new(settings.connect_timeout, settings.origin_timeout);
        Self {
            layer: layer(&cache, settings),
            cache,
            origin: Arc::new(Origin {
                address: settings.origin.clone(),
                client,
                calls: Calls::new(settings.origin_calls, settings.origin_timeout),
                pseudonym: Pseudonym::new(&settings.name),
                tunnels: Tunnels::new(settings.idle_timeout),
            }),
            connections: settings.connections,
            client_timeout: settings.client_timeout,
            stop_timeout: settings.stop_timeout,
        }
    }

    /// Its cache: for numbers, and to purge.
    #[must_use]
    pub fn cache(&self) -> &HttpCache {
        &self.cache
    }

    /// Answers the connections of `listener` until `stop` resolves, then lets what is under way come to its end, for as
    /// long as the settings allow.
    pub async fn serve(&self, listener: TcpListener, stop: impl Future<Output = ()>) {
        let server = Server::new(self.connections, self.client_timeout);
        server.serve(listener, self, stop, self.stop_timeout).await;
        self.origin.tunnels.cut();
        // A refresh has no connection that would wait for it.
        let running = self.cache.drain(self.stop_timeout).await;
        if running > 0 {
            tracing::warn!(
                running,
                "calls of the origin were still running at the deadline"
            );
        }
    }

    /// The service of a connection of the client at `address`, on which `interims` are said.
    ///
    /// Each has a layer of its own around an origin of its own, so that a request that becomes a fill still knows whose
    /// it was; the state is the cache's.
    pub(crate) fn front(&self, address: IpAddr, interims: Arc<Interims>) -> Front {
        let peer = Arc::new(Peer::new(address));
        let origin = OriginService {
            origin: Arc::clone(&self.origin),
            peer: Arc::clone(&peer),
        };
        Front {
            cached: self.layer.layer(origin),
            origin: Arc::clone(&self.origin),
            peer,
            interims,
        }
    }
}

/// A shared cache that goes by what the origin says, and adds no lifetime unless it is told to.
fn layer(cache: &HttpCache, settings: &Settings) -> CacheLayer {
    let patience = settings.origin_timeout.saturating_add(MARGIN);
    let layer = cache.layer("proxy");
    let layer = match settings.bypass_cookies {
        // All that a proxy has, but for what it does with cookies.
        true => layer
            .targeted_fields([HeaderName::from_static("cdn-cache-control")])
            .heuristic_freshness()
            .forward_authorization()
            .head_as_get()
            .honor_client_directives(),
        false => layer.as_proxy(),
    };
    layer
        .no_vary_search()
        .max_age(settings.max_age)
        .stale_while_revalidate(settings.stale_while_revalidate)
        .stale_if_error(settings.stale_if_error)
        .soft_timeout(settings.soft_timeout)
        .body_idle_timeout(settings.idle_timeout)
        .origin_timeout(patience)
        .wait_timeout(patience.saturating_add(MARGIN))
}
