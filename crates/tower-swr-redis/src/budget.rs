use std::time::Duration;

/// What steps may take until nobody waits for them any longer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budgets {
    /// Reading a value. One that is slow to come is not worth waiting for.
    pub(crate) get: Duration,
    /// Any other step.
    pub(crate) step: Duration,
    /// A new connection, with everything that is said on it first.
    pub(crate) dial: Duration,
}

impl Default for Budgets {
    fn default() -> Self {
        Self {
            get: Duration::from_millis(50),
            step: Duration::from_millis(100),
            dial: Duration::from_millis(250),
        }
    }
}

/// What an answer that the server holds back may take beyond that, at least.
const GRACE: Duration = Duration::from_millis(250);

impl Budgets {
    /// What a step may take whose answer the server holds back for that long.
    pub(crate) fn beyond(&self, held_back: Duration) -> Duration {
        held_back + GRACE.max(self.step)
    }
}
