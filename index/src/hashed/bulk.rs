//! Many numbers at once.

use super::{BUCKET, Bucket, GROUP, Hashed};
use crate::postings::Postings;

/// A hash and a number, which compare by hash and then by number.
pub(crate) type Pair = u64;

/// The pair of these.
pub(crate) const fn pair(hash: u32, number: u32) -> Pair {
    (hash as u64) << 32 | number as u64
}

const fn hash(pair: Pair) -> u32 {
    (pair >> 32) as u32
}

impl Hashed {
    /// The numbers of these pairs, in any order, several of which may be equal.
    pub fn from_pairs(parts: Vec<Vec<Pair>>) -> Self {
        let len: usize = parts.iter().map(Vec::len).sum();
        let count = len.div_ceil(BUCKET).max(1);
        let mut hashed = Self { buckets: vec![Bucket::default(); count], ..Self::default() };

        let mut ends = vec![0; count];
        parts.iter().flatten().for_each(|&pair| ends[hashed.bucket(hash(pair))] += 1);
        let mut sum = 0;
        for end in &mut ends {
            let start = sum;
            sum += *end;
            *end = start;
        }
        // Each end is the bucket's start, until its pairs have moved it.
        let mut pairs = vec![0; len];
        for part in parts {
            for pair in part {
                let end = &mut ends[hashed.bucket(hash(pair))];
                pairs[*end] = pair;
                *end += 1;
            }
        }

        let (mut start, mut entries, mut slots) = (0, Vec::new(), Vec::new());
        for (bucket, end) in ends.into_iter().enumerate() {
            let pairs = &mut pairs[start..end];
            start = end;
            pairs.sort_unstable();
            entries.clear();
            for same in pairs.chunk_by(|one, other| hash(*one) == hash(*other)) {
                let number = match same {
                    [one] => *one as u32,
                    _ => {
                        slots.clear();
                        slots.extend(same.iter().map(|&pair| pair as u32));
                        slots.dedup();
                        hashed.group(&slots)
                    }
                };
                entries.push((hash(same[0]), number));
            }
            hashed.hashes += entries.len();
            hashed.buckets[bucket] = Bucket(entries.as_slice().to_vec());
            hashed.bucket_bytes += hashed.buckets[bucket].memory_bytes();
        }
        hashed.groups.shrink_to_fit();
        hashed
    }

    /// What stands in a bucket for these numbers.
    fn group(&mut self, numbers: &[u32]) -> u32 {
        if let [only] = numbers {
            return *only;
        }
        let group = Postings::from_sorted(numbers);
        self.group_bytes += group.memory_bytes();
        self.groups.push(group);
        (self.groups.len() as u32 - 1) | GROUP
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_added_at_once_are_found_and_change_like_those_added_one_by_one(
            pairs in prop::collection::vec((0..60_u32, 0..12_u32), 0..300),
            changes in prop::collection::vec((0..60_u32, 0..12_u32, any::<bool>()), 0..100),
            factor in prop::sample::select(vec![1_u32, 2_654_435_761, 1 << 26]),
            parts in 1..4_usize,
        ) {
            let of = |key: u32| key.wrapping_mul(factor);
            let all: Vec<Pair> = pairs.iter().map(|&(key, number)| pair(of(key), number)).collect();
            let mut at_once = Hashed::from_pairs(all.chunks(all.len().div_ceil(parts).max(1)).map(<[Pair]>::to_vec).collect());
            let mut one_by_one = Hashed::default();
            pairs.iter().for_each(|&(key, number)| one_by_one.insert(of(key), number));

            for (key, number, insert) in [(0, 0, false)].into_iter().chain(changes) {
                for hashed in [&mut at_once, &mut one_by_one] {
                    if insert { hashed.insert(of(key), number) } else { hashed.remove(of(key), number) }
                }
                prop_assert_eq!(at_once.bucket_bytes + at_once.group_bytes, super::super::tests::heap(&at_once));
            }
            for key in 0..60 {
                let numbers = |hashed: &Hashed| {
                    let mut numbers = vec![];
                    hashed.for_each(of(key), |number| numbers.push(number));
                    numbers
                };
                prop_assert_eq!(numbers(&at_once), numbers(&one_by_one));
            }
            prop_assert_eq!(at_once.hashes, one_by_one.hashes);
        }
    }
}
