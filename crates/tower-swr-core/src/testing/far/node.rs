use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::select;

use crate::far::{
    Acquired, FarError, FarFuture, FarHealth, FarKey, FarStore, FarValue, Invalidation,
    LogPosition, ServerTime, Version, Wait,
};
use crate::testing::far::lease::{acquire, watch};
use crate::testing::far::server::{FarServer, address};

/// One process that uses a [`FarServer`]: every port of the far side, and the faults that may befall it. Clones are the
/// same process.
///
/// ```
/// use tower_swr_core::testing::{FarFault, FarServer};
/// use tower_swr_core::{FarError, FarKey, FarStore, KeyText};
///
/// # tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
/// let node = FarServer::default().node();
/// node.suffer(FarFault::Unavailable);
/// let key = FarKey::new(KeyText::new("answers").key());
/// assert_eq!(node.get(&key).await, Err(FarError::Unavailable));
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct FarNode {
    pub(super) server: FarServer,
    pub(super) number: u64,
    life: Arc<Mutex<Life>>,
}

/// What is wrong between a node and its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FarFault {
    /// No connection yet: every step fails at once, and whether there will be one is known after this budget.
    Connecting(Duration),
    /// No connection: every step fails at once.
    Unavailable,
    /// Steps are lost, and fail when this budget is spent.
    Silent(Duration),
    /// Steps are done, but their answers are lost, and they fail when this budget is spent.
    Late(Duration),
}

#[derive(Debug, Default)]
pub(super) struct Life {
    pub(super) fault: Option<FarFault>,
    /// What could not be recorded yet.
    pub(super) queued: Vec<Invalidation>,
    /// How far it had read when it was cut off.
    pub(super) read: LogPosition,
}

impl FarNode {
    pub(super) fn new(server: FarServer, number: u64) -> Self {
        Self {
            server,
            number,
            life: Arc::default(),
        }
    }

    /// Begins to suffer from `fault`. Its leases are not renewed meanwhile.
    pub fn suffer(&self, fault: FarFault) {
        self.stop_renewing();
        let read = self.server.state().last;
        let mut life = self.life();
        // A second fault does not let it read on.
        if life.fault.replace(fault).is_none() {
            life.read = read;
        }
        drop(life);
        self.server.change(|_| ());
    }

    /// Reaches the server again; what was queued is recorded.
    pub fn recover(&self) {
        let mut life = self.life();
        life.fault = None;
        let queued = std::mem::take(&mut life.queued);
        drop(life);
        for invalidation in queued {
            self.record(invalidation);
        }
        self.renew_again();
        self.server.change(|_| ());
    }

    /// Ceases to renew its leases, as a process that is stopped does.
    pub fn stop_renewing(&self) {
        let now = self.server.clock().now();
        let ttl = self.server.span().ttl;
        self.server.change(|state| {
            for held in state.leases.values_mut() {
                if held.node == self.number && held.is_renewed {
                    held.is_renewed = false;
                    held.until = held.longest.min(now.after(ttl));
                }
            }
        });
    }

    fn renew_again(&self) {
        let now = self.server.clock().now();
        let ours = |node: u64| node == self.number;
        self.server.change(|state| {
            let held = state.leases.values_mut();
            held.filter(|held| ours(held.node) && held.until > now)
                .for_each(|held| held.is_renewed = true);
        });
    }

    /// Does `step` unless a fault keeps it from being done or from being known.
    pub(super) async fn step<T>(&self, step: impl FnOnce() -> T) -> Result<T, FarError> {
        let fault = self.life().fault;
        let budget = match fault {
            None => return Ok(step()),
            Some(FarFault::Connecting(_) | FarFault::Unavailable) => {
                return Err(FarError::Unavailable);
            }
            Some(FarFault::Silent(budget)) => budget,
            Some(FarFault::Late(budget)) => {
                step();
                budget
            }
        };
        self.server.clock().sleep(budget).await;
        Err(FarError::TimedOut { budget })
    }

    pub(super) fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FarStore for FarNode {
    fn first_contact(&self) -> FarFuture<'_, ()> {
        let Some(FarFault::Connecting(budget)) = self.life().fault else {
            return Box::pin(std::future::ready(()));
        };
        let mut changes = self.server.changes();
        Box::pin(async move {
            let connected = async {
                while self.health() == FarHealth::Connecting && changes.changed().await.is_ok() {}
            };
            select(Box::pin(connected), self.server.clock().sleep(budget)).await;
        })
    }

    fn get<'a>(&'a self, key: &'a FarKey) -> FarFuture<'a, Result<Option<FarValue>, FarError>> {
        let look = move || {
            let now = self.server.clock().now();
            let state = self.server.state();
            state.value(address(key), now).map(|blob| FarValue {
                blob: blob.clone(),
                read_at: self.server.time(),
            })
        };
        Box::pin(self.step(look))
    }

    fn acquire<'a>(
        &'a self,
        key: &'a FarKey,
        have: Option<Version>,
    ) -> FarFuture<'a, Result<Acquired, FarError>> {
        Box::pin(async move {
            let token = self.server.state().number();
            let ask = || acquire(self, key, have, token);
            match self.step(ask).await {
                Err(FarError::TimedOut { .. }) => self.step(ask).await,
                answer => answer,
            }
        })
    }

    fn watch(&self, key: &FarKey) -> Wait {
        watch(self, key)
    }

    fn server_now(&self) -> Option<ServerTime> {
        Some(self.server.time())
    }

    fn health(&self) -> FarHealth {
        match self.life().fault {
            None => FarHealth::Up,
            Some(FarFault::Connecting(_)) => FarHealth::Connecting,
            Some(FarFault::Unavailable) => FarHealth::Down {
                reason: FarError::Unavailable,
            },
            Some(FarFault::Silent(budget) | FarFault::Late(budget)) => FarHealth::Down {
                reason: FarError::TimedOut { budget },
            },
        }
    }
}
