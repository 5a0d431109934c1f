//! Whoever waits is woken, once, and may leave at any time.

use crate::{Answer, Key, answer, follow, is_dropped, join, lead, model, poll_once};
use loom::future::block_on;
use loom::thread;
use std::task::{Wake, Waker};
use tower_swr_core::{Flights, Join, Landing, Waiter};

/// Two who wait, one of them from the beginning: both have the answer, whether they parked before the landing or came
/// after it.
///
/// Mutants caught: a landing that wakes nobody; one that wakes only the first; a waiter that looks at the landing, lets
/// go of the lock, and parks then.
#[test]
fn who_joined_is_woken_by_the_landing() {
    model(|| {
        let flights = Flights::new();
        let mut leader = lead(&flights, 0, 0);
        let waiters = [leader.waiter(), follow(&flights, 0, 0)];
        let waiters = waiters.map(|waiter| thread::spawn(move || answer(block_on(waiter))));
        leader.land(Landing::Answer(5));
        leader.close();
        for waiter in waiters {
            assert_eq!(waiter.join().expect("it asserts nothing"), 5);
        }
    });
}

/// A leader that is dropped, by a panic or a shutdown, leaves nobody behind; and who learns of it finds the key free.
///
/// Mutants caught: a drop that lands nothing; one that does not close; one that closes after it has landed.
#[test]
fn a_dropped_leader_loses_the_flight_and_frees_the_key() {
    model(|| {
        let flights = Flights::new();
        let leader = lead(&flights, 0, 0);
        let waiter = leader.waiter();
        let waiting = {
            let flights = flights.clone();
            thread::spawn(move || {
                assert!(is_dropped(&block_on(waiter)));
                drop(lead(&flights, 0, 0));
            })
        };
        drop(leader);
        waiting.join().expect("lost, and free");
        assert!(flights.is_empty());
    });
}

/// The same while a newcomer joins: it leads a flight of its own or is told that the first one is lost.
///
/// Mutants caught: a drop that lands nothing; one that does not close.
#[test]
fn nobody_hangs_on_a_leader_that_is_dropped_while_they_join() {
    model(|| {
        let flights = Flights::new();
        let leader = lead(&flights, 0, 0);
        let newcomer = {
            let flights = flights.clone();
            thread::spawn(move || match join(&flights) {
                Join::Leader(leader) => drop(leader),
                Join::Waiter(waiter) => assert!(is_dropped(&block_on(waiter))),
            })
        };
        drop(leader);
        newcomer.join().expect("led, or was told");
        assert!(flights.is_empty());
    });
}

/// Who hangs up while the flight lands takes nothing away from the others.
///
/// Mutants caught: a waiter that, dropped after the landing, still takes a waker out; one that takes out another's.
#[test]
fn a_waiter_dropped_during_the_landing_harms_nobody() {
    model(|| {
        let flights = Flights::new();
        let mut leader = lead(&flights, 0, 0);
        let mut hangs_up = leader.waiter();
        assert!(poll_once(&mut hangs_up, Waker::noop()).is_pending());
        let stays = follow(&flights, 0, 0);
        let hanging_up = thread::spawn(move || drop(hangs_up));
        let staying = thread::spawn(move || answer(block_on(stays)));
        leader.land(Landing::Answer(3));
        leader.close();
        hanging_up.join().expect("a drop never panics");
        assert_eq!(staying.join().expect("it asserts nothing"), 3);
    });
}

/// A waiter that moves to another task is woken there.
///
/// Mutants caught: a poll that keeps its first waker.
#[test]
fn a_waiter_is_woken_where_it_was_polled_last() {
    model(|| {
        let flights = Flights::new();
        let leader = lead(&flights, 0, 0);
        let mut waiter = leader.waiter();
        assert!(poll_once(&mut waiter, Waker::noop()).is_pending());
        let moved = thread::spawn(move || answer(block_on(waiter)));
        leader.land(Landing::Answer(4));
        assert_eq!(moved.join().expect("it asserts nothing"), 4);
    });
}

/// Wakers run without any lock: one that goes straight back to the flight and to the table does not deadlock.
///
/// Mutants caught: waking under the flight's lock; dropping a replaced waker, or that of a waiter who hangs up, under it.
#[test]
fn wakers_are_woken_and_dropped_without_a_lock() {
    model(|| {
        let flights = Flights::new();
        let mut leader = lead(&flights, 0, 0);
        let mut waiter = leader.waiter();
        for _ in 0..2 {
            let waker = Waker::from(std::sync::Arc::new(Returning {
                again: std::sync::Mutex::new(leader.waiter()),
                flights: flights.clone(),
            }));
            assert!(poll_once(&mut waiter, &waker).is_pending());
        }
        let landing = thread::spawn(move || {
            leader.land(Landing::Answer(8));
            leader.close();
        });
        drop(waiter);
        landing.join().expect("no deadlock");
    });
}

/// A waker that uses what it was called from.
struct Returning {
    again: std::sync::Mutex<Waiter<Answer>>,
    flights: Flights<Key, Answer>,
}

impl Returning {
    fn go_back(&self) {
        let mut again = self.again.lock().expect("no other thread has this waker");
        let _ = poll_once(&mut again, Waker::noop());
        let _ = self.flights.len();
    }
}

impl Wake for Returning {
    fn wake(self: std::sync::Arc<Self>) {
        self.go_back();
    }
}

impl Drop for Returning {
    fn drop(&mut self) {
        self.go_back();
    }
}
