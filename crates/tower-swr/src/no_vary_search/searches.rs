//! Which variations the answers of a scope have had.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use smallvec::SmallVec;
use tower_swr_core::Digest;

use super::Variation;

/// The variations of one scope: those that its answers are kept under, and for each path those that were last.
///
/// What is known of a path is forgotten when there are too many paths, and a variation when there are too many of those: a
/// purge names what is kept under each that is known, and under one that is not, nothing is found.
#[derive(Debug, Default)]
pub(crate) struct Searches {
    /// What is kept under a variation has the same key in all processes, whatever each has forgotten: there, purges name
    /// paths, not variations.
    is_far: bool,
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    known: Vec<Known>,
    /// How many variations were forgotten.
    round: u64,
    /// How often any variation was used.
    uses: AtomicU64,
    /// How many purges by URI there were.
    purges: u64,
    /// What was learned lately, and what was learned before that: see [`State::put`].
    young: HashMap<Digest, Ways>,
    old: HashMap<Digest, Ways>,
}

#[derive(Debug)]
struct Known {
    variation: Arc<Variation>,
    /// The round in which it was learned.
    round: u64,
    /// When an answer had it last, or was looked for by it: see [`State::uses`].
    used: AtomicU64,
    /// How many purges did not know of it.
    since: u64,
}

/// Where a variation is among the known, and the round in which it came there: later it may be another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    index: u8,
    round: u64,
}

/// What is known of a path.
#[derive(Clone, Debug)]
struct Ways {
    /// The variation of the newest answer first.
    places: SmallVec<[Place; MOST_WAYS]>,
    /// The newest answer had one. Otherwise what is kept is still found by these, as it covers whoever finds it, but nothing
    /// is called for by them.
    is_current: bool,
}

/// A handler writes a few; one that makes up a new one for each answer gains nothing from any.
const MOST_KNOWN: usize = 16;

/// How many variations are tried for one path: different queries may be answered with different ones.
const MOST_WAYS: usize = 4;

/// How many paths are known, twice at the most. A path that is forgotten costs a call.
const MOST_PATHS: usize = 4096;

impl Searches {
    pub(crate) fn new(is_far: bool) -> Self {
        Self {
            is_far,
            ..Self::default()
        }
    }

    /// What the answers of `path` said last, that of the newest first; and whether the very last one said so.
    pub(crate) fn ways(&self, path: &Digest) -> (SmallVec<[Arc<Variation>; MOST_WAYS]>, bool) {
        let state = self.read();
        let Some(ways) = state.ways(path) else {
            return (SmallVec::new(), false);
        };
        let known = (ways.places.iter()).filter_map(|place| state.known(*place));
        let found = known.map(|known| state.used(known)).collect();
        let (is_current, is_old) = (ways.is_current, !state.young.contains_key(path));
        drop(state);
        if is_old {
            // What is asked for is not forgotten.
            self.write().renew(path);
        }
        (found, is_current)
    }

    /// An answer of `path` `said` that, whose call began after so many `purges`: what it may be kept under. Nothing where
    /// that is the URI's own key: it says nothing, or something was purged during the call by somebody who did not know of
    /// the variation yet, and may have meant this answer.
    pub(crate) fn learn(
        &self,
        path: &Digest,
        said: Option<Variation>,
        purges: u64,
    ) -> Option<Arc<Variation>> {
        let known = said
            .as_ref()
            .and_then(|said| self.read().newest(path, said));
        if let Some((variation, since)) = known {
            return (since <= purges).then_some(variation);
        }
        if said.is_none() && !self.read().ways(path).is_some_and(|ways| ways.is_current) {
            return None;
        }
        let mut state = self.write();
        let Some(said) = said else {
            state.outdate(path);
            return None;
        };
        let place = state.place(said, self.is_far);
        state.lead(path, place);
        let known = state.known(place)?;
        (known.since <= purges).then(|| state.used(known))
    }

    /// How many purges there were until now.
    pub(crate) fn purges(&self) -> u64 {
        self.read().purges
    }

    /// Counts a purge by URI: what else is to be purged than the URI itself is what it is under each of these.
    pub(crate) fn purge(&self) -> Vec<Arc<Variation>> {
        let mut state = self.write();
        state.purges += 1;
        let known = state.known.iter();
        known.map(|known| Arc::clone(&known.variation)).collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn ways(&self, path: &Digest) -> Option<&Ways> {
        self.young.get(path).or_else(|| self.old.get(path))
    }

    fn known(&self, place: Place) -> Option<&Known> {
        let known = self.known.get(usize::from(place.index));
        known.filter(|known| known.round == place.round)
    }

    /// The variation that was `said`, where it is what is known of `path` first and lately: most answers say what the last
    /// one did.
    fn newest(&self, path: &Digest, said: &Variation) -> Option<(Arc<Variation>, u64)> {
        let ways = self.young.get(path).filter(|ways| ways.is_current)?;
        let known = self.known(*ways.places.first()?)?;
        (*known.variation == *said).then(|| (self.used(known), known.since))
    }

    /// The place of `said` among the known, which it is from now on. Where there are too many, the one that was used
    /// longest ago makes room.
    fn place(&mut self, said: Variation, is_far: bool) -> Place {
        let mut known = self.known.iter();
        if let Some(index) = known.position(|known| *known.variation == said) {
            return self.at(index);
        }
        let oldest = match self.known.len() < MOST_KNOWN {
            true => None,
            false => self.oldest(),
        };
        self.round += u64::from(oldest.is_some());
        let known = Known {
            variation: Arc::new(said.again(if is_far { 0 } else { self.round })),
            round: self.round,
            used: AtomicU64::new(self.uses.load(Ordering::Relaxed)),
            since: self.purges,
        };
        if let Some(oldest) = oldest {
            self.known[oldest] = known;
            return self.at(oldest);
        }
        self.known.push(known);
        self.at(self.known.len() - 1)
    }

    /// The variation that is `known`, and used now.
    fn used(&self, known: &Known) -> Arc<Variation> {
        let now = self.uses.fetch_add(1, Ordering::Relaxed);
        known.used.store(now, Ordering::Relaxed);
        Arc::clone(&known.variation)
    }

    fn at(&self, index: usize) -> Place {
        Place {
            index: index as u8,
            round: self.known[index].round,
        }
    }

    fn oldest(&self) -> Option<usize> {
        let used = |known: &Known| known.used.load(Ordering::Relaxed);
        (0..self.known.len()).min_by_key(|index| used(&self.known[*index]))
    }

    /// Puts `place` first of the ways of `path`.
    fn lead(&mut self, path: &Digest, place: Place) {
        let mut places = SmallVec::from_slice(&[place]);
        let before = self.ways(path).into_iter().flat_map(|ways| &ways.places);
        let before = before.filter(|before| self.known(**before).is_some());
        places.extend(before.copied().filter(|known| *known != place));
        places.truncate(MOST_WAYS);
        let is_current = true;
        self.put(path, Ways { places, is_current });
    }

    fn renew(&mut self, path: &Digest) {
        if let Some(ways) = self.old.remove(path) {
            self.put(path, ways);
        }
    }

    fn put(&mut self, path: &Digest, ways: Ways) {
        if self.young.len() >= MOST_PATHS && !self.young.contains_key(path) {
            // Whatever was neither learned again nor asked for since the last time goes.
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(*path, ways);
    }

    fn outdate(&mut self, path: &Digest) {
        let known = [self.young.get_mut(path), self.old.get_mut(path)];
        for ways in known.into_iter().flatten() {
            ways.is_current = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::*;

    fn variation(name: usize) -> Option<Variation> {
        let mut fields = HeaderMap::new();
        let value = HeaderValue::try_from(format!("params=(\"{name}\")")).expect("a value");
        fields.insert("no-vary-search", value);
        Variation::of(&fields)
    }

    fn path(name: &str) -> Digest {
        Digest::of(name.as_bytes())
    }

    fn ways(searches: &Searches, name: &str) -> Vec<Option<Variation>> {
        let ways = searches.ways(&path(name)).0.into_iter();
        ways.map(|way| Some((*way).clone())).collect()
    }

    #[test]
    fn the_newest_comes_first_and_there_are_four_at_most() {
        let searches = Searches::default();
        for name in [1, 2, 3, 4, 5, 3] {
            assert!(searches.learn(&path("a"), variation(name), 0).is_some());
        }
        assert_eq!(ways(&searches, "a"), [3, 5, 4, 2].map(variation));
        assert!(ways(&searches, "b").is_empty());
    }

    #[test]
    fn after_an_answer_that_says_nothing_what_is_known_of_its_path_is_for_finding_alone() {
        let searches = Searches::default();
        for name in ["a", "b"] {
            searches.learn(&path(name), variation(1), 0);
        }
        assert!(searches.learn(&path("a"), None, 0).is_none());
        for (name, is_current) in [("a", false), ("b", true)] {
            assert_eq!(ways(&searches, name), [variation(1)]);
            assert_eq!(searches.ways(&path(name)).1, is_current);
        }
        searches.learn(&path("a"), variation(1), 0);
        assert!(searches.ways(&path("a")).1);
        assert_eq!(searches.purge().len(), 1, "a purge knows it still");
    }

    #[test]
    fn the_variation_that_was_used_longest_ago_makes_room() {
        let searches = Searches::default();
        for name in 0..16 {
            assert!(searches.learn(&path("a"), variation(name), 0).is_some());
        }
        searches.learn(&path("b"), variation(0), 0);
        for name in 16..40 {
            // One is looked for and one is learned again; all others are not used any more.
            assert_eq!(ways(&searches, "b"), [variation(0)]);
            searches.learn(&path("c"), variation(16), 0);
            assert!(searches.learn(&path("d"), variation(name), 0).is_some());
        }
        assert_eq!(ways(&searches, "b"), [variation(0)]);
        assert_eq!(ways(&searches, "c"), [variation(16)]);
        assert_eq!(ways(&searches, "d"), [39, 38, 37, 36].map(variation));
        assert!(ways(&searches, "a").is_empty(), "their places are others'");
        assert_eq!(searches.purge().len(), 16);
    }

    #[test]
    fn what_was_forgotten_and_is_learned_again_makes_other_keys_where_no_other_process_has_them() {
        for (is_far, expected) in [(false, 2), (true, 1)] {
            let searches = Searches::new(is_far);
            let canonical = || {
                let under = searches.learn(&path("a"), variation(0), 0);
                under.expect("room is made").canonical(Some("q"))
            };
            let mut forms = vec![canonical(), canonical()];
            for name in 1..=16 {
                searches.learn(&path("b"), variation(name), 0);
            }
            assert!(ways(&searches, "a").is_empty());
            forms.push(canonical());
            forms.dedup();
            assert_eq!(forms.len(), expected, "far: {is_far}");
        }
    }

    #[test]
    fn what_a_purge_did_not_know_of_is_not_kept_if_it_was_asked_for_before() {
        let searches = Searches::default();
        let before = searches.purges();
        assert!(searches.purge().is_empty());
        for _ in 0..2 {
            assert!(searches.learn(&path("a"), variation(1), before).is_none());
            let after = searches.purges();
            assert!(searches.learn(&path("a"), variation(1), after).is_some());
        }
        let before = searches.purges();
        assert_eq!(searches.purge().len(), 1);
        assert!(searches.learn(&path("a"), variation(1), before).is_some());
    }

    #[test]
    fn paths_beyond_number_take_no_more_room() {
        let searches = Searches::default();
        searches.learn(&path("hot"), variation(1), 0);
        for number in 0..5 * MOST_PATHS {
            searches.ways(&path("hot"));
            searches.learn(&path(&number.to_string()), variation(2), 0);
        }
        let state = searches.read();
        assert!(state.young.len() <= MOST_PATHS && state.old.len() <= MOST_PATHS);
        drop(state);
        assert_eq!(ways(&searches, "hot"), [variation(1)]);
        assert!(ways(&searches, "0").is_empty());
    }
}
