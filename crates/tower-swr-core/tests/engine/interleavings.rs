//! Random interleavings of requests, origins, purges, lost tasks and time. Nothing is predicted here: whatever happens,
//! there are answers that nobody may be given.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crate::support::{Call, House, Refused, Request, key, secs};
use proptest::prelude::*;
use tokio::sync::oneshot;
use tower_swr_core::{GetError, Key, Lifetime, Made, Moment};

const KEYS: usize = 2;

/// How an origin call ends.
#[derive(Clone, Copy, Debug)]
enum Does {
    Make(Lifetime),
    Share,
    Fail,
    Panic,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Get(usize),
    /// One of the calls under way, picked by number, ends like this once its task runs.
    End(usize, Does),
    RunTasks,
    /// Everybody who waits and has an answer takes it.
    Hear,
    /// Somebody who waits, picked by number, hangs up.
    HangUp(usize),
    Advance(Duration),
    Purge(usize),
    PurgeAll,
    DropTasks,
}

fn steps() -> impl Strategy<Value = Step> {
    let window = || (0_u64..100).prop_map(secs);
    let lifetime = (window(), window(), window()).prop_map(|(fresh, stale, error)| {
        Lifetime::fresh_for(fresh)
            .stale_while_revalidate(stale)
            .stale_if_error(error)
    });
    let does = prop_oneof![
        4 => lifetime.prop_map(Does::Make),
        1 => Just(Does::Share),
        1 => Just(Does::Fail),
        1 => Just(Does::Panic),
    ];
    prop_oneof![
        12 => (0..KEYS).prop_map(Step::Get),
        8 => (any::<usize>(), does).prop_map(|(call, does)| Step::End(call, does)),
        8 => Just(Step::RunTasks),
        8 => Just(Step::Hear),
        2 => any::<usize>().prop_map(Step::HangUp),
        6 => (0_u64..70).prop_map(|span| Step::Advance(secs(span))),
        3 => (0..KEYS).prop_map(Step::Purge),
        1 => Just(Step::PurgeAll),
        1 => Just(Step::DropTasks),
    ]
}

// --- What is known of each call --------------------------------------------------------------------------------------

/// An origin call that has begun, and the value that it may have made. Times are steps, except where they are moments.
#[derive(Clone, Copy, Debug)]
struct Birth {
    place: usize,
    joined: usize,
    running: bool,
    made: Option<(usize, Moment, Lifetime)>,
}

/// All calls, by the value that each of them makes.
#[derive(Clone, Default)]
struct Births(Arc<Mutex<HashMap<u32, Birth>>>);

impl Births {
    fn all(&self) -> MutexGuard<'_, HashMap<u32, Birth>> {
        self.0.lock().expect("nobody panics with it")
    }

    fn of(&self, value: u32) -> Birth {
        self.all()[&value]
    }

    fn change(&self, value: u32, change: impl FnOnce(&mut Birth)) {
        change(self.all().get_mut(&value).expect("it has begun"));
    }
}

/// Notes that a call runs no more, in whatever way it ended.
struct WhileRunning(Births, u32);

impl Drop for WhileRunning {
    fn drop(&mut self) {
        self.0.change(self.1, |birth| birth.running = false);
    }
}

/// Somebody who waits.
struct Asking {
    request: Request,
    place: usize,
    since: usize,
    since_moment: Moment,
    /// The last purge of its key, as of when it asked.
    purged: usize,
}

struct World {
    house: House,
    step: Arc<AtomicUsize>,
    births: Births,
    open: Vec<oneshot::Sender<Does>>,
    asking: Vec<Asking>,
    purged: [usize; KEYS],
    /// The newest value that was seen to be kept since the last purge.
    newest: [usize; KEYS],
}

fn name(place: usize) -> Key {
    key(&place.to_string())
}

impl World {
    fn new() -> Self {
        Self {
            house: House::new(),
            step: Arc::default(),
            births: Births::default(),
            open: Vec::new(),
            asking: Vec::new(),
            purged: [0; KEYS],
            newest: [0; KEYS],
        }
    }

    fn take(&mut self, step: Step) {
        let number = self.step.fetch_add(1, SeqCst) + 1;
        match step {
            Step::Get(place) => self.get(place, number),
            Step::End(..) if self.open.is_empty() => {}
            Step::End(call, does) => {
                let call = call % self.open.len();
                // A call that is not there any more has nobody who listens.
                let _ = self.open.swap_remove(call).send(does);
            }
            Step::RunTasks => self.house.tasks.poll_all(),
            Step::Hear => self.hear(),
            Step::HangUp(_) if self.asking.is_empty() => {}
            Step::HangUp(who) => drop(self.asking.swap_remove(who % self.asking.len())),
            Step::Advance(span) => self.house.clock.advance(span),
            Step::Purge(place) => {
                self.house.cache.purge(name(place).borrowed().resource());
                self.purged[place] = number;
            }
            Step::PurgeAll => {
                self.house.cache.purge_all();
                self.purged = [number; KEYS];
            }
            Step::DropTasks => self.house.tasks.drop_all(),
        }
        self.check();
    }

    fn get(&mut self, place: usize, number: usize) {
        let value = u32::try_from(number).expect("few steps");
        let joined = Arc::new(AtomicUsize::new(0));
        let call = self.call(place, value, Arc::clone(&joined));
        let mut asking = Asking {
            request: self.house.get(&name(place), call),
            place,
            since: number,
            since_moment: self.house.cache.now(),
            purged: self.purged[place],
        };
        match asking.request.now() {
            Some(answer) => self.check_answer(&asking, &answer),
            None => {
                joined.store(number, SeqCst);
                self.asking.push(asking);
            }
        }
    }

    /// A call that makes `value`. A miss `joined` its flight when it asked; a refresh joins when it begins.
    fn call(&mut self, place: usize, value: u32, joined: Arc<AtomicUsize>) -> Call {
        let (end, ended) = oneshot::channel();
        self.open.push(end);
        let (births, step) = (self.births.clone(), Arc::clone(&self.step));
        let clock = Arc::clone(self.house.cache.clock());
        self.house.origin.call(async move {
            let now = step.load(SeqCst);
            let asked = joined.load(SeqCst);
            let birth = Birth {
                place,
                joined: if asked == 0 { now } else { asked },
                running: true,
                made: None,
            };
            births.all().insert(value, birth);
            let _running = WhileRunning(births.clone(), value);
            let does = ended.await.unwrap_or(Does::Fail);
            let made = |lifetime| {
                let made = (step.load(SeqCst), clock.now(), lifetime);
                births.change(value, |birth| birth.made = Some(made));
            };
            match does {
                Does::Make(lifetime) => {
                    made(lifetime);
                    Ok(Made::new(value, lifetime))
                }
                Does::Share => {
                    made(Lifetime::fresh_for(Duration::ZERO));
                    Ok(Made::unkept(value))
                }
                Does::Fail => Err(Refused),
                Does::Panic => std::panic::resume_unwind(Box::new("no message")),
            }
        })
    }

    fn hear(&mut self) {
        let mut waiting = Vec::new();
        for mut asking in std::mem::take(&mut self.asking) {
            match asking.request.now() {
                Some(answer) => self.check_answer(&asking, &answer),
                None => waiting.push(asking),
            }
        }
        self.asking = waiting;
    }

    // --- What must hold ---

    fn check_answer(&self, asking: &Asking, answer: &Result<u32, GetError>) {
        let Ok(value) = answer else { return };
        let birth = self.births.of(*value);
        assert_eq!(birth.place, asking.place, "another key's value");
        assert!(birth.joined > asking.purged, "a purged value: {birth:?}");
        let (made, made_at, lifetime) = birth.made.expect("it was made");
        if made < asking.since {
            assert_servable(asking.since_moment.since(made_at), &lifetime);
        }
    }

    fn check(&mut self) {
        self.house.assert_no_violation();
        for place in 0..KEYS {
            self.check_calls(place);
            self.check_kept(place);
        }
    }

    /// At most one call runs that somebody could still join.
    fn check_calls(&self, place: usize) {
        let births = self.births.all();
        let joinable = |birth: &&Birth| {
            birth.place == place && birth.running && birth.joined > self.purged[place]
        };
        assert!(births.values().filter(joinable).count() <= 1);
    }

    /// What is kept was not purged, is not too old, and is never replaced by something older.
    fn check_kept(&mut self, place: usize) {
        let Some(value) = self.house.kept(&name(place)) else {
            return;
        };
        let birth = self.births.of(value);
        let (_, made_at, lifetime) = birth.made.expect("it was made");
        assert_servable(self.house.cache.now().since(made_at), &lifetime);
        assert!(birth.joined > self.purged[place], "a purged value is kept");
        assert!(birth.joined >= self.newest[place], "an older value is kept");
        self.newest[place] = birth.joined;
    }

    /// Everything ends: calls fail, deadlines pass, and nobody is left behind.
    fn end(&mut self) {
        self.step.fetch_add(1, SeqCst);
        self.open.clear();
        self.house.tasks.poll_all();
        self.house.clock.advance(secs(60));
        self.house.tasks.poll_all();
        self.hear();
        assert!(self.asking.is_empty(), "somebody hangs");
        let stats = self.house.cache.stats();
        assert_eq!((stats.flights, stats.refreshes_waiting), (0, 0));
        assert!(self.house.tasks.is_empty());
        assert_eq!(self.house.clock.sleepers(), 0);
        self.check();
    }
}

fn assert_servable(age: Duration, lifetime: &Lifetime) {
    let stale = lifetime.stale_window().max(lifetime.error_window());
    assert!(age < lifetime.fresh() + stale, "{age:?} old: {lifetime:?}");
}

fn config() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn nobody_is_served_what_they_may_not_be(steps in prop::collection::vec(steps(), 1..120)) {
        let mut world = World::new();
        for step in steps {
            world.take(step);
        }
        world.end();
    }
}
