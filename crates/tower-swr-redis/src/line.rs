//! A connection, whatever is at its other end: one server, or all those of a Cluster.

use std::fmt;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{Cmd, Pipeline, RedisFuture, Value};

/// What can be asked. Clones share the connection.
pub(crate) struct Connection(Box<dyn Line>);

/// One kind of connection.
pub(crate) trait Line: ConnectionLike + Send + Sync {
    fn share(&self) -> Connection;

    /// Asks for the time, of whoever answers.
    fn ask_time(&mut self) -> RedisFuture<'_, Value>;

    /// One server is behind it. Otherwise what one of them does says nothing about the others.
    fn is_one_server(&self) -> bool;
}

impl Connection {
    pub(crate) fn new(line: impl Line + 'static) -> Self {
        Self(Box::new(line))
    }

    pub(crate) fn ask_time(&mut self) -> RedisFuture<'_, Value> {
        self.0.ask_time()
    }

    pub(crate) fn is_one_server(&self) -> bool {
        self.0.is_one_server()
    }
}

impl Clone for Connection {
    fn clone(&self) -> Self {
        self.0.share()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connection")
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        self.0.req_packed_command(cmd)
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        self.0.req_packed_commands(pipeline, offset, count)
    }

    fn get_db(&self) -> i64 {
        self.0.get_db()
    }
}

impl Line for MultiplexedConnection {
    fn share(&self) -> Connection {
        Connection::new(self.clone())
    }

    fn ask_time(&mut self) -> RedisFuture<'_, Value> {
        Box::pin(async move { redis::cmd("TIME").query_async(self).await })
    }

    fn is_one_server(&self) -> bool {
        true
    }
}
