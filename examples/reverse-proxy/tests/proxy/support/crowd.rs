use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;

use futures_util::future::join_all;

use super::house::House;
use super::message::Message;
use super::wire::Wire;

/// Clients whose connections are there before the first of them asks.
#[derive(Debug)]
pub(crate) struct Crowd(Vec<Wire>);

impl Crowd {
    pub(crate) async fn of(house: &House, clients: usize) -> Self {
        Self::at([house.address], clients).await
    }

    /// So many before each of these, in their order.
    pub(crate) async fn at(servers: impl IntoIterator<Item = SocketAddr>, clients: usize) -> Self {
        let before = async |server| {
            let mut wires = Vec::new();
            // One by one, since only so many may wait to be accepted.
            for _ in 0..clients {
                wires.push(Wire::to(server).await);
            }
            wires
        };
        let wires = join_all(servers.into_iter().map(before)).await;
        Self(wires.into_iter().flatten().collect())
    }

    /// All of them have asked for `path`, and nobody has read an answer yet.
    pub(crate) async fn begin(&mut self, path: &str) {
        let line = format!("GET {path}");
        join_all(self.0.iter_mut().map(|wire| wire.begin(&line, ""))).await;
    }

    /// What those get who have asked; nothing where the connection ends instead.
    pub(crate) async fn answers(&mut self) -> Vec<Option<Message>> {
        join_all(self.0.iter_mut().map(Wire::answer)).await
    }

    /// What all of them get who ask for `/` with the fields that `fields` gives to each by its number.
    pub(crate) async fn ask(&mut self, fields: impl Fn(usize) -> String) -> Answers {
        let numbered = self.0.iter_mut().enumerate();
        let asking = numbered.map(|(number, wire)| {
            let fields = fields(number);
            async move { wire.ask("GET /", &fields).await }
        });
        Answers(join_all(asking).await)
    }

    /// What all of them get who ask for `/` and say no more.
    pub(crate) async fn get(&mut self) -> Answers {
        self.ask(|_| String::new()).await
    }
}

/// What a crowd got, in its order.
#[derive(Debug)]
pub(crate) struct Answers(pub(crate) Vec<Message>);

impl Answers {
    /// How many say that the cache did this.
    pub(crate) fn count(&self, verb: &str) -> usize {
        let answers = self.0.iter();
        answers.filter(|answer| answer.verb() == verb).count()
    }

    /// The bodies, each once.
    pub(crate) fn bodies(&self) -> BTreeSet<&str> {
        let answers = self.0.iter();
        answers.map(|answer| answer.body.as_str()).collect()
    }

    pub(crate) fn assert_all(&self, status: u16, body: &str) {
        for answer in &self.0 {
            assert_eq!((answer.status(), answer.body.as_str()), (status, body));
        }
    }
}

/// Fails at once, and says what to do, where this process may not have `wanted` sockets open: later it would hang.
pub(crate) fn require_descriptors(wanted: usize) {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let soft = line.and_then(|line| line["Max open files".len()..].split_whitespace().next());
    // Where the system does not tell, or there is no limit, there is nothing to compare.
    if let Some(soft) = soft.and_then(|soft| soft.parse::<usize>().ok()) {
        assert!(
            soft >= wanted,
            "this needs {wanted} file descriptors, and may have {soft}: run `ulimit -n {wanted}` first"
        );
    }
}
