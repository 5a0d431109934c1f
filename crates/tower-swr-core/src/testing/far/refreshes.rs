use std::time::Duration;

use bytes::Bytes;
use futures_util::future::select;

use crate::clock::Moment;
use crate::far::{Enqueued, FarError, FarFuture, RemoteJob, RemoteRefreshes, TakenJob, Woken};
use crate::testing::far::node::FarNode;
use crate::testing::far::server::{Job, State, wake};

/// How long a worker waits for its first job.
const PATIENCE: Duration = Duration::from_secs(1);

/// After what time a job in somebody's hands is handed out again.
const IDLE: Duration = Duration::from_secs(60);

const MOST_ATTEMPTS: u32 = 5;

/// How long a worker is there that has said so.
const ATTENDANCE: Duration = Duration::from_secs(3);

impl State {
    fn offer(&mut self, job: RemoteJob, now: Moment) -> Enqueued {
        if self.jobs.attended.is_none_or(|until| until <= now) {
            return Enqueued::Unattended;
        }
        if self.knows(&job) {
            return Enqueued::Pending;
        }
        self.jobs.waiting.push_back(Job { job, attempts: 0 });
        Enqueued::Queued
    }

    fn knows(&self, job: &RemoteJob) -> bool {
        let jobs = &self.jobs;
        let waiting = jobs.waiting.iter();
        let later = jobs.later.iter().map(|(_, job)| job);
        let taken = jobs.taken.values().map(|(_, job)| job);
        let mut all = waiting.chain(later).chain(taken);
        all.any(|known| known.job.key == job.key)
    }

    /// Puts back in line what is due: retries, and what a worker has kept for too long.
    fn bring_back(&mut self, now: Moment) {
        let jobs = &mut self.jobs;
        let (due, later) = std::mem::take(&mut jobs.later)
            .into_iter()
            .partition(|(when, _)| *when <= now);
        jobs.later = later;
        let due: Vec<(Moment, Job)> = due;
        let abandoned: Vec<u64> = (jobs.taken.iter())
            .filter(|(_, (since, _))| now.since(*since) >= IDLE)
            .map(|(receipt, _)| *receipt)
            .collect();
        let abandoned = (abandoned.iter()).filter_map(|receipt| jobs.taken.remove(receipt));
        let back: Vec<Job> = due
            .into_iter()
            .chain(abandoned)
            .map(|(_, job)| job)
            .collect();
        back.into_iter().for_each(|job| self.hand_out(job));
    }

    fn hand_out(&mut self, job: Job) {
        match job.attempts < MOST_ATTEMPTS {
            true => self.jobs.waiting.push_back(job),
            false => self.jobs.dead.push(job.job),
        }
    }

    fn take(&mut self, most: usize, now: Moment) -> Vec<TakenJob> {
        self.bring_back(now);
        let count = most.min(self.jobs.waiting.len());
        let jobs: Vec<Job> = self.jobs.waiting.drain(..count).collect();
        jobs.into_iter()
            .map(|job| self.hand_over(job, now))
            .collect()
    }

    fn hand_over(&mut self, mut job: Job, now: Moment) -> TakenJob {
        let receipt = self.number();
        job.attempts += 1;
        let taken = TakenJob {
            key: job.job.key,
            payload: job.job.payload.clone(),
            attempt: job.attempts,
            receipt: Bytes::copy_from_slice(&receipt.to_le_bytes()),
        };
        self.jobs.taken.insert(receipt, (now, job));
        taken
    }

    fn give_back(&mut self, job: &TakenJob) -> Option<Job> {
        let receipt = u64::from_le_bytes(job.receipt[..].try_into().ok()?);
        Some(self.jobs.taken.remove(&receipt)?.1)
    }
}

impl RemoteRefreshes for FarNode {
    fn attend(&self) -> FarFuture<'_, Result<(), FarError>> {
        let until = self.server.clock().now().after(ATTENDANCE);
        let attend = move |state: &mut State| state.jobs.attended = Some(until);
        Box::pin(self.step(move || self.server.change(attend)))
    }

    fn enqueue(&self, job: RemoteJob) -> FarFuture<'_, Result<Enqueued, FarError>> {
        let now = self.server.clock().now();
        let offer = move |state: &mut State| state.offer(job, now);
        Box::pin(self.step(move || self.server.change(offer)))
    }

    fn take(&self, most: usize) -> FarFuture<'_, Result<Vec<TakenJob>, FarError>> {
        Box::pin(async move {
            let mut changes = self.server.changes();
            let mut time = self.server.clock().sleep(PATIENCE);
            let until = self.server.clock().now().after(PATIENCE);
            loop {
                changes.mark_unchanged();
                let now = self.server.clock().now();
                let taken = self.step(|| self.server.state().take(most, now)).await?;
                if !taken.is_empty() || now >= until {
                    return Ok(taken);
                }
                select(Box::pin(changes.changed()), &mut time).await;
            }
        })
    }

    fn done(&self, job: TakenJob) -> FarFuture<'_, Result<(), FarError>> {
        let forget = move |state: &mut State| drop(state.give_back(&job));
        Box::pin(self.step(move || self.server.change(forget)))
    }

    fn decline(&self, job: TakenJob) -> FarFuture<'_, Result<(), FarError>> {
        let forget = move |state: &mut State| match state.give_back(&job) {
            Some(_) => state.waiting_for_job(job.key),
            None => Vec::new(),
        };
        Box::pin(self.step(move || {
            let waiting = self.server.change(forget);
            wake(waiting, Woken::Declined);
        }))
    }

    fn retry(&self, job: TakenJob, pause: Duration) -> FarFuture<'_, Result<(), FarError>> {
        let due = self.server.clock().now().after(pause);
        let put_off = move |state: &mut State| {
            if let Some(job) = state.give_back(&job) {
                state.jobs.later.push((due, job));
            }
        };
        Box::pin(self.step(move || self.server.change(put_off)))
    }
}
