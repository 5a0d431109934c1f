//! What this node knows of the log: how far it has read, what was invalidated since when, and what it could not record.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tower_swr_core::{FarError, FarHealth, Invalidation, LogEvent, LogPosition, Subject};

/// Events that are kept for followers that are slow to take them.
const MOST_EVENTS: usize = 4096;
/// Subjects whose last invalidation is remembered: some 4 MiB.
const MOST_STAMPS: usize = 65_536;
/// Invalidations that wait to be recorded. One more, and everything is invalidated instead.
const MOST_QUEUED: usize = 10_000;

#[derive(Debug, Default)]
pub(crate) struct Record {
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

#[derive(Debug)]
pub(crate) struct State {
    events: VecDeque<LogEvent>,
    /// How many events are no longer kept.
    dropped: u64,
    /// Up: it is in reach and has been read.
    pub(crate) health: FarHealth,
    /// Something was missed that followers have not been told of yet.
    has_lost_history: bool,
    /// How far it has been read.
    pub(crate) read: LogPosition,
    /// The last that this node has recorded itself.
    recorded: LogPosition,
    /// Every invalidation after this one is in `stamps`.
    known_since: LogPosition,
    stamps: HashMap<Subject, LogPosition>,
    /// The server may forget a stamp before its time.
    pub(crate) may_evict: bool,
    queued: VecDeque<Queued>,
    numbered: u64,
}

/// How far a follower has come.
#[derive(Debug)]
pub(crate) struct Heard {
    events: u64,
    /// It has lost that the log is out of reach, and has yet to be told.
    owes_suspect: bool,
}

impl Heard {
    /// It wants to hear what comes from now on.
    pub(crate) fn all_of(state: &State) -> Self {
        Self {
            events: state.told(),
            owes_suspect: false,
        }
    }
}

impl Default for State {
    fn default() -> Self {
        Self {
            events: VecDeque::new(),
            dropped: 0,
            health: FarHealth::Connecting,
            // Nobody knows what was kept before the first contact.
            has_lost_history: true,
            read: LogPosition::ORIGIN,
            recorded: LogPosition::ORIGIN,
            known_since: LogPosition::ORIGIN,
            stamps: HashMap::new(),
            may_evict: true,
            queued: VecDeque::new(),
            numbered: 0,
        }
    }
}

/// An invalidation that could not be recorded yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Queued {
    pub(crate) invalidation: Invalidation,
    /// Tells it from a later one of the same subject.
    number: u64,
}

impl Record {
    /// Changes the state, then tells the followers.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.state());
        self.changed.send_replace(());
        result
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }
}

impl State {
    /// It has been read to its end, which is `at`.
    pub(crate) fn come_up(&mut self, at: LogPosition) {
        self.read = at.max(self.read);
        let was = std::mem::replace(&mut self.health, FarHealth::Up);
        if std::mem::take(&mut self.has_lost_history) {
            self.tell(LogEvent::HistoryLost);
        } else if !was.is_up() {
            self.tell(LogEvent::Replayed);
        }
    }

    /// It is out of reach. True where it was not before.
    pub(crate) fn go_down(&mut self, reason: FarError) -> bool {
        let was = std::mem::replace(&mut self.health, FarHealth::Down { reason });
        if was.is_up() {
            self.tell(LogEvent::Suspect);
        }
        was.is_up()
    }

    pub(crate) fn tell(&mut self, event: LogEvent) {
        if self.events.len() == MOST_EVENTS {
            self.events.pop_front();
            self.dropped += 1;
        }
        self.events.push_back(event);
    }

    /// The event after `heard`, which is moved on. Who is too slow has lost what went before, which is all there is to it
    /// while the log is in reach; otherwise something is missing all the same.
    pub(crate) fn next_event(&self, heard: &mut Heard) -> Option<LogEvent> {
        if std::mem::take(&mut heard.owes_suspect) {
            return Some(LogEvent::Suspect);
        }
        let Some(place) = heard.events.checked_sub(self.dropped) else {
            *heard = Heard {
                events: self.told(),
                owes_suspect: !self.health.is_up(),
            };
            return Some(LogEvent::HistoryLost);
        };
        let event = self.events.get(usize::try_from(place).ok()?)?;
        heard.events += 1;
        Some(*event)
    }

    /// How many events there have been.
    fn told(&self) -> u64 {
        self.dropped + self.events.len() as u64
    }

    /// A soft invalidation leaves none: it does not keep anything from being used.
    pub(crate) fn stamp(&mut self, invalidation: Invalidation, at: LogPosition) {
        if invalidation.is_soft {
            return;
        }
        if self.stamps.len() >= MOST_STAMPS {
            self.forget_stamps(self.read);
        }
        let stamp = self.stamps.entry(invalidation.subject).or_default();
        *stamp = at.max(*stamp);
    }

    /// Something was missed; what, has to be found out.
    pub(crate) fn doubt(&mut self) {
        if self.health.is_up() {
            self.health = FarHealth::Connecting;
            self.tell(LogEvent::Suspect);
        }
    }

    /// Begins again at `since`: until it has been read from there, nothing is known.
    pub(crate) fn begin_again(&mut self, since: LogPosition) {
        self.has_lost_history = true;
        // Whoever asked for a soft one forgets it with all the rest, and has to hear of it again.
        for Queued { invalidation, .. } in
            self.queued.iter_mut().filter(|it| it.invalidation.is_soft)
        {
            invalidation.source = 0;
        }
        self.forget_stamps(since);
        self.read = since;
        // A server that has forgotten may count from an earlier place.
        self.recorded = LogPosition::ORIGIN;
    }

    /// Queues what this node knows to have been recorded and a server that went back in time no longer does, where `kept`
    /// are the places in its log. All of it lies behind the last place that both know of, for a server forgets the latest
    /// first; what it has recorded since may well lie behind that, too.
    pub(crate) fn queue_what_was_forgotten(&mut self, kept: &HashSet<LogPosition>) {
        if self.position() == LogPosition::ORIGIN {
            return;
        }
        let known = self.stamps.values().copied();
        let known = known.chain([self.known_since, self.read]);
        let both = known.filter(|at| kept.contains(at)).max();
        let both = both.unwrap_or_default();
        // What was before `known_since` is not remembered one by one.
        let is_too_long_ago = self.known_since > both;
        let forgotten = self.stamps.iter().filter(|(_, at)| **at > both);
        let subjects: Vec<Subject> = match is_too_long_ago {
            true => vec![Subject::All],
            false => forgotten.map(|(subject, _)| *subject).collect(),
        };
        for subject in subjects {
            // Whoever asked for it knows it; but who has asked is not remembered.
            self.queue(Invalidation::hard(subject, 0));
        }
    }

    /// From here on, what was born before `since` has to be asked about.
    fn forget_stamps(&mut self, since: LogPosition) {
        self.stamps = HashMap::new();
        self.known_since = since;
    }

    /// Whether nothing that concerns `subjects` was invalidated after `born`; none where that is not known here.
    pub(crate) fn admits(&self, born: LogPosition, subjects: &[Subject]) -> Option<bool> {
        let queued = self.queued.iter().map(|queued| queued.invalidation);
        let mut hard = queued.filter(|queued| !queued.is_soft);
        if hard.any(|queued| subjects.contains(&queued.subject)) {
            return Some(false);
        }
        let mut stamps = subjects.iter().filter_map(|it| self.stamps.get(it));
        if stamps.any(|stamp| *stamp > born) {
            return Some(false);
        }
        (self.health.is_up() && born >= self.known_since).then_some(true)
    }

    /// Whether a subject without a stamp counts as not invalidated after `born`. Where the server may forget stamps that is
    /// so only for what this node remembers itself.
    pub(crate) fn counts_unstamped(&self, born: LogPosition) -> bool {
        !self.may_evict || (!self.has_lost_history && born >= self.known_since)
    }

    /// Everything up to here was recorded before now.
    pub(crate) fn position(&self) -> LogPosition {
        self.read.max(self.recorded)
    }

    pub(crate) fn note_recorded(&mut self, invalidation: Invalidation, at: LogPosition) {
        self.recorded = at.max(self.recorded);
        self.stamp(invalidation, at);
    }

    /// Keeps `invalidation` to be recorded later, once for each subject. A soft one does not take the place of a hard one.
    pub(crate) fn queue(&mut self, invalidation: Invalidation) {
        self.queued.retain(
            |Queued {
                 invalidation: it, ..
             }| {
                it.subject != invalidation.subject || (invalidation.is_soft && !it.is_soft)
            },
        );
        if self.queued.len() >= MOST_QUEUED {
            let mut queued = self.queued.drain(..);
            let is_soft = queued.all(|it| it.invalidation.is_soft);
            drop(queued);
            // Whoever asked has not carried out this one.
            self.push(Invalidation {
                is_soft,
                ..Invalidation::hard(Subject::All, 0)
            });
        }
        self.push(invalidation);
    }

    fn push(&mut self, invalidation: Invalidation) {
        self.numbered += 1;
        self.queued.push_back(Queued {
            invalidation,
            number: self.numbered,
        });
    }

    pub(crate) fn first_queued(&self) -> Option<Queued> {
        self.queued.front().copied()
    }

    /// It has been recorded. Where the same subject was queued anew meanwhile, that has not.
    pub(crate) fn unqueue(&mut self, recorded: Queued) {
        self.queued
            .retain(|queued| queued.number != recorded.number);
    }

    pub(crate) fn queued(&self) -> usize {
        self.queued.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minor: u64) -> LogPosition {
        LogPosition { major: 1, minor }
    }

    fn tag(number: usize) -> Subject {
        Subject::tag(&number.to_le_bytes())
    }

    fn purge(number: usize) -> Invalidation {
        Invalidation::hard(tag(number), 1)
    }

    fn stamp(state: &mut State, number: usize, at: LogPosition) {
        state.stamp(purge(number), at);
    }

    #[test]
    fn who_is_too_slow_is_told_that_something_is_lost() {
        let mut state = State::default();
        state.come_up(at(1));
        let mut heard = Heard::all_of(&state);
        for _ in 0..=MOST_EVENTS {
            state.tell(LogEvent::Replayed);
        }
        assert_eq!(state.next_event(&mut heard), Some(LogEvent::HistoryLost));
        assert_eq!(state.next_event(&mut heard), None, "it is up");
        state.tell(LogEvent::Replayed);
        assert_eq!(state.next_event(&mut heard), Some(LogEvent::Replayed));
    }

    #[test]
    fn who_is_too_slow_is_told_that_the_log_is_out_of_reach() {
        let mut state = State::default();
        state.come_up(at(1));
        let mut heard = Heard::all_of(&state);
        state.go_down(FarError::Unavailable);
        let (invalidation, position) = (purge(1), at(2));
        for _ in 0..=MOST_EVENTS {
            // What is read again after a gap, before its end is reached.
            state.tell(LogEvent::Invalidated {
                invalidation,
                position,
            });
        }
        assert_eq!(state.next_event(&mut heard), Some(LogEvent::HistoryLost));
        assert_eq!(state.next_event(&mut heard), Some(LogEvent::Suspect));
        assert_eq!(state.next_event(&mut heard), None);
        state.come_up(at(2));
        assert_eq!(state.next_event(&mut heard), Some(LogEvent::Replayed));
    }

    #[test]
    fn what_a_server_forgot_is_queued() {
        let queued = |kept: &[u64]| {
            let mut state = State {
                known_since: at(1),
                read: at(4),
                ..State::default()
            };
            for number in 2..=5 {
                stamp(&mut state, number, at(number as u64));
            }
            let kept = kept.iter().map(|minor| at(*minor)).collect();
            state.queue_what_was_forgotten(&kept);
            let mut queued: Vec<u64> = (2..=5)
                .filter(|number| state.admits(at(9), &[tag(*number)]) == Some(false))
                .map(|number| number as u64)
                .collect();
            if state.admits(at(9), &[Subject::All]) == Some(false) {
                queued.push(0);
            }
            queued
        };
        assert!(queued(&[1, 2, 3, 4, 5]).is_empty());
        assert_eq!(queued(&[1, 2, 3]), [4, 5]);
        assert_eq!(
            queued(&[1, 2, 7]),
            [3, 4, 5],
            "something was recorded since"
        );
        assert!(queued(&[4, 5]).is_empty(), "the others were trimmed");
        assert_eq!(queued(&[0]), [0], "too long ago");
        let mut new = State::default();
        new.queue_what_was_forgotten(&HashSet::new());
        assert_eq!(new.queued(), 0, "it knows of nothing");
    }

    #[test]
    fn a_stamp_that_may_have_been_evicted_is_asked_for_in_vain() {
        let mut state = State {
            known_since: at(5),
            ..State::default()
        };
        let counts = |state: &State| [at(4), at(5)].map(|born| state.counts_unstamped(born));
        assert_eq!(counts(&state), [false, false], "nothing was read yet");
        state.come_up(at(5));
        assert_eq!(counts(&state), [false, true]);
        state.may_evict = false;
        assert_eq!(counts(&state), [true, true]);
    }

    #[test]
    fn a_loss_is_told_once_it_is_over_however_often_the_reading_failed() {
        let mut state = State::default();
        let mut heard = Heard::all_of(&state);
        state.come_up(at(1));
        assert_eq!(state.next_event(&mut heard), Some(LogEvent::HistoryLost));
        assert!(state.go_down(FarError::Unavailable));
        assert_eq!(state.next_event(&mut heard), Some(LogEvent::Suspect));
        state.begin_again(at(5));
        assert!(!state.go_down(FarError::Unavailable));
        assert_eq!(state.next_event(&mut heard), None);
        state.come_up(at(6));
        assert_eq!(state.next_event(&mut heard), Some(LogEvent::HistoryLost));
        state.come_up(at(7));
        assert_eq!(state.next_event(&mut heard), None, "nothing was missed");
        state.go_down(FarError::Unavailable);
        state.come_up(at(7));
        assert_eq!(state.next_event(&mut heard), Some(LogEvent::Suspect));
        assert_eq!(state.next_event(&mut heard), Some(LogEvent::Replayed));
    }

    #[test]
    fn what_is_not_known_here_is_not_answered_here() {
        let mut state = State::default();
        state.begin_again(at(5));
        stamp(&mut state, 1, at(7));
        let answers =
            |state: &State| [at(4), at(6), at(7)].map(|born| state.admits(born, &[tag(1)]));
        assert_eq!(answers(&state), [Some(false), Some(false), None]);
        state.health = FarHealth::Up;
        assert_eq!(answers(&state), [Some(false), Some(false), Some(true)]);
        assert_eq!(state.admits(at(4), &[tag(2)]), None);
    }

    #[test]
    fn stamps_are_bounded() {
        let mut state = State {
            health: FarHealth::Up,
            ..State::default()
        };
        for number in 0..=MOST_STAMPS {
            state.read = at(number as u64);
            let read = state.read;
            stamp(&mut state, number, read);
        }
        assert_eq!(state.stamps.len(), 1);
        assert_eq!(state.admits(at(3), &[tag(0)]), None);
        let last = at(MOST_STAMPS as u64);
        assert_eq!(state.admits(last, &[tag(0)]), Some(true));
    }

    #[test]
    fn what_is_queued_counts_and_too_much_of_it_is_everything() {
        let mut state = State {
            health: FarHealth::Up,
            ..State::default()
        };
        state.queue(purge(0));
        state.queue(purge(0));
        assert_eq!(state.queued(), 1);
        assert_eq!(state.admits(at(9), &[tag(0)]), Some(false));
        let sent = state.first_queued().unwrap();
        state.queue(purge(0));
        state.unqueue(sent);
        assert_eq!(state.queued(), 1, "a later one is still to be sent");
        state.unqueue(state.first_queued().unwrap());
        assert_eq!(state.admits(at(9), &[tag(0)]), Some(true));
        for number in 0..=MOST_QUEUED {
            state.queue(purge(number));
        }
        assert_eq!(state.queued(), 2);
        assert_eq!(state.admits(at(9), &[Subject::All]), Some(false));
    }

    #[test]
    fn a_soft_invalidation_is_sent_later_and_keeps_nothing_from_being_used() {
        let mut state = State {
            health: FarHealth::Up,
            ..State::default()
        };
        let softly = Invalidation::soft(tag(0), 1);
        state.stamp(softly, at(5));
        state.queue(softly);
        state.queue(softly);
        assert_eq!(state.queued(), 1);
        assert_eq!(state.admits(at(4), &[tag(0)]), Some(true));
        state.queue(purge(0));
        assert_eq!(state.queued(), 1, "which says more");
        state.queue(softly);
        assert_eq!(state.queued(), 2);
        assert_eq!(state.admits(at(4), &[tag(0)]), Some(false));
    }

    #[test]
    fn a_soft_invalidation_that_waits_is_nobodys_after_a_loss() {
        let mut state = State::default();
        state.queue(Invalidation::soft(tag(0), 1));
        state.queue(purge(1));
        state.begin_again(at(5));
        let queued: Vec<_> = state.queued.iter().map(|it| it.invalidation).collect();
        assert_eq!(queued, [Invalidation::soft(tag(0), 0), purge(1)]);
    }

    #[test]
    fn too_many_soft_invalidations_are_a_soft_one_of_everything() {
        let first = |hard: usize| {
            let mut state = State::default();
            for number in 0..=MOST_QUEUED {
                let is_soft = number >= hard;
                state.queue(Invalidation {
                    is_soft,
                    ..purge(number)
                });
            }
            state.first_queued().unwrap().invalidation
        };
        assert_eq!(first(0), Invalidation::soft(Subject::All, 0));
        assert_eq!(first(1), Invalidation::hard(Subject::All, 0));
    }
}
