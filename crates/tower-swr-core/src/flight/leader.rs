use std::fmt;
use std::hash::Hash;

use super::{Flight, Landing, Lost, Table, Waiter};
use crate::sync::Arc;

/// The duty to land a flight.
///
/// Dropped early, by a cancelled task, a panic or a shutdown, it closes the flight and lands [`Lost::Dropped`].
#[must_use = "dropped, it tells those who wait that the flight is lost"]
pub struct Leader<K: Hash + Eq, A> {
    table: Arc<Table<K, A>>,
    key: K,
    /// Another key that the flight is open under.
    also: Option<K>,
    flight: Arc<Flight<A>>,
    open: bool,
}

impl<K: Hash + Eq, A> Leader<K, A> {
    pub(super) fn new(table: Arc<Table<K, A>>, key: K, flight: Arc<Flight<A>>) -> Self {
        Self {
            table,
            key,
            also: None,
            flight,
            open: true,
        }
    }

    /// The key that this leader flies for.
    pub fn key(&self) -> &K {
        &self.key
    }

    /// One more who waits for the landing.
    pub fn waiter(&self) -> Waiter<A> {
        Waiter::new(Arc::clone(&self.flight))
    }

    /// Hands `landing` to all who wait and to all who still join. Only the first landing counts.
    pub fn land(&self, landing: Landing<A>) {
        self.flight.land(landing);
    }

    /// Opens this flight under `key`, too, until it closes: for an answer that turns out to belong there. Not where
    /// another flight is open already, nor where this one was born before `oldest`; see [`Flights::join`]. Whether it
    /// did. The last such key counts.
    ///
    /// [`Flights::join`]: super::Flights::join
    pub fn also_under(&mut self, key: K, oldest: u64) -> bool
    where
        K: Clone,
    {
        if !self.open || self.flight.born < oldest {
            return false;
        }
        let opened = self.table.open(key.clone(), &self.flight, oldest);
        if opened && let Some(before) = self.also.replace(key) {
            self.table.remove(&before, &self.flight);
        }
        opened
    }

    /// Lets nobody join any more: the next one begins a new flight. Those who joined keep what they were promised.
    pub fn close(&mut self) {
        if std::mem::take(&mut self.open) {
            self.table.remove(&self.key, &self.flight);
            if let Some(also) = self.also.take() {
                self.table.remove(&also, &self.flight);
            }
        }
    }

    /// Closes, and lets go of what was landed: from here on it lives as long as somebody who joined has it.
    pub fn leave(&mut self) {
        self.close();
        // An empty one in its place, which nobody can reach.
        self.flight = Arc::new(Flight::new(self.flight.born));
    }
}

impl<K: Hash + Eq, A> Drop for Leader<K, A> {
    fn drop(&mut self) {
        // Closed before it is lost: nobody may join a flight that is known to have failed.
        self.close();
        self.flight.land(Landing::Lost(Lost::Dropped));
    }
}

impl<K: Hash + Eq + fmt::Debug, A> fmt::Debug for Leader<K, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leader")
            .field("key", &self.key)
            .field("open", &self.open)
            .finish_non_exhaustive()
    }
}
