//! The randomness of simulations: a generator whose whole run follows from its seed.

/// SplitMix64.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// Any number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Less than `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("it is below a usize")
    }

    /// In `range`.
    pub fn within(&mut self, range: std::ops::Range<i64>) -> i64 {
        range.start + i64::try_from(self.next() % range.start.abs_diff(range.end)).expect("it is below the range's length")
    }

    /// True so many times in a hundred.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }
}

/// Runs the world of one seed. When it is not as it must be, `variable`, which replays it, is printed with the seed.
pub fn replayable<T>(variable: &'static str, seed: u64, world: impl FnOnce(Random) -> T) -> T {
    struct Replay(&'static str, u64);
    impl Drop for Replay {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("the world of {}={} is not as it must be", self.0, self.1);
            }
        }
    }
    let _replay = Replay(variable, seed);
    world(Random(seed))
}
