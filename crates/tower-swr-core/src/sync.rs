//! The lock and the shared pointer of the flights, so that a model checker can take their place.

#[cfg(tower_swr_loom)]
pub(crate) use loom::sync::Arc;
#[cfg(not(tower_swr_loom))]
pub(crate) use std::sync::Arc;

#[cfg(tower_swr_loom)]
use loom::sync as imp;
#[cfg(not(tower_swr_loom))]
use std::sync as imp;

pub(crate) use imp::MutexGuard;

/// A mutex that does not know poison: what it guards is changed in steps that cannot panic half-way.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(imp::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(imp::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        match self.0.lock() {
            Ok(guard) => guard,
            Err(poisoned) => poisoned.into_inner(),
        }
    }
}
