//! All there is: the server, the nodes, and what may still happen.

use crate::node::{Doing, Node};
use crate::server::Server;

/// How often each thing may happen, from the beginning to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Bounds {
    pub(crate) nodes: u8,
    /// Changes of the origin's value.
    pub(crate) changes: u8,
    pub(crate) purges: u8,
    /// Questions of each node.
    pub(crate) questions: u8,
    /// Refreshes of a value that is there, by all nodes.
    pub(crate) refreshes: u8,
    /// Calls of the origin that fail or are given up.
    pub(crate) failures: u8,
    pub(crate) crashes: u8,
    /// Times that a lease comes near its end although its node lives.
    pub(crate) lapses: u8,
    /// Times that a node loses the log.
    pub(crate) losses: u8,
    /// Times that the log is trimmed.
    pub(crate) trims: u8,
}

impl Bounds {
    pub(crate) const OF_TWO: Self = Self {
        nodes: 2,
        changes: 1,
        purges: 1,
        questions: 2,
        refreshes: 1,
        failures: 1,
        crashes: 1,
        lapses: 1,
        losses: 1,
        trims: 1,
    };

    pub(crate) const OF_THREE: Self = Self {
        nodes: 3,
        changes: 1,
        purges: 1,
        questions: 1,
        refreshes: 0,
        failures: 0,
        crashes: 1,
        lapses: 1,
        losses: 1,
        trims: 0,
    };

    pub(crate) const DEEP: Self = Self {
        nodes: 3,
        changes: 2,
        purges: 2,
        ..Self::OF_TWO
    };
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) server: Server,
    pub(crate) nodes: Vec<Node>,
    /// What the origin answers: greater is newer.
    pub(crate) origin: u8,
    /// What may still happen.
    pub(crate) left: Bounds,
}

impl State {
    /// Everybody asks, and nothing is kept anywhere.
    pub(crate) fn first(bounds: &Bounds) -> Self {
        Self {
            server: Server::default(),
            nodes: (0..bounds.nodes)
                .map(|_| Node::asking(bounds.questions - 1))
                .collect(),
            origin: 0,
            left: *bounds,
        }
    }

    pub(crate) fn living(&self) -> impl Iterator<Item = &Node> {
        self.nodes
            .iter()
            .filter(|node| node.doing != Doing::Crashed)
    }

    pub(crate) fn near_is_purged(&self) -> bool {
        self.living().all(|node| {
            let heard = self.server.purged_by(node.read);
            node.near.is_none_or(|near| near >= heard)
        })
    }

    /// Who holds the token that the mutex holds.
    pub(crate) fn holders(&self) -> usize {
        let valid = self.server.mutex.map(|mutex| mutex.token);
        self.living()
            .filter(|node| valid.is_some() && node.token() == valid)
            .count()
    }

    pub(crate) fn all_answered(&self) -> bool {
        self.living().all(|node| node.was_answered)
    }

    pub(crate) fn somebody_waits(&self) -> bool {
        self.living().any(|node| node.doing != Doing::Nothing)
    }

    /// Somebody is about to commit under a token that is no longer valid.
    pub(crate) fn is_late(&self) -> bool {
        let valid = self.server.mutex.map(|mutex| mutex.token);
        self.living().any(|node| match node.doing {
            Doing::Lead {
                token,
                value: Some(_),
                ..
            } => valid != Some(token),
            _ => false,
        })
    }

    /// Tells those who wait. Whether they hear of it is another matter.
    pub(crate) fn publish(&mut self) {
        for node in &mut self.nodes {
            if let Doing::Wait { is_told, .. } = &mut node.doing {
                *is_told = true;
            }
        }
    }
}
