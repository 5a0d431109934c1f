use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// Far above what any step needs on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// Between two looks at something that nobody tells about.
const PAUSE: Duration = Duration::from_millis(1);

/// The outcome of `step`, which is to end before the deadline.
#[allow(
    clippy::disallowed_methods,
    reason = "real sockets take real time, and a step that hangs should fail by name"
)]
pub(crate) async fn within<F: Future>(what: &str, step: F) -> F::Output {
    match timeout(DEADLINE, step).await {
        Ok(outcome) => outcome,
        Err(_) => panic!("still waiting after {DEADLINE:?} for {what}"),
    }
}

/// Returns as soon as `holds` does, which is to be before the deadline.
#[allow(
    clippy::disallowed_methods,
    reason = "what nobody tells about can only be looked at again"
)]
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let holding = async {
        while !holds() {
            sleep(PAUSE).await;
        }
    };
    within(what, holding).await;
}

#[allow(
    clippy::disallowed_methods,
    reason = "servers and connections run beside those who call on them"
)]
pub(crate) fn beside<T: Send + 'static>(
    task: impl Future<Output = T> + Send + 'static,
) -> JoinHandle<T> {
    tokio::spawn(task)
}
