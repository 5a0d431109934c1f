//! What the engine relies on, for whoever brings a port of their own: call these from a test.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::clock::Clock;
use crate::rng::Rng;
use crate::spawn::Spawn;

/// Checks that `clock` never goes back, that its waits do not end early, and that dropping one is harmless.
/// `pass` lets the given time pass on it.
///
/// # Panics
///
/// Where the contract is broken.
pub async fn clock_contract(clock: &dyn Clock, mut pass: impl AsyncFnMut(Duration)) {
    const STEP: Duration = Duration::from_millis(10);
    let start = clock.now();
    assert!(clock.now() >= start, "the clock went back");
    drop(clock.sleep(STEP));
    clock.sleep(Duration::ZERO).await;
    let mut wait = clock.sleep(STEP);
    let early = futures_util::poll!(&mut wait);
    assert!(
        early.is_pending() || clock.now().since(start) >= STEP,
        "a wait of {STEP:?} ended at once"
    );
    if early.is_pending() {
        pass(STEP).await;
        wait.await;
    }
    assert!(
        clock.now().since(start) >= STEP,
        "a wait of {STEP:?} ended early"
    );
}

/// Checks that every roll of `rng` is in `0.0..1.0`.
///
/// # Panics
///
/// Where the contract is broken.
pub fn rng_contract(rng: &dyn Rng) {
    for _ in 0..1000 {
        let roll = rng.roll();
        assert!(
            (0.0..1.0).contains(&roll),
            "the die rolled {roll}, which is not in 0.0..1.0"
        );
    }
}

/// Checks that `spawn` lets go of a task in the end, run or not. `run` lets spawned tasks run.
///
/// # Panics
///
/// Where the contract is broken.
pub async fn spawn_contract(spawn: &dyn Spawn, run: impl AsyncFnOnce()) {
    struct CountDrop(Arc<AtomicUsize>);
    impl Drop for CountDrop {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let dropped = Arc::new(AtomicUsize::new(0));
    let held = CountDrop(Arc::clone(&dropped));
    spawn.spawn(Box::pin(async move { drop(held) }));
    run().await;
    assert_eq!(
        dropped.load(Ordering::Relaxed),
        1,
        "a task was neither run nor dropped"
    );
}
