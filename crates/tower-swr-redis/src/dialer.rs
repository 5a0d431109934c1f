//! How to get a connection: to the server, to the master that Sentinels name, or to the servers of a Cluster.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::BoxFuture;
use redis::aio::PubSub;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, RedisError, RedisResult,
};
use tower_swr_core::FarError;

use crate::address::{Address, Place};
use crate::budget::Budgets;
use crate::connection::Ports;
use crate::error::{ConnectError, far_error};
use crate::line::Connection;

/// A connection, or why there is none.
pub(crate) type Dialling<'a, T> = BoxFuture<'a, RedisResult<T>>;

/// One way to reach servers. What it takes is limited by who asks.
pub(crate) trait Way: Send + Sync {
    /// A connection for questions about any key that are answered at once.
    fn dial(&self) -> Dialling<'_, Connection>;

    /// A connection for questions about `name` that the server may hold back.
    fn dial_for<'a>(&'a self, name: &'a str) -> Dialling<'a, Connection>;

    fn subscribe<'a>(&'a self, channel: &'a str) -> Dialling<'a, PubSub>;

    /// Dialling anew may lead to another server.
    fn leads_elsewhere(&self) -> bool;
}

/// Where servers are, and how to get there.
pub(crate) struct Dialer {
    way: Box<dyn Way>,
    pub(crate) ports: Ports,
    pub(crate) budgets: Budgets,
}

impl Dialer {
    /// # Errors
    ///
    /// Where this build cannot get there.
    pub(crate) fn new(
        address: Address,
        ports: Ports,
        budgets: Budgets,
    ) -> Result<Self, ConnectError> {
        let wrong = |_| ConnectError::new("url", "this build cannot connect to it");
        let way: Box<dyn Way> = match address.place {
            Place::Server => Box::new(OneServer::new(address.nodes).map_err(wrong)?),
            #[cfg(feature = "cluster")]
            Place::Cluster => {
                Box::new(crate::cluster::Cluster::new(address.nodes, budgets).map_err(wrong)?)
            }
            #[cfg(feature = "sentinel")]
            Place::Sentinel { master } => {
                Box::new(crate::sentinel::Sentinels::new(address.nodes, master))
            }
            #[allow(unreachable_patterns, reason = "with every feature there is no other")]
            _ => return Err(ConnectError::new("url", "this build cannot connect to it")),
        };
        Ok(Self {
            way,
            ports,
            budgets,
        })
    }

    pub(crate) async fn dial(&self) -> Result<Connection, FarError> {
        let dialled = self
            .ports
            .within(self.budgets.dial, self.way.dial())
            .await?;
        dialled.map_err(|error| far_error(&error, "connect"))
    }

    pub(crate) async fn dial_for(&self, name: &str) -> Result<Connection, FarError> {
        let dialled = self
            .ports
            .within(self.budgets.dial, self.way.dial_for(name));
        dialled.await?.map_err(|error| far_error(&error, "connect"))
    }

    pub(crate) async fn subscribe(&self, channel: &str) -> Result<PubSub, FarError> {
        let dialled = self
            .ports
            .within(self.budgets.dial, self.way.subscribe(channel));
        dialled
            .await?
            .map_err(|error| far_error(&error, "subscribe"))
    }

    /// A server that may only be read may no longer be the one to ask.
    pub(crate) fn leads_elsewhere(&self) -> bool {
        self.way.leads_elsewhere()
    }
}

/// Without the way, which knows the password.
impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dialer")
    }
}

struct OneServer(Client);

impl OneServer {
    fn new(nodes: Vec<ConnectionInfo>) -> RedisResult<Self> {
        match nodes.into_iter().next() {
            Some(node) => Ok(Self(Client::open(node)?)),
            None => Err(nobody()),
        }
    }
}

impl Way for OneServer {
    fn dial(&self) -> Dialling<'_, Connection> {
        Box::pin(connect(&self.0))
    }

    fn dial_for<'a>(&'a self, _name: &'a str) -> Dialling<'a, Connection> {
        self.dial()
    }

    fn subscribe<'a>(&'a self, channel: &'a str) -> Dialling<'a, PubSub> {
        Box::pin(subscribe(&self.0, channel))
    }

    fn leads_elsewhere(&self) -> bool {
        false
    }
}

/// A connection to one server. The limits are ours: the client's own do not cover everything.
pub(crate) async fn connect(client: &Client) -> RedisResult<Connection> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(None)
        .set_response_timeout(None);
    let connection = client.get_multiplexed_async_connection_with_config(&config);
    Ok(Connection::new(connection.await?))
}

pub(crate) async fn subscribe(client: &Client, channel: &str) -> RedisResult<PubSub> {
    let mut connection = client.get_async_pubsub().await?;
    connection.subscribe(channel).await?;
    Ok(connection)
}

/// The server at `host` and `port`, to be reached as `node` is; at the same host where that has no name.
#[cfg_attr(
    not(any(feature = "cluster", feature = "sentinel")),
    allow(dead_code, reason = "one server is where it is")
)]
pub(crate) fn elsewhere(node: &ConnectionInfo, host: String, port: u16) -> ConnectionInfo {
    let is_named = !host.is_empty();
    let mut address = node.addr().clone();
    match &mut address {
        ConnectionAddr::Tcp(of, at) => {
            *at = port;
            if is_named {
                *of = host;
            }
        }
        ConnectionAddr::TcpTls {
            host: of, port: at, ..
        } => {
            *at = port;
            if is_named {
                *of = host;
            }
        }
        _ => {}
    }
    node.clone().set_addr(address)
}

/// Servers of which any can be asked. Each time another is the first: one that is silent is in nobody's way for long.
#[cfg_attr(
    not(any(feature = "cluster", feature = "sentinel")),
    allow(dead_code, reason = "one server needs no turns")
)]
pub(crate) struct Turns {
    nodes: Vec<ConnectionInfo>,
    turn: AtomicUsize,
}

#[cfg_attr(
    not(any(feature = "cluster", feature = "sentinel")),
    allow(dead_code, reason = "one server needs no turns")
)]
impl Turns {
    pub(crate) fn new(nodes: Vec<ConnectionInfo>) -> Self {
        Self {
            nodes,
            turn: AtomicUsize::new(0),
        }
    }

    /// All of them, in this turn's order.
    pub(crate) fn next(&self) -> impl Iterator<Item = &ConnectionInfo> + Send {
        let first = self.turn.fetch_add(1, Ordering::Relaxed) % self.nodes.len().max(1);
        let (before, from) = self.nodes.split_at(first);
        from.iter().chain(before)
    }
}

/// What came of asking none.
pub(crate) fn nobody() -> RedisError {
    (redis::ErrorKind::InvalidClientConfig, "no server").into()
}
