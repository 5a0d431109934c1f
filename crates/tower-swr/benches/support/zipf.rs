//! Draws from a Zipf distribution: the n-th most popular of the keys is asked for 1/n as often as the first.

/// A sequence of draws out of `0..keys`, the same for the same `seed`.
pub(crate) fn draws(keys: usize, count: usize, seed: u64) -> Vec<u32> {
    let mut sum = 0.0;
    let sums: Vec<f64> = (1..=keys)
        .map(|rank| {
            sum += 1.0 / rank as f64;
            sum
        })
        .collect();
    let mut dice = Dice(seed);
    let mut draw = || {
        let roll = dice.roll() * sum;
        sums.partition_point(|upto| *upto < roll).min(keys - 1) as u32
    };
    (0..count).map(|_| draw()).collect()
}

/// The `SplitMix64` generator: as good as is needed to choose keys.
struct Dice(u64);

impl Dice {
    /// A number in `0.0..1.0`.
    fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        (bits >> 11) as f64 / (1_u64 << 53) as f64
    }
}
