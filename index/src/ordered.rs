//! Contacts in an order, of which the n-th visible one is found without counting through the others.
//!
//! The order is cut into chunks that know how many contacts of which class they hold, so a rank is a sum over chunks. What
//! the order means is up to the caller, who brings the comparison along: here are only slot numbers.

use std::ops::Range;

use crate::hashed::push;
use crate::records::Records;
use crate::slots::Bits;

/// How many contacts a chunk holds at most.
pub(super) const CHUNK: usize = 1_024;

/// Which classes of contacts a caller sees: those with certain namespaces, disabled or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Visibility {
    /// Every class that is in use.
    All,
    /// Those classes whose number is set here.
    Some(Vec<bool>),
}

impl Visibility {
    /// Whether the caller sees contacts of this class.
    pub fn sees(&self, class: u32) -> bool {
        match self {
            Self::All => true,
            Self::Some(classes) => classes.get(class as usize).is_some_and(|&seen| seen),
        }
    }
}

/// Which contacts of an order count.
pub(super) enum Accepts<'a> {
    /// The visible ones, which the order has counted.
    Visible(&'a Visibility),
    /// Those that this holds of.
    Those(&'a dyn Fn(u32) -> bool),
}

impl Accepts<'_> {
    /// Whether a contact counts.
    pub fn accepts(&self, slot: u32, records: &Records) -> bool {
        match self {
            Self::Visible(visibility) => visibility.sees(records.class(slot)),
            Self::Those(accepts) => accepts(slot),
        }
    }

    /// How many contacts of a chunk count.
    pub fn count(&self, chunk: &Chunk) -> usize {
        match self {
            Self::Visible(visibility) => chunk.visible(visibility),
            Self::Those(accepts) => chunk.slots.iter().filter(|&&slot| accepts(slot)).count(),
        }
    }
}

/// A place in an order: before the contact there, or the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    chunk: usize,
    index: usize,
}

/// Slot numbers in an order.
#[derive(Clone, Debug)]
pub(super) struct Ordered {
    /// None is empty.
    chunks: Vec<Chunk>,
    chunk_len: usize,
}

/// A piece of an order.
#[derive(Clone, Debug)]
pub(super) struct Chunk {
    pub slots: Vec<u32>,
    /// Each class of which there are contacts, with their number.
    counts: Vec<(u32, u32)>,
}

impl Chunk {
    /// These contacts.
    pub fn new(slots: Vec<u32>, class_of: &impl Fn(u32) -> u32) -> Self {
        let mut chunk = Self { slots, counts: Vec::new() };
        chunk.count(class_of);
        chunk
    }

    fn count(&mut self, class_of: &impl Fn(u32) -> u32) {
        self.counts.clear();
        // Nearly all contacts have one of a few classes.
        let mut few = [0; 64];
        for at in 0..self.slots.len() {
            let class = class_of(self.slots[at]);
            match few.get_mut(class as usize) {
                Some(count) => *count += 1,
                None => self.add(class),
            }
        }
        self.counts.extend((0..).zip(few).filter(|(_, count)| *count > 0));
        self.counts.shrink_to_fit();
    }

    /// Counts one contact more.
    pub fn add(&mut self, class: u32) {
        match self.counts.iter_mut().find(|(counted, _)| *counted == class) {
            Some((_, count)) => *count += 1,
            None => {
                if self.counts.len() == self.counts.capacity() {
                    self.counts.reserve_exact(2 + self.counts.len() / 8);
                }
                self.counts.push((class, 1));
            }
        }
    }

    /// Counts one contact less.
    pub fn take(&mut self, class: u32) {
        let Some(at) = self.counts.iter().position(|(counted, _)| *counted == class) else {
            debug_assert!(false, "a contact is counted under its class until it is removed");
            return;
        };
        self.counts[at].1 -= 1;
        if self.counts[at].1 == 0 {
            self.counts.swap_remove(at);
        }
    }

    /// Adds contacts with ascending keys.
    fn add_all<K: Ord>(&mut self, new: &[u32], chunk_len: usize, key_of: &impl Fn(u32) -> K, class_of: &impl Fn(u32) -> u32) {
        new.iter().for_each(|&slot| self.add(class_of(slot)));
        let former = self.slots.len();
        if self.slots.capacity() - former < new.len() {
            self.slots.reserve_exact(new.len() + chunk_len / 16);
        }
        self.slots.resize(former + new.len(), 0);
        // From the end: what comes after a new contact moves, then it has its place.
        let mut end = former;
        for (left, &slot) in new.iter().enumerate().rev() {
            let key = key_of(slot);
            let at = self.slots[..end].partition_point(|&other| key_of(other) < key);
            self.slots.copy_within(at..end, at + left + 1);
            self.slots[at + left] = slot;
            end = at;
        }
    }

    /// Removes contacts with ascending keys.
    fn take_all<K: Ord>(&mut self, gone: &[u32], key_of: &impl Fn(u32) -> K, class_of: &impl Fn(u32) -> u32) {
        let (mut kept, mut from) = (0, 0);
        for &slot in gone {
            let key = key_of(slot);
            let at = from + self.slots[from..].partition_point(|&other| key_of(other) < key);
            if self.slots.get(at) != Some(&slot) {
                debug_assert!(false, "a contact is where its values say");
                continue;
            }
            self.take(class_of(slot));
            self.slots.copy_within(from..at, kept);
            kept += at - from;
            from = at + 1;
        }
        self.slots.copy_within(from.., kept);
        self.slots.truncate(kept + self.slots.len() - from);
    }

    /// Removes the contacts of a set.
    fn take_set(&mut self, gone: &Bits, class_of: &impl Fn(u32) -> u32) {
        let mut slots = std::mem::take(&mut self.slots);
        slots.retain(|&slot| {
            let goes = gone.contains(slot);
            if goes {
                self.take(class_of(slot));
            }
            !goes
        });
        self.slots = slots;
    }

    fn visible(&self, visibility: &Visibility) -> usize {
        match visibility {
            Visibility::All => self.slots.len(),
            Visibility::Some(_) => {
                let seen = self.counts.iter().filter(|(class, _)| visibility.sees(*class));
                seen.map(|&(_, count)| count as usize).sum()
            }
        }
    }

    /// Bytes on the heap.
    pub const fn memory_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<u32>() + self.counts.capacity() * size_of::<(u32, u32)>()
    }
}

impl Ordered {
    /// The order of these slots, with chunks of at most `chunk_len`, which is at least 4.
    pub fn from_sorted(slots: &[u32], chunk_len: usize, class_of: impl Fn(u32) -> u32) -> Self {
        // A quarter stays free, or else the first insertions would split every chunk.
        let chunks = slots.chunks(chunk_len * 3 / 4).map(|slots| Chunk::new(slots.to_vec(), &class_of)).collect();
        Self { chunks, chunk_len }
    }

    /// The first position.
    pub const fn start(&self) -> Position {
        Position { chunk: 0, index: 0 }
    }

    /// The position after the last contact.
    pub const fn end(&self) -> Position {
        Position { chunk: self.chunks.len(), index: 0 }
    }

    /// The position of the first contact of which `is_before` does not hold; it holds of none after that.
    pub fn partition_point(&self, is_before: impl Fn(u32) -> bool) -> Position {
        // What is new belongs at the end, most of the time.
        if self.chunks.last().and_then(|chunk| chunk.slots.last()).is_none_or(|&last| is_before(last)) {
            return self.end();
        }
        let after = self.chunks.partition_point(|chunk| is_before(chunk.slots[0]));
        let Some(chunk) = after.checked_sub(1) else { return self.start() };
        let slots = &self.chunks[chunk].slots;
        let index = slots.partition_point(|&slot| is_before(slot));
        if index == slots.len() { Position { chunk: after, index: 0 } } else { Position { chunk, index } }
    }

    /// The contact at a position, or nothing at the end.
    pub fn get(&self, at: Position) -> Option<u32> {
        Some(self.chunks.get(at.chunk)?.slots[at.index])
    }

    /// The position before this one, or nothing at the start.
    pub fn before(&self, at: Position) -> Option<Position> {
        match (at.chunk, at.index) {
            (0, 0) => None,
            (chunk, 0) => Some(Position { chunk: chunk - 1, index: self.chunks[chunk - 1].slots.len() - 1 }),
            (chunk, index) => Some(Position { chunk, index: index - 1 }),
        }
    }

    /// The position after the contact at this one.
    pub fn after(&self, at: Position) -> Position {
        let is_last = self.chunks.get(at.chunk).is_none_or(|chunk| at.index + 1 == chunk.slots.len());
        if is_last { Position { chunk: at.chunk + 1, index: 0 } } else { Position { chunk: at.chunk, index: at.index + 1 } }
    }

    /// How many visible contacts come before a position.
    pub fn rank(&self, at: Position, visibility: &Visibility, class_of: impl Fn(u32) -> u32) -> usize {
        let whole = self.chunks[..at.chunk].iter().map(|chunk| chunk.visible(visibility)).sum::<usize>();
        let part = match (self.chunks.get(at.chunk), visibility) {
            (None, _) => 0,
            (Some(_), Visibility::All) => at.index,
            (Some(chunk), _) => chunk.slots[..at.index].iter().filter(|&&slot| visibility.sees(class_of(slot))).count(),
        };
        whole + part
    }

    /// The position of the visible contact before which `rank` visible ones come, or the end.
    pub fn nth(&self, mut rank: usize, visibility: &Visibility, class_of: impl Fn(u32) -> u32) -> Position {
        for (number, chunk) in self.chunks.iter().enumerate() {
            let visible = chunk.visible(visibility);
            if rank < visible {
                let index = match visibility {
                    Visibility::All => Some(rank),
                    Visibility::Some(_) => {
                        let mut seen = (0..).zip(&chunk.slots).filter(|&(_, &slot)| visibility.sees(class_of(slot)));
                        seen.nth(rank).map(|(index, _)| index)
                    }
                };
                return Position { chunk: number, index: index.expect("the chunk counts its visible contacts") };
            }
            rank -= visible;
        }
        self.end()
    }

    /// The position of the contact that follows `n` others of those from `start` on that `accepts` holds of, or the end.
    pub fn nth_accepted(&self, start: Position, n: usize, accepts: impl Fn(u32) -> bool) -> Position {
        let mut left = n;
        let mut index = start.index;
        for (number, chunk) in (0..).zip(&self.chunks).skip(start.chunk) {
            for (at, &slot) in (index..).zip(&chunk.slots[index..]) {
                if accepts(slot) {
                    if left == 0 {
                        return Position { chunk: number, index: at };
                    }
                    left -= 1;
                }
            }
            index = 0;
        }
        self.end()
    }

    /// The position of the contact that `n` others follow, of those before `end` that `accepts` holds of, or the start.
    pub fn nth_accepted_back(&self, end: Position, n: usize, accepts: impl Fn(u32) -> bool) -> Position {
        let mut left = n;
        let part = self.chunks.get(end.chunk).map(|chunk| (end.chunk, &chunk.slots[..end.index]));
        let whole = self.chunks[..end.chunk].iter().enumerate().rev().map(|(number, chunk)| (number, &chunk.slots[..]));
        for (number, slots) in part.into_iter().chain(whole) {
            for (at, &slot) in slots.iter().enumerate().rev() {
                if accepts(slot) {
                    if left == 0 {
                        return Position { chunk: number, index: at };
                    }
                    left -= 1;
                }
            }
        }
        self.start()
    }

    /// The contacts after `skipped` others of those that `accepts` holds of, from the start or from the end, exactly `count`; nothing when
    /// more than `most` would be looked at for them.
    pub fn page_accepted(
        &self,
        from_end: bool,
        (skipped, count): (usize, usize),
        most: usize,
        accepts: impl Fn(u32) -> bool,
    ) -> Option<Vec<u32>> {
        let (mut page, mut left_to_skip, mut left_to_look_at) = (Vec::with_capacity(count), skipped, most);
        let chunks = self.chunks.len();
        for number in (0..chunks).map(|number| if from_end { chunks - 1 - number } else { number }) {
            let slots = &self.chunks[number].slots;
            left_to_look_at = left_to_look_at.checked_sub(slots.len())?;
            let mut look_at = |slot| {
                if accepts(slot) {
                    match left_to_skip.checked_sub(1) {
                        Some(left) => left_to_skip = left,
                        None => page.push(slot),
                    }
                }
                page.len() == count
            };
            let is_full =
                if from_end { slots.iter().rev().any(|&slot| look_at(slot)) } else { slots.iter().any(|&slot| look_at(slot)) };
            if is_full {
                return Some(page);
            }
        }
        None
    }

    /// The contacts between two positions.
    pub fn iter_range(&self, range: Range<Position>) -> impl Iterator<Item = u32> {
        let last = range.end.chunk.min(self.chunks.len());
        let whole = self.chunks.get(range.start.chunk..last).unwrap_or_default().iter().flat_map(|chunk| &chunk.slots);
        let skipped = if range.start.chunk < last { range.start.index } else { 0 };
        let from = if range.start.chunk < range.end.chunk { 0 } else { range.start.index };
        let part = self.chunks.get(range.end.chunk).and_then(|chunk| chunk.slots.get(from..range.end.index)).unwrap_or_default();
        whole.skip(skipped).chain(part).copied()
    }

    /// The contacts from a position on.
    pub fn iter_from(&self, at: Position) -> impl Iterator<Item = u32> {
        let mut chunks = self.chunks[at.chunk..].iter();
        let first = chunks.next().map_or(&[][..], |chunk| &chunk.slots[at.index..]);
        first.iter().chain(chunks.flat_map(|chunk| &chunk.slots)).copied()
    }

    /// All contacts, from the last to the first.
    pub fn iter_backward(&self) -> impl Iterator<Item = u32> {
        self.chunks.iter().rev().flat_map(|chunk| chunk.slots.iter().rev()).copied()
    }

    /// The contacts with these ascending keys, each with the number of its chunk.
    pub fn find_all<K: Ord>(&self, keys: &[K], key_of: impl Fn(u32) -> K) -> Vec<Option<(usize, u32)>> {
        let starts = Starts::of(self, keys.len(), &key_of);
        let mut number = 0;
        let find = |key: &K| {
            number = starts.chunk_of(key, number);
            let slots = &self.chunks.get(number)?.slots;
            let at = slots.binary_search_by(|&slot| key_of(slot).cmp(key)).ok()?;
            Some((number, slots[at]))
        };
        keys.iter().map(find).collect()
    }

    /// Adds contacts with ascending keys.
    pub fn insert_all<K: Ord>(&mut self, new: &[u32], key_of: impl Fn(u32) -> K, class_of: impl Fn(u32) -> u32) {
        if self.chunks.is_empty() && !new.is_empty() {
            self.chunks.push(Chunk { slots: Vec::new(), counts: Vec::new() });
        }
        // From the end, so that chunks which are cut do not move those that are still to come.
        for (number, new) in self.by_chunk(new, &key_of).into_iter().rev() {
            let is_last = number + 1 == self.chunks.len();
            let chunk = &mut self.chunks[number];
            let is_append = chunk.slots.last().is_none_or(|&last| key_of(last) < key_of(new[0]));
            if is_append && is_last {
                // What comes in ascending order, such as new ids and times, fills its chunks.
                let room = self.chunk_len.saturating_sub(chunk.slots.len()).min(new.len());
                chunk.add_all(&new[..room], self.chunk_len, &key_of, &class_of);
                for slots in new[room..].chunks(self.chunk_len) {
                    push(&mut self.chunks, Chunk::new(slots.to_vec(), &class_of));
                }
                continue;
            }
            chunk.add_all(new, self.chunk_len, &key_of, &class_of);
            if chunk.slots.len() > self.chunk_len {
                // A quarter stays free, or else the next insertions would cut them again.
                let parts = chunk.slots.len().div_ceil((self.chunk_len * 3 / 4).max(1));
                let slots = std::mem::take(&mut chunk.slots);
                let parts = slots.chunks(slots.len().div_ceil(parts)).map(|slots| Chunk::new(slots.to_vec(), &class_of));
                if self.chunks.capacity() - self.chunks.len() < parts.len() {
                    self.chunks.reserve_exact(parts.len() + self.chunks.len() / 32);
                }
                self.chunks.splice(number..=number, parts);
            }
        }
    }

    /// Removes contacts with ascending keys. Their classes are still those they were added with.
    pub fn remove_all<K: Ord>(&mut self, gone: &[u32], key_of: impl Fn(u32) -> K, class_of: impl Fn(u32) -> u32) {
        for (number, gone) in self.by_chunk(gone, &key_of).into_iter().rev() {
            self.chunks[number].take_all(gone, &key_of, &class_of);
            self.tidy(number, &class_of);
        }
    }

    /// Removes the contacts of a set in one pass, which is quicker than looking for each when there are some in nearly every chunk.
    pub fn remove_set(&mut self, gone: &Bits, class_of: impl Fn(u32) -> u32) {
        for number in (0..self.chunks.len()).rev() {
            let Chunk { slots, counts: _ } = &self.chunks[number];
            if slots.iter().any(|&slot| gone.contains(slot)) {
                self.chunks[number].take_set(gone, &class_of);
                self.tidy(number, &class_of);
            }
        }
    }

    /// How many chunks there are.
    pub const fn chunks(&self) -> usize {
        self.chunks.len()
    }

    /// Gives back what a chunk that shrank does not need any more.
    fn tidy(&mut self, number: usize, class_of: &impl Fn(u32) -> u32) {
        let (chunk, reserve) = (&mut self.chunks[number], 1 + self.chunk_len / 16);
        if chunk.slots.capacity() > chunk.slots.len() + 2 * reserve {
            chunk.slots.shrink_to(chunk.slots.len() + reserve);
        }
        if chunk.slots.is_empty() {
            self.chunks.remove(number);
        } else if chunk.slots.len() < self.chunk_len / 4 {
            self.join(number, class_of);
        }
    }

    /// Counts a contact of a chunk under another class than before.
    pub fn recount(&mut self, number: usize, before: u32, after: u32) {
        self.chunks[number].take(before);
        self.chunks[number].add(after);
    }

    /// Gives back what was reserved for more contacts.
    pub fn shrink_to_fit(&mut self) {
        self.chunks.iter_mut().for_each(|chunk| chunk.slots.shrink_to_fit());
        self.chunks.shrink_to_fit();
    }

    /// Contacts with ascending keys, by the chunk that each is in, or belongs to.
    fn by_chunk<'s, K: Ord>(&self, slots: &'s [u32], key_of: &impl Fn(u32) -> K) -> Vec<(usize, &'s [u32])> {
        let starts = Starts::of(self, slots.len(), key_of);
        let (mut groups, mut number, mut start) = (Vec::new(), 0, 0);
        for (at, &slot) in slots.iter().enumerate() {
            let next = starts.chunk_of(&key_of(slot), number);
            if next != number && at > start {
                groups.push((number, &slots[start..at]));
                start = at;
            }
            number = next;
        }
        if start < slots.len() {
            groups.push((number, &slots[start..]));
        }
        groups
    }

    /// Bytes on the heap.
    pub fn memory_bytes(&self) -> usize {
        self.chunks.capacity() * size_of::<Chunk>() + self.chunks.iter().map(Chunk::memory_bytes).sum::<usize>()
    }

    /// Joins a small chunk with a neighbour when the two leave room in one.
    fn join(&mut self, number: usize, class_of: &impl Fn(u32) -> u32) {
        let fits = |lower: usize| {
            let upper = self.chunks.get(lower + 1)?;
            (self.chunks[lower].slots.len() + upper.slots.len() <= self.chunk_len * 3 / 4).then_some(lower)
        };
        let Some(lower) = number.checked_sub(1).and_then(fits).or_else(|| fits(number)) else { return };
        let upper = self.chunks.remove(lower + 1);
        let chunk = &mut self.chunks[lower];
        chunk.slots.reserve_exact(upper.slots.len());
        chunk.slots.extend(upper.slots);
        chunk.count(class_of);
    }
}

/// The keys with which chunks start. Where many are looked for, they are read once, one beside the other.
enum Starts<'a, K, F> {
    Read(Vec<K>),
    InChunks(&'a [Chunk], &'a F),
}

impl<'a, K: Ord, F: Fn(u32) -> K> Starts<'a, K, F> {
    fn of(order: &'a Ordered, looks: usize, key_of: &'a F) -> Self {
        if looks < 32 {
            return Self::InChunks(&order.chunks, key_of);
        }
        Self::Read(order.chunks.iter().filter_map(|chunk| chunk.slots.first()).map(|&slot| key_of(slot)).collect())
    }

    /// The last chunk that starts with this key or a lesser one, of those from `from` on; else that one.
    fn chunk_of(&self, key: &K, from: usize) -> usize {
        let is_before = |number: usize| match self {
            Self::Read(starts) => starts.get(number).is_some_and(|start| start <= key),
            Self::InChunks(chunks, key_of) => {
                chunks.get(number).and_then(|chunk| chunk.slots.first()).is_some_and(|&slot| key_of(slot) <= *key)
            }
        };
        // It is either close or far away: look further and further, then between the last two looks.
        let mut step = 1;
        while is_before(from + step) {
            step *= 2;
        }
        let (mut low, mut high) = (from + step / 2, from + step);
        while low + 1 < high {
            let middle = low.midpoint(high);
            if is_before(middle) {
                low = middle;
            } else {
                high = middle;
            }
        }
        low
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Slots are ordered by their numbers here, and their class is what remains of a division.
    const fn class_of(slot: u32) -> u32 {
        slot % 11
    }

    proptest! {
        #[test]
        fn insertions_and_removals_give_what_a_sorted_list_gives(
            changes in prop::collection::vec((0..200_u32, prop::bool::weighted(0.6)), 0..600),
            chunk_len in 4..20_usize,
            start in 0..150_u32,
            together in 1..100_usize,
        ) {
            let mut expected: Vec<u32> = (0..start).collect();
            let mut ordered = Ordered::from_sorted(&expected, chunk_len, class_of);
            for changes in changes.chunks(together) {
                let all = |insert| -> BTreeSet<u32> {
                    let changes = changes.iter().filter(|change| change.1 == insert && expected.contains(&change.0) != insert);
                    changes.map(|change| change.0).collect()
                };
                let (gone, new) = (all(false), all(true));
                if gone.len() % 2 == 0 {
                    ordered.remove_all(&Vec::from_iter(gone.clone()), |slot| slot, class_of);
                } else {
                    let mut set = Bits::below(200);
                    set.extend(gone.iter().copied());
                    ordered.remove_set(&set, class_of);
                }
                ordered.insert_all(&Vec::from_iter(new.clone()), |slot| slot, class_of);
                expected.retain(|slot| !gone.contains(slot));
                expected.extend(new);
                expected.sort_unstable();
            }
            let found = ordered.find_all(&Vec::from_iter(0..200), |slot| slot);
            for (slot, found) in (0..).zip(found) {
                prop_assert_eq!(found.map(|(_, slot)| slot), expected.contains(&slot).then_some(slot));
                prop_assert!(found.is_none_or(|(chunk, slot)| ordered.chunks[chunk].slots.contains(&slot)));
            }

            prop_assert_eq!(ordered.iter_from(ordered.start()).collect::<Vec<_>>(), &expected[..]);
            for visibility in [Visibility::All, Visibility::Some(vec![true, false, false, true]), Visibility::Some(vec![])] {
                let visible: Vec<_> = expected.iter().copied().filter(|&slot| visibility.sees(class_of(slot))).collect();
                for rank in 0..visible.len() + 2 {
                    let at = ordered.nth(rank, &visibility, class_of);
                    prop_assert_eq!(ordered.get(at), visible.get(rank).copied());
                    prop_assert_eq!(ordered.rank(at, &visibility, class_of), rank.min(visible.len()));
                }
            }
            let odd = |slot: u32| slot % 2 == 1;
            for (start, end) in [(0, expected.len()), (expected.len() / 3, expected.len() / 2), (expected.len(), expected.len())] {
                let at = |rank| ordered.nth(rank, &Visibility::All, class_of);
                let range: Vec<u32> = expected[start..end].to_vec();
                prop_assert_eq!(ordered.iter_range(at(start)..at(end)).collect::<Vec<_>>(), &range[..]);
                let accepted: Vec<u32> = range.iter().copied().filter(|&slot| odd(slot)).collect();
                for (n, &slot) in accepted.iter().enumerate() {
                    prop_assert_eq!(ordered.get(ordered.nth_accepted(at(start), n, odd)), Some(slot));
                    let back = ordered.nth_accepted_back(at(end), accepted.len() - 1 - n, odd);
                    prop_assert_eq!(ordered.get(back), Some(slot));
                }
            }
            let mut at = ordered.end();
            for &slot in expected.iter().rev() {
                at = ordered.before(at).unwrap();
                prop_assert_eq!(ordered.get(at), Some(slot));
            }
            prop_assert_eq!(ordered.before(at.min(ordered.start())), None);
        }
    }

    #[test]
    fn ascending_insertions_fill_their_chunks() {
        let mut ordered = Ordered::from_sorted(&[], 16, class_of);

        for slot in 0..1_600 {
            ordered.insert_all(&[slot], |slot| slot, class_of);
        }
        assert_eq!(ordered.chunks.len(), 100);

        ordered.insert_all(&Vec::from_iter(1_600..3_200), |slot| slot, class_of);
        assert_eq!(ordered.chunks.len(), 200);
    }

    #[test]
    fn a_moving_window_keeps_its_memory() {
        let mut ordered = Ordered::from_sorted(&(0..1_000).collect::<Vec<_>>(), 64, class_of);
        let mut most = 0;

        for round in 0..20_000 {
            ordered.remove_all(&[round], |slot| slot, class_of);
            ordered.insert_all(&[round + 1_000], |slot| slot, class_of);
            most = if round < 5_000 { most.max(ordered.memory_bytes()) } else { most };
        }

        assert!(ordered.memory_bytes() <= most);
    }
}
