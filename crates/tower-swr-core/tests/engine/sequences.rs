//! Random sequences of requests, purges and time, beside a model that is too simple to be wrong.

use std::time::Duration;

use crate::support::{Call, House, key, secs};
use proptest::prelude::*;
use tower_swr_core::{FlightPolicy, Freshness, Lifetime, Made, Mode, Moment, RefreshPolicy};

const KEYS: usize = 3;

/// What the origin does if it is asked.
#[derive(Clone, Copy, Debug)]
enum Does {
    Make(Lifetime),
    Share,
    Fail,
    Panic,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Get(usize, Does),
    Advance(Duration),
    Purge(usize),
    PurgeAll,
    Switch(Mode),
}

fn lifetimes() -> impl Strategy<Value = Lifetime> {
    let span = || prop_oneof![Just(0), Just(1), 0_u64..200, Just(u64::MAX)].prop_map(secs);
    (span(), span(), span(), any::<bool>()).prop_map(|(fresh, stale, error, strict)| {
        let lifetime = Lifetime::fresh_for(fresh)
            .stale_while_revalidate(stale)
            .stale_if_error(error);
        if strict {
            lifetime.must_revalidate()
        } else {
            lifetime
        }
    })
}

fn origins() -> impl Strategy<Value = Does> {
    prop_oneof![
        4 => lifetimes().prop_map(Does::Make),
        1 => Just(Does::Share),
        2 => Just(Does::Fail),
        1 => Just(Does::Panic),
    ]
}

fn spans() -> impl Strategy<Value = Duration> {
    prop_oneof![
        (0_u64..200).prop_map(secs),
        (0_u64..500).prop_map(Duration::from_millis),
        Just(secs(86_400)),
    ]
}

fn steps() -> impl Strategy<Value = Step> {
    let mode = prop_oneof![2 => Just(Mode::Normal), 1 => Just(Mode::ServeStale)];
    prop_oneof![
        10 => (0..KEYS, origins()).prop_map(|(key, does)| Step::Get(key, does)),
        8 => spans().prop_map(Step::Advance),
        2 => (0..KEYS).prop_map(Step::Purge),
        1 => Just(Step::PurgeAll),
        1 => mode.prop_map(Step::Switch),
    ]
}

// --- The model -------------------------------------------------------------------------------------------------------

#[derive(Clone, Copy, Debug)]
struct Kept {
    value: u32,
    lifetime: Lifetime,
    since: Moment,
    failures: u32,
    /// No origin call before this, after failures.
    paused_until: Moment,
}

/// What one key's requests see, one after the other.
#[derive(Default)]
struct Model {
    kept: [Option<Kept>; KEYS],
}

/// What a request gets: a value, or no value.
type Answer = Option<u32>;

impl Model {
    fn get(&mut self, place: usize, now: Moment, mode: Mode, does: Does, value: u32) -> Answer {
        let Some(kept) = self.kept[place] else {
            return self.ask(place, now, does, value);
        };
        let age = now.since(kept.since);
        let paused = now < kept.paused_until;
        match kept.lifetime.freshness(age) {
            Freshness::Fresh => Some(kept.value),
            _ if mode == Mode::ServeStale && !kept.lifetime.forbids_stale() => Some(kept.value),
            Freshness::Stale => {
                if !paused {
                    self.ask(place, now, does, value);
                }
                Some(kept.value)
            }
            Freshness::Expired if !kept.lifetime.usable_on_error(age) => {
                self.ask(place, now, does, value)
            }
            Freshness::Expired if paused => Some(kept.value),
            Freshness::Expired => self.ask(place, now, does, value).or(Some(kept.value)),
        }
    }

    fn ask(&mut self, place: usize, now: Moment, does: Does, value: u32) -> Answer {
        match does {
            Does::Make(lifetime) => {
                self.kept[place] = Some(Kept {
                    value,
                    lifetime,
                    since: now,
                    failures: 0,
                    paused_until: now,
                });
                Some(value)
            }
            Does::Share => {
                self.kept[place] = None;
                Some(value)
            }
            Does::Fail | Does::Panic => {
                if let Some(kept) = &mut self.kept[place] {
                    let pause = secs(1 << kept.failures.min(31)) / 2;
                    kept.failures += 1;
                    kept.paused_until = now.after(pause.min(secs(30) / 2));
                }
                None
            }
        }
    }

    fn purge(&mut self, places: impl IntoIterator<Item = usize>) {
        for place in places {
            self.kept[place] = None;
        }
    }
}

// --- The house -------------------------------------------------------------------------------------------------------

fn house() -> House {
    let policy = FlightPolicy {
        refresh: RefreshPolicy {
            back_off_base: secs(1),
            back_off_cap: secs(30),
            ..RefreshPolicy::default()
        },
        ..FlightPolicy::default()
    };
    House::under(policy, [0.5; 1000])
}

fn name(place: usize) -> tower_swr_core::Key {
    key(&place.to_string())
}

fn call(house: &House, does: Does, value: u32) -> Call {
    match does {
        Does::Make(lifetime) => house.origin.makes(value, lifetime),
        Does::Share => house.origin.call(async move { Ok(Made::unkept(value)) }),
        Does::Fail => house.origin.fails(),
        Does::Panic => house.origin.panics(),
    }
}

fn get(house: &House, place: usize, does: Does, value: u32) -> Answer {
    let mut request = house.get(&name(place), call(house, does, value));
    let at_once = request.now();
    house.tasks.poll_all();
    let answer = at_once.or_else(|| request.now());
    answer.expect("no origin here takes time").ok()
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
    fn one_after_the_other_they_agree_with_the_model(steps in prop::collection::vec(steps(), 1..80)) {
        let (house, mut model) = (house(), Model::default());
        for (value, step) in (0..).zip(&steps) {
            match *step {
                Step::Get(place, does) => {
                    let (now, mode) = (house.cache.now(), house.cache.mode());
                    let expected = model.get(place, now, mode, does, value);
                    let answer = get(&house, place, does, value);
                    prop_assert_eq!(answer, expected, "step {}: {:?}", value, step);
                }
                Step::Advance(span) => house.clock.advance(span),
                Step::Purge(place) => {
                    house.cache.purge(name(place).borrowed().resource());
                    model.purge([place]);
                }
                Step::PurgeAll => {
                    house.cache.purge_all();
                    model.purge(0..KEYS);
                }
                Step::Switch(mode) => house.cache.set_mode(mode),
            }
        }
        prop_assert_eq!(house.cache.stats().stampede_violations, 0);
        prop_assert_eq!(house.cache.stats().flights, 0);
    }
}
