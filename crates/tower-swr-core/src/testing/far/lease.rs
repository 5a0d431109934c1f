use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::sync::oneshot;

use crate::clock::{Moment, Sleep};
use crate::far::{
    Acquired, Committed, FarError, FarFuture, FarKey, FarWrite, Lease, Version, Wait, Woken,
};
use crate::testing::far::node::FarNode;
use crate::testing::far::server::{Address, Held, State, Stored, address, wake};

/// The longest time until a process that waits looks for itself.
const POLL: Duration = Duration::from_millis(250);

/// Whoever holds the lease of `token` already is given it again.
pub(super) fn acquire(node: &FarNode, key: &FarKey, have: Option<Version>, token: u64) -> Acquired {
    let at = address(key);
    let now = node.server.clock().now();
    let span = node.server.span();
    let mut state = node.server.state();
    let there = state.version(at, now);
    if there.is_some() && there != have {
        return Acquired::Newer;
    }
    let left = time_left(&mut state, at, now, span.ttl);
    let is_another = |held: &Held| held.token != token;
    if let Some(left) = left
        && state.leases.get(&at).is_some_and(is_another)
    {
        let (sender, woken) = oneshot::channel();
        state.waiting.entry(at).or_default().push(sender);
        let time = node.server.clock().sleep(POLL.min(left + MILLISECOND));
        return Acquired::Wait(wait(woken, time));
    }
    let longest = now.after(span.longest);
    let held = Held {
        token,
        node: node.number,
        until: longest.min(now.after(span.ttl)),
        longest,
        is_renewed: true,
    };
    state.leases.insert(at, held);
    Acquired::Lead(Box::new(FakeLease {
        node: node.clone(),
        at,
        token,
        is_open: true,
    }))
}

pub(super) fn watch(node: &FarNode, key: &FarKey) -> Wait {
    let (sender, woken) = oneshot::channel();
    let mut state = node.server.state();
    state.waiting.entry(address(key)).or_default().push(sender);
    drop(state);
    wait(woken, Box::pin(std::future::pending()))
}

const MILLISECOND: Duration = Duration::from_millis(1);

/// How long the lease at `at` lasts if nothing happens; none where there is none (any more).
fn time_left(state: &mut State, at: Address, now: Moment, ttl: Duration) -> Option<Duration> {
    let held = state.leases.get_mut(&at)?;
    if held.is_renewed {
        held.until = held.longest.min(now.after(ttl));
    }
    if held.until > now {
        return Some(held.until.since(now));
    }
    state.leases.remove(&at);
    None
}

fn wait(woken: oneshot::Receiver<Woken>, time: Sleep) -> Wait {
    Wait::new(async move {
        match select(woken, time).await {
            Either::Left((Ok(why), _)) => why,
            // The server is gone, and with it whoever could send a message.
            Either::Left((Err(_), time)) => {
                time.await;
                Woken::Time
            }
            Either::Right(_) => Woken::Time,
        }
    })
}

#[derive(Debug)]
struct FakeLease {
    node: FarNode,
    at: Address,
    token: u64,
    /// Neither committed nor given back.
    is_open: bool,
}

impl FakeLease {
    fn is_known(&self, state: &mut State) -> bool {
        let now = self.node.server.clock().now();
        let ttl = self.node.server.span().ttl;
        time_left(state, self.at, now, ttl).is_some() && state.leases[&self.at].token == self.token
    }

    /// The lease of a primary key fences its variants; that of a variant nothing else.
    fn may_write(&self, key: &FarKey) -> bool {
        let (primary, variant) = self.at;
        key.primary() == primary && (variant.is_none() || key.variant_digest() == variant)
    }

    fn write(&self, writes: Vec<FarWrite>) -> Committed {
        let now = self.node.server.clock().now();
        let (outcome, waiting) = self.node.server.change(|state| {
            if !self.is_known(state) {
                return (Committed::Refused, Vec::new());
            }
            for write in writes {
                let stored = Stored {
                    until: now.after(write.keep_for.max(MILLISECOND)),
                    blob: write.blob,
                };
                state.values.insert(address(&write.key), stored);
            }
            state.leases.remove(&self.at);
            // The lease of a primary key may have brought a variant that somebody waits for.
            let waiting = match self.at {
                (primary, None) => state.waiting_for_all(primary),
                at => state.waiting_for(at),
            };
            (Committed::Stored, waiting)
        });
        wake(waiting, Woken::Stored);
        outcome
    }

    fn give_back(&self) {
        let waiting = self.node.server.change(|state| {
            if !self.is_known(state) {
                return Vec::new();
            }
            state.leases.remove(&self.at);
            state.waiting_for(self.at)
        });
        wake(waiting, Woken::Released);
    }
}

impl Lease for FakeLease {
    fn version(&self) -> Version {
        Version::of_token(&self.token.to_le_bytes())
    }

    fn is_held(&self) -> bool {
        self.is_known(&mut self.node.server.state())
    }

    fn commit(
        mut self: Box<Self>,
        writes: Vec<FarWrite>,
    ) -> FarFuture<'static, Result<Committed, FarError>> {
        Box::pin(async move {
            if !writes.iter().all(|write| self.may_write(&write.key)) {
                return Err(FarError::ForeignKey);
            }
            let outcome = self.node.step(|| self.write(writes)).await?;
            self.is_open = false;
            Ok(outcome)
        })
    }

    fn release(mut self: Box<Self>) -> FarFuture<'static, Result<(), FarError>> {
        Box::pin(async move {
            self.node.step(|| self.give_back()).await?;
            self.is_open = false;
            Ok(())
        })
    }
}

impl Drop for FakeLease {
    fn drop(&mut self) {
        if self.is_open && self.node.life().fault.is_none() {
            self.give_back();
        } else if self.is_open {
            // Nothing reaches the server, and nobody renews it any more: it runs out.
            let now = self.node.server.clock().now();
            let mut state = self.node.server.state();
            if self.is_known(&mut state)
                && let Some(held) = state.leases.get_mut(&self.at)
            {
                held.is_renewed = false;
                // So that a recovery does not renew what nobody holds.
                held.node = 0;
                held.until = held.until.max(now);
            }
        }
    }
}
