//! Randomness as a port: jitter and back-off roll a die that a test can script.

use std::fmt::Debug;

/// A source of dice rolls for jitter and back-off. Nothing secret is ever made from it.
pub trait Rng: Debug + Send + Sync + 'static {
    /// A number drawn evenly from `0.0..1.0`.
    fn roll(&self) -> f64;
}

/// The default die: the standard library's randomly keyed hasher, so no dependency and no shared state.
///
/// ```
/// use tower_swr_core::{HasherRng, Rng};
///
/// let roll = HasherRng.roll();
/// assert!((0.0..1.0).contains(&roll));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct HasherRng;

#[allow(clippy::disallowed_methods, reason = "this module is the port")]
impl Rng for HasherRng {
    fn roll(&self) -> f64 {
        use std::hash::{BuildHasher, RandomState};
        /// 2^53: the numbers that an `f64` tells apart between zero and one.
        const STEPS: f64 = (1_u64 << 53) as f64;
        (RandomState::new().hash_one(()) >> 11) as f64 / STEPS
    }
}
