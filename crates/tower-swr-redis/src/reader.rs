//! Following the log of invalidations: every node reads the stream on a connection of its own, and from where it was after
//! a gap.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use redis::streams::{StreamId, StreamRangeReply, StreamReadReply};
use redis::{RedisResult, Value};
use tower_swr_core::{FarError, Invalidation, LogEvent, LogPosition, Subject};

use crate::connection::STEP_BUDGET;
use crate::error::far_error;
use crate::invalidation::{Log, id, position};
use crate::lease::millis;
use crate::line::Connection;
use crate::script::HISTORY;

/// Entries read at a time.
const PAGE: usize = 1000;
/// How long the server holds a question for the next entry back, and how long it may take beyond that.
const BLOCK: Duration = Duration::from_millis(500);
const GRACE: Duration = Duration::from_millis(250);
/// The time between two attempts to follow the stream.
const PAUSE: Duration = Duration::from_millis(200);

/// Follows the stream, and records what is queued whenever that can be done.
pub(crate) async fn follow(log: Arc<Log>) {
    let mut server = None;
    loop {
        let reason = match log.link.dialer.dial_for(&log.names.log()).await {
            Ok(connection) => {
                let reader = Reader {
                    log: &log,
                    connection,
                };
                reader.read_on(&mut server).await
            }
            Err(reason) => reason,
        };
        let told = reason.clone();
        if log.record.change(|state| state.go_down(reason)) {
            tracing::warn!(reason = %told, "the invalidation log is out of reach");
        }
        log.link.ports().clock.sleep(PAUSE).await;
    }
}

struct Reader<'a> {
    log: &'a Log,
    connection: Connection,
}

/// What is in the stream behind a position.
struct History {
    last: LogPosition,
    /// The position itself is still there.
    is_there: bool,
    entries: Vec<Entry>,
}

struct Entry {
    position: LogPosition,
    invalidation: Option<Invalidation>,
}

impl Reader<'_> {
    /// Reads until that fails. `server` is the history that was read last.
    async fn read_on(mut self, server: &mut Option<String>) -> FarError {
        match self.try_read_on(server).await {
            Ok(never) => match never {},
            Err(reason) => reason,
        }
    }

    async fn try_read_on(&mut self, server: &mut Option<String>) -> Result<Infallible, FarError> {
        let now = self.replication_id().await?;
        let is_same = *server == Some(now.clone());
        self.catch_up(is_same).await?;
        *server = Some(now);
        loop {
            self.send_queued().await;
            let entries = self.next_entries().await?;
            // So many at once: there may be more that were trimmed before they were read.
            match entries.len() < PAGE {
                true => self.apply(entries, true),
                false => self.catch_up(true).await?,
            }
        }
    }

    /// Reads what was recorded since, and tells it. Where that is not there any more, the record begins again with what the
    /// stream still holds.
    async fn catch_up(&mut self, is_same: bool) -> Result<(), FarError> {
        let read = self.log.record.state().read;
        let mut page = self.history(read).await?;
        // Entries go from the oldest, so where this one is, all later ones are.
        let is_kept = is_same && (page.last == read || page.is_there);
        if !is_kept {
            page = self.history(LogPosition::ORIGIN).await?;
            let first = page
                .entries
                .first()
                .map_or(page.last, |entry| entry.position);
            self.log.record.change(|state| state.begin_again(first));
        }
        loop {
            let is_last = page.entries.len() < PAGE;
            let last = page.last;
            self.apply(page.entries, is_kept);
            if is_last {
                self.log.record.change(|state| state.come_up(last));
                return Ok(());
            }
            let read = self.log.record.state().read;
            page = self.history(read).await?;
            if !page.is_there {
                return Err(FarError::Unexpected { step: "XRANGE" });
            }
        }
    }

    fn apply(&self, entries: Vec<Entry>, is_told: bool) {
        if entries.is_empty() {
            return;
        }
        self.log.record.change(|state| {
            for Entry {
                position,
                invalidation,
            } in entries
            {
                state.read = position.max(state.read);
                let Some(invalidation) = invalidation else {
                    continue;
                };
                state.stamp(invalidation.subject, position);
                if is_told {
                    state.tell(LogEvent::Invalidated {
                        invalidation,
                        position,
                    });
                }
            }
        });
    }

    async fn send_queued(&self) {
        loop {
            let Some(queued) = self.log.record.state().first_queued() else {
                return;
            };
            let Ok(at) = self.log.write(queued.invalidation).await else {
                return;
            };
            let mut state = self.log.record.state();
            state.note_recorded(queued.invalidation.subject, at);
            state.unqueue(queued);
        }
    }

    async fn next_entries(&mut self) -> Result<Vec<Entry>, FarError> {
        let read = self.log.record.state().read;
        let mut question = redis::cmd("XREAD");
        question.arg("COUNT").arg(PAGE);
        question.arg("BLOCK").arg(millis(BLOCK));
        question
            .arg("STREAMS")
            .arg(self.log.names.log())
            .arg(id(read));
        let answer = question.query_async(&mut self.connection);
        let answer: RedisResult<Option<StreamReadReply>> =
            self.log.link.ports().within(BLOCK + GRACE, answer).await?;
        let reply = answer.map_err(|error| far_error(&error, "XREAD"))?;
        let streams = reply.map_or_else(Vec::new, |reply| reply.keys);
        let ids = streams.into_iter().flat_map(|stream| stream.ids);
        Ok(ids.filter_map(|found| entry(&found)).collect())
    }

    async fn history(&mut self, after: LogPosition) -> Result<History, FarError> {
        let mut script = HISTORY.prepare_invoke();
        script.key(self.log.names.log()).arg(id(after)).arg(PAGE);
        let answer = script.invoke_async(&mut self.connection);
        let answer: RedisResult<(String, u8, StreamRangeReply)> =
            self.log.link.ports().within(STEP_BUDGET, answer).await?;
        let step = "XRANGE";
        let answer = answer.map_err(|error| far_error(&error, step))?;
        let (last, is_there, entries) = answer;
        Ok(History {
            last: position(&last).ok_or(FarError::Unexpected { step })?,

            is_there: is_there == 1,
            entries: entries.ids.iter().filter_map(entry).collect(),
        })
    }

    /// What tells one history of the server's data from another: a restart and a failover each begin a new one.
    async fn replication_id(&mut self) -> Result<String, FarError> {
        let mut question = redis::cmd("INFO");
        question.arg("replication");
        let answer = question.query_async(&mut self.connection);
        let answer: RedisResult<String> = self.log.link.ports().within(STEP_BUDGET, answer).await?;
        let text = match answer {
            Ok(text) => text,
            Err(error) => match far_error(&error, "INFO") {
                // Not permitted: positions alone have to tell.
                FarError::Denied => String::new(),
                reason => return Err(reason),
            },
        };
        let id = |line: &str| Some(line.strip_prefix("master_replid:")?.trim().to_owned());
        Ok(text.lines().find_map(id).unwrap_or_default())
    }
}

/// What somebody else put into the stream has a position, but says nothing.
fn entry(found: &StreamId) -> Option<Entry> {
    let position = position(&found.id)?;
    Some(Entry {
        position,
        invalidation: understand(&found.map),
    })
}

fn understand(fields: &HashMap<String, Value>) -> Option<Invalidation> {
    let bytes = |name: &str| match fields.get(name) {
        Some(Value::BulkString(bytes)) => Some(&bytes[..]),
        _ => None,
    };
    Some(Invalidation {
        subject: Subject::from_bytes(bytes("s")?)?,
        source: u64::from_le_bytes(bytes("n")?.try_into().ok()?),
    })
}
