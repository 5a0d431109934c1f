use std::sync::atomic::{AtomicU64, Ordering};

/// What a [`RefreshWorker`](crate::RefreshWorker) has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerStats {
    /// Refreshes for which the handler was called, and whose answer is on the far side.
    pub renewed: u64,
    /// Those for which nothing was called, or for nothing: another process had been faster, what was to be renewed was purged
    /// meanwhile, or answers may not be shared.
    pub found: u64,
    /// Those that came too late: what they were to renew could not be served any more.
    pub late: u64,
    /// Those for which the handler was called, and whose answer is not on the far side: it is too large, is not to be kept, or
    /// a purge has overtaken it.
    pub unkept: u64,
    /// Those that are none for this process: its layers have other settings, are switched off, or have no far side.
    pub refused: u64,
    /// Those in which no layer of theirs took part: there is no such route here, or it has no cache, or something before it
    /// has answered.
    pub unmet: u64,
    /// Those that nobody here can read: of another release, or damaged.
    pub unreadable: u64,
    /// Attempts that failed: they are made again, or given up.
    pub failed: u64,
    /// Steps in which the queue did not answer, or refused.
    pub queue_failures: u64,
}

/// How an attempt ended, or what else is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    Renewed,
    Found,
    Late,
    Unkept,
    Refused,
    Unmet,
    Unreadable,
    Failed,
    QueueFailure,
}

#[derive(Debug, Default)]
pub(super) struct Counts([AtomicU64; 9]);

impl Counts {
    pub(super) fn add(&self, what: Count) {
        self.0[what as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> WorkerStats {
        let read = |what: Count| self.0[what as usize].load(Ordering::Relaxed);
        WorkerStats {
            renewed: read(Count::Renewed),
            found: read(Count::Found),
            late: read(Count::Late),
            unkept: read(Count::Unkept),
            refused: read(Count::Refused),
            unmet: read(Count::Unmet),
            unreadable: read(Count::Unreadable),
            failed: read(Count::Failed),
            queue_failures: read(Count::QueueFailure),
        }
    }
}
