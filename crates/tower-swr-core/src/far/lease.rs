use std::fmt::{self, Debug};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;

use crate::far::{FarError, FarFuture, FarKey, Version};

/// The answer to [`FarStore::acquire`](crate::FarStore::acquire).
#[derive(Debug)]
pub enum Acquired {
    /// Call the origin, and commit what it says.
    Lead(Box<dyn Lease>),
    /// Another value is there than the one that was seen: get it.
    Newer,
    /// Somebody else calls the origin: wait, then get and acquire again.
    Wait(Wait),
}

/// The right to write one key's value, held in one process and known to the far store by a token.
///
/// An implementation renews it while it lives, every third of its time to live, up to a longest time that a call of the
/// origin may take; after that, and after an invalidation, the far store no longer knows the token, and a commit is
/// refused. So a writer that comes late overwrites nothing and revives nothing, whatever its clock says.
///
/// Dropping it gives it back, by a task that is spawned: the next in line need not wait for it to run out.
pub trait Lease: Debug + Send + Sync + 'static {
    /// The version of what is committed under this lease. It belongs into the values written.
    fn version(&self) -> Version;

    /// Whether the far store knew the token when it was last asked. False is certain, true may be outdated; only a commit
    /// decides.
    fn is_held(&self) -> bool;

    /// Writes all of `writes` if the far store still knows the token, in one step, gives the lease back and wakes those
    /// who wait. An implementation refuses a write under another primary key with [`FarError::ForeignKey`].
    ///
    /// The lease of a primary key fences the values of its variants, too: the call that finds out which variant the
    /// answer is may write that and the index beside it. The lease of a variant fences that variant's value alone: anything
    /// else beside it is refused with [`FarError::ForeignKey`], too.
    ///
    /// # Errors
    ///
    /// Where the far side did not take it, or did not answer in time; then the lease is given back in the background.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it may or may not have been written; the lease is given back.
    fn commit(
        self: Box<Self>,
        writes: Vec<FarWrite>,
    ) -> FarFuture<'static, Result<Committed, FarError>>;

    /// Gives the lease back without a value and wakes those who wait, who then ask for it in turn.
    ///
    /// # Errors
    ///
    /// Where the far side did not answer in time; the lease then runs out.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it is given back in the background.
    fn release(self: Box<Self>) -> FarFuture<'static, Result<(), FarError>>;
}

/// One value to be written by [`Lease::commit`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FarWrite {
    /// Where to.
    pub key: FarKey,
    /// What: a frame, see [`wire`](crate::wire).
    pub blob: Bytes,
    /// How long it is kept there, by the server's clock. Default one day; an implementation may keep it for less.
    pub keep_for: Duration,
}

impl FarWrite {
    /// `blob` under `key`, kept for a day.
    #[must_use]
    pub fn new(key: FarKey, blob: Bytes) -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self {
            key,
            blob,
            keep_for: DAY,
        }
    }

    /// Keeps it for `span`, in whole milliseconds and for one at least.
    #[must_use]
    pub fn keep_for(mut self, span: Duration) -> Self {
        self.keep_for = span;
        self
    }
}

/// What became of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committed {
    /// All is written.
    Stored,
    /// The lease had run out, or an invalidation had taken it away. Nothing is written.
    Refused,
}

/// The wait for somebody else's call. Ends by a message, or when it is time to look for oneself, whichever comes first;
/// correctness rests on the latter alone.
///
/// # Cancel safety
///
/// Dropping it ends the wait and has no other effect.
#[must_use = "a wait does nothing until it is awaited"]
pub struct Wait {
    over: FarFuture<'static, Woken>,
}

/// Why a [`Wait`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// A value was committed.
    Stored,
    /// The lease was given back without one.
    Released,
    /// The key was invalidated.
    Invalidated,
    /// A worker that was given the refresh cannot make it: see [`decline`](crate::RemoteRefreshes::decline).
    Declined,
    /// No message came: time to look.
    Time,
}

impl Wait {
    /// A wait that is over when `over` is.
    pub fn new(over: impl Future<Output = Woken> + Send + 'static) -> Self {
        Self {
            over: Box::pin(over),
        }
    }
}

impl Future for Wait {
    type Output = Woken;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Woken> {
        self.over.as_mut().poll(cx)
    }
}

impl fmt::Debug for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wait")
    }
}
