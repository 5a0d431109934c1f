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
mod waiters;

use house::House;
use loom::future::block_on;
use loom::sync::Arc;
use loom::sync::atomic::AtomicUsize;
use loom::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use loom::thread;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
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
