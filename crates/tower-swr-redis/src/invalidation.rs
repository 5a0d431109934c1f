//! The log of invalidations: what is written into it, and what is asked of it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::sync::watch;
use tower_swr_core::{
    Digest, FarError, FarFuture, FarLog, Invalidation, LogEvent, LogFollower, LogPosition,
    Recorded, Subject, Woken,
};

use crate::connection::Link;
use crate::handle::Redis;
use crate::keyspace::Keyspace;
use crate::lease::millis;
use crate::record::{Heard, Record};
use crate::script::PURGE;
use crate::wakeup::message;

/// Entries that the stream keeps, or a few more.
const KEPT: usize = 10_000;

#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) link: Arc<Link>,
    pub(crate) names: Keyspace,
    /// How long a stamp is kept: no value that it concerns lives longer.
    pub(crate) keep_stamps: Duration,
    pub(crate) record: Arc<Record>,
}

impl Log {
    pub(crate) fn new(link: Arc<Link>, names: Keyspace, keep_stamps: Duration) -> Self {
        Self {
            link,
            names,
            keep_stamps,
            record: Arc::default(),
        }
    }

    /// Writes `invalidation` down. What is kept of a key goes before the log tells of it: who is told and looks must not
    /// find it any more. Those who wait for the key's lease are woken after the log has it: what one of them calls for
    /// before would count as purged. A subject's stamp may come last: who is told knows it from the log.
    pub(crate) async fn write(&self, invalidation: Invalidation) -> Result<LogPosition, FarError> {
        let Invalidation {
            subject,
            source,
            is_soft,
        } = invalidation;
        let primary = match subject {
            Subject::Key(primary) if !is_soft => Some(primary),
            _ => None,
        };
        if let Some(primary) = primary {
            let mut script = PURGE.prepare_invoke();
            script.key(&self.names.of_primary(primary)[..]);
            // Longer than any lease that it is to end.
            script.arg(millis(self.keep_stamps));
            let _: u8 = self.link.change("purge", script).await?;
        }
        let mut entry = redis::cmd("XADD");
        entry.arg(self.names.log()).arg("MAXLEN").arg("~").arg(KEPT);
        entry.arg("*").arg("s").arg(&subject.to_bytes()[..]);
        entry.arg("n").arg(&source.to_le_bytes()[..]);
        if is_soft {
            entry.arg("f").arg("");
        }
        let step = |mut connection| async move { entry.query_async(&mut connection).await };
        let id: String = self
            .link
            .ask("XADD", self.link.budgets().step, step)
            .await?;
        let at = position(&id).ok_or(FarError::Unexpected { step: "XADD" })?;
        self.link.note_written();
        if let Some(primary) = primary {
            self.wake(primary).await;
        }
        if !is_soft && let Err(reason) = self.stamp(subject, at).await {
            // It is recorded. Written once more, it would be another for all who read it; whoever reads it stamps it.
            tracing::debug!(%reason, "a stamp is left to whoever reads the log");
        }
        Ok(at)
    }

    /// Tells who waits that the lease of `primary` is gone. Whom that does not reach looks for themselves.
    async fn wake(&self, primary: Digest) {
        let mut told = redis::cmd("PUBLISH");
        told.arg(self.names.done());
        told.arg(message(primary, None, Woken::Invalidated));
        let step = |mut connection| async move { told.query_async::<u64>(&mut connection).await };
        let _ = (self.link)
            .ask("PUBLISH", self.link.budgets().step, step)
            .await;
    }

    async fn invalidate(&self, invalidation: Invalidation) -> Recorded {
        match self.write(invalidation).await {
            Ok(at) => {
                self.record.state().note_recorded(invalidation, at);
                Recorded::Done(at)
            }
            Err(reason) => {
                tracing::warn!(%reason, "an invalidation is queued");
                self.record.state().queue(invalidation);
                Recorded::Queued
            }
        }
    }

    async fn admits(&self, born: LogPosition, subjects: &[Subject]) -> Result<bool, FarError> {
        let (known, counts) = {
            let state = self.record.state();
            (state.admits(born, subjects), state.counts_unstamped(born))
        };
        if let Some(known) = known {
            return Ok(known);
        }
        let stamps = subjects.iter().map(|subject| self.stamp_of(*subject));
        let stamps = try_join_all(stamps).await?;
        let admits = |stamp: Option<LogPosition>| stamp.map_or(counts, |stamp| stamp <= born);
        Ok(stamps.into_iter().all(admits))
    }
}

/// As a stream names it.
pub(crate) fn id(position: LogPosition) -> String {
    format!("{}-{}", position.major, position.minor)
}

/// Takes back what a stream names.
pub(crate) fn position(id: &str) -> Option<LogPosition> {
    let (major, minor) = id.split_once('-')?;
    Some(LogPosition {
        major: major.parse().ok()?,
        minor: minor.parse().ok()?,
    })
}

impl FarLog for Redis {
    fn invalidate(&self, invalidation: Invalidation) -> FarFuture<'_, Recorded> {
        Box::pin(self.inner().log.invalidate(invalidation))
    }

    fn follow(&self) -> Box<dyn LogFollower> {
        let record = Arc::clone(&self.inner().log.record);
        let changes = record.changes();
        let state = record.state();
        let (heard, is_greeted) = (Heard::all_of(&state), !state.health.is_up());
        drop(state);
        Box::new(Follower {
            record,
            changes,
            heard,
            is_greeted,
        })
    }

    fn position(&self) -> LogPosition {
        self.inner().log.record.state().position()
    }

    fn admits<'a>(
        &'a self,
        born: LogPosition,
        subjects: &'a [Subject],
    ) -> FarFuture<'a, Result<bool, FarError>> {
        Box::pin(self.inner().log.admits(born, subjects))
    }
}

#[derive(Debug)]
struct Follower {
    record: Arc<Record>,
    changes: watch::Receiver<()>,
    heard: Heard,
    /// It need not be told that it is up to date.
    is_greeted: bool,
}

impl LogFollower for Follower {
    fn next(&mut self) -> FarFuture<'_, LogEvent> {
        Box::pin(async move {
            if !std::mem::replace(&mut self.is_greeted, true) {
                return LogEvent::Replayed;
            }
            loop {
                self.changes.mark_unchanged();
                let event = self.record.state().next_event(&mut self.heard);
                if let Some(event) = event {
                    return event;
                }
                // The record is held here, so its end is not to be seen.
                let _ = self.changes.changed().await;
            }
        })
    }
}
