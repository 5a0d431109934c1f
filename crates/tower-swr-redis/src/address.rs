//! Where servers are: what a URL says, and what it may not say.

use std::fmt;

use redis::io::tcp::TcpSettings;
use redis::{ConnectionInfo, IntoConnectionInfo};

use crate::error::ConnectError;

/// Servers, and what they are to each other.
pub(crate) struct Address {
    /// One at least, all with the same name and password.
    pub(crate) nodes: Vec<ConnectionInfo>,
    pub(crate) place: Place,
    pub(crate) is_encrypted: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The one server.
    Server,
    /// Some of those that share the keys.
    Cluster,
    /// Those who know which server is the master of this name.
    Sentinel { master: String },
}

const RULE: &str = "must be redis://[user:password@]host[:port][/database]";
const CLUSTER_RULE: &str = "must be redis-cluster://[user:password@]host:port[,host:port]…";
const SENTINEL_RULE: &str =
    "must be redis-sentinel://[user:password@]host:port[,host:port]…/master-name[/database]";

impl Address {
    pub(crate) fn parse(url: &str) -> Result<Self, ConnectError> {
        let wrong = || ConnectError::new("url", RULE);
        let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
        let (kind, place) = scheme.split_once('-').unwrap_or((scheme, ""));
        let is_encrypted = matches!(kind, "rediss" | "valkeys");
        if is_encrypted && !cfg!(feature = "tls") {
            let rule = "TLS is not part of this build: it needs the feature `tls`";
            return Err(ConnectError::new("url", rule));
        }
        // What the client below reads after it would turn the check of certificates off.
        if url.contains('#') {
            return Err(wrong());
        }
        let (nodes, place) = match place {
            "" => (one(url, RULE)?, Place::Server),
            "cluster" => cluster(kind, rest)?,
            "sentinel" => sentinel(kind, rest)?,
            _ => return Err(wrong()),
        };
        Ok(Self {
            nodes,
            place,
            is_encrypted,
        })
    }
}

fn one(url: &str, rule: &'static str) -> Result<Vec<ConnectionInfo>, ConnectError> {
    let address = url
        .into_connection_info()
        .map_err(|_| ConnectError::new("url", rule))?;
    // A step is one small packet, and somebody waits for it.
    let tcp = TcpSettings::default().set_nodelay(true);
    Ok(vec![address.set_tcp_settings(tcp)])
}

fn cluster(kind: &str, rest: &str) -> Result<(Vec<ConnectionInfo>, Place), ConnectError> {
    if !cfg!(feature = "cluster") {
        let rule = "Cluster is not part of this build: it needs the feature `cluster`";
        return Err(ConnectError::new("url", rule));
    }
    if rest.trim_end_matches('/').contains('/') {
        return Err(ConnectError::new("url", CLUSTER_RULE));
    }
    let nodes = several(kind, rest.trim_end_matches('/'), "", CLUSTER_RULE)?;
    Ok((nodes, Place::Cluster))
}

fn sentinel(kind: &str, rest: &str) -> Result<(Vec<ConnectionInfo>, Place), ConnectError> {
    if !cfg!(feature = "sentinel") {
        let rule = "Sentinel is not part of this build: it needs the feature `sentinel`";
        return Err(ConnectError::new("url", rule));
    }
    let wrong = || ConnectError::new("url", SENTINEL_RULE);
    let (hosts, path) = rest.split_once('/').ok_or_else(wrong)?;
    let (master, database) = path.split_once('/').unwrap_or((path, ""));
    if master.is_empty() {
        return Err(wrong());
    }
    let nodes = several(kind, hosts, database, SENTINEL_RULE)?;
    let master = master.to_owned();
    Ok((nodes, Place::Sentinel { master }))
}

/// Every host between commas, each as if it stood in a URL of its own.
fn several(
    kind: &str,
    rest: &str,
    database: &str,
    rule: &'static str,
) -> Result<Vec<ConnectionInfo>, ConnectError> {
    let (user, hosts) = match rest.rsplit_once('@') {
        Some((user, hosts)) => (format!("{user}@"), hosts),
        None => (String::new(), rest),
    };
    let mut nodes = Vec::new();
    for host in hosts.split(',') {
        nodes.extend(one(&format!("{kind}://{user}{host}/{database}"), rule)?);
    }
    Ok(nodes)
}

/// Without the addresses, which hold the password.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}
