//! Values, and who may replace them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, select};
use tower_swr_core::{
    Acquired, FarError, FarFuture, FarHealth, FarKey, FarStore, FarValue, ServerTime, Version,
    Wait, Woken, wire::MAX_BYTES,
};

use crate::error::is_wrong_type;
use crate::handle::Redis;
use crate::lease::{Grounds, RedisLease, millis};
use crate::script::ACQUIRE;
use crate::token::Tokens;
use crate::wakeup::{Registration, Wakeups};

/// The longest time until a process that waits looks for itself, without what chance adds to it.
const POLL: Duration = Duration::from_millis(250);
/// What chance adds at most, so that waiting processes do not ask all at once.
const JITTER: Duration = Duration::from_millis(50);
/// The same while there is no subscription that could tell, as when the server has just come back; and up to twice that.
const DEAF_POLL: Duration = Duration::from_millis(25);

/// What one value may have, and what reading one may cost. The engine's own limit is lower, unless it is told otherwise.
pub(crate) const MOST_BYTES: usize = 8 * MAX_BYTES;
/// The bytes of a value that tell its version.
const HEAD: usize = 16;

#[derive(Debug)]
pub(crate) struct Store {
    grounds: Arc<Grounds>,
    pub(crate) wakeups: Arc<Wakeups>,
    tokens: Arc<Tokens>,
}

impl Store {
    pub(crate) fn new(grounds: Grounds, tokens: Arc<Tokens>) -> Self {
        Self {
            grounds: Arc::new(grounds),
            wakeups: Arc::default(),
            tokens,
        }
    }

    async fn get(&self, key: &FarKey) -> Result<Option<FarValue>, FarError> {
        let Grounds { link, names, .. } = &*self.grounds;
        // Whatever others put there must not cost more than a value of ours may.
        let mut question = redis::cmd("GETRANGE");
        question.arg(names.value(key)).arg(0).arg(MOST_BYTES);
        let step = |mut connection| async move { question.query_async(&mut connection).await };
        let mut blob: Bytes = match link.ask("GETRANGE", link.budgets().get, step).await {
            Err(error) if is_wrong_type(&error) => Bytes::new(),
            answer => answer?,
        };
        if blob.len() > MOST_BYTES {
            // None of ours. Its head is kept, and says what version is there to be replaced.
            blob.truncate(HEAD);
        }
        let read_at = link.server_now().unwrap_or_default();
        Ok((!blob.is_empty()).then_some(FarValue { blob, read_at }))
    }

    async fn acquire(&self, key: &FarKey, have: Option<Version>) -> Result<Acquired, FarError> {
        let registration = self.wakeups.register(key);
        let mut lease = RedisLease::claim(&self.grounds, key, self.tokens.next());
        let link = &self.grounds.link;
        let (asked, line) = (link.ports().clock.now(), link.line());
        let mut answer = self.ask_for(&lease, key, have).await;
        if answer.as_ref().is_err_and(FarError::is_in_doubt) {
            lease.doubt();
        }
        // On the same connection, where it is read after the first: on another one the first might be read later, and bring a
        // lease that was purged meanwhile to life again.
        if matches!(answer, Err(FarError::TimedOut { .. })) && link.line() == line {
            // In the name of the same lease: if the first question has brought it, the second finds that out.
            answer = self.ask_for(&lease, key, have).await;
            let is_in_order = line.is_some_and(|line| line.keeps_order) && link.line() == line;
            if answer.is_ok() && is_in_order {
                lease.settle();
            }
        }
        let (outcome, left) = match answer {
            Err(FarError::Unavailable) => {
                // It was not even asked for, so there is nothing to give back but what was in doubt before.
                lease.forget();
                return Err(FarError::Unavailable);
            }
            answer => answer?,
        };
        match outcome {
            1 => {
                lease.begin(asked);
                Ok(Acquired::Lead(Box::new(lease)))
            }
            2 => {
                lease.forget();
                Ok(Acquired::Newer)
            }
            _ => {
                lease.forget();
                Ok(Acquired::Wait(self.wait(registration, left)))
            }
        }
    }

    async fn ask_for(
        &self,
        lease: &RedisLease,
        key: &FarKey,
        have: Option<Version>,
    ) -> Result<(u8, i64), FarError> {
        let Grounds {
            link, names, times, ..
        } = &*self.grounds;
        let have = have.as_ref().map_or(&[][..], |version| version.as_bytes());
        let mut script = ACQUIRE.prepare_invoke();
        script.key(names.value(key)).key(lease.mutex());
        script.key(lease.fence());
        script.arg(lease.token()).arg(millis(times.ttl)).arg(have);
        script.arg(millis(self.grounds.keep_fence()));
        link.change("acquire", script).await
    }

    fn wait(&self, message: Registration, left: i64) -> Wait {
        let ports = self.grounds.link.ports();
        let left = Duration::from_millis(u64::try_from(left).unwrap_or(0) + 1);
        let poll = match self.wakeups.is_heard() {
            true => POLL + JITTER.mul_f64(ports.rng.roll()),
            false => DEAF_POLL + DEAF_POLL.mul_f64(ports.rng.roll()),
        };
        let time = ports.clock.sleep(left.min(poll));
        Wait::new(async move {
            match select(message, time).await {
                Either::Left((why, _)) => why,
                Either::Right(_) => Woken::Time,
            }
        })
    }
}

impl FarStore for Redis {
    fn first_contact(&self) -> FarFuture<'_, ()> {
        Box::pin(async move {
            let link = &self.inner().link;
            // Which answer it is the steps that follow find out.
            let _ = (link.ports().within(link.budgets().dial, self.ready())).await;
        })
    }

    fn get<'a>(&'a self, key: &'a FarKey) -> FarFuture<'a, Result<Option<FarValue>, FarError>> {
        Box::pin(self.inner().store.get(key))
    }

    fn acquire<'a>(
        &'a self,
        key: &'a FarKey,
        have: Option<Version>,
    ) -> FarFuture<'a, Result<Acquired, FarError>> {
        Box::pin(self.inner().store.acquire(key, have))
    }

    fn watch(&self, key: &FarKey) -> Wait {
        Wait::new(self.inner().store.wakeups.register(key))
    }

    fn server_now(&self) -> Option<ServerTime> {
        self.inner().link.server_now()
    }

    fn health(&self) -> FarHealth {
        self.inner().link.health()
    }
}
