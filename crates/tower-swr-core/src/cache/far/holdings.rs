use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use slab::Slab;

use crate::far::{Lease, LogPosition, Version};
use crate::key::{KeyRef, SUBJECTS, Subject};

/// The leases of the calls that run.
#[derive(Debug, Default)]
pub(super) struct Holdings {
    held: Mutex<Slab<Holding>>,
}

#[derive(Debug)]
struct Holding {
    subjects: [Subject; SUBJECTS],
    /// Gone once an invalidation has taken it.
    lease: Option<Box<dyn Lease>>,
}

/// A lease that a call runs under. Dropped, it is given back.
pub(in crate::cache) struct Grant {
    holdings: Arc<Holdings>,
    place: usize,
    pub(super) version: Version,
    /// What had been recorded before the origin was called.
    pub(super) born: LogPosition,
    /// What was there when the lease was given, which is to be replaced.
    pub(super) seen: Option<Version>,
}

impl Holdings {
    pub(super) fn hold(
        self: &Arc<Self>,
        key: KeyRef<'_>,
        lease: Box<dyn Lease>,
        born: LogPosition,
        seen: Option<Version>,
    ) -> Grant {
        let version = lease.version();
        let holding = Holding {
            subjects: key.subjects(),
            lease: Some(lease),
        };
        Grant {
            holdings: Arc::clone(self),
            place: self.lock().insert(holding),
            version,
            born,
            seen,
        }
    }

    /// Gives back all that an invalidation of `subject` concerns.
    pub(super) fn release(&self, subject: Subject) {
        let mut held = self.lock();
        let concerned = held
            .iter_mut()
            .map(|(_, holding)| holding)
            .filter(|it| subject == Subject::All || it.subjects.contains(&subject));
        let leases: Vec<_> = concerned.filter_map(|it| it.lease.take()).collect();
        drop(held);
        drop(leases);
    }

    fn lock(&self) -> MutexGuard<'_, Slab<Holding>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Grant {
    /// The lease itself, unless an invalidation has taken it.
    pub(super) fn take(&self) -> Option<Box<dyn Lease>> {
        let mut held = self.holdings.lock();
        held.get_mut(self.place)?.lease.take()
    }

    pub(in crate::cache) fn version(&self) -> [u8; Version::BYTES] {
        *self.version.as_bytes()
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        let gone = self.holdings.lock().try_remove(self.place);
        // Given back when nothing is locked.
        drop(gone);
    }
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant")
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}
