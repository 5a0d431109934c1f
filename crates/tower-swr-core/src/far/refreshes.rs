use std::fmt::Debug;
use std::time::Duration;

use bytes::Bytes;

use crate::far::{FarError, FarFuture, FarKey};
use crate::key::Digest;

/// Refreshes handed to processes that do nothing else: each at least once, one per key at a time.
///
/// The mutex of the [`FarStore`](crate::FarStore) is what keeps the origin from being called twice; the queue only keeps
/// work from piling up.
///
/// ```
/// use tower_swr_core::testing::FarServer;
/// use tower_swr_core::{Enqueued, FarError, FarKey, KeyText, RemoteJob, RemoteRefreshes};
///
/// # tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
/// let server = FarServer::default();
/// let (web, worker) = (server.node(), server.node());
/// let key = FarKey::new(KeyText::new("answers").key());
/// let job = || RemoteJob::new(&key, "GET /answers");
///
/// assert_eq!(web.enqueue(job()).await?, Enqueued::Unattended);
/// worker.attend().await?;
/// assert_eq!(web.enqueue(job()).await?, Enqueued::Queued);
/// assert_eq!(web.enqueue(job()).await?, Enqueued::Pending);
/// for job in worker.take(32).await? {
///     assert_eq!(job.payload, "GET /answers");
///     worker.done(job).await?;
/// }
/// # Ok::<_, FarError>(()) }).expect("the far side answers");
/// ```
pub trait RemoteRefreshes: Debug + Send + Sync + 'static {
    /// Says that a worker is there, for a time that the implementation chooses: not below two seconds, not above ten. A
    /// worker says it once a second, also while it has its hands full, but not while it can [take](Self::take) nothing.
    ///
    /// # Errors
    ///
    /// Where the far side did not answer in time.
    ///
    /// # Cancel safety
    ///
    /// May be dropped at any time.
    fn attend(&self) -> FarFuture<'_, Result<(), FarError>>;

    /// Offers `job`, unless nobody is there to do it, or one of its key waits or runs.
    ///
    /// # Errors
    ///
    /// Where the far side did not take it in time: refresh in this process instead.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it may or may not have been taken.
    fn enqueue(&self, job: RemoteJob) -> FarFuture<'_, Result<Enqueued, FarError>>;

    /// Takes up to `most` jobs. Waits for the first, for a time that the implementation chooses; then there may be none.
    ///
    /// # Errors
    ///
    /// Where the far side did not answer in time.
    ///
    /// # Cancel safety
    ///
    /// Dropped, jobs may have been taken that nobody works on: they are handed out again after a while.
    fn take(&self, most: usize) -> FarFuture<'_, Result<Vec<TakenJob>, FarError>>;

    /// Lets go of a job that is done, so that its key may be offered again.
    ///
    /// # Errors
    ///
    /// Where the far side did not answer in time: the job is handed out again after a while.
    ///
    /// # Cancel safety
    ///
    /// As after an error.
    fn done(&self, job: TakenJob) -> FarFuture<'_, Result<(), FarError>>;

    /// Lets go of a job as [`done`](Self::done) does, and tells those who [watch](crate::FarStore::watch) its key that no worker
    /// is going to do it ([`Woken::Declined`](crate::Woken::Declined)): they need not wait any longer. They may not hear of it.
    ///
    /// # Errors
    ///
    /// As for [`done`](Self::done).
    ///
    /// # Cancel safety
    ///
    /// As for [`done`](Self::done).
    fn decline(&self, job: TakenJob) -> FarFuture<'_, Result<(), FarError>>;

    /// Hands a job out again after `pause`, which failed; its key counts as waiting until then. After as many attempts as
    /// the implementation allows it is put aside for people to look at, and let go of.
    ///
    /// # Errors
    ///
    /// As for [`done`](Self::done).
    ///
    /// # Cancel safety
    ///
    /// As for [`done`](Self::done).
    fn retry(&self, job: TakenJob, pause: Duration) -> FarFuture<'_, Result<(), FarError>>;
}

/// A refresh to be done elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteJob {
    /// What it refreshes: jobs of one key are one.
    pub key: Digest,
    /// All that the worker needs to know. Never a secret: whoever can read the queue can read it.
    pub payload: Bytes,
}

impl RemoteJob {
    /// The refresh of `key`, described by `payload`.
    #[must_use]
    pub fn new(key: &FarKey, payload: impl Into<Bytes>) -> Self {
        Self {
            key: key.variant_digest().unwrap_or(key.primary()),
            payload: payload.into(),
        }
    }
}

/// What became of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enqueued {
    /// It waits for a worker.
    Queued,
    /// One of the same key waits or runs already.
    Pending,
    /// No worker has [said](RemoteRefreshes::attend) lately that it is there. Nothing waits: refresh in this process.
    Unattended,
}

/// A job in a worker's hands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenJob {
    /// What it refreshes.
    pub key: Digest,
    /// What was offered.
    pub payload: Bytes,
    /// How often it has been handed out, this time included.
    pub attempt: u32,
    /// What the queue knows it by.
    pub receipt: Bytes,
}
