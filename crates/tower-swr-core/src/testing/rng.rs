use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::rng::Rng;

/// A die that rolls what it was told, and then zero. Clones share the script.
///
/// ```
/// use tower_swr_core::Rng;
/// use tower_swr_core::testing::ScriptedRng;
///
/// let die = ScriptedRng::new([0.5]);
/// assert_eq!((die.roll(), die.roll()), (0.5, 0.0));
/// ```
#[derive(Clone, Debug, Default)]
pub struct ScriptedRng {
    rolls: Arc<Mutex<VecDeque<f64>>>,
}

impl ScriptedRng {
    /// A die that rolls `rolls` in turn.
    ///
    /// # Panics
    ///
    /// For a roll outside of `0.0..1.0`.
    #[track_caller]
    pub fn new(rolls: impl IntoIterator<Item = f64>) -> Self {
        let rolls: VecDeque<f64> = rolls.into_iter().collect();
        for roll in &rolls {
            assert!(
                (0.0..1.0).contains(roll),
                "a die cannot roll {roll}: give numbers in 0.0..1.0"
            );
        }
        Self {
            rolls: Arc::new(Mutex::new(rolls)),
        }
    }
}

impl Rng for ScriptedRng {
    fn roll(&self) -> f64 {
        let mut rolls = self.rolls.lock().unwrap_or_else(PoisonError::into_inner);
        rolls.pop_front().unwrap_or(0.0)
    }
}
