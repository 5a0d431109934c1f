//! What has been invalidated, and since when: one counter, and a stamp per subject.
//!
//! Every entry and every flight carries the epoch in which its origin call began. An invalidation raises the epoch and
//! stamps its subject with it; whatever concerns that subject and is older does not count any more, wherever it is:
//! in the store, in flight, or in the hands of a writer that comes late. Nothing is searched for and nothing is locked
//! together (leases in "Scaling Memcache at Facebook", NSDI 2013, fence late writers in the same way).
//!
//! A soft invalidation stamps likewise, with the time: what is older is not gone, but not fresh any more since then.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::clock::Moment;
use crate::key::Subject;
use crate::tags::Tags;

/// A count of invalidations: the time scale on which values and purges are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Epoch(u64);

impl Epoch {
    pub(crate) fn count(self) -> u64 {
        self.0
    }
}

/// How many stamps are kept before they are swept out: about 3 MiB.
const MAX_STAMPS: usize = 65_536;

/// How many of them a sweep spares at most, for the sake of calls that run.
const MAX_SPARED: usize = 2 * MAX_STAMPS;

/// All stamps. The epoch is only raised under the write lock, together with the stamp that it belongs to.
#[derive(Debug, Default)]
pub(crate) struct Invalidations {
    epoch: AtomicU64,
    stamps: RwLock<Stamps>,
}

/// By [`Subject::bits`], which anybody can compute: the tables hash them with a seed of their own, or whoever may name what
/// is invalidated could choose such that collide.
#[derive(Debug, Default)]
struct Stamps {
    of: HashMap<u64, Epoch, ahash::RandomState>,
    soft: HashMap<u64, Softly, ahash::RandomState>,
    /// Whatever is older than this counts as invalidated.
    floor: Epoch,
    /// Whatever is older than this counts as invalidated softly.
    soft_floor: Softly,
    /// How many a sweep has spared.
    spared: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Softly {
    epoch: Epoch,
    at: Moment,
}

/// The epoch since which an entry is known to count: raised by each check that it passes.
#[derive(Debug)]
pub(crate) struct ValidSince(AtomicU64);

impl ValidSince {
    pub(crate) fn new(born: Epoch) -> Self {
        Self(AtomicU64::new(born.0))
    }

    /// Whoever sees it raised sees what was marked before.
    pub(crate) fn raise(&self, to: Epoch) {
        self.0.fetch_max(to.0, Ordering::Release);
    }

    #[inline]
    fn get(&self) -> Epoch {
        Epoch(self.0.load(Ordering::Acquire))
    }
}

/// What the invalidations since an entry was last checked mean for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nothing.
    Current,
    /// It is not fresh since `at`. Once it is marked so, it counts since `checked`.
    Stale { at: Moment, checked: Epoch },
    /// It does not count any more.
    Gone,
}

impl Invalidations {
    /// The current epoch: what a new flight is born in.
    pub(crate) fn epoch(&self) -> Epoch {
        Epoch(self.epoch.load(Ordering::Acquire))
    }

    /// The newest invalidation that concerns any of `subjects`, which are asked for only where any are stamped: to know
    /// those of a key takes several digests.
    pub(crate) fn newest<S: AsRef<[Subject]>>(&self, subjects: impl FnOnce() -> S) -> Epoch {
        let stamps = self.read();
        match stamps.of.is_empty() {
            true => stamps.floor,
            false => stamps.newest(subjects().as_ref()),
        }
    }

    /// The same with the soft ones: since then, nobody wants what was asked for before.
    pub(crate) fn newest_of_any_kind<S: AsRef<[Subject]>>(
        &self,
        subjects: impl FnOnce() -> S,
    ) -> Epoch {
        let stamps = self.read();
        if stamps.len() == 0 {
            return stamps.floor.max(stamps.soft_floor.epoch);
        }
        let subjects = subjects();
        let soft = stamps.newest_soft(subjects.as_ref()).epoch;
        stamps.newest(subjects.as_ref()).max(soft)
    }

    /// When what concerns any of `subjects` was last invalidated softly.
    pub(crate) fn softened(&self, subjects: &[Subject]) -> Option<Moment> {
        let softly = self.read().newest_soft(subjects);
        (softly.epoch > Epoch::default()).then_some(softly.at)
    }

    /// What was invalidated of what concerns `subjects` or `tags` since. One load where nothing at all was.
    #[inline]
    pub(crate) fn standing(
        &self,
        since: &ValidSince,
        subjects: &[Subject],
        tags: &Tags,
    ) -> Standing {
        if since.get() == self.epoch() {
            return Standing::Current;
        }
        self.check(since, subjects, tags)
    }

    fn check(&self, since: &ValidSince, subjects: &[Subject], tags: &Tags) -> Standing {
        let stamps = self.read();
        // Under the lock, so the epoch is the one that the stamps are read at.
        let (was, checked) = (since.get(), self.epoch());
        if stamps.newest(subjects).max(stamps.newest(tags.as_slice())) > was {
            return Standing::Gone;
        }
        let [of_key, of_tags] = [subjects, tags.as_slice()].map(|it| stamps.newest_soft(it));
        let softly = newer(of_key, of_tags);
        if softly.epoch > was {
            let at = softly.at;
            return Standing::Stale { at, checked };
        }
        since.raise(checked);
        Standing::Current
    }

    /// Invalidates everything that concerns `subject`. True where the stamps should now be swept.
    pub(crate) fn invalidate(&self, subject: Subject) -> bool {
        let mut stamps = self.write();
        let epoch = self.raise();
        stamps.of.insert(subject.bits(), epoch);
        stamps.are_many()
    }

    /// Ends at the time `now` the freshness of everything that concerns `subject`. True where the stamps should now be
    /// swept.
    pub(crate) fn invalidate_softly(&self, subject: Subject, now: Moment) -> bool {
        let mut stamps = self.write();
        let epoch = self.raise();
        stamps
            .soft
            .insert(subject.bits(), Softly { epoch, at: now });
        stamps.are_many()
    }

    /// Invalidates everything.
    pub(crate) fn invalidate_all(&self) {
        let mut stamps = self.write();
        let floor = self.raise();
        stamps.raise_floor(floor);
        // What they say from now on, the floors do.
        stamps.of = HashMap::default();
        stamps.soft = HashMap::default();
        stamps.spared = 0;
    }

    /// Ends the freshness of everything at the time `now`.
    pub(crate) fn invalidate_all_softly(&self, now: Moment) {
        let mut stamps = self.write();
        let epoch = self.raise();
        stamps.soft_floor = Softly { epoch, at: now };
        stamps.soft = HashMap::default();
    }

    /// Forgets the stamps up to `swept`: the caller has removed what they concern, and has checked the rest. What was
    /// born before and is stored only now is turned away with it, which costs a refresh; so the stamps since the
    /// `oldest_call` that runs are spared, unless there are too many of them.
    pub(crate) fn forget(&self, swept: Epoch, oldest_call: Option<Epoch>) {
        let mut stamps = self.write();
        stamps.raise_floor(oldest_call.map_or(swept, |oldest| oldest.min(swept)));
        if stamps.len() > MAX_SPARED {
            stamps.raise_floor(swept);
        }
        stamps.spared = stamps.len();
    }

    /// Called under the write lock only.
    fn raise(&self) -> Epoch {
        Epoch(self.epoch.fetch_add(1, Ordering::AcqRel) + 1)
    }

    fn read(&self) -> RwLockReadGuard<'_, Stamps> {
        self.stamps.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Stamps> {
        self.stamps.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stamps {
    fn len(&self) -> usize {
        self.of.len() + self.soft.len()
    }

    /// Twice what was spared, so that sweeps stay rare however long a call runs.
    fn are_many(&self) -> bool {
        self.len() > MAX_STAMPS.max(2 * self.spared)
    }

    /// A stamp goes only where a floor says what it said. A soft one is asked for what is found on the far side, too, which
    /// no floor of this process turns away: all that is there from before counts as stale.
    fn raise_floor(&mut self, floor: Epoch) {
        self.floor = self.floor.max(floor);
        let (floor, soft_floor) = (self.floor, &mut self.soft_floor);
        self.of.retain(|_, stamp| *stamp > floor);
        self.soft.retain(|_, softly| {
            let stays = softly.epoch > floor;
            if !stays {
                *soft_floor = newer(*soft_floor, *softly);
            }
            stays
        });
    }

    fn newest(&self, subjects: &[Subject]) -> Epoch {
        let stamped = subjects
            .iter()
            .filter_map(|subject| self.of.get(&subject.bits()));
        stamped.copied().fold(self.floor, Epoch::max)
    }

    fn newest_soft(&self, subjects: &[Subject]) -> Softly {
        let stamped = subjects
            .iter()
            .filter_map(|subject| self.soft.get(&subject.bits()));
        stamped.copied().fold(self.soft_floor, newer)
    }
}

fn newer(one: Softly, other: Softly) -> Softly {
    if other.epoch > one.epoch { other } else { one }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::key::KeyText;

    fn subject(name: &str) -> Subject {
        KeyText::new(name).key().scope_subject()
    }

    fn admits(log: &Invalidations, since: &ValidSince, subjects: &[Subject]) -> bool {
        log.standing(since, subjects, &Tags::default()) == Standing::Current
    }

    #[test]
    fn what_was_born_before_an_invalidation_does_not_count_after_it() {
        let log = Invalidations::default();
        let old = ValidSince::new(log.epoch());
        assert!(admits(&log, &old, &[subject("a")]));
        log.invalidate(subject("a"));
        assert!(!admits(&log, &old, &[subject("a")]));
        assert!(admits(&log, &ValidSince::new(log.epoch()), &[subject("a")]));
    }

    #[test]
    fn what_was_invalidated_softly_stays_so_when_everything_is_invalidated() {
        let (log, at) = (
            Invalidations::default(),
            Moment::ORIGIN.after(Duration::from_secs(7)),
        );
        let subjects = [subject("a")];
        log.invalidate_all();
        assert_eq!(log.softened(&subjects), None);
        log.invalidate_softly(subjects[0], at);
        log.invalidate_all();
        assert_eq!(log.softened(&subjects), Some(at));
    }

    #[test]
    fn other_subjects_stay() {
        let log = Invalidations::default();
        let old = ValidSince::new(log.epoch());
        log.invalidate(subject("a"));
        assert!(admits(&log, &old, &[subject("b")]));
        log.invalidate_all();
        assert!(!admits(&log, &old, &[subject("b")]));
    }

    #[test]
    fn stamps_are_bounded_where_they_are_swept_when_it_is_time() {
        let log = Invalidations::default();
        let (mut sweeps, mut most) = (0, 0);
        for number in 0..2 * MAX_STAMPS + 10 {
            if log.invalidate(subject(&format!("{number}"))) {
                log.forget(log.epoch(), None);
                sweeps += 1;
            }
            most = most.max(log.read().of.len());
        }
        assert_eq!((sweeps, most), (2, MAX_STAMPS));
    }

    #[test]
    fn a_sweep_keeps_what_it_checked_and_turns_away_who_comes_late() {
        let log = Invalidations::default();
        let (kept, purged, late) = (log.epoch(), log.epoch(), log.epoch());
        let (kept, purged, late) = (
            ValidSince::new(kept),
            ValidSince::new(purged),
            ValidSince::new(late),
        );
        log.invalidate(subject("a"));
        let swept = log.epoch();
        assert!(admits(&log, &kept, &[subject("b")]));
        assert!(!admits(&log, &purged, &[subject("a")]));
        log.forget(swept, None);
        log.invalidate(subject("c"));
        assert!(admits(&log, &kept, &[subject("b")]));
        assert!(
            !admits(&log, &late, &[subject("a")]),
            "born before the sweep, never checked"
        );
    }

    #[test]
    fn a_sweep_spares_the_stamps_since_the_oldest_call() {
        let log = Invalidations::default();
        log.invalidate(subject("before"));
        let born = log.epoch();
        log.invalidate(subject("since"));
        log.forget(log.epoch(), Some(born));
        assert_eq!(log.read().of.len(), 1);
        assert!(log.newest(|| [subject("other")]) <= born, "it may go on");
        assert!(
            log.newest(|| [subject("since")]) > born,
            "this one was purged"
        );
        assert!(log.newest(|| [subject("before")]) <= born);
    }

    #[test]
    fn a_call_that_never_ends_does_not_keep_all_stamps_and_sweeps_stay_rare() {
        let log = Invalidations::default();
        let (born, mut sweeps, mut most) = (log.epoch(), 0, 0);
        for number in 0..4 * MAX_SPARED {
            if log.invalidate(subject(&format!("{number}"))) {
                log.forget(log.epoch(), Some(born));
                sweeps += 1;
            }
            most = most.max(log.read().of.len());
        }
        assert!(sweeps < 10, "{sweeps} sweeps");
        assert!(most <= MAX_SPARED + 3, "{most} stamps");
    }

    #[test]
    fn a_tag_invalidates_like_a_subject() {
        let log = Invalidations::default();
        let tags: Tags = [Subject::tag(b"a"), Subject::tag(b"b")]
            .into_iter()
            .collect();
        let old = ValidSince::new(log.epoch());
        log.invalidate(Subject::tag(b"c"));
        assert_eq!(log.standing(&old, &[], &tags), Standing::Current);
        log.invalidate(Subject::tag(b"b"));
        assert_eq!(log.standing(&old, &[], &tags), Standing::Gone);
    }

    #[test]
    fn what_is_invalidated_softly_is_stale_since_then_until_it_is_marked() {
        let log = Invalidations::default();
        let old = ValidSince::new(log.epoch());
        let at = Moment::ORIGIN.after(Duration::from_secs(7));
        log.invalidate_softly(subject("a"), at);
        let standing = log.standing(&old, &[subject("a")], &Tags::default());
        assert_eq!(
            standing,
            Standing::Stale {
                at,
                checked: log.epoch()
            }
        );
        assert!(admits(&log, &ValidSince::new(Epoch(0)), &[subject("b")]));
        old.raise(log.epoch());
        assert!(admits(&log, &old, &[subject("a")]));
    }

    #[test]
    fn everything_can_be_invalidated_softly_and_hard_goes_first() {
        let log = Invalidations::default();
        let old = ValidSince::new(log.epoch());
        log.invalidate_all_softly(Moment::ORIGIN);
        let standing = |log: &Invalidations| log.standing(&old, &[subject("a")], &Tags::default());
        assert!(matches!(standing(&log), Standing::Stale { .. }));
        log.invalidate(subject("a"));
        assert_eq!(standing(&log), Standing::Gone);
    }

    #[test]
    fn what_a_sweep_takes_of_soft_stamps_the_floor_says() {
        let log = Invalidations::default();
        let at = |seconds| Moment::ORIGIN.after(Duration::from_secs(seconds));
        for (name, seconds) in [("a", 5), ("b", 7)] {
            log.invalidate_softly(subject(name), at(seconds));
        }
        let born = log.epoch();
        log.invalidate_softly(subject("c"), at(9));
        log.forget(log.epoch(), Some(born));
        assert_eq!(log.read().soft.len(), 1);
        for (name, seconds) in [("a", 7), ("b", 7), ("other", 7), ("c", 9)] {
            assert_eq!(log.softened(&[subject(name)]), Some(at(seconds)), "{name}");
        }
    }

    #[test]
    fn soft_stamps_are_bounded_too() {
        let log = Invalidations::default();
        let mut most = 0;
        for number in 0..2 * MAX_STAMPS + 10 {
            if log.invalidate_softly(subject(&format!("{number}")), Moment::ORIGIN) {
                log.forget(log.epoch(), None);
            }
            most = most.max(log.read().len());
        }
        assert_eq!(most, MAX_STAMPS);
    }
}
