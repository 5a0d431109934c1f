//! The master that Sentinels agree on. They are asked anew for every connection: what they said last is what failed.

use redis::aio::PubSub;
use redis::{Client, ConnectionInfo, ErrorKind, RedisError, RedisResult, ServerErrorKind, Value};

use crate::dialer::{Dialling, Turns, Way, connect, elsewhere, nobody, subscribe};
use crate::line::Connection;

pub(crate) struct Sentinels {
    /// With the name and the password of the master, neither of which is told to a Sentinel.
    sentinels: Turns,
    master: String,
}

impl Sentinels {
    pub(crate) fn new(nodes: Vec<ConnectionInfo>, master: String) -> Self {
        Self {
            sentinels: Turns::new(nodes),
            master,
        }
    }

    /// The master and a connection to it.
    async fn master(&self) -> RedisResult<(Client, Connection)> {
        let mut trouble = nobody();
        for sentinel in self.sentinels.next() {
            match self.ask(sentinel).await {
                Ok(master) => return Ok(master),
                Err(error) => trouble = error,
            }
        }
        Err(trouble)
    }

    async fn ask(&self, node: &ConnectionInfo) -> RedisResult<(Client, Connection)> {
        let mut sentinel = connect(&Client::open(node.addr().clone())?).await?;
        let mut question = redis::cmd("SENTINEL");
        question.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.master);
        let address: Option<(String, u16)> = question.query_async(&mut sentinel).await?;
        let unknown = || RedisError::from((ErrorKind::MasterNameNotFoundBySentinel, "no master"));
        let (host, port) = address.ok_or_else(unknown)?;
        let client = Client::open(elsewhere(node, host, port))?;
        let mut master = connect(&client).await?;
        is_master(&mut master).await?;
        Ok((client, master))
    }
}

/// A Sentinel may not have heard yet that the master is another.
async fn is_master(connection: &mut Connection) -> RedisResult<()> {
    let role: Vec<Value> = redis::cmd("ROLE").query_async(connection).await?;
    match role.first() {
        Some(Value::BulkString(role)) if role == b"master" => Ok(()),
        _ => Err((ErrorKind::Server(ServerErrorKind::ReadOnly), "no master").into()),
    }
}

impl Way for Sentinels {
    fn dial(&self) -> Dialling<'_, Connection> {
        Box::pin(async { Ok(self.master().await?.1) })
    }

    fn dial_for<'a>(&'a self, _name: &'a str) -> Dialling<'a, Connection> {
        self.dial()
    }

    fn subscribe<'a>(&'a self, channel: &'a str) -> Dialling<'a, PubSub> {
        Box::pin(async move { subscribe(&self.master().await?.0, channel).await })
    }

    fn leads_elsewhere(&self) -> bool {
        true
    }
}
