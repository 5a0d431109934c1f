//! Tokens: what nobody else has.

use std::sync::atomic::{AtomicU64, Ordering};

use tower_swr_core::Rng;

/// Makes them of what this process drew once, and a count.
#[derive(Debug)]
pub(crate) struct Tokens {
    node: [u8; 16],
    count: AtomicU64,
}

impl Tokens {
    /// How many bytes each has.
    pub(crate) const BYTES: usize = 24;

    pub(crate) fn new(rng: &dyn Rng) -> Self {
        let mut node = [0; 16];
        for four in node.chunks_exact_mut(4) {
            let drawn = (rng.roll() * f64::from(u32::MAX)) as u32;
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

#[cfg(test)]
mod tests {
    use super::*;
    use tower_swr_core::HasherRng;

    #[test]
    fn no_two_are_the_same() {
        let [one, other] = [(); 2].map(|()| Tokens::new(&HasherRng));
        let tokens = [one.next(), one.next(), other.next(), other.next()];
        let mut different = tokens.to_vec();
        different.sort();
        different.dedup();
        assert_eq!(different.len(), tokens.len());
        assert!(tokens.iter().all(|token| token.len() == Tokens::BYTES));
        assert_ne!(one.node(), other.node());
    }
}
