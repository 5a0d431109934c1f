//! The invariants of the flights, checked in all interleavings that a few threads can make.
//!
//! ```sh
//! RUSTFLAGS="--cfg tower_swr_loom" cargo test --release -p tower-swr-core --test loom_flights --target-dir target/loom
//! ```
//!
//! Up to three preemptions per run; `LOOM_MAX_PREEMPTIONS` goes deeper. The witnesses are loom atomics with relaxed
//! ordering on purpose: what one thread did must be seen by the next because of the flights' own locks, not by chance.
//!
//! Each model names the mutants of `src/flight` that were written by hand, run, and caught by it.
#![cfg(tower_swr_loom)]

mod house;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Wake, Waker};

use house::House;
use loom::future::block_on;
use loom::sync::Arc;
use loom::sync::atomic::{
    AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};
use loom::thread;
use tower_swr_core::{Flights, Join, Landing, Leader, Lost, Waiter};

type Answer = usize;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key(u64);

impl From<&Key> for Key {
    fn from(key: &Key) -> Self {
        key.clone()
    }
}

const KEY: Key = Key(7);
const OTHER: Key = Key(8);

fn model(interleaved: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    if model.preemption_bound.is_none() {
        model.preemption_bound = Some(3);
    }
    model.check(interleaved);
}

fn join(flights: &Flights<Key, Answer>) -> Join<Key, Answer> {
    flights.join(&KEY, 0, 0)
}

fn lead(flights: &Flights<Key, Answer>, born: u64, oldest: u64) -> Leader<Key, Answer> {
    match flights.join(&KEY, born, oldest) {
        Join::Leader(leader) => leader,
        Join::Waiter(_) => panic!("somebody flies already"),
    }
}

fn follow(flights: &Flights<Key, Answer>, born: u64, oldest: u64) -> Waiter<Answer> {
    match flights.join(&KEY, born, oldest) {
        Join::Waiter(waiter) => waiter,
        Join::Leader(_) => panic!("nobody flies"),
    }
}

fn answer(landing: Landing<Answer>) -> Answer {
    match landing {
        Landing::Answer(answer) => answer,
        other => panic!("not an answer: {other:?}"),
    }
}

fn is_dropped(landing: &Landing<Answer>) -> bool {
    matches!(landing, Landing::Lost(Lost::Dropped))
}

fn poll_once(waiter: &mut Waiter<Answer>, waker: &Waker) -> Poll<Landing<Answer>> {
    Pin::new(waiter).poll(&mut Context::from_waker(waker))
}

/// One origin call, and all have its answer: whoever leads later finds what was stored before the flight closed.
///
/// Mutants caught: a join that looks and inserts under two locks; a join that always begins a flight; a landing that
/// wakes nobody; in `house.rs`, `close` before the store is written.
#[test]
fn one_call_however_many_ask() {
    model(|| {
        let house = House::new();
        let others = [Arc::clone(&house), Arc::clone(&house)];
        let others = others.map(|house| thread::spawn(move || house.request()));
        assert_eq!(house.request(), 1);
        for other in others {
            assert_eq!(other.join().expect("it asserts nothing"), 1);
        }
        assert_eq!(house.calls.load(Relaxed), 1);
        assert!(house.flights.is_empty());
    });
}

/// Between becoming a leader and closing, nobody else becomes one, over several flights in a row.
///
/// Mutants caught: a join that looks and inserts under two locks; `close` that removes whatever flies under the key,
/// called a second time by the leader's drop.
#[test]
fn never_two_open_leaders() {
    model(|| {
        let (flights, open) = (Flights::new(), Arc::new(AtomicUsize::new(0)));
        let threads = [1, 2].map(|_| {
            let (flights, open) = (flights.clone(), Arc::clone(&open));
            thread::spawn(move || (0..2).for_each(|_| lead_if_nobody_does(&flights, &open)))
        });
        lead_if_nobody_does(&flights, &open);
        for thread in threads {
            thread.join().expect("never two leaders");
        }
        assert!(flights.is_empty());
    });
}

fn lead_if_nobody_does(flights: &Flights<Key, Answer>, open: &AtomicUsize) {
    if let Join::Leader(mut leader) = join(flights) {
        assert_eq!(open.fetch_add(1, Relaxed), 0, "two open leaders");
        leader.land(Landing::Pass);
        open.fetch_sub(1, Relaxed);
        leader.close();
    }
}

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

/// After an invalidation the next one leads a new flight. The old leader, closing late, leaves that one open, and each
/// flight's waiters have their own answer.
///
/// Mutants caught: `close` that removes without `ptr_eq`; a join that ignores `oldest`.
#[test]
fn a_replaced_leader_does_not_close_its_successor() {
    model(|| {
        let flights = Flights::new();
        let mut old = lead(&flights, 0, 0);
        let waiter_of_old = old.waiter();
        let closing = thread::spawn(move || {
            old.land(Landing::Answer(1));
            old.close();
        });
        let mut successor = lead(&flights, 1, 1);
        let waiter_of_successor = follow(&flights, 1, 1);
        closing.join().expect("it asserts nothing");
        assert!(flights.attend(&KEY, 1).is_some(), "the successor is open");
        successor.land(Landing::Answer(2));
        successor.close();
        assert_eq!(answer(block_on(waiter_of_old)), 1);
        assert_eq!(answer(block_on(waiter_of_successor)), 2);
        assert!(flights.is_empty());
    });
}

/// Two who come after the same invalidation share one successor.
///
/// Mutants caught: a join that replaces every flight it finds where `oldest` is not zero.
#[test]
fn one_successor_for_all_who_come_after_an_invalidation() {
    model(|| {
        let flights = Flights::new();
        let old = lead(&flights, 0, 0);
        let open = Arc::new(AtomicUsize::new(0));
        let threads = [1, 2].map(|_| {
            let (flights, open) = (flights.clone(), Arc::clone(&open));
            thread::spawn(move || {
                if let Join::Leader(leader) = flights.join(&KEY, 1, 1) {
                    assert_eq!(open.fetch_add(1, Relaxed), 0, "two successors");
                    leader.land(Landing::Answer(2));
                    open.fetch_sub(1, Relaxed);
                }
            })
        });
        drop(old);
        for thread in threads {
            thread.join().expect("never two successors");
        }
        assert!(flights.is_empty());
    });
}

/// The first landing stands, for those who saw it and for those who come later.
///
/// Mutants caught: a landing that overwrites.
#[test]
fn the_first_landing_stands() {
    model(|| {
        let flights = Flights::new();
        let leader = Arc::new(lead(&flights, 0, 0));
        let early = leader.waiter();
        let landing = [1, 2].map(|answer| {
            let leader = Arc::clone(&leader);
            thread::spawn(move || leader.land(Landing::Answer(answer)))
        });
        let seen = answer(block_on(early));
        for landing in landing {
            landing.join().expect("it asserts nothing");
        }
        assert_eq!(answer(block_on(leader.waiter())), seen);
    });
}

/// Whoever was led to another key that a flight is open under joins that flight, until it has closed; who came there
/// before has a flight of their own, which the first leader leaves open.
///
/// Mutants caught: an `also_under` that takes an open flight's place; a `close` that forgets the other key; in this
/// model, leading newcomers there before the flight is open.
#[test]
fn a_flight_under_two_keys_is_one_flight() {
    model(|| {
        let flights = Flights::new();
        let (led_there, calls) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut leader = lead(&flights, 0, 0);
        let newcomer = {
            let (flights, led_there, calls) = (flights.clone(), led_there.clone(), calls.clone());
            thread::spawn(move || {
                let was_led = led_there.load(Acquire) == 1;
                match flights.join(&OTHER, 0, 0) {
                    Join::Waiter(waiter) => assert_eq!(answer(block_on(waiter)), 5),
                    Join::Leader(mut own) => {
                        // Led there, they come too late for the flight: what it brought is stored.
                        assert!(
                            !was_led || calls.load(Relaxed) == 1,
                            "a call beside the flight"
                        );
                        assert!(flights.attend(&OTHER, 0).is_some(), "it stays open");
                        own.land(Landing::Pass);
                        own.close();
                    }
                }
            })
        };
        let opened = leader.also_under(OTHER, 0);
        if opened {
            led_there.store(1, Release);
        }
        leader.land(Landing::Answer(5));
        calls.store(1, Relaxed);
        leader.close();
        newcomer.join().expect("one flight, or two apart");
        assert!(flights.is_empty());
    });
}

/// Who attends has the flight's answer or finds no flight; it never begins one.
///
/// Mutants caught: a landing that wakes nobody; an `attend` that ignores `oldest`.
#[test]
fn who_attends_is_answered_or_turned_away() {
    model(|| {
        let flights = Flights::new();
        let mut leader = lead(&flights, 1, 0);
        assert!(flights.attend(&KEY, 2).is_none(), "older than asked for");
        let attending = {
            let flights = flights.clone();
            thread::spawn(move || flights.attend(&KEY, 1).map(|w| answer(block_on(w))))
        };
        leader.land(Landing::Answer(6));
        leader.close();
        let attended = attending.join().expect("it asserts nothing");
        assert!(matches!(attended, None | Some(6)));
        assert!(flights.is_empty());
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
