//! A gate in front of an origin's answer, so that a test decides when it comes.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::watch;

use crate::deadline::within;

/// Counts the calls that reach it, and holds each until the test lets it through. Clones are the same gate.
///
/// ```
/// use house_tests::Gate;
///
/// # tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
/// let gate = Gate::default();
/// gate.let_through(0);
/// assert_eq!(gate.enter().await, 0);
/// assert_eq!(gate.begun(), 1);
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct Gate {
    state: Arc<watch::Sender<State>>,
}

#[derive(Debug, Default)]
struct State {
    begun: usize,
    ended: usize,
    is_open: bool,
    released: BTreeSet<usize>,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            state: Arc::new(watch::Sender::new(State::default())),
        }
    }
}

impl Gate {
    /// A gate that holds nobody, and counts.
    #[must_use]
    pub fn opened() -> Self {
        let gate = Self::default();
        gate.open();
        gate
    }

    /// For the origin: counts a call, and waits until it may go on. Its number, from 0.
    pub async fn enter(&self) -> usize {
        let mut number = 0;
        self.state.send_modify(|state| {
            number = state.begun;
            state.begun += 1;
        });
        let _ended = Ended(self);
        let may_go = |state: &State| state.is_open || state.released.contains(&number);
        let mut watching = self.state.subscribe();
        let _ = watching.wait_for(may_go).await;
        number
    }

    /// Lets the call of that number through, whether it is there yet or not.
    pub fn let_through(&self, number: usize) {
        self.state.send_modify(|state| {
            state.released.insert(number);
        });
    }

    /// Lets everybody through from now on.
    pub fn open(&self) {
        self.state.send_modify(|state| state.is_open = true);
    }

    /// How many calls have come to the gate.
    #[must_use]
    pub fn begun(&self) -> usize {
        self.state.borrow().begun
    }

    /// Waits until `calls` calls have come to the gate.
    pub async fn reached(&self, calls: usize) {
        let what = format!("call number {calls} of the origin");
        let mut watching = self.state.subscribe();
        let _ = within(&what, watching.wait_for(|state| state.begun >= calls)).await;
    }

    /// Waits until `calls` calls have left the gate, whether they went through or were cancelled there.
    pub async fn left(&self, calls: usize) {
        let what = format!("{calls} calls to leave the origin's gate");
        let mut watching = self.state.subscribe();
        let _ = within(&what, watching.wait_for(|state| state.ended >= calls)).await;
    }
}

/// Counts that a call has left the gate, by whatever way.
struct Ended<'g>(&'g Gate);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.state.send_modify(|state| state.ended += 1);
    }
}
