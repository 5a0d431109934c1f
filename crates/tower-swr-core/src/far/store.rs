use std::fmt::Debug;

use bytes::Bytes;

use crate::far::{Acquired, FarError, FarFuture, FarHealth, FarKey, ServerTime, Version, Wait};

/// A store that several processes share, and the mutex that decides which of them calls the origin.
///
/// The way of a request: [`get`](Self::get); where that brings nothing or something stale,
/// [`acquire`](Self::acquire) with the version that was seen; then call the origin and commit, or take the newer value,
/// or wait and ask again.
///
/// Every step answers within the implementation's budget for it (asking for a lease, within twice that), with
/// [`FarError`] where it could not be done in time, and at once where the far side is known to be away.
///
/// ```
/// use tower_swr_core::testing::FarServer;
/// use tower_swr_core::{Acquired, FarError, FarKey, FarStore, FarWrite, KeyText};
///
/// # tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
/// let store = FarServer::default().node();
/// let key = FarKey::new(KeyText::new("answers").key());
///
/// assert!(store.get(&key).await?.is_none());
/// let Acquired::Lead(lease) = store.acquire(&key, None).await? else {
///     panic!("nobody else is there");
/// };
/// let blob = "what the origin said".into(); // in truth a `tower_swr_core::wire::Frame`
/// lease.commit(vec![FarWrite::new(key.clone(), blob)]).await?;
/// assert!(store.get(&key).await?.is_some());
/// # Ok::<_, FarError>(()) }).expect("the far side answers");
/// ```
pub trait FarStore: Debug + Send + Sync + 'static {
    /// Ends once it is known whether the far side answers, and what was invalidated there can be told: at once, but in a
    /// process that has only just begun to connect. It takes no longer than the implementation's budget for a connection.
    /// What the first flights of a process wait for, since otherwise a crowd that meets it would cost calls for what others
    /// have long left on the far side.
    ///
    /// # Cancel safety
    ///
    /// May be dropped at any time.
    fn first_contact(&self) -> FarFuture<'_, ()>;

    /// What is kept under `key`. Whether it is sound is not looked at: see [`wire`](crate::wire).
    ///
    /// # Errors
    ///
    /// Where the far side did not answer in time, or not with a value.
    ///
    /// # Cancel safety
    ///
    /// May be dropped at any time.
    fn get<'a>(&'a self, key: &'a FarKey) -> FarFuture<'a, Result<Option<FarValue>, FarError>>;

    /// Asks to be the one who calls the origin for `key`, having seen the version `have` there (none: no value of ours).
    ///
    /// Where no answer comes within the step's budget, it is asked once more for the same lease and with the same budget. The
    /// lease may have been given to the first question; it is then known again, and not waited for.
    ///
    /// # Errors
    ///
    /// Where the far side did not answer in time, twice. What it may have given is given back in the background, or runs
    /// out. The caller may then call the origin all the same; its value is not kept on the far side.
    ///
    /// # Cancel safety
    ///
    /// May be dropped at any time: a lease that was given meanwhile is given back.
    fn acquire<'a>(
        &'a self,
        key: &'a FarKey,
        have: Option<Version>,
    ) -> FarFuture<'a, Result<Acquired, FarError>>;

    /// Waits for what becomes of somebody else's call for `key`, or of a job that was offered for it: from now on, and not only
    /// from when it is first polled; for a message alone, so that the wait may never end. Whoever waits has a deadline of
    /// their own.
    ///
    /// # Cancel safety
    ///
    /// Dropping the wait ends it and has no other effect. A message that came before is lost with it: look for yourself before
    /// you wait again.
    fn watch(&self, key: &FarKey) -> Wait;

    /// What the server's clock says now, as far as this node knows. None before it was first reached.
    fn server_now(&self) -> Option<ServerTime>;

    /// How it is doing.
    fn health(&self) -> FarHealth;
}

/// What was found under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FarValue {
    /// The value as it was committed: see [`wire`](crate::wire). A slice of what came over the wire, not a copy.
    pub blob: Bytes,
    /// When it was read, by the server's clock: with what is written in the value, this gives its age.
    pub read_at: ServerTime,
}

impl FarValue {
    /// What to name to [`FarStore::acquire`] when this value will not do.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        Version::read_from(&self.blob)
    }
}
