//! One process: its near store, how far it has read the log, and the question that it is at.

use crate::Without;
use crate::server::Value;

/// The order is for the model alone, which does not tell nodes apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Node {
    pub(crate) doing: Doing,
    /// What the origin had answered.
    pub(crate) near: Option<u8>,
    /// Entries of the log that it has heard of.
    pub(crate) read: u8,
    /// It hears of what is new in the log.
    pub(crate) is_connected: bool,
    pub(crate) was_answered: bool,
    /// What it may still ask.
    pub(crate) questions: u8,
}

/// Where a node was in the log when it began to fetch; none where it was not connected.
pub(crate) type Epoch = Option<u8>;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Doing {
    Nothing,
    /// About to GET.
    Ask,
    /// The answer to a GET is on its way.
    Got {
        value: Option<Value>,
        epoch: Epoch,
    },
    /// Calls the origin, and has its answer or not.
    Lead {
        token: u8,
        value: Option<u8>,
        epoch: Epoch,
    },
    /// Waits for who holds the token; a message for it is on its way or not.
    Wait {
        token: u8,
        is_told: bool,
    },
    Crashed,
}

impl Node {
    pub(crate) fn asking(questions: u8) -> Self {
        Self {
            doing: Doing::Ask,
            near: None,
            read: 0,
            is_connected: true,
            was_answered: false,
            questions,
        }
    }

    pub(crate) fn token(&self) -> Option<u8> {
        match self.doing {
            Doing::Lead { token, .. } => Some(token),
            _ => None,
        }
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.is_connected.then_some(self.read)
    }

    /// Whoever asked has an answer.
    pub(crate) fn answer(&mut self) {
        self.doing = Doing::Nothing;
        self.was_answered = true;
    }

    /// The fill guard: what was fetched since `epoch` is kept nearby only where nothing was heard meanwhile.
    pub(crate) fn fill(&mut self, without: Without, fetched: u8, epoch: Epoch) {
        let is_sound = epoch.is_some() && epoch == self.epoch();
        if is_sound || without == Without::FillGuard {
            self.near = Some(fetched);
        }
    }

    /// Hears of one entry of the log.
    pub(crate) fn hear(&mut self) {
        self.read += 1;
        self.near = None;
    }

    pub(crate) fn crash(&mut self) {
        *self = Self {
            doing: Doing::Crashed,
            near: None,
            read: 0,
            is_connected: false,
            was_answered: true,
            questions: 0,
        };
    }
}
