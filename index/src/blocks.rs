//! One byte record for each slot, kept dense.
//!
//! The records of neighbouring slots lie one after another in a block, so none has an allocation, a pointer or a reserve of its own. To
//! change a record moves what follows it in the block, which is a few kilobytes at most.

mod bulk;

use std::collections::HashMap;

pub(crate) use bulk::BlocksPart;

use crate::hashed::push;
use crate::namespaces::map_bytes;

/// How many records a block has.
const RECORDS: usize = 32;

/// A record greater than this is kept apart, so that a block stays below 64 KiB.
const LARGE: usize = if cfg!(test) { 60 } else { 2_000 };

/// Bytes that a block which grows gets beyond what it needs; it gives back what is over four times that.
const SPARE: usize = 64;

/// The same for a block that has not all of its records yet.
const SPARE_OF_LAST: usize = 1_024;

const _: () = assert!(RECORDS * LARGE <= u16::MAX as usize, "the ends of a block's records are 16 bits long");

/// The records of slots 0, 1, 2 and so on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Blocks {
    blocks: Vec<Block>,
    len: usize,
    /// Great records. In their blocks they are empty, as no other record is.
    large: HashMap<u32, Box<[u8]>>,
    /// Bytes on the heap of all blocks, and of all great records.
    bytes: usize,
}

#[derive(Clone, Debug, Default)]
struct Block {
    bytes: Vec<u8>,
    /// Where each record ends.
    ends: [u16; RECORDS],
}

impl Block {
    fn start(&self, record: usize) -> usize {
        record.checked_sub(1).map_or(0, |before| usize::from(self.ends[before]))
    }

    fn replace(&mut self, record: usize, bytes: &[u8], spare: usize) {
        let (start, end, len) = (self.start(record), usize::from(self.ends[record]), self.bytes.len());
        let new_len = len + bytes.len() - (end - start);
        if new_len > self.bytes.capacity() {
            // One change is followed by others.
            self.bytes.reserve_exact(new_len - len + spare);
        }
        self.bytes.resize(new_len.max(len), 0);
        self.bytes.copy_within(end..len, start + bytes.len());
        self.bytes.truncate(new_len);
        self.bytes[start..start + bytes.len()].copy_from_slice(bytes);
        for end in &mut self.ends[record..] {
            *end = (usize::from(*end) + new_len - len) as u16;
        }
    }
}

impl Blocks {
    /// The record of a slot.
    pub fn get(&self, slot: u32) -> &[u8] {
        let (block, record) = (&self.blocks[slot as usize / RECORDS], slot as usize % RECORDS);
        match &block.bytes[block.start(record)..usize::from(block.ends[record])] {
            [] => self.large.get(&slot).map_or(&[], |large| large),
            bytes => bytes,
        }
    }

    /// Gives the next slot a record, which must not be empty.
    pub fn push(&mut self, record: &[u8]) {
        if self.len.is_multiple_of(RECORDS) {
            push(&mut self.blocks, Block::default());
        }
        self.set(self.len as u32, record);
        self.len += 1;
        if self.len.is_multiple_of(RECORDS)
            && let Some(full) = self.blocks.last_mut()
        {
            let before = full.bytes.capacity();
            full.bytes.shrink_to_fit();
            self.bytes = self.bytes + full.bytes.capacity() - before;
        }
    }

    /// Gives a slot another record, or none.
    pub fn set(&mut self, slot: u32, record: &[u8]) {
        let is_last = slot as usize / RECORDS == self.len / RECORDS;
        let block = &mut self.blocks[slot as usize / RECORDS];
        let before = block.bytes.capacity();
        let (place, spare) = (slot as usize % RECORDS, if is_last { SPARE_OF_LAST } else { SPARE });
        if block.start(place) == usize::from(block.ends[place])
            && let Some(large) = self.large.remove(&slot)
        {
            self.bytes -= large.len();
        }
        if record.len() > LARGE {
            block.replace(place, &[], spare);
            self.bytes += record.len();
            self.large.insert(slot, record.into());
        } else {
            block.replace(place, record, spare);
        }
        if !is_last && block.bytes.capacity() > block.bytes.len() + 4 * SPARE {
            block.bytes.shrink_to(block.bytes.len() + SPARE);
        }
        self.bytes = self.bytes + block.bytes.capacity() - before;
    }

    /// Bytes on the heap.
    pub fn memory_bytes(&self) -> usize {
        self.blocks.capacity() * size_of::<Block>() + map_bytes::<(u32, Box<[u8]>)>(self.large.capacity()) + self.bytes
    }

    /// Gives back what was reserved for more records.
    pub fn shrink_to_fit(&mut self) {
        self.blocks.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn records_keep_their_bytes_while_others_change(
            changes in prop::collection::vec((prop::option::of(0..100_usize), 0..90_usize), 1..300),
        ) {
            let (mut blocks, mut model) = (Blocks::default(), Vec::new());
            for (number, (slot, len)) in changes.into_iter().enumerate() {
                let record = vec![number as u8; len];
                match slot.filter(|slot| *slot < model.len()) {
                    Some(slot) => {
                        blocks.set(slot as u32, &record);
                        model[slot] = record;
                    }
                    None => {
                        blocks.push(&record);
                        model.push(record);
                    }
                }
            }
            for (slot, record) in (0..).zip(&model) {
                prop_assert_eq!(blocks.get(slot), &record[..]);
            }
            let large: usize = model.iter().map(Vec::len).filter(|len| *len > LARGE).sum();
            prop_assert_eq!(blocks.bytes, blocks.blocks.iter().map(|block| block.bytes.capacity()).sum::<usize>() + large);
        }
    }
}
