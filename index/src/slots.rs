//! Sets of small numbers: contacts' slots.

/// A set of numbers as a bitmap.
#[derive(Clone, Debug)]
pub(crate) struct Bits {
    words: Vec<u64>,
    len: usize,
}

impl Bits {
    /// An empty set of numbers below `bound`.
    pub fn below(bound: usize) -> Self {
        Self { words: vec![0; bound.div_ceil(64)], len: 0 }
    }

    /// How many numbers there are.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// No number of the set is this great or greater.
    pub const fn bound(&self) -> usize {
        self.words.len() * 64
    }

    /// Whether this number is in the set.
    pub fn contains(&self, number: u32) -> bool {
        self.words.get(number as usize / 64).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    /// Adds a number, which is below the bound.
    pub fn add(&mut self, number: u32) {
        let word = &mut self.words[number as usize / 64];
        let bit = 1 << (number % 64);
        self.len += usize::from(*word & bit == 0);
        *word |= bit;
    }

    /// The numbers, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        (0_u32..).zip(&self.words).flat_map(|(at, &word)| {
            let mut rest = word;
            std::iter::from_fn(move || {
                let bit = (rest != 0).then(|| rest.trailing_zeros())?;
                rest &= rest - 1;
                Some(at * 64 + bit)
            })
        })
    }

    /// Removes the numbers that are not in another set.
    pub fn intersect(&mut self, other: &Self) {
        self.words.truncate(other.words.len());
        self.words.iter_mut().zip(&other.words).for_each(|(word, other)| *word &= other);
        self.len = self.words.iter().map(|word| word.count_ones() as usize).sum();
    }
}

impl Extend<u32> for Bits {
    fn extend<T: IntoIterator<Item = u32>>(&mut self, numbers: T) {
        for number in numbers {
            self.add(number);
        }
    }
}

/// A set of slots as a query finds them, in the form that suits their number.
#[derive(Clone, Debug)]
pub(crate) enum Slots {
    /// Distinct slots, in any order.
    Few(Vec<u32>),
    /// Many of all slots.
    Many(Bits),
}

impl Slots {
    /// How many slots there are.
    pub const fn len(&self) -> usize {
        match self {
            Self::Few(slots) => slots.len(),
            Self::Many(bits) => bits.len(),
        }
    }

    /// The slots as a bitmap, all of them being below `bound`.
    pub fn into_bits(self, bound: usize) -> Bits {
        match self {
            Self::Few(slots) => {
                let mut bits = Bits::below(bound);
                bits.extend(slots);
                bits
            }
            Self::Many(bits) => bits,
        }
    }

    /// The slots one after another.
    pub fn into_vec(self) -> Vec<u32> {
        match self {
            Self::Few(slots) => slots,
            Self::Many(bits) => bits.iter().collect(),
        }
    }

    /// The slots that `passes` holds of.
    #[must_use]
    pub fn filter(self, mut passes: impl FnMut(u32) -> bool) -> Self {
        match self {
            Self::Few(mut slots) => {
                slots.retain(|&slot| passes(slot));
                Self::Few(slots)
            }
            Self::Many(bits) => {
                let mut passing = Bits::below(bits.bound());
                passing.extend(bits.iter().filter(|&slot| passes(slot)));
                Self::Many(passing)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_bitmap_is_a_set(
            numbers in prop::collection::vec(0..300_u32, 0..200),
            others in prop::collection::btree_set(0..400_u32, 0..200),
        ) {
            let (mut bits, mut other) = (Bits::below(300), Bits::below(400));
            bits.extend(numbers.iter().copied());
            other.extend(others.iter().copied());
            let set: BTreeSet<u32> = numbers.into_iter().collect();
            let mut both = bits.clone();
            both.intersect(&other);

            for (bits, set) in [(&bits, set.clone()), (&both, set.intersection(&others).copied().collect())] {
                prop_assert_eq!(bits.len(), set.len());
                prop_assert!((0..500).all(|number| bits.contains(number) == set.contains(&number)));
                prop_assert_eq!(bits.iter().collect::<Vec<_>>(), set.into_iter().collect::<Vec<_>>());
            }
        }
    }
}
