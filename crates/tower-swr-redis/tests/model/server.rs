//! What the server keeps of the one key, and what its scripts do with it, each in one step.

use crate::Without;

/// What is kept under `:v`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Value {
    /// What the origin had answered: greater is newer.
    pub(crate) origin: u8,
    /// The token under which it was written.
    pub(crate) version: u8,
}

/// What is kept under `:refresh`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Mutex {
    pub(crate) token: u8,
    /// Runs out, unless it is renewed first.
    pub(crate) runs_out: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Server {
    pub(crate) value: Option<Value>,
    pub(crate) mutex: Option<Mutex>,
    /// The log: what the origin answered when each purge began.
    pub(crate) log: Vec<u8>,
    /// Entries that are no longer there.
    pub(crate) trimmed: u8,
    /// A purge that has begun and is not recorded yet: what the origin answered then.
    pub(crate) purging: Option<u8>,
    /// Tokens given so far.
    pub(crate) tokens: u8,
    /// What the origin answered when PURGE last ran.
    purged: u8,
    newest: u8,
    pub(crate) went_back: bool,
}

/// What ACQUIRE answers.
pub(crate) enum Acquired {
    Newer,
    Lead(u8),
    Wait(u8),
}

impl Server {
    /// ACQUIRE, by who has seen the version `have`.
    pub(crate) fn acquire(&mut self, have: Option<u8>) -> Acquired {
        let there = self.value.map(|value| value.version);
        if there.is_some() && there != have {
            return Acquired::Newer;
        }
        if let Some(mutex) = self.mutex {
            return Acquired::Wait(mutex.token);
        }
        self.tokens += 1;
        self.mutex = Some(Mutex {
            token: self.tokens,
            runs_out: false,
        });
        Acquired::Lead(self.tokens)
    }

    pub(crate) fn holds(&self, token: u8) -> bool {
        self.mutex.is_some_and(|mutex| mutex.token == token)
    }

    /// RENEW.
    pub(crate) fn renew(&mut self) {
        if let Some(mutex) = &mut self.mutex {
            mutex.runs_out = false;
        }
    }

    /// COMMIT. True where it was stored; those who wait are to be told.
    pub(crate) fn commit(&mut self, without: Without, token: u8, origin: u8) -> bool {
        if !self.holds(token) && without != Without::Fence {
            return false;
        }
        self.value = Some(Value {
            origin,
            version: token,
        });
        self.mutex = None;
        self.went_back |= origin < self.newest;
        self.newest = self.newest.max(origin);
        true
    }

    /// RELEASE. True where those who wait are to be told.
    pub(crate) fn release(&mut self, token: u8) -> bool {
        let is_held = self.holds(token);
        if is_held {
            self.mutex = None;
        }
        is_held
    }

    /// PURGE, of a purge that began when the origin answered `origin`.
    pub(crate) fn purge(&mut self, without: Without, origin: u8) {
        self.value = None;
        if without != Without::PurgeOfTheLease {
            self.mutex = None;
        }
        self.purged = self.purged.max(origin);
    }

    /// XADD.
    pub(crate) fn xadd(&mut self, origin: u8) {
        self.log.push(origin);
    }

    /// The position of the last entry.
    pub(crate) fn end(&self) -> u8 {
        u8::try_from(self.log.len()).expect("a short log")
    }

    /// What nobody may serve any more who has read up to `position`.
    pub(crate) fn purged_by(&self, position: u8) -> u8 {
        let read = &self.log[..usize::from(position)];
        read.iter().copied().max().unwrap_or(0)
    }

    pub(crate) fn is_purged(&self) -> bool {
        self.value.is_none_or(|value| value.origin >= self.purged)
    }
}
