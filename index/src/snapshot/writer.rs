//! From an index to bytes.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::io;

use twox_hash::XxHash3_64;
use zstd::bulk::Compressor;

use super::bytes::{push_varint, sections, zigzag};
use super::footer::{BlockInfo, Footer};
use super::group::{MOST_WORDS, is_of_words};
use super::layout::{BlockColumn, Layout};
use super::{GROUP, Origin, RATIO};
use crate::index::ContactIndex;
use crate::namespaces::{class, of_class};
use crate::records::{Column, Records};

/// Three quarters of what the strongest level saves, at the speed of the network.
const LEVEL: i32 = 3;

/// How a frame starts that a decompressor skips. Source: <https://www.rfc-editor.org/rfc/rfc8878#section-3.1.2>.
const SKIPPED: u32 = 0x184d_2a50;

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// How many bytes in all.
    pub bytes: u64,
    /// What the footer says.
    pub footer: Footer,
}

/// Writes a snapshot of an index, part by part: its blocks one after another, and the footer. No more than one group of contacts is
/// held in memory beside the index.
///
/// # Errors
///
/// The first error of `sink` ends it.
pub fn write<E: From<io::Error>>(
    index: &ContactIndex,
    origin: &Origin,
    sink: &mut impl FnMut(Vec<u8>) -> Result<(), E>,
) -> Result<Written, E> {
    let records = index.records();
    let slots = index.slots_by_id();
    let deletions = index.deletions();
    let words = Words::of(records, &slots);
    let lists = Lists::of(records, &slots);
    let layout = Layout { contacts: slots.len(), words: words.all.len(), tombstones: deletions.len() };
    let mut writer = Writer { sink, compressor: Compressor::new(LEVEL)?, layout, blocks: Vec::new(), bytes: 0 };

    writer.block(lists.bytes(records), 0)?;
    for words in words.all.chunks(GROUP) {
        let mut lens = Vec::new();
        words.iter().for_each(|word| push_varint(&mut lens, word.len() as u64));
        writer.block(sections(&lens, &words.concat()), 0)?;
    }
    for deletions in deletions.chunks(GROUP) {
        let mut bytes = Vec::new();
        for (id, version, deleted_at) in deletions {
            bytes.extend_from_slice(&id.bytes());
            push_varint(&mut bytes, *version);
            push_varint(&mut bytes, zigzag(deleted_at.millis()));
        }
        writer.block(bytes, 0)?;
    }
    for slots in slots.chunks(GROUP) {
        for column in BlockColumn::OF_GROUP {
            let (bytes, decoded) = column_of(column, records, slots, &words, &lists);
            writer.block(bytes, decoded)?;
        }
    }

    let Writer { sink, layout, blocks, bytes, .. } = writer;
    let footer =
        Footer { origin: origin.clone(), layout, newest: index.newest(), index_bytes: index.memory_bytes() as u64, blocks };
    let end = footer.write();
    let bytes = bytes + end.len() as u64;
    sink(end)?;
    Ok(Written { bytes, footer })
}

struct Writer<'a, Sink> {
    sink: &'a mut Sink,
    compressor: Compressor<'static>,
    layout: Layout,
    blocks: Vec<BlockInfo>,
    bytes: u64,
}

impl<Sink> Writer<'_, Sink> {
    /// Writes a block that has `decoded` bytes when it is decoded, or not more than these.
    fn block<E: From<io::Error>>(&mut self, raw: Vec<u8>, decoded: u64) -> Result<(), E>
    where
        Sink: FnMut(Vec<u8>) -> Result<(), E>,
    {
        let raw_len = u32::try_from(raw.len()).map_err(|_| io::Error::other("a block has less than 4 GB"))?;
        let mut bytes = self.compressor.compress(&raw)?;
        pad(&mut bytes, decoded.max(u64::from(raw_len)).div_ceil(RATIO) as usize);
        let range = self.bytes..self.bytes + bytes.len() as u64;
        self.bytes = range.end;
        let column = self.layout.column(self.blocks.len());
        self.blocks.push(BlockInfo { range, raw_len, column, checksum: XxHash3_64::oneshot(&bytes) });
        (self.sink)(bytes)
    }
}

/// Pads compressed bytes to at least this length.
fn pad(bytes: &mut Vec<u8>, len: usize) {
    if let Some(missing) = len.checked_sub(bytes.len()).filter(|missing| *missing > 0) {
        bytes.extend_from_slice(&SKIPPED.to_le_bytes());
        bytes.extend_from_slice(&(missing as u32).to_le_bytes());
        bytes.resize(bytes.len() + missing, 0);
    }
}

/// The bytes of a group's column, and how many they are once their words are texts.
fn column_of(column: BlockColumn, records: &Records, slots: &[u32], words: &Words<'_>, lists: &Lists) -> (Vec<u8>, u64) {
    let mut bytes = Vec::new();
    let second = |slot| {
        let [first, second, third, fourth, ..] = records.id(slot).bytes();
        u32::from_be_bytes([first, second, third, fourth])
    };
    match column {
        BlockColumn::IdSeconds => {
            let mut last = 0;
            for &slot in slots {
                let second = second(slot);
                push_varint(&mut bytes, u64::from(second - last));
                last = second;
            }
        }
        BlockColumn::IdRests => slots.iter().for_each(|&slot| bytes.extend_from_slice(&records.id(slot).bytes()[4..])),
        BlockColumn::CreatedAt => {
            let since = |slot| records.created_at(slot).wrapping_sub(i64::from(second(slot)) * 1_000);
            slots.iter().for_each(|&slot| push_varint(&mut bytes, zigzag(since(slot))));
        }
        BlockColumn::UpdatedAt => {
            let since = |slot| records.updated_at(slot).wrapping_sub(records.created_at(slot));
            slots.iter().for_each(|&slot| push_varint(&mut bytes, zigzag(since(slot))));
        }
        BlockColumn::Versions => slots.iter().for_each(|&slot| push_varint(&mut bytes, records.version(slot))),
        BlockColumn::Classes => {
            slots.iter().for_each(|&slot| push_varint(&mut bytes, u64::from(lists.class(records.class(slot)))));
        }
        BlockColumn::Name => return texts(Column::Name, records, slots, words),
        BlockColumn::Text(field) => return texts(Column::Field(field), records, slots, words),
        BlockColumn::ExternalIds => return texts(Column::ExternalId, records, slots, words),
        BlockColumn::Namespaces | BlockColumn::Words | BlockColumn::Tombstones => {}
    }
    (bytes, 0)
}

/// The texts of a column, as they are or as the numbers of their words.
fn texts(column: Column, records: &Records, slots: &[u32], words: &Words<'_>) -> (Vec<u8>, u64) {
    let (mut lens, mut rest, mut decoded) = (Vec::new(), Vec::new(), 0);
    for &slot in slots {
        match records.text(slot, column) {
            None => lens.push(0),
            Some(text) if is_of_words(column) => {
                let mut count = 0;
                for word in words_of(text.text) {
                    push_varint(&mut rest, u64::from(words.numbers[word]));
                    count += 1;
                }
                debug_assert!(count <= MOST_WORDS as u64, "a text is no longer than an item");
                push_varint(&mut lens, count);
                decoded += text.text.len() as u64;
            }
            Some(text) => {
                push_varint(&mut lens, text.text.len() as u64 + 1);
                rest.extend_from_slice(text.text);
            }
        }
    }
    (sections(&lens, &rest), decoded)
}

/// What is between the spaces of a text, which is at least one word, and may be nothing.
fn words_of(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&byte| byte == b' ')
}

/// The words of all texts that are written as words. The most frequent come first, because small numbers are short; of those that are
/// equally frequent the ones that occur first, so that a reader finds rare words, which are most, one after another.
struct Words<'a> {
    all: Vec<&'a [u8]>,
    numbers: HashMap<&'a [u8], u32>,
}

impl<'a> Words<'a> {
    fn of(records: &'a Records, slots: &[u32]) -> Self {
        let mut counts: HashMap<&[u8], (Reverse<u32>, u32)> = HashMap::new();
        let columns: Vec<Column> = Column::ALL.into_iter().filter(|&column| is_of_words(column)).collect();
        for &slot in slots {
            let texts = columns.iter().filter_map(|&column| records.text(slot, column));
            for word in texts.flat_map(|text| words_of(text.text)) {
                let place = counts.len() as u32;
                counts.entry(word).or_insert((Reverse(0), place)).0.0 += 1;
            }
        }
        let mut all: Vec<(Reverse<u32>, u32, &[u8])> =
            counts.into_iter().map(|(word, (count, place))| (count, place, word)).collect();
        all.sort_unstable();
        let all: Vec<&[u8]> = all.into_iter().map(|(.., word)| word).collect();
        let numbers = all.iter().copied().zip(0..).collect();
        Self { all, numbers }
    }
}

/// The namespace lists that contacts have, with new numbers without a gap.
struct Lists {
    former: Vec<u32>,
    numbers: HashMap<u32, u32>,
}

impl Lists {
    fn of(records: &Records, slots: &[u32]) -> Self {
        let (mut former, mut numbers) = (Vec::new(), HashMap::new());
        for &slot in slots {
            let (list, _) = of_class(records.class(slot));
            numbers.entry(list).or_insert_with(|| {
                former.push(list);
                former.len() as u32 - 1
            });
        }
        Self { former, numbers }
    }

    fn class(&self, former: u32) -> u32 {
        let (list, disabled) = of_class(former);
        class(self.numbers[&list], disabled)
    }

    fn bytes(&self, records: &Records) -> Vec<u8> {
        let mut bytes = Vec::new();
        push_varint(&mut bytes, self.former.len() as u64);
        for &list in &self.former {
            let names = records.lists().names(list);
            push_varint(&mut bytes, names.len() as u64);
            for name in names {
                push_varint(&mut bytes, name.len() as u64);
                bytes.extend_from_slice(name.as_bytes());
            }
        }
        bytes
    }
}
