//! One held mutex: renewed while it lives, given back when it ends.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::select;
use redis::ScriptInvocation;
use tokio::sync::oneshot;
use tower_swr_core::{
    Committed, Digest, FarError, FarFuture, FarKey, FarWrite, Lease, Moment, Version, Woken,
};

use crate::connection::Link;
use crate::doubt::{Doubts, Release, give_back};
use crate::keyspace::Keyspace;
use crate::script::{COMMIT, RENEW};
use crate::store::MOST_BYTES;
use crate::wakeup::message;

/// How long a lease lasts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LeaseTimes {
    /// Without being renewed.
    pub(crate) ttl: Duration,
    /// In all.
    pub(crate) longest: Duration,
}

/// What a lease needs to know of its surroundings.
#[derive(Debug)]
pub(crate) struct Grounds {
    pub(crate) link: Arc<Link>,
    pub(crate) names: Keyspace,
    pub(crate) times: LeaseTimes,
    /// The longest that a value is kept.
    pub(crate) keep_at_most: Duration,
    pub(crate) doubts: Doubts,
}

impl Grounds {
    /// How long a fence is kept that a lease of now remembers.
    pub(crate) fn keep_fence(&self) -> Duration {
        self.times.longest.saturating_add(self.times.ttl)
    }
}

/// The mutex of one key and the token that it holds, or may hold.
pub(crate) struct RedisLease {
    grounds: Arc<Grounds>,
    primary: Digest,
    variant: Option<Digest>,
    mutex: String,
    fence: String,
    token: Vec<u8>,
    is_held: Arc<AtomicBool>,
    /// The mutex holds the token, or might.
    is_open: bool,
    /// It was asked for with no answer: that question may take effect when all is over.
    is_in_doubt: bool,
    /// Ends the renewal when it is dropped.
    renewal: Option<oneshot::Sender<()>>,
}

impl RedisLease {
    /// A lease that is about to be asked for: to be [`begin`](Self::begin)ned once it is given, or
    /// [`forget`](Self::forget)ten once it is not. Dropped in between, it is given back, for it may have been given.
    pub(crate) fn claim(grounds: &Arc<Grounds>, key: &FarKey, token: Vec<u8>) -> Self {
        Self {
            grounds: Arc::clone(grounds),
            primary: key.primary(),
            variant: key.variant_digest(),
            mutex: grounds.names.mutex(key),
            fence: grounds.names.fence(key.primary()),
            token,
            is_held: Arc::new(AtomicBool::new(false)),
            is_open: true,
            is_in_doubt: false,
            renewal: None,
        }
    }

    pub(crate) fn mutex(&self) -> &str {
        &self.mutex
    }

    pub(crate) fn fence(&self) -> &str {
        &self.fence
    }

    pub(crate) fn token(&self) -> &[u8] {
        &self.token
    }

    /// It was given, when it was asked for at `asked`.
    pub(crate) fn begin(&mut self, asked: Moment) {
        self.is_held.store(true, Ordering::Relaxed);
        let (renewal, dropped) = oneshot::channel();
        self.renewal = Some(renewal);
        let renewal = Renewal {
            grounds: Arc::clone(&self.grounds),
            mutex: self.mutex.clone(),
            fence: self.fence.clone(),
            token: self.token.clone(),
            is_held: Arc::clone(&self.is_held),
            since: asked,
        };
        let ports = self.grounds.link.ports();
        ports.spawn(async move {
            select(Box::pin(renewal.run()), dropped).await;
        });
    }

    /// It was asked for, and there was no answer. The next question is in the name of the same lease, or there is none.
    pub(crate) fn doubt(&mut self) {
        self.is_in_doubt = true;
    }

    /// What was in doubt is known now.
    pub(crate) fn settle(&mut self) {
        self.is_in_doubt = false;
    }

    /// It was not given.
    pub(crate) fn forget(mut self) {
        self.is_open = false;
    }

    fn end(&mut self) {
        self.is_open = false;
        self.renewal = None;
        self.is_held.store(false, Ordering::Relaxed);
    }

    fn told(&self, why: Woken) -> Vec<u8> {
        message(self.primary, self.variant, why)
    }

    fn giving_back(&self) -> Release {
        Release {
            mutex: self.mutex.clone(),
            fence: self.fence.clone(),
            token: self.token.clone(),
            channel: self.grounds.names.done(),
            message: self.told(Woken::Released),
            is_in_doubt: self.is_in_doubt,
        }
    }

    /// The call for a primary key finds out which variant the answer is, and writes both. The call for a variant knows
    /// nothing of the others, and their mutexes are not its own.
    fn may_write(&self, key: &FarKey) -> bool {
        key.primary() == self.primary
            && (self.variant.is_none() || key.variant_digest() == self.variant)
    }

    fn commit_script(&self, writes: &[FarWrite]) -> ScriptInvocation<'static> {
        let mut script = COMMIT.prepare_invoke();
        script
            .key(&self.mutex)
            .key(&self.fence)
            .arg(&self.token)
            .arg(self.grounds.names.done())
            .arg(self.told(Woken::Stored));
        for write in writes {
            let keep_for = write.keep_for.min(self.grounds.keep_at_most);
            script
                .key(self.grounds.names.value(&write.key))
                .arg(&write.blob[..])
                .arg(millis(keep_for));
        }
        script
    }
}

impl Lease for RedisLease {
    fn version(&self) -> Version {
        Version::of_token(&self.token)
    }

    fn is_held(&self) -> bool {
        self.is_held.load(Ordering::Relaxed)
    }

    fn commit(
        mut self: Box<Self>,
        writes: Vec<FarWrite>,
    ) -> FarFuture<'static, Result<Committed, FarError>> {
        Box::pin(async move {
            if !writes.iter().all(|write| self.may_write(&write.key)) {
                return Err(FarError::ForeignKey);
            }
            if let Some(write) = writes.iter().find(|it| it.blob.len() > MOST_BYTES) {
                return Err(FarError::TooLarge {
                    bytes: write.blob.len(),
                    limit: MOST_BYTES,
                });
            }
            let script = self.commit_script(&writes);
            drop(writes);
            let stored: u8 = self.grounds.link.change("commit", script).await?;
            self.end();
            match stored {
                1 => {
                    self.grounds.link.note_written();
                    Ok(Committed::Stored)
                }
                _ => Ok(Committed::Refused),
            }
        })
    }

    fn release(mut self: Box<Self>) -> FarFuture<'static, Result<(), FarError>> {
        Box::pin(async move {
            let release = self.giving_back();
            release.send(&self.grounds.link).await?;
            self.end();
            Ok(())
        })
    }
}

impl Drop for RedisLease {
    fn drop(&mut self) {
        if !self.is_open && !self.is_in_doubt {
            return;
        }
        let task = give_back(Arc::clone(&self.grounds), self.giving_back());
        self.end();
        self.grounds.link.ports().spawn(task);
    }
}

/// Without the token, with which anybody could write.
impl fmt::Debug for RedisLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisLease")
            .field("mutex", &self.mutex)
            .field("is_held", &self.is_held)
            .finish_non_exhaustive()
    }
}

struct Renewal {
    grounds: Arc<Grounds>,
    mutex: String,
    fence: String,
    token: Vec<u8>,
    is_held: Arc<AtomicBool>,
    since: Moment,
}

impl Renewal {
    /// Renews the lease until it is lost or has lasted long enough.
    async fn run(self) {
        let LeaseTimes { ttl, longest } = self.grounds.times;
        let clock = Arc::clone(&self.grounds.link.ports().clock);
        loop {
            clock.sleep(ttl / 3).await;
            let left = longest.saturating_sub(clock.now().since(self.since));
            if left.is_zero() {
                break;
            }
            let mut script = RENEW.prepare_invoke();
            script.key(&self.mutex).key(&self.fence).arg(&self.token);
            script.arg(millis(left.min(ttl)));
            // Not to be reached is not lost: there is a second chance before it runs out.
            let renewed: Result<u8, FarError> = self.grounds.link.change("renew", script).await;
            if renewed == Ok(0) {
                break;
            }
        }
        self.is_held.store(false, Ordering::Relaxed);
    }
}

/// Whole milliseconds of a time to live, one at least and no more than a server takes.
pub(crate) fn millis(span: Duration) -> u64 {
    /// A hundred years: beyond that a server refuses it.
    const MOST: u64 = 100 * 365 * 24 * 60 * 60 * 1000;
    u64::try_from(span.as_millis())
        .unwrap_or(MOST)
        .clamp(1, MOST)
}
