//! Which variations the answers of a scope have had.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use smallvec::SmallVec;
use tower_swr_core::Digest;

use super::Variation;

/// The variations of one scope: all that any answer of it was kept under, and for each path those that were last.
///
/// What is known of a path is forgotten when there are too many paths. That a variation exists is not: a purge names what is
/// kept under each of them, and one that it does not know of would survive it.
#[derive(Debug, Default)]
pub(crate) struct Searches {
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    known: Vec<Known>,
    /// How many purges by URI there were.
    purges: u64,
    /// What was learned lately, and what was learned before that: see [`State::place`].
    young: HashMap<Digest, Ways>,
    old: HashMap<Digest, Ways>,
}

#[derive(Debug)]
struct Known {
    variation: Arc<Variation>,
    /// How many purges did not know of it.
    since: u64,
}

/// What is known of a path.
#[derive(Clone, Debug)]
struct Ways {
    /// Places among the known, that of the newest answer first.
    places: SmallVec<[u8; MOST_WAYS]>,
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
    /// What the answers of `path` said last, that of the newest first; and whether the very last one said so.
    pub(crate) fn ways(&self, path: &Digest) -> (SmallVec<[Arc<Variation>; MOST_WAYS]>, bool) {
        let state = self.read();
        let Some(ways) = state.ways(path) else {
            return (SmallVec::new(), false);
        };
        let places = ways.places.iter();
        let known = places.filter_map(|place| state.known.get(usize::from(*place)));
        let found = known.map(|known| Arc::clone(&known.variation)).collect();
        let (is_current, is_old) = (ways.is_current, !state.young.contains_key(path));
        drop(state);
        if is_old {
            // What is asked for is not forgotten.
            self.write().renew(path);
        }
        (found, is_current)
    }

    /// An answer of `path` `said` that, whose call began after so many `purges`: what it may be kept under. Nothing where
    /// that is the URI's own key: it says nothing, there are too many already, or something was purged during the call by
    /// somebody who did not know of the variation yet, and may have meant this answer.
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
        let Some(place) = said.and_then(|said| state.place(said)) else {
            state.outdate(path);
            return None;
        };
        state.lead(path, place);
        let known = state.known.get(usize::from(place))?;
        (known.since <= purges).then(|| Arc::clone(&known.variation))
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

    /// The variation that was `said`, where it is what is known of `path` first and lately: most answers say what the last
    /// one did.
    fn newest(&self, path: &Digest, said: &Variation) -> Option<(Arc<Variation>, u64)> {
        let ways = self.young.get(path).filter(|ways| ways.is_current)?;
        let place = ways.places.first()?;
        let known = self.known.get(usize::from(*place))?;
        (*known.variation == *said).then(|| (Arc::clone(&known.variation), known.since))
    }

    /// The place of `said` among the known, which it is from now on; nothing where there are too many.
    fn place(&mut self, said: Variation) -> Option<u8> {
        let mut known = self.known.iter();
        let place = match known.position(|known| *known.variation == said) {
            Some(place) => place,
            None if self.known.len() == MOST_KNOWN => return None,
            None => {
                self.known.push(Known {
                    variation: Arc::new(said),
                    since: self.purges,
                });
                self.known.len() - 1
            }
        };
        u8::try_from(place).ok()
    }

    /// Puts `place` first of the ways of `path`.
    fn lead(&mut self, path: &Digest, place: u8) {
        let mut places = SmallVec::from_slice(&[place]);
        let before = self.ways(path).into_iter().flat_map(|ways| &ways.places);
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
    fn the_seventeenth_variation_is_none() {
        let searches = Searches::default();
        for name in 0..16 {
            assert!(searches.learn(&path("a"), variation(name), 0).is_some());
        }
        assert!(searches.learn(&path("b"), variation(0), 0).is_some());
        assert!(searches.learn(&path("b"), variation(16), 0).is_none());
        assert!(!searches.ways(&path("b")).1, "the newest answer decides");
        assert_eq!(searches.purge().len(), 16);
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
