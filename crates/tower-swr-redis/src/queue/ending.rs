//! How a job leaves a worker's hands: each time by one script, which does nothing where another holds it by now.

use std::time::Duration;

use redis::ScriptInvocation;
use tower_swr_core::{FarError, TakenJob, Woken};

use super::{GROUP, MOST_ATTEMPTS, PENDING, Queue};
use crate::job::Receipt;
use crate::lease::millis;
use crate::script::{BURY, DECLINE, DONE, RETRY};
use crate::wakeup::message;

impl Queue {
    pub(super) async fn done(&self, job: &TakenJob) -> Result<(), FarError> {
        let receipt = Receipt::of(job)?;
        let mut script = DONE.prepare_invoke();
        script.key(self.stream()).key(self.names.pending(job.key));
        self.name(&receipt, &mut script);
        let _: u8 = self.link.change("done", script).await?;
        Ok(())
    }

    pub(super) async fn decline(&self, job: &TakenJob) -> Result<(), FarError> {
        let receipt = Receipt::of(job)?;
        let mut script = DECLINE.prepare_invoke();
        script.key(self.stream()).key(self.names.pending(job.key));
        self.name(&receipt, &mut script);
        script.arg(self.names.done());
        script.arg(message(job.key, None, Woken::Declined));
        let _: u8 = self.link.change("decline", script).await?;
        Ok(())
    }

    pub(super) async fn retry(&self, job: &TakenJob, pause: Duration) -> Result<(), FarError> {
        if job.attempt >= MOST_ATTEMPTS {
            return self.bury(job).await;
        }
        let receipt = Receipt::of(job)?;
        let attempts = [u8::try_from(job.attempt).unwrap_or(u8::MAX)];
        let put_off = [
            &job.key.as_bytes()[..],
            receipt.token,
            &attempts,
            &job.payload,
        ];
        let mut script = RETRY.prepare_invoke();
        script.key(self.stream()).key(self.names.pending(job.key));
        script.key(self.names.queue("later"));
        self.name(&receipt, &mut script);
        let pending = PENDING.saturating_add(pause);
        script.arg(millis(pause)).arg(millis(pending));
        script.arg(put_off.concat());
        let _: u8 = self.link.change("retry", script).await?;
        Ok(())
    }

    pub(super) async fn bury(&self, job: &TakenJob) -> Result<(), FarError> {
        let receipt = Receipt::of(job)?;
        let mut script = BURY.prepare_invoke();
        script.key(self.stream()).key(self.names.pending(job.key));
        script.key(self.names.queue("dead"));
        self.name(&receipt, &mut script);
        script.arg(&job.key.as_bytes()[..]).arg(&job.payload[..]);
        let buried: u8 = self.link.change("bury", script).await?;
        if buried == 1 {
            tracing::warn!(key = %job.key, "a refresh is given up");
        }
        Ok(())
    }

    /// Names an entry to a script, and who holds it.
    fn name(&self, receipt: &Receipt<'_>, script: &mut ScriptInvocation<'static>) {
        script.arg(GROUP).arg(receipt.entry);
        script.arg(self.tokens.node()).arg(receipt.deliveries);
        script.arg(receipt.token);
    }
}
