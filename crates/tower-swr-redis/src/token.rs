//! Tokens: what nobody else has.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use tower_swr_core::{HasherRng, Rng};

/// Makes them of what this process drew once, and a count.
pub(crate) struct Tokens {
    node: [u8; 16],
    count: AtomicU64,
}

impl Tokens {
    /// How many bytes each has.
    pub(crate) const BYTES: usize = 24;

    /// Draws from the keys that the system gives to the standard library's hashers, whatever die jitter is rolled with: two
    /// processes with the same script must not hold the same lease.
    pub(crate) fn new() -> Self {
        /// The numbers that a digit of four bytes tells apart.
        const RANGE: f64 = (1_u64 << 32) as f64;
        let mut node = [0; 16];
        for four in node.chunks_exact_mut(4) {
            let drawn = (HasherRng.roll() * RANGE) as u32;
            four.copy_from_slice(&drawn.to_le_bytes());
        }
        Self {
            node,
            count: AtomicU64::new(0),
        }
    }

    pub(crate) fn next(&self) -> Vec<u8> {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        [&self.node[..], &count.to_le_bytes()].concat()
    }

    /// What this process is called, in hexadecimal digits.
    pub(crate) fn node(&self) -> String {
        self.node.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Without what it drew: who knows that can guess every token.
impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_are_the_same() {
        let [one, other] = [(); 2].map(|()| Tokens::new());
        let tokens = [one.next(), one.next(), other.next(), other.next()];
        let mut different = tokens.to_vec();
        different.sort();
        different.dedup();
        assert_eq!(different.len(), tokens.len());
        assert!(tokens.iter().all(|token| token.len() == Tokens::BYTES));
        assert_ne!(one.node(), other.node());
        assert_eq!(format!("{one:?}"), "Tokens");
    }
}
