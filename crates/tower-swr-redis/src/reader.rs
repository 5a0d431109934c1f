//! Following the log of invalidations: every node reads the stream on a connection of its own, and from where it was after
//! a gap.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use redis::streams::{StreamId, StreamRangeReply, StreamReadReply};
use redis::{RedisResult, Value};
use tower_swr_core::{FarError, Invalidation, LogEvent, LogPosition, Subject};

use crate::error::far_error;
use crate::invalidation::{Log, id, position};
use crate::lease::millis;
use crate::line::Connection;
use crate::record::State;
use crate::script::HISTORY;
use crate::stamps::Sweep;

/// Entries read at a time.
const PAGE: usize = 1000;
/// Queued invalidations that are recorded between two looks at what others have recorded: who sends thousands must not be
/// deaf meanwhile.
const SLICE: usize = 16;
/// How long the server holds a question for the next entry back.
const BLOCK: Duration = Duration::from_millis(500);
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

/// What a server says of itself.
#[derive(Debug, PartialEq, Eq)]
struct About {
    /// Tells one history of the server's data from another: a restart and a failover each begin a new one.
    history: String,
    /// It may throw away what has not run out, to have room.
    may_evict: bool,
}

/// What is in the stream behind a position.
struct History {
    last: LogPosition,
    /// The position itself is still there.
    is_there: bool,
    entries: Vec<Entry>,
}

pub(crate) struct Entry {
    pub(crate) position: LogPosition,
    pub(crate) invalidation: Option<Invalidation>,
}

impl Entry {
    /// Tells of it everybody, who asked for it included, where it is a soft one.
    fn softly(&self) -> Option<LogEvent> {
        let invalidation = self.invalidation.filter(|it| it.is_soft)?;
        Some(LogEvent::Invalidated {
            invalidation: Invalidation::soft(invalidation.subject, 0),
            position: self.position,
        })
    }
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
        let About { history, may_evict } = self.about_server().await?;
        let is_same = *server == Some(history.clone());
        self.log.record.state().may_evict = may_evict;
        self.catch_up(is_same).await?;
        *server = Some(history);
        let mut sweep = Sweep::new(self.log);
        loop {
            let has_queued = self.send_queued().await;
            let has_unstamped = sweep.go_on(self.log).await;
            let entries = self.next_entries(has_queued || has_unstamped).await?;
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
        let page = self.history(read).await?;
        // Entries go from the oldest, so where this one is, all later ones are.
        if is_same && (page.last == read || page.is_there) {
            return self.replay(page).await;
        }
        self.log.record.change(State::doubt);
        let has_gone_back = !is_same || page.last < read;
        let (entries, last) = self.whole_history().await?;
        let first = entries.first().map_or(last, |entry| entry.position);
        let places = entries.iter().map(|entry| entry.position).chain([last]);
        let places: HashSet<LogPosition> = places.collect();
        self.log.record.change(|state| {
            if has_gone_back {
                state.queue_what_was_forgotten(&places);
            }
            state.begin_again(first);
        });
        let softly: Vec<_> = entries.iter().filter_map(Entry::softly).collect();
        self.apply(entries, false);
        self.log.record.change(|state| {
            state.come_up(last);
            // Whoever has forgotten all has forgotten these, too, and values that they are about are still on the far side.
            softly.into_iter().for_each(|event| state.tell(event));
        });
        Ok(())
    }

    async fn replay(&mut self, mut page: History) -> Result<(), FarError> {
        loop {
            let is_last = page.entries.len() < PAGE;
            let last = page.last;
            self.apply(page.entries, true);
            if is_last {
                self.log.record.change(|state| state.come_up(last));
                return Ok(());
            }
            let read = self.log.record.state().read;
            page = self.history_after(read).await?;
        }
    }

    /// All entries that are there, and the last position ever. Nothing is changed before all of it is read, so that what
    /// this node knows is still there to be compared with it, however often the reading fails.
    async fn whole_history(&mut self) -> Result<(Vec<Entry>, LogPosition), FarError> {
        let mut page = self.history(LogPosition::ORIGIN).await?;
        let mut entries = Vec::new();
        loop {
            let is_last = page.entries.len() < PAGE;
            entries.append(&mut page.entries);
            match entries.last() {
                Some(entry) if !is_last => page = self.history_after(entry.position).await?,
                _ => return Ok((entries, page.last)),
            }
        }
    }

    /// What is behind an entry that was read just now.
    async fn history_after(&mut self, read: LogPosition) -> Result<History, FarError> {
        let page = self.history(read).await?;
        match page.is_there {
            true => Ok(page),
            false => Err(FarError::Unexpected { step: "XRANGE" }),
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
                state.stamp(invalidation, position);
                if is_told {
                    state.tell(LogEvent::Invalidated {
                        invalidation,
                        position,
                    });
                }
            }
        });
    }

    /// Records some of what is queued. True where there is more, and the server takes it.
    async fn send_queued(&self) -> bool {
        for _ in 0..SLICE {
            let Some(queued) = self.log.record.state().first_queued() else {
                return false;
            };
            let Ok(at) = self.log.write(queued.invalidation).await else {
                return false;
            };
            let mut state = self.log.record.state();
            state.note_recorded(queued.invalidation, at);
            state.unqueue(queued);
        }
        self.log.record.state().queued() > 0
    }

    /// What was recorded since. Waits for something, unless there `is_more_to_do`.
    async fn next_entries(&mut self, is_more_to_do: bool) -> Result<Vec<Entry>, FarError> {
        let (link, read) = (&self.log.link, self.log.record.state().read);
        let mut question = redis::cmd("XREAD");
        question.arg("COUNT").arg(PAGE);
        if !is_more_to_do {
            question.arg("BLOCK").arg(millis(BLOCK));
        }
        question
            .arg("STREAMS")
            .arg(self.log.names.log())
            .arg(id(read));
        let answer = question.query_async(&mut self.connection);
        let answer: RedisResult<Option<StreamReadReply>> = link
            .ports()
            .within(link.budgets().beyond(BLOCK), answer)
            .await?;
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
            self.log.link.in_time(answer).await?;
        let step = "XRANGE";
        let answer = answer.map_err(|error| far_error(&error, step))?;
        let (last, is_there, entries) = answer;
        Ok(History {
            last: position(&last).ok_or(FarError::Unexpected { step })?,
            is_there: is_there == 1,
            entries: entries.ids.iter().filter_map(entry).collect(),
        })
    }

    async fn about_server(&mut self) -> Result<About, FarError> {
        let question = redis::cmd("INFO");
        let answer = question.query_async(&mut self.connection);
        let answer: RedisResult<String> = self.log.link.in_time(answer).await?;
        match answer {
            Ok(text) => Ok(About::understand(&text)),
            Err(error) => match far_error(&error, "INFO") {
                // Not permitted: positions alone have to tell, and the worst is assumed.
                FarError::Denied => Ok(About::understand("")),
                reason => Err(reason),
            },
        }
    }
}

impl About {
    fn understand(text: &str) -> Self {
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
        let is = |name: &str, value: &str| field(name).is_some_and(|it| it.trim() == value);
        let history = field("master_replid:").unwrap_or_default();
        let keeps_all = is("maxmemory:", "0") || is("maxmemory_policy:", "noeviction");
        Self {
            history: history.trim().to_owned(),
            may_evict: !keeps_all,
        }
    }
}

/// What somebody else put into the stream has a position, but says nothing.
pub(crate) fn entry(found: &StreamId) -> Option<Entry> {
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
        is_soft: fields.contains_key("f"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_says_whether_it_may_forget() {
        let about = |memory: &str| {
            let text = format!("# Memory\r\n{memory}\r\nmaster_replid:ab\r\n");
            let About { history, may_evict } = About::understand(&text);
            assert_eq!(history, "ab");
            may_evict
        };
        assert!(!about("maxmemory:0\r\nmaxmemory_policy:volatile-lru"));
        assert!(!about("maxmemory:100\r\nmaxmemory_policy:noeviction"));
        assert!(about("maxmemory:100\r\nmaxmemory_policy:volatile-lru"));
        assert!(About::understand("").may_evict, "it does not say");
    }
}
