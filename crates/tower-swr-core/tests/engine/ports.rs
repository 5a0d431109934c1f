//! The ports that come with the crate keep the contracts, and the contracts find out those that do not.

use std::time::{Duration, SystemTime};

use crate::support::{SECOND, secs};
use futures_util::FutureExt;
use tower_swr_core::testing::{
    Heard, ManualClock, ManualSpawn, RecordingObserver, ScriptedRng, clock_contract, rng_contract,
    spawn_contract,
};
use tower_swr_core::{
    Clock, Event, HasherRng, Moment, Observer, Rng, Sleep, Spawn, SystemClock, Task, TokioSpawn,
};

// --- Clocks ----------------------------------------------------------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn the_systems_clock_keeps_the_contract() {
    clock_contract(&SystemClock::default(), tokio::time::advance).await;
}

#[tokio::test]
async fn the_manual_clock_keeps_the_contract() {
    let clock = ManualClock::default();
    clock_contract(&clock, async |span| clock.advance(span)).await;
    assert_eq!(clock.sleepers(), 0);
}

/// Ends every wait at once.
#[derive(Debug, Default)]
struct Hasty(ManualClock);

impl Clock for Hasty {
    fn now(&self) -> Moment {
        self.0.now()
    }

    fn wall(&self) -> SystemTime {
        self.0.wall()
    }

    fn sleep(&self, _: Duration) -> Sleep {
        Box::pin(std::future::ready(()))
    }
}

#[tokio::test]
#[should_panic(expected = "a wait of 10ms ended at once")]
async fn a_clock_that_does_not_wait_breaks_the_contract() {
    clock_contract(&Hasty::default(), async |_| ()).await;
}

#[test]
fn a_wait_on_the_manual_clock_ends_when_its_time_has_come() {
    let clock = ManualClock::default();
    let (mut short, mut long) = (clock.sleep(SECOND), clock.sleep(2 * SECOND));
    assert!(short.as_mut().now_or_never().is_none() && long.as_mut().now_or_never().is_none());
    assert_eq!(clock.sleepers(), 2);
    clock.advance(SECOND);
    assert_eq!(clock.sleepers(), 1);
    assert!(short.as_mut().now_or_never().is_some() && long.as_mut().now_or_never().is_none());
    drop(long);
    assert_eq!(clock.sleepers(), 0);
}

#[test]
fn a_wait_that_is_over_does_not_take_anothers_place_when_it_is_dropped() {
    let clock = ManualClock::default();
    let mut over = clock.sleep(SECOND);
    assert!(over.as_mut().now_or_never().is_none());
    clock.advance(SECOND);
    let mut next = clock.sleep(SECOND);
    assert!(next.as_mut().now_or_never().is_none());
    drop(over);
    assert_eq!(clock.sleepers(), 1);
    clock.advance(SECOND);
    assert!(next.now_or_never().is_some());
}

#[test]
fn the_wall_goes_with_the_time_and_steps_without_it() {
    let clock = ManualClock::default();
    let (now, wall) = (clock.now(), clock.wall());
    clock.advance(secs(60));
    assert_eq!(clock.wall(), wall + secs(60));
    clock.step_wall(SystemTime::UNIX_EPOCH);
    assert_eq!(clock.wall(), SystemTime::UNIX_EPOCH);
    assert_eq!(clock.now().since(now), secs(60));
}

// --- Dice ------------------------------------------------------------------------------------------------------------

#[test]
fn dice_keep_the_contract() {
    rng_contract(&HasherRng);
    rng_contract(&ScriptedRng::new([0.0, 0.5, 0.999_999_999]));
}

#[test]
fn the_default_die_rolls_all_over_its_range() {
    let mut tenths = [0_u32; 10];
    for _ in 0..10_000 {
        tenths[(HasherRng.roll() * 10.0) as usize] += 1;
    }
    assert!(tenths.iter().all(|rolls| *rolls > 500), "{tenths:?}");
}

/// Rolls one, which is outside.
#[derive(Debug)]
struct Loaded;

impl Rng for Loaded {
    fn roll(&self) -> f64 {
        1.0
    }
}

#[test]
#[should_panic(expected = "the die rolled 1, which is not in 0.0..1.0")]
fn a_die_that_rolls_too_high_breaks_the_contract() {
    rng_contract(&Loaded);
}

#[test]
#[should_panic(expected = "a die cannot roll 1")]
fn a_script_is_checked_when_it_is_written() {
    let _ = ScriptedRng::new([0.5, 1.0]);
}

// --- Spawners --------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn tokio_keeps_the_contract() {
    spawn_contract(&TokioSpawn, tokio::task::yield_now).await;
}

#[test]
fn without_a_runtime_tokio_drops_the_task() {
    let checked = spawn_contract(&TokioSpawn, async || ()).now_or_never();
    assert!(checked.is_some());
}

#[tokio::test]
async fn manual_tasks_keep_the_contract_run_or_dropped() {
    let spawn = ManualSpawn::default();
    spawn_contract(&spawn, async || spawn.poll_all()).await;
    spawn_contract(&spawn, async || spawn.drop_all()).await;
}

/// Holds on to tasks for ever.
#[derive(Debug)]
struct Leaky;

impl Spawn for Leaky {
    fn spawn(&self, task: Task) {
        std::mem::forget(task);
    }
}

#[tokio::test]
#[should_panic(expected = "a task was neither run nor dropped")]
async fn a_spawner_that_leaks_breaks_the_contract() {
    spawn_contract(&Leaky, async || ()).await;
}

#[test]
fn a_manual_task_may_spawn_another_which_runs_in_the_same_round() {
    let spawn = ManualSpawn::default();
    let inner = spawn.clone();
    spawn.spawn(Box::pin(async move {
        inner.spawn(Box::pin(std::future::pending()));
        inner.spawn(Box::pin(std::future::ready(())));
    }));
    spawn.poll_all();
    assert_eq!(spawn.len(), 1, "the one that has not ended");
    spawn.drop_all();
    assert!(spawn.is_empty());
}

// --- Observers -------------------------------------------------------------------------------------------------------

#[test]
fn a_recording_observer_remembers_in_order() {
    let observer = RecordingObserver::default();
    let clone = observer.clone();
    observer.observe(&Event::RefreshRefused);
    clone.observe(&Event::WaitTimedOut);
    observer.observe(&Event::RefreshRefused);
    let heard = [
        Heard::RefreshRefused,
        Heard::WaitTimedOut,
        Heard::RefreshRefused,
    ];
    assert_eq!(observer.heard(), heard);
    assert_eq!(observer.count(Heard::RefreshRefused), 2);
}
