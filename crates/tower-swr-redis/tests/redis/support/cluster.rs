use std::net::{Ipv4Addr, TcpListener};
use std::process::{Command, Stdio};

use super::{Server, eventually, free_port};

/// Three masters and a replica of each, all our own.
pub(crate) struct Cluster {
    servers: Vec<Server>,
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        let settings = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"];
        let servers: Vec<Server> = (0..6)
            .map(|_| {
                let mut server = Server::planned_at(free_pair(), &settings);
                server.restart();
                server
            })
            .collect();
        let mut command = Command::new("redis-cli");
        command.args(["--cluster", "create"]);
        command.args(servers.iter().map(|it| format!("127.0.0.1:{}", it.port)));
        command.args(["--cluster-replicas", "1", "--cluster-yes"]);
        let output = command.stdin(Stdio::null()).output();
        let output = output.expect("redis-cli is on the PATH: it comes with redis-server");
        assert!(output.status.success(), "no cluster: {output:?}");
        let cluster = Self { servers };
        eventually("the cluster is sound", async || cluster.is_sound()).await;
        cluster
    }

    fn is_sound(&self) -> bool {
        self.servers.iter().all(|server| {
            let state: String = server.ask(&["CLUSTER", "INFO"]);
            let replication: String = server.ask(&["INFO", "replication"]);
            let has_copy = ["master_link_status:up", "state=online"];
            state.contains("cluster_state:ok")
                && state.contains("cluster_known_nodes:6")
                && has_copy.iter().any(|it| replication.contains(it))
        })
    }

    pub(crate) fn url(&self) -> String {
        let hosts = self.servers.iter();
        let hosts: Vec<_> = hosts.map(|it| format!("127.0.0.1:{}", it.port)).collect();
        format!("redis-cluster://{}", hosts.join(","))
    }

    /// The port of the master that has `name`.
    pub(crate) fn owner(&self, name: &str) -> u16 {
        let slot: i64 = self.servers[0].ask(&["CLUSTER", "KEYSLOT", name]);
        let ranges: Vec<Vec<redis::Value>> = self.servers[0].ask(&["CLUSTER", "SLOTS"]);
        let owner = ranges.iter().find_map(|range| match &range[..] {
            [
                redis::Value::Int(first),
                redis::Value::Int(last),
                redis::Value::Array(server),
                ..,
            ] if (*first..=*last).contains(&slot) => match server[1] {
                redis::Value::Int(port) => u16::try_from(port).ok(),
                _ => None,
            },
            _ => None,
        });
        owner.expect("every slot has one")
    }

    /// Kills it, as a crash would.
    pub(crate) fn kill(&mut self, port: u16) {
        let server = self.servers.iter_mut().find(|it| it.port == port);
        server.expect("it is one of ours").kill();
    }
}

/// A port that nobody has now, nor the one that the servers of a Cluster speak to each other at.
fn free_pair() -> u16 {
    loop {
        let port = free_port();
        let other = port.checked_add(10_000);
        if other.is_some_and(|it| TcpListener::bind((Ipv4Addr::LOCALHOST, it)).is_ok()) {
            return port;
        }
    }
}
