use tokio::sync::watch;

use crate::far::{
    FarError, FarFuture, FarLog, Invalidation, LogEvent, LogFollower, LogPosition, Recorded, Woken,
};
use crate::key::Subject;
use crate::testing::far::node::FarNode;
use crate::testing::far::server::wake;

impl FarNode {
    pub(super) fn record(&self, invalidation: Invalidation) -> LogPosition {
        let (position, waiting) = self.server.change(|state| {
            let mut waiting = Vec::new();
            if let (Subject::Key(primary), false) = (invalidation.subject, invalidation.is_soft) {
                state.values.remove(&(primary, None));
                // What a real one does by a fence that all of them remember.
                state.leases.retain(|(leased, _), _| *leased != primary);
                waiting = state.waiting_for_all(primary);
            }
            state.last.minor += 1;
            let position = state.last;
            state.log.push_back((position, invalidation));
            if !invalidation.is_soft {
                state.stamps.insert(invalidation.subject, position);
            }
            (position, waiting)
        });
        wake(waiting, Woken::Invalidated);
        position
    }

    fn has_queued(&self, subjects: &[Subject]) -> bool {
        let life = self.life();
        let mut queued = life.queued.iter();
        queued.any(|queued| !queued.is_soft && subjects.contains(&queued.subject))
    }

    fn is_cut_off(&self) -> bool {
        self.life().fault.is_some()
    }
}

impl FarLog for FarNode {
    fn invalidate(&self, invalidation: Invalidation) -> FarFuture<'_, Recorded> {
        Box::pin(async move {
            match self.step(|| self.record(invalidation)).await {
                Ok(position) => Recorded::Done(position),
                Err(_trouble) => {
                    self.life().queued.push(invalidation);
                    Recorded::Queued
                }
            }
        })
    }

    fn follow(&self) -> Box<dyn LogFollower> {
        let state = self.server.state();
        let (read, history) = (state.last, state.history);
        drop(state);
        Box::new(FakeFollower {
            node: self.clone(),
            changes: self.server.changes(),
            read,
            history,
            standing: Standing::New,
        })
    }

    fn position(&self) -> LogPosition {
        match self.is_cut_off() {
            true => self.life().read,
            false => self.server.state().last,
        }
    }

    fn admits<'a>(
        &'a self,
        born: LogPosition,
        subjects: &'a [Subject],
    ) -> FarFuture<'a, Result<bool, FarError>> {
        Box::pin(async move {
            if self.has_queued(subjects) {
                return Ok(false);
            }
            let look = || {
                let state = self.server.state();
                let stamps = subjects.iter().filter_map(|it| state.stamps.get(it));
                stamps.max().is_none_or(|newest| *newest <= born)
            };
            self.step(look).await
        })
    }
}

#[derive(Debug)]
struct FakeFollower {
    node: FarNode,
    changes: watch::Receiver<()>,
    read: LogPosition,
    history: u64,
    standing: Standing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    New,
    Suspect,
    UpToDate,
}

impl FakeFollower {
    fn look(&mut self) -> Option<LogEvent> {
        if self.node.is_cut_off() {
            let knew = self.standing == Standing::UpToDate;
            self.standing = match self.standing {
                Standing::UpToDate => Standing::Suspect,
                standing => standing,
            };
            return knew.then_some(LogEvent::Suspect);
        }
        let state = self.node.server.state();
        if state.history != self.history || state.trimmed > self.read {
            self.history = state.history;
            self.read = state.last;
            self.standing = Standing::UpToDate;
            return Some(LogEvent::HistoryLost);
        }
        let next = state.log.iter().find(|(position, _)| *position > self.read);
        if let Some((position, invalidation)) = next.copied() {
            self.read = position;
            return Some(LogEvent::Invalidated {
                invalidation,
                position,
            });
        }
        let knew = self.standing == Standing::UpToDate;
        self.standing = Standing::UpToDate;
        (!knew).then_some(LogEvent::Replayed)
    }
}

impl LogFollower for FakeFollower {
    fn next(&mut self) -> FarFuture<'_, LogEvent> {
        Box::pin(async move {
            loop {
                self.changes.mark_unchanged();
                if let Some(event) = self.look() {
                    return event;
                }
                if self.changes.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        })
    }
}
