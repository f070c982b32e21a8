//! An order that is sorted only where lists have looked at it.
//!
//! Sorting a million contacts by a text takes longer than a list may take. So the order is cut into parts: each contact of a part comes
//! before all of the next one, but inside a part they are in any order until a page of it is asked for. A contact that comes or moves
//! is added to its part, which is found by the part's bound, so following a change compares no contacts.

use crate::ordered::{Accepts, Chunk};
use crate::sorting::{self, Stream, WORD, word};

/// How many words of contacts are looked at for each part to make.
const SAMPLES: usize = 8;

/// The most parts that one step makes of one.
const PARTS: usize = 1 << 14;

/// Slot numbers in an order that is made out as far as needed.
#[derive(Debug)]
pub(super) struct RoughOrder {
    /// Ascending, and at least one.
    parts: Vec<Part>,
    /// About how many contacts a part has. One with twice as many is cut before it is sorted.
    part_len: usize,
    /// The stream of a contact that comes or goes, kept for its memory.
    scratch: Vec<u8>,
}

#[derive(Debug)]
struct Part {
    chunk: Chunk,
    /// No contact here has a stream less than this, and none of the parts before has another.
    bound: Box<[u8]>,
    /// The first word of the bound.
    word: u64,
    /// So many first bytes all streams here have in common.
    shared: usize,
    is_sorted: bool,
}

impl Part {
    fn new(stream: &Stream<'_>, slots: Vec<u32>, bound: Box<[u8]>, shared: usize) -> Self {
        let is_sorted = slots.len() < 2;
        let word = word(&bound);
        Self { chunk: Chunk::new(slots, &|slot| stream.records.class(slot)), bound, word, shared, is_sorted }
    }
}

impl RoughOrder {
    /// The order of these contacts.
    pub fn new(stream: &Stream<'_>, slots: Vec<u32>, part_len: usize) -> Self {
        let whole = Part::new(stream, Vec::new(), Box::default(), 0);
        let mut order = Self { parts: vec![whole], part_len, scratch: Vec::new() };
        let parts = order.cut(stream, slots, Box::default(), 0);
        if !parts.is_empty() {
            order.parts = parts;
        }
        order
    }

    /// The contacts that follow `skipped` others of those that count, at most `count`, from the start or from the end.
    pub fn page(&mut self, stream: &Stream<'_>, accepts: &Accepts<'_>, skipped: usize, count: usize, from_end: bool) -> Vec<u32> {
        let accepted = |slot: &u32| accepts.accepts(*slot, stream.records);
        let (mut page, mut skipped, mut passed) = (Vec::with_capacity(count), skipped, 0);
        while page.len() < count && passed < self.parts.len() {
            let at = if from_end { self.parts.len() - 1 - passed } else { passed };
            let there = accepts.count(&self.parts[at].chunk);
            if there > skipped {
                if !self.sort_part(stream, at) {
                    continue;
                }
                let slots = self.parts[at].chunk.slots.iter().copied().filter(accepted);
                let left = count - page.len();
                if from_end {
                    // The last ones, in reverse.
                    let taken: Vec<u32> = slots.take(there - skipped).collect();
                    page.extend(taken.into_iter().rev().take(left));
                } else {
                    page.extend(slots.skip(skipped).take(left));
                }
            }
            skipped = skipped.saturating_sub(there);
            passed += 1;
        }
        page
    }

    /// Adds a contact.
    pub fn insert(&mut self, stream: &Stream<'_>, slot: u32) {
        let at = self.part_of(stream, slot);
        let part = &mut self.parts[at];
        let slots = &mut part.chunk.slots;
        if slots.len() == slots.capacity() {
            slots.reserve_exact(1 + slots.len() / 16);
        }
        slots.push(slot);
        part.chunk.add(stream.records.class(slot));
        part.is_sorted = part.chunk.slots.len() < 2;
        // Its neighbours may have more in common with each other than with it.
        part.shared = 0;
    }

    /// Removes a contact, of which everything is still as it was when it was added.
    pub fn remove(&mut self, stream: &Stream<'_>, slot: u32) {
        let at = self.part_of(stream, slot);
        let chunk = &mut self.parts[at].chunk;
        let Some(place) = chunk.slots.iter().position(|&other| other == slot) else {
            debug_assert!(false, "a contact is in the part that its values say");
            return;
        };
        chunk.slots.remove(place);
        chunk.take(stream.records.class(slot));
        if chunk.slots.capacity() > 64 + chunk.slots.len() * 5 / 4 {
            chunk.slots.shrink_to_fit();
        }
        if chunk.slots.is_empty() && self.parts.len() > 1 {
            // The part after the first one takes over everything before it.
            self.parts.remove(at);
            self.parts[0].bound = Box::default();
            self.parts[0].word = 0;
        }
    }

    /// Bytes on the heap.
    pub fn memory_bytes(&self) -> usize {
        let part = |part: &Part| part.chunk.memory_bytes() + part.bound.len();
        self.scratch.capacity() + self.parts.capacity() * size_of::<Part>() + self.parts.iter().map(part).sum::<usize>()
    }

    /// The part that a contact is in, or belongs to.
    fn part_of(&mut self, stream: &Stream<'_>, slot: u32) -> usize {
        let bytes = &mut self.scratch;
        let word = stream.word(slot, 0, bytes);
        let start = self.parts.partition_point(|part| part.word < word);
        let end = start + self.parts[start..].partition_point(|part| part.word == word);
        let after = if start == end {
            end
        } else {
            bytes.clear();
            stream.write(slot, usize::MAX, bytes);
            start + self.parts[start..end].partition_point(|part| *part.bound <= **bytes)
        };
        after.saturating_sub(1)
    }

    /// Sorts a part, or makes several of it when it is large. Says whether it is sorted.
    fn sort_part(&mut self, stream: &Stream<'_>, at: usize) -> bool {
        let part = &mut self.parts[at];
        if part.is_sorted {
            return true;
        }
        if part.chunk.slots.len() <= 2 * self.part_len {
            sorting::sort(stream, &mut part.chunk.slots, part.shared);
            part.is_sorted = true;
            return true;
        }
        let (slots, bound, shared) = (std::mem::take(&mut part.chunk.slots), std::mem::take(&mut part.bound), part.shared);
        let parts = self.cut(stream, slots, bound, shared);
        self.parts.splice(at..=at, parts);
        false
    }

    /// Makes parts of contacts whose streams have the first `shared` bytes in common. Many become several parts, of which some may be
    /// large again.
    fn cut(&self, stream: &Stream<'_>, slots: Vec<u32>, bound: Box<[u8]>, mut shared: usize) -> Vec<Part> {
        if slots.len() <= 2 * self.part_len {
            return vec![Part::new(stream, slots, bound, shared)];
        }
        let (splitters, numbers, lens) = loop {
            let mut splitters = splitters(stream, &slots, shared, self.part_len);
            let (mut numbers, mut lens) = places(stream, &slots, shared, &splitters);
            if lens.contains(&slots.len()) {
                let words = || slots.iter().map(|&slot| stream.word(slot, shared, &mut Vec::new()));
                let greatest = words().max().unwrap_or_default();
                if words().min() == Some(greatest) {
                    // Streams end with ids, so they differ somewhere.
                    shared += WORD;
                    continue;
                }
                splitters = vec![greatest];
                (numbers, lens) = places(stream, &slots, shared, &splitters);
            }
            break (splitters, numbers, lens);
        };
        let mut common = Vec::new();
        stream.write(slots[0], shared, &mut common);
        common.truncate(shared);

        let mut members: Vec<Vec<u32>> = lens.into_iter().map(Vec::with_capacity).collect();
        numbers.into_iter().zip(slots).for_each(|(number, slot)| members[usize::from(number)].push(slot));
        let mut lowest = Some(bound);
        let mut parts = Vec::with_capacity(members.len());
        for (number, slots) in members.into_iter().enumerate().filter(|(_, slots)| !slots.is_empty()) {
            let from = number.checked_sub(1).map(|before| splitters[before]);
            let is_one_word = from.is_some_and(|from| splitters.get(number) == from.checked_add(1).as_ref());
            let bound = lowest.take().unwrap_or_else(|| bound_at(&common, from.unwrap_or_default()));
            parts.push(Part::new(stream, slots, bound, if is_one_word { shared + WORD } else { shared }));
        }
        parts
    }
}

/// Words between which parts of about `part_len` contacts lie, ascending. A frequent word has a part of its own.
fn splitters(stream: &Stream<'_>, slots: &[u32], shared: usize, part_len: usize) -> Vec<u64> {
    let parts = (slots.len() / part_len).clamp(2, PARTS);
    let mut bytes = Vec::new();
    let some = slots.iter().step_by((slots.len() / (parts * SAMPLES)).max(1));
    let mut sample: Vec<u64> = some.map(|&slot| stream.word(slot, shared, &mut bytes)).collect();
    sample.sort_unstable();
    let mut splitters: Vec<u64> = Vec::with_capacity(parts);
    for number in 1..parts {
        let word = sample[number * sample.len() / parts];
        let next = match splitters.last() {
            Some(&last) if last == word => word.checked_add(1),
            Some(&last) if last > word => None,
            _ => Some(word),
        };
        splitters.extend(next);
    }
    splitters
}

/// The part that each contact belongs to, and how many belong to each.
fn places(stream: &Stream<'_>, slots: &[u32], shared: usize, splitters: &[u64]) -> (Vec<u16>, Vec<usize>) {
    let (mut bytes, mut lens) = (Vec::new(), vec![0; splitters.len() + 1]);
    let place = |&slot| {
        let word = stream.word(slot, shared, &mut bytes);
        let number = splitters.partition_point(|splitter| *splitter <= word);
        lens[number] += 1;
        number as u16
    };
    let numbers = slots.iter().map(place).collect();
    (numbers, lens)
}

/// The least bytes that start with `common` and have this word after it. A stream that ends inside the word counts as if zeros
/// followed, so the word's own last zeros are left out.
fn bound_at(common: &[u8], word: u64) -> Box<[u8]> {
    let word = word.to_be_bytes();
    let len = word.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    [common, &word[..len]].concat().into()
}
