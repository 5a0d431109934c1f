//! One origin call: it may panic or hang, and nothing of that goes further.

use std::panic::{AssertUnwindSafe, catch_unwind};

use futures_util::FutureExt;
use futures_util::future::{Either, select};

use crate::flight::Lost;

/// What `origin` brings, unless it panics or `deadline` ends first; then it is dropped, which cancels the call.
pub(super) async fn call_in_time<T>(
    origin: impl Future<Output = T> + Send,
    deadline: impl Future<Output = ()> + Send,
) -> Result<T, Lost> {
    let mut origin = Box::pin(AssertUnwindSafe(origin).catch_unwind());
    let outcome = match select(&mut origin, std::pin::pin!(deadline)).await {
        Either::Left((outcome, _)) => outcome.map_err(|_panic| Lost::Panicked),
        Either::Right(_) => Err(Lost::TimedOut),
    };
    // It may panic when it is dropped, too. By now that changes nothing for those who wait.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(origin)));
    outcome
}
