//! Refreshes for worker processes: a stream with one group of consumers.
//!
//! A job is handed to one worker at a time and stays in the stream until it is done, so that what a worker that dies had in
//! its hands is taken over. What says that a key is pending runs out by itself: a job that is lost holds nothing up for long.

mod ending;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::streams::{StreamAutoClaimReply, StreamPendingCountReply, StreamReadReply};
use redis::{Cmd, FromRedisValue, Value};
use tokio::sync::Mutex as Turn;
use tower_swr_core::{Enqueued, FarError, FarFuture, Moment, RemoteJob, RemoteRefreshes, TakenJob};

use crate::connection::Link;
use crate::error::far_error;
use crate::handle::Redis;
use crate::job::understand;
use crate::keyspace::Keyspace;
use crate::lease::millis;
use crate::line::Connection;
use crate::script::{ENQUEUE, FORGET, PROMOTE};
use crate::token::Tokens;

/// All workers are of one group.
const GROUP: &str = "g";
/// Jobs that wait at most, or a few more; the oldest go.
const MOST_WAITING: usize = 10_000;
/// How long the server holds a worker's question back.
const BLOCK: Duration = Duration::from_secs(1);
/// After so many attempts a job is given up.
const MOST_ATTEMPTS: u32 = 5;
/// How long a key counts as pending if nobody ever works on it.
const PENDING: Duration = Duration::from_secs(5 * 60);
/// How long a worker counts as being there that has said so.
const ATTENDANCE: Duration = Duration::from_secs(3);
/// Jobs of dead workers that are taken over at a time.
const MOST_RESCUED: usize = 16;

#[derive(Debug)]
pub(crate) struct Queue {
    link: Arc<Link>,
    names: Keyspace,
    rescue_after: Duration,
    tokens: Arc<Tokens>,
    /// Where this process waits for jobs, one call at a time. Out of its place while a question is under way: a call that
    /// is dropped takes the connection with it, and no job is handed to a question that nobody waits for.
    line: Turn<Option<Connection>>,
    rescued: Mutex<Option<Moment>>,
}

impl Queue {
    pub(crate) fn new(
        link: Arc<Link>,
        names: Keyspace,
        rescue_after: Duration,
        tokens: Arc<Tokens>,
    ) -> Self {
        Self {
            link,
            names,
            rescue_after,
            tokens,
            line: Turn::default(),
            rescued: Mutex::default(),
        }
    }

    async fn attend(&self) -> Result<(), FarError> {
        let mut question = redis::cmd("SET");
        question.arg(self.names.queue("w")).arg("");
        question.arg("PX").arg(millis(ATTENDANCE));
        let step = |mut connection| async move { question.query_async(&mut connection).await };
        self.link
            .ask("attend", self.link.budgets().step, step)
            .await
    }

    async fn enqueue(&self, job: RemoteJob) -> Result<Enqueued, FarError> {
        let mut script = ENQUEUE.prepare_invoke();
        script.key(self.names.pending(job.key)).key(self.stream());
        script.key(self.names.queue("w"));
        script.arg(self.tokens.next()).arg(millis(PENDING));
        script.arg(MOST_WAITING);
        script.arg(&job.key.as_bytes()[..]).arg(&job.payload[..]);
        match self.link.change("enqueue", script).await? {
            0_u8 => Ok(Enqueued::Pending),
            1 => {
                self.link.note_written();
                Ok(Enqueued::Queued)
            }
            _ => Ok(Enqueued::Unattended),
        }
    }

    async fn take(&self, most: usize) -> Result<Vec<TakenJob>, FarError> {
        if most == 0 {
            return Ok(Vec::new());
        }
        let mut line = self.line.lock().await;
        let mut connection = match line.take() {
            Some(connection) => connection,
            None if !self.link.is_up() => return Err(FarError::Unavailable),
            None => self.link.dialer.dial_for(&self.stream()).await?,
        };
        let taken = self.take_on(&mut connection, most).await?;
        *line = Some(connection);
        Ok(taken)
    }

    async fn take_on(
        &self,
        connection: &mut Connection,
        most: usize,
    ) -> Result<Vec<TakenJob>, FarError> {
        // Those who wait in line are not held up by what cannot be put back there.
        if let Err(reason) = self.promote().await {
            tracing::debug!(%reason, "what was put off stays so");
        }
        let mut taken = Vec::new();
        if self.is_time_to_rescue() {
            taken = self.rescue(connection, most.min(MOST_RESCUED)).await?;
            if let Err(reason) = self.forget().await {
                tracing::debug!(%reason, "workers that are gone stay in the group");
            }
        }
        if taken.is_empty() {
            taken = self.next(connection, most).await?;
        }
        Ok(taken)
    }

    /// Puts back in line what was put off until now.
    async fn promote(&self) -> Result<u8, FarError> {
        let mut script = PROMOTE.prepare_invoke();
        script.key(self.names.queue("later")).key(self.stream());
        script.arg(MOST_WAITING);
        self.link.change("promote", script).await
    }

    async fn next(
        &self,
        connection: &mut Connection,
        most: usize,
    ) -> Result<Vec<TakenJob>, FarError> {
        let mut question = redis::cmd("XREADGROUP");
        question.arg("GROUP").arg(GROUP).arg(self.tokens.node());
        question.arg("COUNT").arg(most);
        question.arg("BLOCK").arg(millis(BLOCK));
        question.arg("STREAMS").arg(self.stream()).arg(">");
        let reply: Option<StreamReadReply> = self
            .ask_group(connection, &question, self.link.budgets().beyond(BLOCK))
            .await?;
        let streams = reply.map_or_else(Vec::new, |reply| reply.keys);
        let mut taken = Vec::new();
        for found in streams.iter().flat_map(|stream| &stream.ids) {
            match understand(found, 1) {
                Some(job) => taken.push(job),
                None => self.discard(connection, &found.id).await?,
            }
        }
        Ok(taken)
    }

    /// Takes over what others have had in their hands for too long.
    async fn rescue(
        &self,
        connection: &mut Connection,
        most: usize,
    ) -> Result<Vec<TakenJob>, FarError> {
        let mut question = redis::cmd("XAUTOCLAIM");
        question
            .arg(self.stream())
            .arg(GROUP)
            .arg(self.tokens.node());
        question.arg(millis(self.rescue_after)).arg("0");
        question.arg("COUNT").arg(most);
        let reply: StreamAutoClaimReply = self
            .ask_group(connection, &question, self.link.budgets().step)
            .await?;
        let mut taken = Vec::new();
        for found in &reply.claimed {
            let deliveries = self.deliveries(connection, &found.id).await?;
            match understand(found, deliveries) {
                Some(job) if job.attempt > MOST_ATTEMPTS => self.bury(&job).await?,
                Some(job) => taken.push(job),
                None => self.discard(connection, &found.id).await?,
            }
        }
        Ok(taken)
    }

    /// Takes workers that are gone out of the group, where each that ever asked would stay otherwise.
    async fn forget(&self) -> Result<u64, FarError> {
        let mut script = FORGET.prepare_invoke();
        script.key(self.stream());
        script.arg(GROUP).arg(millis(self.rescue_after));
        self.link.change("forget", script).await
    }

    /// Lets go of what somebody else put into the stream, or it would be taken over for ever.
    async fn discard(&self, connection: &mut Connection, entry: &str) -> Result<(), FarError> {
        let mut acknowledged = redis::cmd("XACK");
        acknowledged.arg(self.stream()).arg(GROUP).arg(entry);
        let mut removed = redis::cmd("XDEL");
        removed.arg(self.stream()).arg(entry);
        for step in [acknowledged, removed] {
            let _: u8 = self
                .ask(connection, &step, self.link.budgets().step)
                .await?;
        }
        Ok(())
    }

    async fn deliveries(&self, connection: &mut Connection, entry: &str) -> Result<u32, FarError> {
        let mut question = redis::cmd("XPENDING");
        question.arg(self.stream()).arg(GROUP);
        question.arg(entry).arg(entry).arg(1);
        let reply: StreamPendingCountReply = self
            .ask_group(connection, &question, self.link.budgets().step)
            .await?;
        let times = reply.ids.first().map_or(1, |found| found.times_delivered);
        Ok(u32::try_from(times).unwrap_or(u32::MAX))
    }

    fn is_time_to_rescue(&self) -> bool {
        let now = self.link.ports().clock.now();
        let mut rescued = self.rescued();
        let is_time = rescued.is_none_or(|last| now.since(last) >= self.rescue_after / 2);
        if is_time {
            *rescued = Some(now);
        }
        is_time
    }

    fn rescued(&self) -> MutexGuard<'_, Option<Moment>> {
        self.rescued.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks something that needs the group, which a server that was flushed no longer knows.
    async fn ask_group<T: FromRedisValue>(
        &self,
        connection: &mut Connection,
        question: &Cmd,
        budget: Duration,
    ) -> Result<T, FarError> {
        match self.ask(connection, question, budget).await {
            Err(FarError::Refused { code }) if code == "NOGROUP" => {
                self.create_group(connection).await?;
                self.ask(connection, question, budget).await
            }
            answer => answer,
        }
    }

    async fn create_group(&self, connection: &mut Connection) -> Result<(), FarError> {
        let mut question = redis::cmd("XGROUP");
        question.arg("CREATE").arg(self.stream()).arg(GROUP);
        question.arg("0").arg("MKSTREAM");
        let created: Result<Value, FarError> = self
            .ask(connection, &question, self.link.budgets().step)
            .await;
        match created {
            // Another worker was faster.
            Err(FarError::Refused { code }) if code == "BUSYGROUP" => Ok(()),
            created => created.map(drop),
        }
    }

    async fn ask<T: FromRedisValue>(
        &self,
        connection: &mut Connection,
        question: &Cmd,
        budget: Duration,
    ) -> Result<T, FarError> {
        let answer = question.query_async(connection);
        let answer = self.link.ports().within(budget, answer).await?;
        answer.map_err(|error| far_error(&error, "queue"))
    }

    fn stream(&self) -> String {
        self.names.queue("s")
    }
}

impl RemoteRefreshes for Redis {
    fn attend(&self) -> FarFuture<'_, Result<(), FarError>> {
        Box::pin(self.inner().queue.attend())
    }

    fn enqueue(&self, job: RemoteJob) -> FarFuture<'_, Result<Enqueued, FarError>> {
        Box::pin(self.inner().queue.enqueue(job))
    }

    fn take(&self, most: usize) -> FarFuture<'_, Result<Vec<TakenJob>, FarError>> {
        Box::pin(self.inner().queue.take(most))
    }

    fn done(&self, job: TakenJob) -> FarFuture<'_, Result<(), FarError>> {
        Box::pin(async move { self.inner().queue.done(&job).await })
    }

    fn decline(&self, job: TakenJob) -> FarFuture<'_, Result<(), FarError>> {
        Box::pin(async move { self.inner().queue.decline(&job).await })
    }

    fn retry(&self, job: TakenJob, pause: Duration) -> FarFuture<'_, Result<(), FarError>> {
        Box::pin(async move { self.inner().queue.retry(&job, pause).await })
    }
}
