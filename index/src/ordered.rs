//! Contacts in an order, of which the n-th visible one is found without counting through the others.
//!
//! The order is cut into chunks that know how many contacts of which namespace list they hold, so a rank is a sum over chunks. What
//! the order means is up to the caller, who brings the comparison along: here are only slot numbers.

/// How many contacts a chunk holds at most.
pub(super) const CHUNK: usize = 1_024;

/// Namespace lists of which a chunk counts the contacts without an allocation.
const FEW: usize = 6;

/// Which namespace lists a caller sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Visibility {
    /// Every list that is in use.
    All,
    /// Those lists whose number is set here.
    Some(Vec<bool>),
}

impl Visibility {
    /// Whether the caller sees contacts with this list.
    pub fn sees(&self, list: u32) -> bool {
        match self {
            Self::All => true,
            Self::Some(lists) => lists.get(list as usize).is_some_and(|&seen| seen),
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

#[derive(Clone, Debug)]
struct Chunk {
    slots: Vec<u32>,
    counts: Counts,
}

/// How many contacts of which namespace list there are.
#[derive(Clone, Debug)]
enum Counts {
    Few { len: u8, counts: [(u32, u32); FEW] },
    Many(Vec<(u32, u32)>),
}

impl Counts {
    const NONE: Self = Self::Few { len: 0, counts: [(0, 0); FEW] };

    fn of(slots: &[u32], list_of: &impl Fn(u32) -> u32) -> Self {
        let mut counts = Self::NONE;
        slots.iter().for_each(|&slot| counts.add(list_of(slot)));
        if let Self::Many(counts) = &mut counts {
            counts.shrink_to_fit();
        }
        counts
    }

    fn as_slice(&self) -> &[(u32, u32)] {
        match self {
            Self::Few { len, counts } => &counts[..usize::from(*len)],
            Self::Many(counts) => counts,
        }
    }

    fn add(&mut self, list: u32) {
        let counted = match self {
            Self::Few { len, counts } => &mut counts[..usize::from(*len)],
            Self::Many(counts) => counts,
        };
        if let Some((_, count)) = counted.iter_mut().find(|(counted, _)| *counted == list) {
            *count += 1;
            return;
        }
        match self {
            Self::Few { len, counts } if usize::from(*len) < FEW => {
                counts[usize::from(*len)] = (list, 1);
                *len += 1;
            }
            Self::Few { counts, .. } => *self = Self::Many(counts.iter().copied().chain([(list, 1)]).collect()),
            Self::Many(counts) => {
                if counts.len() == counts.capacity() {
                    counts.reserve_exact(8);
                }
                counts.push((list, 1));
            }
        }
    }

    fn take(&mut self, list: u32) {
        let Some(at) = self.as_slice().iter().position(|(counted, _)| *counted == list) else {
            debug_assert!(false, "a contact is counted under its list until it is removed");
            return;
        };
        match self {
            Self::Few { len, counts } => {
                counts[at].1 -= 1;
                if counts[at].1 == 0 {
                    *len -= 1;
                    counts[at] = counts[usize::from(*len)];
                }
            }
            Self::Many(counts) => {
                counts[at].1 -= 1;
                if counts[at].1 == 0 {
                    counts.swap_remove(at);
                }
            }
        }
    }

    const fn memory_bytes(&self) -> usize {
        match self {
            Self::Few { .. } => 0,
            Self::Many(counts) => counts.capacity() * size_of::<(u32, u32)>(),
        }
    }
}

impl Chunk {
    fn new(slots: Vec<u32>, list_of: &impl Fn(u32) -> u32) -> Self {
        Self { counts: Counts::of(&slots, list_of), slots }
    }

    fn visible(&self, visibility: &Visibility) -> usize {
        match visibility {
            Visibility::All => self.slots.len(),
            Visibility::Some(_) => {
                let seen = self.counts.as_slice().iter().filter(|(list, _)| visibility.sees(*list));
                seen.map(|&(_, count)| count as usize).sum()
            }
        }
    }
}

impl Ordered {
    /// The order of these slots, with chunks of at most `chunk_len`, which is at least 4.
    pub fn from_sorted(slots: &[u32], chunk_len: usize, list_of: impl Fn(u32) -> u32) -> Self {
        // A quarter stays free, or else the first insertions would split every chunk.
        let chunks = slots.chunks(chunk_len * 3 / 4).map(|slots| Chunk::new(slots.to_vec(), &list_of)).collect();
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

    /// How many visible contacts come before a position.
    pub fn rank(&self, at: Position, visibility: &Visibility, list_of: impl Fn(u32) -> u32) -> usize {
        let whole = self.chunks[..at.chunk].iter().map(|chunk| chunk.visible(visibility)).sum::<usize>();
        let part = match (self.chunks.get(at.chunk), visibility) {
            (None, _) => 0,
            (Some(_), Visibility::All) => at.index,
            (Some(chunk), _) => chunk.slots[..at.index].iter().filter(|&&slot| visibility.sees(list_of(slot))).count(),
        };
        whole + part
    }

    /// The position of the visible contact before which `rank` visible ones come, or the end.
    pub fn nth(&self, mut rank: usize, visibility: &Visibility, list_of: impl Fn(u32) -> u32) -> Position {
        for (number, chunk) in self.chunks.iter().enumerate() {
            let visible = chunk.visible(visibility);
            if rank < visible {
                let index = match visibility {
                    Visibility::All => Some(rank),
                    Visibility::Some(_) => {
                        let mut seen = (0..).zip(&chunk.slots).filter(|&(_, &slot)| visibility.sees(list_of(slot)));
                        seen.nth(rank).map(|(index, _)| index)
                    }
                };
                return Position { chunk: number, index: index.expect("the chunk counts its visible contacts") };
            }
            rank -= visible;
        }
        self.end()
    }

    /// The contacts from a position on.
    pub fn iter_from(&self, at: Position) -> impl Iterator<Item = u32> {
        let mut chunks = self.chunks[at.chunk..].iter();
        let first = chunks.next().map_or(&[][..], |chunk| &chunk.slots[at.index..]);
        first.iter().chain(chunks.flat_map(|chunk| &chunk.slots)).copied()
    }

    /// All contacts.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        self.iter_from(self.start())
    }

    /// All contacts, from the last to the first.
    pub fn iter_backward(&self) -> impl Iterator<Item = u32> {
        self.chunks.iter().rev().flat_map(|chunk| chunk.slots.iter().rev()).copied()
    }

    /// Adds a contact before the first one that `is_before` does not hold of.
    pub fn insert(&mut self, slot: u32, is_before: impl Fn(u32) -> bool, list_of: impl Fn(u32) -> u32) {
        if self.chunks.is_empty() {
            self.chunks.push(Chunk::new(vec![slot], &list_of));
            return;
        }
        let after = self.chunks.partition_point(|chunk| is_before(chunk.slots[0]));
        let mut number = after.saturating_sub(1);
        let mut index = self.chunks[number].slots.partition_point(|&other| is_before(other));

        if self.chunks[number].slots.len() == self.chunk_len {
            // What comes in ascending order, such as new ids and times, fills its chunks instead of leaving halves behind.
            if number + 1 == self.chunks.len() && index == self.chunk_len {
                self.add_chunk(number + 1, Chunk::new(vec![slot], &list_of));
                return;
            }
            let half = self.chunk_len / 2;
            let upper = Chunk::new(self.chunks[number].slots[half..].to_vec(), &list_of);
            let lower = &mut self.chunks[number];
            lower.slots.truncate(half);
            lower.slots.shrink_to(half);
            lower.counts = Counts::of(&lower.slots, &list_of);
            self.add_chunk(number + 1, upper);
            if index > half {
                (number, index) = (number + 1, index - half);
            }
        }

        let chunk = &mut self.chunks[number];
        if chunk.slots.len() == chunk.slots.capacity() {
            chunk.slots.reserve_exact(1 + self.chunk_len / 16);
        }
        chunk.slots.insert(index, slot);
        chunk.counts.add(list_of(slot));
    }

    /// Removes a contact, before which are those that `is_before` holds of. Its list is still the one it was added with.
    pub fn remove(&mut self, slot: u32, is_before: impl Fn(u32) -> bool, list_of: impl Fn(u32) -> u32) {
        let at = self.partition_point(is_before);
        if self.get(at) != Some(slot) {
            debug_assert!(false, "a contact is where its values say");
            return;
        }
        let reserve = 1 + self.chunk_len / 16;
        let chunk = &mut self.chunks[at.chunk];
        chunk.slots.remove(at.index);
        chunk.counts.take(list_of(slot));
        if chunk.slots.capacity() > chunk.slots.len() + 2 * reserve {
            chunk.slots.shrink_to(chunk.slots.len() + reserve);
        }
        if chunk.slots.is_empty() {
            self.chunks.remove(at.chunk);
        } else if chunk.slots.len() < self.chunk_len / 4 {
            self.join(at.chunk, &list_of);
        }
    }

    /// Bytes on the heap.
    pub fn memory_bytes(&self) -> usize {
        let chunks = self.chunks.iter();
        self.chunks.capacity() * size_of::<Chunk>()
            + chunks.map(|chunk| chunk.slots.capacity() * size_of::<u32>() + chunk.counts.memory_bytes()).sum::<usize>()
    }

    fn add_chunk(&mut self, number: usize, chunk: Chunk) {
        if self.chunks.len() == self.chunks.capacity() {
            self.chunks.reserve_exact(1 + self.chunks.len() / 8);
        }
        self.chunks.insert(number, chunk);
    }

    /// Joins a small chunk with a neighbour when the two leave room in one.
    fn join(&mut self, number: usize, list_of: &impl Fn(u32) -> u32) {
        let fits = |lower: usize| {
            let upper = self.chunks.get(lower + 1)?;
            (self.chunks[lower].slots.len() + upper.slots.len() <= self.chunk_len * 3 / 4).then_some(lower)
        };
        let Some(lower) = number.checked_sub(1).and_then(fits).or_else(|| fits(number)) else { return };
        let upper = self.chunks.remove(lower + 1);
        let chunk = &mut self.chunks[lower];
        chunk.slots.reserve_exact(upper.slots.len());
        chunk.slots.extend(upper.slots);
        chunk.counts = Counts::of(&chunk.slots, list_of);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Slots are ordered by their numbers here, and their list is what remains of a division.
    const fn list_of(slot: u32) -> u32 {
        slot % 11
    }

    proptest! {
        #[test]
        fn insertions_and_removals_give_what_a_sorted_list_gives(
            changes in prop::collection::vec((0..200_u32, prop::bool::weighted(0.6)), 0..600),
            chunk_len in 4..20_usize,
            start in 0..150_u32,
        ) {
            let mut expected: Vec<u32> = (0..start).collect();
            let mut ordered = Ordered::from_sorted(&expected, chunk_len, list_of);
            for (slot, insert) in changes {
                match (expected.binary_search(&slot), insert) {
                    (Err(at), true) => {
                        expected.insert(at, slot);
                        ordered.insert(slot, |other| other < slot, list_of);
                    }
                    (Ok(at), false) => {
                        expected.remove(at);
                        ordered.remove(slot, |other| other < slot, list_of);
                    }
                    _ => {}
                }
            }

            prop_assert_eq!(ordered.iter().collect::<Vec<_>>(), &expected[..]);
            for visibility in [Visibility::All, Visibility::Some(vec![true, false, false, true]), Visibility::Some(vec![])] {
                let visible: Vec<_> = expected.iter().copied().filter(|&slot| visibility.sees(list_of(slot))).collect();
                for rank in 0..visible.len() + 2 {
                    let at = ordered.nth(rank, &visibility, list_of);
                    prop_assert_eq!(ordered.get(at), visible.get(rank).copied());
                    prop_assert_eq!(ordered.rank(at, &visibility, list_of), rank.min(visible.len()));
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
        let mut ordered = Ordered::from_sorted(&[], 16, list_of);

        for slot in 0..1_600 {
            ordered.insert(slot, |other| other < slot, list_of);
        }

        assert_eq!(ordered.chunks.len(), 100);
    }

    #[test]
    fn a_moving_window_keeps_its_memory() {
        let mut ordered = Ordered::from_sorted(&(0..1_000).collect::<Vec<_>>(), 64, list_of);
        let mut most = 0;

        for round in 0..20_000 {
            ordered.remove(round, |other| other < round, list_of);
            ordered.insert(round + 1_000, |other| other < round + 1_000, list_of);
            most = if round < 5_000 { most.max(ordered.memory_bytes()) } else { most };
        }

        assert!(ordered.memory_bytes() <= most);
    }
}
