//! Many clients at once.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::future::join_all;
use tokio::task::JoinSet;

use crate::answer::Answer;
use crate::client::{Client, Protocol};
use crate::deadline::within;
use crate::told::Told;

/// Clients that have asked, and wait.
#[derive(Debug)]
pub struct Crowd(JoinSet<Vec<Answer>>);

impl Crowd {
    /// `connections` connections of HTTP/1.1, all of them there before the first of them asks for `path`, once.
    pub async fn over_connections(
        address: SocketAddr,
        connections: usize,
        path: &'static str,
    ) -> Self {
        let bodies = Bodies::default();
        let ask = |mut client: Client| {
            let bodies = bodies.clone();
            async move { vec![bodies.keep_once(client.get(path).await)] }
        };
        let clients = connect(address, connections, Protocol::Http1).await;
        Self(clients.into_iter().map(ask).collect())
    }

    /// `connections` connections of HTTP/2, all of them there before the first of them asks for `path`, on `streams`
    /// streams at a time.
    pub async fn over_streams(
        address: SocketAddr,
        connections: usize,
        streams: usize,
        path: &'static str,
    ) -> Self {
        let bodies = Bodies::default();
        let ask = |client: Client| {
            let bodies = bodies.clone();
            let ask = move |_| {
                let (mut stream, bodies) = (client.stream(), bodies.clone());
                async move { bodies.keep_once(stream.get(path).await) }
            };
            join_all((0..streams).map(ask))
        };
        let clients = connect(address, connections, Protocol::Http2).await;
        Self(clients.into_iter().map(ask).collect())
    }

    /// What they were told, once everybody has an answer.
    pub async fn told(self) -> Told {
        let told = within("the answers to a crowd", self.0.join_all()).await;
        Told::new(told.into_iter().flatten().collect())
    }
}

async fn connect(address: SocketAddr, connections: usize, protocol: Protocol) -> Vec<Client> {
    let mut clients = Vec::new();
    for _ in 0..connections {
        clients.push(Client::connect(address, protocol).await);
    }
    clients
}

/// Every body that somebody got, once: ten thousand copies of one would fill the memory.
#[derive(Clone, Debug, Default)]
struct Bodies(Arc<Mutex<BTreeSet<Bytes>>>);

impl Bodies {
    fn keep_once(&self, mut answer: Answer) -> Answer {
        let mut bodies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match bodies.get(&answer.body) {
            Some(known) => answer.body = known.clone(),
            None => drop(bodies.insert(answer.body.clone())),
        }
        drop(bodies);
        answer
    }
}
