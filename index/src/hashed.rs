//! Numbers by the hash of a key: who looks a key up gets all numbers that were added under it, and perhaps some of another key with the
//! same hash, which the caller tells apart.
//!
//! The keys themselves are not here, so nothing has to be read to add, remove or grow. It is a linear hash table: it grows by a bucket
//! at a time, so no change waits for all the others to move. A bucket is sorted by hash, and dense.
//! Source: Litwin, "Linear hashing: a new tool for file and table addressing", 1980.

mod bulk;

pub(crate) use bulk::{Pair, pair};

use crate::postings::Postings;

/// How many hashes a bucket has on average.
const BUCKET: usize = if cfg!(test) { 3 } else { 160 };

/// Marks the number of a group.
const GROUP: u32 = 1 << 31;

/// Numbers below 2³¹ by 32-bit hashes.
#[derive(Clone, Debug)]
pub(crate) struct Hashed {
    buckets: Vec<Bucket>,
    hashes: usize,
    /// The numbers of hashes that have several.
    groups: Vec<Postings>,
    free: Vec<u32>,
    /// Bytes on the heap, of the buckets and of the groups.
    bucket_bytes: usize,
    group_bytes: usize,
}

/// A number that comes under a hash, or goes from there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HashChange {
    pub hash: u32,
    pub number: u32,
    pub is_new: bool,
}

/// Hashes, ascending and distinct, each with its only number, or with [`GROUP`] and the number of its group.
#[derive(Clone, Debug, Default)]
struct Bucket(Vec<(u32, u32)>);

impl Bucket {
    const fn memory_bytes(&self) -> usize {
        self.0.capacity() * size_of::<(u32, u32)>()
    }

    /// About where a hash is, or belongs: hashes are spread evenly.
    const fn guess(&self, hash: u32) -> usize {
        ((hash as u64 * self.0.len() as u64) >> 32) as usize
    }

    /// Where a hash is, or belongs.
    fn search(&self, hash: u32) -> Result<usize, usize> {
        let guess = self.guess(hash);
        let (low, high) = (guess.saturating_sub(16), (guess + 16).min(self.0.len()));
        let around = &self.0[low..high];
        let within = around.first().is_none_or(|first| low == 0 || first.0 <= hash)
            && around.last().is_none_or(|last| high == self.0.len() || last.0 >= hash);
        if within {
            around.binary_search_by_key(&hash, |entry| entry.0).map(|at| low + at).map_err(|at| low + at)
        } else {
            self.0.binary_search_by_key(&hash, |entry| entry.0)
        }
    }

    fn insert(&mut self, at: usize, hash: u32, number: u32) {
        if self.0.len() == self.0.capacity() {
            self.0.reserve_exact(4 + self.0.len() / 32);
        }
        self.0.insert(at, (hash, number));
    }

    fn remove(&mut self, at: usize) {
        self.0.remove(at);
        if self.0.capacity() > 16 + self.0.len() * 9 / 8 {
            self.0.shrink_to(4 + self.0.len());
        }
    }
}

impl Default for Hashed {
    fn default() -> Self {
        let buckets = vec![Bucket::default()];
        Self { buckets, hashes: 0, groups: Vec::new(), free: Vec::new(), bucket_bytes: 0, group_bytes: 0 }
    }
}

impl Hashed {
    /// How many numbers there are under a hash.
    pub fn count(&self, hash: u32) -> usize {
        match self.find(hash) {
            None => 0,
            Some(number) if number & GROUP == 0 => 1,
            Some(group) => self.groups[(group & !GROUP) as usize].len(),
        }
    }

    /// Calls `visit` with each number under a hash, ascending.
    pub fn for_each(&self, hash: u32, mut visit: impl FnMut(u32)) {
        match self.find(hash) {
            None => {}
            Some(number) if number & GROUP == 0 => visit(number),
            Some(group) => self.groups[(group & !GROUP) as usize].for_each(visit),
        }
    }

    /// Calls `visit` with each hash and number.
    pub fn for_each_entry(&self, mut visit: impl FnMut(u32, u32)) {
        for &(hash, number) in self.buckets.iter().flat_map(|bucket| &bucket.0) {
            if number & GROUP == 0 {
                visit(hash, number);
            } else {
                self.groups[(number & !GROUP) as usize].for_each(|number| visit(hash, number));
            }
        }
    }

    /// Makes all these changes, one bucket after another. What goes, goes before the same comes.
    pub fn change(&mut self, changes: &mut [HashChange]) {
        changes.sort_unstable_by_key(|change| (self.place(change.hash), change.is_new));
        for change in changes {
            if change.is_new {
                self.insert(change.hash, change.number);
            } else {
                self.remove(change.hash, change.number);
            }
        }
    }

    /// What sorts hashes in the order in which they lie here.
    pub const fn place(&self, hash: u32) -> u64 {
        (self.bucket(hash) as u64) << 32 | hash as u64
    }

    /// Adds a number under a hash.
    pub fn insert(&mut self, hash: u32, number: u32) {
        debug_assert!(number < GROUP, "numbers are below 2^31");
        let bucket = self.bucket(hash);
        let place = &mut self.buckets[bucket];
        match place.search(hash) {
            Ok(at) if place.0[at].1 & GROUP != 0 => {
                let group = place.0[at].1 & !GROUP;
                self.change_group(group, |group| group.insert(number));
            }
            Ok(at) if place.0[at].1 == number => {}
            Ok(at) => {
                let former = place.0[at].1;
                let group = self.free.pop().unwrap_or(self.groups.len() as u32);
                if group as usize == self.groups.len() {
                    push(&mut self.groups, Postings::default());
                }
                self.buckets[bucket].0[at].1 = group | GROUP;
                self.change_group(group, |group| {
                    group.insert(former);
                    group.insert(number);
                });
            }
            Err(at) => {
                let before = place.memory_bytes();
                place.insert(at, hash, number);
                self.bucket_bytes = self.bucket_bytes + place.memory_bytes() - before;
                self.hashes += 1;
                if self.hashes > self.buckets.len() * BUCKET {
                    self.split();
                }
            }
        }
    }

    /// Removes a number under a hash.
    pub fn remove(&mut self, hash: u32, number: u32) {
        let bucket = self.bucket(hash);
        let place = &mut self.buckets[bucket];
        let Ok(at) = place.search(hash) else { return };
        let found = place.0[at].1;
        if found & GROUP != 0 {
            let group = found & !GROUP;
            self.change_group(group, |group| group.remove(number));
            if self.groups[group as usize].len() == 1 {
                let place = &mut self.buckets[bucket];
                self.groups[group as usize].for_each(|last| place.0[at].1 = last);
                self.change_group(group, |group| *group = Postings::default());
                self.free.push(group);
            }
        } else if found == number {
            let before = place.memory_bytes();
            place.remove(at);
            self.bucket_bytes = self.bucket_bytes + place.memory_bytes() - before;
            self.hashes -= 1;
        }
    }

    /// Gives back what was reserved for more.
    pub fn shrink_to_fit(&mut self) {
        self.buckets.iter_mut().for_each(|bucket| bucket.0.shrink_to_fit());
        self.groups.iter_mut().for_each(Postings::shrink_to_fit);
        self.groups.shrink_to_fit();
        self.bucket_bytes = self.buckets.iter().map(Bucket::memory_bytes).sum();
        self.group_bytes = self.groups.iter().map(Postings::memory_bytes).sum();
    }

    /// Bytes on the heap.
    pub const fn memory_bytes(&self) -> usize {
        self.buckets.capacity() * size_of::<Bucket>()
            + self.groups.capacity() * size_of::<Postings>()
            + self.free.capacity() * size_of::<u32>()
            + self.bucket_bytes
            + self.group_bytes
    }

    fn find(&self, hash: u32) -> Option<u32> {
        let bucket = &self.buckets[self.bucket(hash)];
        bucket.search(hash).ok().map(|at| bucket.0[at].1)
    }

    /// The bucket that a hash belongs to: that of its lowest bits, as far as there are buckets.
    const fn bucket(&self, hash: u32) -> usize {
        let all = self.buckets.len().next_power_of_two();
        let bucket = hash as usize & (all - 1);
        if bucket < self.buckets.len() { bucket } else { bucket - all / 2 }
    }

    fn change_group(&mut self, group: u32, change: impl FnOnce(&mut Postings)) {
        let group = &mut self.groups[group as usize];
        let before = group.memory_bytes();
        change(group);
        self.group_bytes = self.group_bytes + group.memory_bytes() - before;
    }

    /// Adds a bucket, and moves to it what belongs there, all of which is in one other.
    fn split(&mut self) {
        let new = self.buckets.len();
        let bit = new.next_power_of_two() / if new.is_power_of_two() { 1 } else { 2 };
        let former = std::mem::take(&mut self.buckets[new - bit]);
        self.bucket_bytes -= former.memory_bytes();
        let moving = former.0.iter().filter(|(hash, _)| *hash as usize & bit != 0).count();
        let half = |len| Bucket(Vec::with_capacity(len + 4));
        let mut halves = [half(former.0.len() - moving), half(moving)];
        for entry in former.0 {
            halves[usize::from(entry.0 as usize & bit != 0)].0.push(entry);
        }
        self.bucket_bytes += halves.iter().map(Bucket::memory_bytes).sum::<usize>();
        let [stay, go] = halves;
        self.buckets[new - bit] = stay;
        push(&mut self.buckets, go);
    }
}

/// Appends to a vector, of which a thirty-second at most is unused. The allocator moves a long vector without copying it.
pub(crate) fn push<T>(vector: &mut Vec<T>, value: T) {
    if vector.len() == vector.capacity() {
        vector.reserve_exact(8 + vector.len() / 32);
    }
    vector.push(value);
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    pub(super) fn heap(hashed: &Hashed) -> usize {
        let buckets: usize = hashed.buckets.iter().map(Bucket::memory_bytes).sum();
        buckets + hashed.groups.iter().map(Postings::memory_bytes).sum::<usize>()
    }

    proptest! {
        #[test]
        fn numbers_are_found_under_their_hash(
            changes in prop::collection::vec((0..60_u32, 0..12_u32, prop::bool::weighted(0.65)), 0..500),
            factor in prop::sample::select(vec![1_u32, 2_654_435_761, 1 << 26]),
        ) {
            let (mut hashed, mut model) = (Hashed::default(), BTreeMap::<u32, BTreeSet<u32>>::new());
            for (key, number, insert) in changes {
                let hash = key.wrapping_mul(factor);
                if insert {
                    hashed.insert(hash, number);
                    model.entry(hash).or_default().insert(number);
                } else {
                    hashed.remove(hash, number);
                    model.entry(hash).or_default().remove(&number);
                }
                prop_assert_eq!(hashed.bucket_bytes + hashed.group_bytes, heap(&hashed));
            }
            for (hash, numbers) in model {
                let mut found = vec![];
                hashed.for_each(hash, |number| found.push(number));
                prop_assert_eq!(hashed.count(hash), numbers.len());
                prop_assert_eq!(found, numbers.into_iter().collect::<Vec<_>>());
            }
            prop_assert_eq!(hashed.count(0xdead_beef), 0);
        }
    }

    #[test]
    fn a_key_that_all_have_does_not_slow_the_others_down() {
        let mut hashed = Hashed::default();
        for number in 0..50_000 {
            hashed.insert(7, number);
        }

        assert_eq!(hashed.count(7), 50_000);
        assert_eq!(hashed.buckets.len(), 1);
    }
}
