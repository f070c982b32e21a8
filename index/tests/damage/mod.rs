//! Snapshots that are damaged below their checksums: taken apart, changed, and put together again with checksums that are right.
//!
//! It knows how the footer ends, and takes no part of the crate: unit tests, integration tests and fuzz targets share it.

use twox_hash::XxHash3_64;

/// Bytes at the very end: length and checksum of the footer's body, format, magic.
const TRAILER: usize = 24;

/// Bytes of a block's row at the end of the footer's body: length, raw length, checksum.
const ROW: usize = 16;

/// A snapshot in parts.
#[derive(Clone, Debug)]
pub struct Pieces {
    /// The bytes of each block, as they are stored.
    pub blocks: Vec<Vec<u8>>,
    /// What the footer says of each block's length when it is decompressed.
    pub raw_lens: Vec<u32>,
    /// The footer's body up to the rows of the blocks.
    pub head: Vec<u8>,
    trailer: Vec<u8>,
}

impl Pieces {
    /// Takes a snapshot of so many blocks apart.
    pub fn of(object: &[u8], blocks: usize) -> Self {
        let trailer = object.len() - TRAILER;
        let number = |at: usize| u32::from_le_bytes(std::array::from_fn(|byte| object[at + byte]));
        let (rows, body) = (trailer - blocks * ROW, trailer - number(trailer) as usize);
        let (mut stored, mut raw_lens, mut start) = (Vec::new(), Vec::new(), 0);
        for row in (rows..trailer).step_by(ROW) {
            let end = start + number(row) as usize;
            stored.push(object[start..end].to_vec());
            raw_lens.push(number(row + 4));
            start = end;
        }
        Self { blocks: stored, raw_lens, head: object[body..rows].to_vec(), trailer: object[trailer + 12..].to_vec() }
    }

    /// Puts the parts together.
    pub fn object(&self) -> Vec<u8> {
        let mut body = self.head.clone();
        for (block, raw_len) in self.blocks.iter().zip(&self.raw_lens) {
            body.extend_from_slice(&(block.len() as u32).to_le_bytes());
            body.extend_from_slice(&raw_len.to_le_bytes());
            body.extend_from_slice(&XxHash3_64::oneshot(block).to_le_bytes());
        }
        let (len, checksum) = (body.len() as u32, XxHash3_64::oneshot(&body));
        [self.blocks.concat(), body, len.to_le_bytes().to_vec(), checksum.to_le_bytes().to_vec(), self.trailer.clone()].concat()
    }

    /// The bytes of a block without compression; nothing when they are damaged.
    pub fn raw(&self, block: usize) -> Option<Vec<u8>> {
        zstd::bulk::decompress(&self.blocks[block], self.raw_lens[block] as usize).ok()
    }

    /// Gives a block other bytes.
    pub fn set_raw(&mut self, block: usize, raw: &[u8]) {
        self.raw_lens[block] = raw.len() as u32;
        let mut bytes = zstd::bulk::compress(raw, 1).unwrap_or_default();
        // A frame that is skipped: what has few bytes may not say that it holds many.
        let missing = (raw.len() / 16).saturating_sub(bytes.len()) as u32;
        bytes.extend_from_slice(&0x184d_2a50_u32.to_le_bytes());
        bytes.extend_from_slice(&missing.to_le_bytes());
        bytes.resize(bytes.len() + missing as usize, 0);
        self.blocks[block] = bytes;
    }

    /// Changes something, as these random numbers have it.
    pub fn damage(&mut self, mut random: impl FnMut(usize) -> usize) {
        let block = random(self.blocks.len());
        match random(12) {
            0 => {
                let other = random(self.blocks.len());
                self.blocks.swap(block, other);
                self.raw_lens.swap(block, other);
            }
            1 => {
                let other = random(self.blocks.len());
                self.blocks[block] = self.blocks[other].clone();
                self.raw_lens[block] = self.raw_lens[other];
            }
            2 => change(&mut self.blocks[block], &mut random),
            3 => self.raw_lens[block] = [0, 1, u32::MAX, self.raw_lens[block] ^ 1 << random(32)][random(4)],
            4 => change(&mut self.head, &mut random),
            5 => {
                let last = self.head.len() - 1;
                self.head[last - random(8).min(last)] = [0, 1, 2, 31, 32, 33, 64, 127][random(8)];
            }
            _ => {
                let Some(mut raw) = self.raw(block) else { return };
                (0..=random(3)).for_each(|_| change(&mut raw, &mut random));
                self.set_raw(block, &raw);
            }
        }
    }
}

fn change(bytes: &mut Vec<u8>, random: &mut impl FnMut(usize) -> usize) {
    if bytes.is_empty() {
        return bytes.push(random(256) as u8);
    }
    let at = random(bytes.len());
    match random(7) {
        0 => bytes[at] ^= 1 << random(8),
        1 => bytes[at] = random(256) as u8,
        2 => bytes.truncate(at),
        3 => bytes.insert(at, random(256) as u8),
        4 => drop(bytes.remove(at)),
        5 => {
            let other = random(bytes.len());
            bytes.swap(at, other);
        }
        _ => {
            // The greatest numbers that there are, in both of their forms.
            let end = (at + 1 + random(10)).min(bytes.len());
            bytes[at..end].fill(0xff);
        }
    }
}
