//! Stamps: where in the log the last invalidation of a subject is, for those whose memory does not reach back that far.
//!
//! A stamp is written after its entry, since the entry's place is what it says; they may even be on different servers of a
//! Cluster. A process that dies in between leaves an entry without one. So all who read the log see to it that what they
//! have read is stamped, and note how far that is done, so that as a rule one of them does it.

use std::cmp::Ordering;
use std::time::Duration;

use futures_util::future::try_join_all;
use redis::streams::StreamRangeReply;
use tower_swr_core::{FarError, LogPosition, Moment, Subject};

use crate::error::is_wrong_type;
use crate::invalidation::{Log, id, position};
use crate::lease::millis;
use crate::reader::entry;
use crate::script::STAMP;

/// The time between two looks, and what chance adds at most, so that one node finds it done by another.
const PAUSE: Duration = Duration::from_secs(2);
const JITTER: Duration = Duration::from_secs(2);
/// Entries that are seen to at a time.
const PAGE: usize = 64;

/// Behind all that can be recorded.
const LAST: LogPosition = LogPosition {
    major: u64::MAX,
    minor: u64::MAX,
};

/// When this node sees to the stamps again.
#[derive(Debug)]
pub(crate) struct Sweep {
    next: Moment,
}

impl Sweep {
    pub(crate) fn new(log: &Log) -> Self {
        Self { next: later(log) }
    }

    /// Sees to some stamps, if it is time to. True where there are more.
    pub(crate) async fn go_on(&mut self, log: &Log) -> bool {
        if log.link.ports().clock.now() < self.next {
            return false;
        }
        // What cannot be done now is done at the next look, by whomever.
        let has_more = log.sweep().await.unwrap_or(false);
        if !has_more {
            self.next = later(log);
        }
        has_more
    }
}

fn later(log: &Log) -> Moment {
    let ports = log.link.ports();
    let pause = PAUSE + JITTER.mul_f64(ports.rng.roll());
    ports.clock.now().after(pause)
}

impl Log {
    /// Notes that `subject` was invalidated at `at`, unless it was later, too.
    pub(crate) async fn stamp(&self, subject: Subject, at: LogPosition) -> Result<(), FarError> {
        let mut script = STAMP.prepare_invoke();
        script.key(self.names.stamp(subject));
        script
            .arg(at.major)
            .arg(at.minor)
            .arg(millis(self.keep_stamps));
        let _: u8 = self.link.change("stamp", script).await?;
        Ok(())
    }

    /// Where the last invalidation of `subject` is; none where nothing says so. What others have left in its place may hide
    /// any.
    pub(crate) async fn stamp_of(&self, subject: Subject) -> Result<Option<LogPosition>, FarError> {
        match self.noted(self.names.stamp(subject)).await {
            Err(error) if is_foreign(&error) => Ok(Some(LAST)),
            noted => noted,
        }
    }

    /// Stamps what was read and not seen to yet. True where there is more of it.
    async fn sweep(&self) -> Result<bool, FarError> {
        let read = self.record.state().read;
        let seen_to = match self.noted(self.names.swept()).await {
            Err(error) if is_foreign(&error) => LogPosition::ORIGIN,
            noted => noted?.unwrap_or_default(),
        };
        let since = match seen_to.cmp(&read) {
            Ordering::Less => seen_to,
            Ordering::Equal => return Ok(false),
            // By who has read further, or of another log.
            Ordering::Greater if self.holds(seen_to).await? => return Ok(false),
            Ordering::Greater => LogPosition::ORIGIN,
        };
        let entries = self.entries(format!("({}", id(since)), read).await?;
        let ids = &entries.ids;
        let found = ids.iter().filter_map(entry);
        let hard = found.filter_map(|it| Some((it.invalidation?, it.position)));
        let hard = hard.filter(|(invalidation, _)| !invalidation.is_soft);
        try_join_all(hard.map(|(it, at)| self.stamp(it.subject, at))).await?;
        let Some(last) = ids.last() else {
            return Ok(false);
        };
        let mut note = redis::cmd("SET");
        note.arg(self.names.swept()).arg(&last.id);
        note.arg("PX").arg(millis(self.keep_stamps));
        let step = |mut connection| async move { note.exec_async(&mut connection).await };
        self.link.ask("SET", self.link.budgets().step, step).await?;
        Ok(ids.len() == PAGE)
    }

    /// Whether the log has an entry at `position`.
    async fn holds(&self, position: LogPosition) -> Result<bool, FarError> {
        let there = self.entries(id(position), position).await?;
        Ok(!there.ids.is_empty())
    }

    async fn entries(&self, from: String, to: LogPosition) -> Result<StreamRangeReply, FarError> {
        let mut question = redis::cmd("XRANGE");
        question.arg(self.names.log());
        question.arg(from).arg(id(to));
        question.arg("COUNT").arg(PAGE);
        let step = |mut connection| async move { question.query_async(&mut connection).await };
        self.link
            .ask("XRANGE", self.link.budgets().step, step)
            .await
    }

    async fn noted(&self, name: String) -> Result<Option<LogPosition>, FarError> {
        let mut question = redis::cmd("GET");
        question.arg(name);
        let step = |mut connection| async move { question.query_async(&mut connection).await };
        let noted: Option<String> = self.link.ask("GET", self.link.budgets().step, step).await?;
        let unexpected = FarError::Unexpected { step: "GET" };
        noted
            .map(|noted| position(&noted).ok_or(unexpected))
            .transpose()
    }
}

/// Something that is no stamp of ours.
fn is_foreign(error: &FarError) -> bool {
    is_wrong_type(error) || matches!(error, FarError::Unexpected { .. })
}
