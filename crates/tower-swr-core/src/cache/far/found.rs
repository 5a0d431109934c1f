//! What is found on the far side, and whether it will do.

use std::sync::Arc;
use std::time::Duration;

use super::codec::{MARK, Received};
use super::seek::Way;
use crate::cache::{Answer, Fate, Fill, Landed, Look, Purpose, is_fresh, judge};
use crate::clock::Moment;
use crate::decision::Mode;
use crate::entry::{Birth, Entry, FarVersion, Slot};
use crate::far::{FarError, FarValue};
use crate::flight::Landing;
use crate::key::Subject;
use crate::lifetime::Freshness;
use crate::observe::FillOutcome;
use crate::tags::Tags;
use crate::wire::Frame;

/// A value that another process has left, and that is good enough.
pub(super) struct Found<V> {
    slot: Slot<V>,
    /// Another process was calling the origin, and this came of it.
    waited: bool,
}

impl<V: Send + Sync + 'static, P: Clone + Send + Sync + 'static> Fill<V, P> {
    /// What is `there`, if it is sound, nothing that concerns it was invalidated since it was made, and it is what the flight
    /// is for.
    pub(super) async fn judge_found(
        &self,
        way: &Way<V>,
        there: &FarValue,
        waited: bool,
    ) -> Result<Option<Found<V>>, FarError> {
        let now = self.cache.now();
        let Ok(frame) = Frame::decode(&there.blob, &way.key) else {
            return Ok(None);
        };
        if self.has_seen(&frame) {
            return Ok(None);
        }
        let mut concerned = self.concerned();
        concerned.extend(frame.tags.iter().map(|tag| Subject::Tag(*tag)));
        if way.far.is_recording(&concerned) || !way.far.log.admits(frame.born, &concerned).await? {
            return Ok(None);
        }
        let slot = self.unpack(way, &frame, frame.age(there.read_at), now);
        let since = there.read_at.since(frame.stored_at);
        Ok(slot
            .inspect(|slot| self.soften(slot, &concerned, now, since.saturating_add(frame.cost)))
            .filter(|slot| self.will_do(slot, waited))
            .map(|slot| Found { slot, waited }))
    }

    /// All that concerns the key itself.
    pub(super) fn concerned(&self) -> Vec<Subject> {
        Subject::of_key(self.key().borrowed()).into()
    }

    /// Whether it is what is kept here, or was: whatever was done to that, a soft purge even, is not undone by its own double.
    fn has_seen(&self, frame: &Frame) -> bool {
        let ours = match (&self.purpose, &self.beyond) {
            (Purpose::Remote, Some(beyond)) => beyond.seen,
            _ => match self.old() {
                Some(old) => old.far_version(),
                None => self.ended_mark(),
            },
        };
        ours == Some(*frame.version.as_bytes())
    }

    /// Which value a memory of what may not be shared was that is over.
    fn ended_mark(&self) -> Option<FarVersion> {
        match self.cache.shared.near.get(&self.key().borrowed())? {
            Slot::Uncacheable(mark) if !is_fresh(&mark, self.cache.now()) => mark.far_version(),
            _ => None,
        }
    }

    fn unpack(&self, way: &Way<V>, frame: &Frame, age: Duration, now: Moment) -> Option<Slot<V>> {
        let birth = |weight, leads| Birth {
            key: self.key().borrowed(),
            born: self.asked,
            now,
            initial_age: age,
            lifetime: frame.lifetime,
            // Where it is not fresh any more, its refresh is due at once.
            due_age: match frame.lifetime.freshness(age) {
                Freshness::Fresh => self.due_age(&frame.lifetime),
                _ => frame.lifetime.fresh(),
            },
            weight,
            tags: frame.tags.iter().map(|tag| Subject::Tag(*tag)).collect(),
            leads,
            far_version: Some(*frame.version.as_bytes()),
        };
        if frame.kind == MARK {
            return Some(Slot::Uncacheable(Arc::new(Entry::new(
                (),
                &birth(0, false),
            ))));
        }
        let received = Received {
            key: self.key(),
            kind: frame.kind,
            head: frame.head.clone(),
            body: frame.body.clone(),
            age,
            now,
        };
        let decoded = way.codec.decode(received)?;
        let entry = Entry::new(decoded.value, &birth(decoded.weight, decoded.leads));
        Some(Slot::Kept(Arc::new(entry)))
    }

    /// Ends its freshness where a soft purge came after its origin call began, `since` when it was read at `now`. A soft purge
    /// takes nothing away on the far side, so each process heeds it by itself.
    fn soften(&self, slot: &Slot<V>, concerned: &[Subject], now: Moment, since: Duration) {
        let invalidations = &self.cache.shared.invalidations;
        if let (Slot::Kept(entry), Some(at)) = (slot, invalidations.softened(concerned))
            && now.since(at) <= since
        {
            entry.soften(at);
        }
    }

    fn will_do(&self, slot: &Slot<V>, waited: bool) -> bool {
        let now = self.cache.now();
        let entry = match slot {
            // It is right as long as it is not invalidated.
            Slot::Kept(entry) if entry.leads() => return true,
            Slot::Kept(entry) => entry,
            Slot::Uncacheable(mark) => return is_fresh(mark, now),
        };
        match self.purpose {
            Purpose::Miss => matches!(
                judge(Arc::clone(entry), Mode::Normal, now),
                Look::Serve { .. }
            ),
            Purpose::Refresh => entry.lifetime().freshness(entry.age(now)) == Freshness::Fresh,
            Purpose::Remote => {
                waited || entry.lifetime().freshness(entry.age(now)) == Freshness::Fresh
            }
            // The origin is to be asked, by whomever: what came of somebody's call meanwhile is what it says.
            Purpose::Revalidate => waited,
        }
    }

    /// Hands what was found to all who wait, and keeps it, unless an invalidation has overtaken it.
    pub(super) fn land_found(mut self, found: Found<V>) {
        let (took, now) = (self.took(), self.cache.now());
        let Found { slot, waited } = found;
        let fate = self.store(self.key().clone(), slot.clone(), now);
        let (landing, is_fresh) = match slot {
            Slot::Uncacheable(_) => (Landing::Pass, false),
            Slot::Kept(entry) => {
                let freshness = entry.lifetime().freshness(entry.age(now));
                let landed = Landed {
                    tags: entry.tags().clone(),
                    answer: Answer::Whole(entry),
                    fate: Fate::Found { waited },
                };
                (Landing::Answer(landed), freshness == Freshness::Fresh)
            }
        };
        if fate == Fate::Stored && is_fresh {
            self.leader.land(landing);
            self.leader.close();
        } else {
            self.leader.close();
            self.leader.land(landing);
        }
        self.tell_filled(FillOutcome::Found, took);
    }
}

/// The tags as they are written; nothing where one of them is another kind of subject, by which no other process would find
/// the value.
pub(super) fn written(tags: &Tags) -> Option<Vec<crate::key::Digest>> {
    let digest = |tag: &Subject| match tag {
        Subject::Tag(digest) => Some(*digest),
        _ => None,
    };
    tags.as_slice().iter().map(digest).collect()
}
