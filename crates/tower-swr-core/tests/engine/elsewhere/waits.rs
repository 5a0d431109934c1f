//! How long a key waits for a worker.

use tower_swr_core::QueueLimits;

use super::{Shift, made, renew, seen, settle, work, work_slowly};
use crate::support::{SECOND, key, minute, secs};

#[test]
fn a_worker_that_does_nothing_is_waited_for_five_seconds() {
    let shift = Shift::new();
    let (web, a) = (shift.web(), key("a"));
    assert!(renew(&web, &a, 3));
    shift.pass(&[&web], secs(5) - SECOND / 1000);
    assert_eq!((web.kept(&a), web.origin.calls()), (Some(1), 1));
    shift.pass(&[&web], SECOND / 1000);
    assert_eq!((web.kept(&a), web.origin.calls()), (Some(3), 2));
    let stats = web.cache.stats().far;
    assert_eq!((stats.offered, stats.overdue), (1, 1));
    assert_eq!(stats.commits, 2, "under the lease");
}

#[test]
fn a_worker_that_is_slow_and_this_process_make_one_call() {
    let shift = Shift::new();
    let (web, worker, a) = (shift.web(), &shift.worker, key("a"));
    assert!(renew(&web, &a, 3));
    let answer = work_slowly(worker, &web, &a);
    for _ in 0..30 {
        shift.pass(&[&web, worker], SECOND);
    }
    assert_eq!((web.kept(&a), web.origin.calls()), (Some(1), 1));
    answer.send(()).expect("it waits");
    settle(&[worker, &web]);
    assert_eq!((web.kept(&a), web.origin.calls()), (Some(2), 1));
    assert_eq!(worker.origin.calls(), 1);
    assert_eq!(web.cache.stats().far.overdue, 1);
}

#[test]
fn a_lost_message_costs_five_seconds_and_no_call() {
    let shift = Shift::new();
    let (web, worker, a) = (shift.web(), &shift.worker, key("a"));
    shift.world.server.lose_wake_ups(true);
    assert!(renew(&web, &a, 3));
    drop(work(worker, &a, seen(&web, &a), made(worker, 2)));
    settle(&[&web]);
    assert_eq!(web.kept(&a), Some(1));
    shift.pass(&[&web], secs(5));
    assert_eq!((web.kept(&a), web.origin.calls()), (Some(2), 1));
}

#[test]
fn a_worker_that_fails_may_try_again_meanwhile() {
    let shift = Shift::new();
    let (web, worker, a) = (shift.web(), &shift.worker, key("a"));
    assert!(renew(&web, &a, 3));
    let broken = || async { std::panic::resume_unwind(Box::new("a panic without a message")) };
    drop(work(worker, &a, seen(&web, &a), broken()));
    settle(&[&web]);
    assert_eq!((web.kept(&a), web.origin.calls()), (Some(1), 1));
    drop(work(worker, &a, seen(&web, &a), made(worker, 2)));
    settle(&[&web]);
    assert_eq!((web.kept(&a), web.origin.calls()), (Some(2), 1));
}

#[test]
fn nothing_is_offered_twice_meanwhile_and_nobody_waits() {
    let shift = Shift::new();
    let (web, a) = (shift.web(), key("a"));
    assert!(renew(&web, &a, 3));
    assert!(!renew(&web, &a, 3), "it is pending");
    assert_eq!(web.get_at_once(&a, web.origin.makes(4, minute())), 1);
    assert_eq!(shift.jobs().len(), 1);
    assert_eq!(web.cache.stats().flights, 0);
}

#[test]
fn who_misses_meanwhile_makes_a_call_of_their_own() {
    let (shift, a) = (Shift::new(), key("a"));
    let web = shift.offering_briefly(&a);
    // As where the machine is too busy for what waits to be looked at.
    shift.world.clock.advance(SECOND);
    assert_eq!(web.answer(&a, web.origin.makes(2, minute())), 2);
    shift.pass(&[&web], secs(5));
    assert_eq!((web.kept(&a), web.origin.calls()), (Some(2), 2));
}

/// Half of what is left of it is the worker's.
#[test]
fn a_stale_window_that_is_shorter_than_the_wait_does_not_run_out() {
    let (shift, a) = (Shift::new(), key("a"));
    let web = shift.offering_briefly(&a);
    shift.pass(&[&web], SECOND / 2);
    assert_eq!((web.kept(&a), web.origin.calls()), (Some(3), 2));
}

#[test]
fn keys_that_wait_for_workers_keep_no_others_from_running() {
    let shift = Shift::new();
    let limits = QueueLimits {
        running: 1,
        waiting: 2,
        waiting_per_scope: 2,
    };
    let web = shift.serving(shift.queue.clone(), limits);
    shift.make_due(&web, &["a", "b", "c"]);
    shift.attend();
    for name in ["a", "b"] {
        assert!(renew(&web, &key(name), 3));
    }
    assert_eq!(shift.jobs().len(), 2);
    assert!(renew(&web, &key("c"), 3), "as many wait as may");
    assert_eq!(web.kept(&key("c")), Some(3), "so this one runs here");
    shift.pass(&[&web], secs(5));
    let kept = ["a", "b"].map(|name| web.kept(&key(name)));
    assert_eq!(kept, [Some(3), Some(3)]);
}
