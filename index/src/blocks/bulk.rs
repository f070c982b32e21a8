//! Records that are written one after another, many at once.

use super::{Block, Blocks, LARGE, RECORDS};

/// The records of consecutive slots.
#[derive(Debug)]
pub(crate) struct BlocksPart {
    blocks: Vec<Block>,
    large: Vec<(u32, Box<[u8]>)>,
    next: u32,
    /// The block that is being filled.
    bytes: Vec<u8>,
    ends: [u16; RECORDS],
    /// Where the record starts that is being written.
    start: usize,
}

impl BlocksPart {
    /// No records yet. The first one will be that of slot `first`, which starts a block.
    pub fn new(first: u32) -> Self {
        debug_assert!((first as usize).is_multiple_of(RECORDS), "a part starts with a block");
        Self { blocks: Vec::new(), large: Vec::new(), next: first, bytes: Vec::new(), ends: [0; RECORDS], start: 0 }
    }

    /// What to append the next record to, which must not be empty.
    pub const fn record(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Ends a record.
    pub fn end_record(&mut self) {
        let record = &self.bytes[self.start..];
        debug_assert!(!record.is_empty(), "only the place of a great record is empty");
        if record.len() > LARGE {
            self.large.push((self.next, record.into()));
            self.bytes.truncate(self.start);
        }
        self.start = self.bytes.len();
        let at = self.next as usize % RECORDS;
        self.ends[at] = self.start as u16;
        self.next += 1;
        if at + 1 == RECORDS {
            self.end_block();
        }
    }

    /// Ends the last block, which may have fewer records than the others.
    pub fn end(&mut self) {
        let records = self.next as usize % RECORDS;
        if records > 0 {
            self.ends[records..].fill(self.start as u16);
            self.end_block();
        }
        self.bytes = Vec::new();
        self.blocks.shrink_to_fit();
    }

    fn end_block(&mut self) {
        self.blocks.push(Block { bytes: self.bytes.as_slice().to_vec(), ends: self.ends });
        self.bytes.clear();
        self.start = 0;
    }
}

impl Blocks {
    /// The records of parts that follow each other. All but the last one end with a whole block.
    pub fn from_parts(parts: Vec<BlocksPart>) -> Self {
        let mut all = Self::default();
        all.blocks.reserve_exact(parts.iter().map(|part| part.blocks.len()).sum());
        for part in parts {
            debug_assert!(all.len.is_multiple_of(RECORDS), "only the last part has a block that is not full");
            all.len = part.next as usize;
            all.bytes += part.blocks.iter().map(|block| block.bytes.capacity()).sum::<usize>();
            all.bytes += part.large.iter().map(|(_, record)| record.len()).sum::<usize>();
            all.blocks.extend(part.blocks);
            all.large.extend(part.large);
        }
        all
    }
}
