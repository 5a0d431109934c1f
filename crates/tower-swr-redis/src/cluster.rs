//! A Cluster: servers that share the keys.
//!
//! Steps go through a client that knows who has which key. What a server may hold back, and what has to be noticed when it
//! stops coming, has a connection to the one server that has the key.

use redis::aio::PubSub;
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{MultipleNodeRoutingInfo, ResponsePolicy, RoutingInfo};
use redis::{Client, ConnectionInfo, ErrorKind, RedisError, RedisFuture, RedisResult, Value};

use crate::budget::Budgets;
use crate::dialer::{Dialling, Turns, Way, connect, elsewhere, nobody, subscribe};
use crate::line::{Connection, Line};

/// So often it follows a key that is elsewhere by now, within the step's budget.
const MOST_MOVES: u32 = 3;

pub(crate) struct Cluster {
    client: ClusterClient,
    nodes: Turns,
}

impl Cluster {
    pub(crate) fn new(nodes: Vec<ConnectionInfo>, budgets: Budgets) -> RedisResult<Self> {
        // Nobody waits for one server any longer.
        let client = ClusterClientBuilder::new(nodes.clone())
            .connection_timeout(budgets.dial)
            .response_timeout(budgets.step.max(budgets.get))
            .retries(MOST_MOVES)
            .min_retry_wait(5)
            .max_retry_wait(25);
        Ok(Self {
            client: client.build()?,
            nodes: Turns::new(nodes),
        })
    }

    async fn owner(&self, name: &str) -> RedisResult<Connection> {
        let mut trouble = nobody();
        for node in self.nodes.next() {
            match ask_owner(node, name).await {
                Ok(owner) => return Ok(owner),
                Err(error) => trouble = error,
            }
        }
        Err(trouble)
    }

    /// A message reaches all servers, so any will do.
    async fn subscribe(&self, channel: &str) -> RedisResult<PubSub> {
        let mut trouble = nobody();
        for node in self.nodes.next() {
            match subscribe(&Client::open(node.clone())?, channel).await {
                Ok(subscription) => return Ok(subscription),
                Err(error) => trouble = error,
            }
        }
        Err(trouble)
    }
}

/// A connection to who has `name`, as `node` says.
async fn ask_owner(node: &ConnectionInfo, name: &str) -> RedisResult<Connection> {
    let mut connection = connect(&Client::open(node.clone())?).await?;
    let mut question = redis::cmd("CLUSTER");
    question.arg("KEYSLOT").arg(name);
    let slot: i64 = question.query_async(&mut connection).await?;
    let mut question = redis::cmd("CLUSTER");
    question.arg("SLOTS");
    let slots: Vec<Value> = question.query_async(&mut connection).await?;
    let owner = slots.iter().find_map(|range| owner_of(slot, range));
    let unknown = || RedisError::from((ErrorKind::ClusterConnectionNotFound, "no owner"));
    let (host, port) = owner.ok_or_else(unknown)?;
    connect(&Client::open(elsewhere(node, host, port))?).await
}

/// Who has `slot`, if it is in `range`: `[first, last, [host, port, …], …]`, the master first.
fn owner_of(slot: i64, range: &Value) -> Option<(String, u16)> {
    let Value::Array(range) = range else {
        return None;
    };
    let [
        Value::Int(first),
        Value::Int(last),
        Value::Array(master),
        ..,
    ] = &range[..]
    else {
        return None;
    };
    let [host, Value::Int(port), ..] = &master[..] else {
        return None;
    };
    if !(*first..=*last).contains(&slot) {
        return None;
    }
    // A server that does not know its own name means the address it was asked at.
    let host = match host {
        Value::BulkString(host) => String::from_utf8(host.clone()).ok()?,
        _ => String::new(),
    };
    Some((host, u16::try_from(*port).ok()?))
}

impl Way for Cluster {
    fn dial(&self) -> Dialling<'_, Connection> {
        Box::pin(async { Ok(Connection::new(self.client.get_async_connection().await?)) })
    }

    fn dial_for<'a>(&'a self, name: &'a str) -> Dialling<'a, Connection> {
        Box::pin(self.owner(name))
    }

    fn subscribe<'a>(&'a self, channel: &'a str) -> Dialling<'a, PubSub> {
        Box::pin(self.subscribe(channel))
    }

    fn leads_elsewhere(&self) -> bool {
        true
    }
}

impl Line for ClusterConnection {
    fn share(&self) -> Connection {
        Connection::new(self.clone())
    }

    fn ask_time(&mut self) -> RedisFuture<'_, Value> {
        let masters = MultipleNodeRoutingInfo::AllMasters;
        let routing = RoutingInfo::MultiNode((masters, Some(ResponsePolicy::OneSucceeded)));
        Box::pin(self.route_command(redis::cmd("TIME"), routing))
    }

    fn is_one_server(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_is_the_master_of_the_range() {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let server = |host: Value| Value::Array(vec![host, Value::Int(7000), text("id")]);
        let range = |host| Value::Array(vec![Value::Int(5), Value::Int(9), server(host)]);
        let owner = |slot, host| owner_of(slot, &range(host));
        assert_eq!(owner(5, text("a")), Some(("a".to_owned(), 7000)));
        assert_eq!(owner(9, Value::Nil), Some((String::new(), 7000)));
        assert_eq!(owner(10, text("a")), None);
        assert_eq!(owner_of(5, &Value::Nil), None);
    }
}
