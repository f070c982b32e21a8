//! Chance that repeats itself.

/// Splitmix64. Source: <https://doi.org/10.1145/2714064.2660195>.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The sequence of this seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number of the sequence.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `bound`, which must not be 0.
    pub const fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// From 0 to just below 1.
    pub const fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True in `percent` of a hundred cases.
    pub const fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of them, the first ones more often, as with names.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        let bound = choices.len() as u64;
        &choices[(self.below(bound) * self.below(bound) / bound) as usize]
    }

    /// One of them, each by its share.
    pub fn weighted<'a, T>(&mut self, choices: &'a [T], share: impl Fn(&T) -> u64) -> &'a T {
        let mut left = self.below(choices.iter().map(&share).sum());
        for choice in choices {
            match left.checked_sub(share(choice)) {
                Some(rest) => left = rest,
                None => return choice,
            }
        }
        &choices[0]
    }

    /// A rank below `bound` with a chance in proportion to `1 / (rank + shift)`, which is Zipf's law with its head made flatter.
    pub fn zipf(&mut self, bound: usize, shift: f64) -> usize {
        let rank = shift * ((bound as f64 / shift + 1.0).powf(self.fraction()) - 1.0);
        (rank as usize).min(bound - 1)
    }
}
