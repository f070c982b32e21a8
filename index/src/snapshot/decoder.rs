//! From bytes to an index, block by block in any order, so that decoding goes on while others are on their way.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{mem, thread};

use twox_hash::XxHash3_64;
use zstd::bulk::Decompressor;

use super::bytes::Reader;
use super::footer::Footer;
use super::group::{Group, Raw, build};
use super::layout::{BlockColumn, Place};
use super::{Error, GROUP, Snapshot, TenantHash, is_parallel};
use crate::dictionary::WordSet;
use crate::entry::IndexEntry;
use crate::index::{ContactIndex, Parts};
use crate::object_id::ObjectId;
use crate::records::Records;
use crate::terms::KeyHasher;
use crate::timestamp::Timestamp;

/// A snapshot of which some blocks are read.
///
/// Several threads may give it blocks at once. Its memory is least when the blocks come in the order of the snapshot, because a group is
/// built as soon as it and the words are there.
#[derive(Debug)]
pub struct Decoder {
    footer: Footer,
    hasher: KeyHasher,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Which blocks were read.
    read: Vec<bool>,
    lists: Vec<Vec<String>>,
    words: Words,
    tombstones: Vec<Vec<IndexEntry>>,
    groups: Vec<GroupState>,
}

#[derive(Debug)]
enum Words {
    Reading(Vec<Option<Raw>>),
    Building,
    Built(Arc<WordSet>),
}

#[derive(Debug)]
enum GroupState {
    Reading(Box<[Option<Raw>; BlockColumn::OF_GROUP.len()]>),
    Building,
    Built(Box<Group>),
}

/// What is to be done next, without the lock.
enum Work {
    Words(Vec<Raw>),
    Group(usize, Box<[Raw; BlockColumn::OF_GROUP.len()]>, Arc<WordSet>),
}

impl Decoder {
    /// A decoder of the blocks that a footer names.
    ///
    /// # Errors
    ///
    /// [`Error::Tenant`] for another tenant's snapshot, and [`Error::TooLarge`] for an index that takes more than `memory` bytes.
    pub fn new(footer: Footer, tenant: &TenantHash, memory: usize) -> Result<Self, Error> {
        if footer.origin.tenant != *tenant {
            return Err(Error::Tenant);
        }
        if usize::try_from(footer.index_bytes).ok().is_none_or(|bytes| bytes > memory) {
            return Err(Error::TooLarge { bytes: footer.index_bytes });
        }
        let layout = &footer.layout;
        let state = State {
            read: vec![false; footer.blocks.len()],
            lists: Vec::new(),
            words: Words::Reading((0..layout.word_blocks()).map(|_| None).collect()),
            tombstones: vec![Vec::new(); layout.tombstone_blocks()],
            groups: (0..layout.groups()).map(|_| GroupState::Reading(Default::default())).collect(),
        };
        let decoder = Self { footer, hasher: KeyHasher::default(), state: Mutex::new(state) };
        // Without names there are no words to wait for.
        decoder.work()?;
        Ok(decoder)
    }

    /// What the snapshot says of itself.
    pub const fn footer(&self) -> &Footer {
        &self.footer
    }

    /// Takes the block of this number: exactly the bytes of its range. A block that was taken before changes nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Checksum`] and [`Error::Malformed`]. The snapshot is of no use then.
    pub fn block(&self, number: usize, bytes: &[u8]) -> Result<(), Error> {
        let info = self.footer.blocks.get(number).ok_or(Error::Malformed("there is no block of this number"))?;
        if bytes.len() as u64 != info.range.end - info.range.start || XxHash3_64::oneshot(bytes) != info.checksum {
            return Err(Error::Checksum { block: number });
        }
        let raw = decompress(bytes, info.raw_len as usize)?;
        let layout = &self.footer.layout;
        match layout.place(number) {
            Place::Namespaces => {
                let lists = read_lists(&raw)?;
                self.place(number, |state| state.lists = lists);
            }
            Place::Tombstones(block) => {
                let tombstones = read_tombstones(&raw, layout.tombstones_of(block))?;
                self.place(number, |state| state.tombstones[block] = tombstones);
            }
            Place::Words(block) => self.place(number, |state| {
                if let Words::Reading(blocks) = &mut state.words {
                    blocks[block] = Some(raw);
                }
            }),
            Place::Group { group, column } => self.place(number, |state| {
                if let GroupState::Reading(columns) = &mut state.groups[group] {
                    columns[column] = Some(raw);
                }
            }),
        }
        self.work()
    }

    /// The index of all blocks. With more than one of `threads`, a second one does half of the work.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] when not all blocks were taken, and [`Error::Malformed`].
    pub fn finish(self, threads: NonZeroUsize) -> Result<Snapshot, Error> {
        let Self { footer, hasher, state } = self;
        let State { read, lists, words, tombstones, groups } = state.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(block) = read.iter().position(|is_read| !is_read) {
            return Err(Error::Missing { block });
        }
        let (mut columns, mut keys, mut names) = (Vec::new(), Vec::new(), Vec::new());
        for group in groups {
            let GroupState::Built(group) = group else { return Err(Error::Malformed("a group could not be built")) };
            columns.push(group.columns);
            keys.push(group.keys);
            names.push(group.names);
        }
        let words = match words {
            Words::Built(words) => Arc::try_unwrap(words).map_err(|_| Error::Malformed("its words are in use"))?,
            _ => return Err(Error::Malformed("its words could not be built")),
        };
        let records = Records::from_columns(columns, lists).ok_or(Error::Malformed("contacts and namespace lists do not fit"))?;
        let tombstones = tombstones.into_iter().flatten().collect();
        let parts = Parts { records, hasher, keys, words, names, tombstones, newest: footer.newest };
        let index = ContactIndex::from_parts(parts, is_parallel(threads));
        let index = index.ok_or(Error::Malformed("ids do not ascend, or a contact is deleted as well"))?;
        Ok(Snapshot { index, origin: footer.origin })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What a panic left behind is caught at the end: a block that is missing, or a group that was not built.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, number: usize, place: impl FnOnce(&mut State)) {
        let mut state = self.state();
        if !mem::replace(&mut state.read[number], true) {
            place(&mut state);
        }
    }

    /// Does what can be done with the blocks that were read.
    fn work(&self) -> Result<(), Error> {
        loop {
            let work = self.state().work();
            match work {
                None => return Ok(()),
                Some(Work::Words(blocks)) => {
                    let words = self.words(blocks)?;
                    self.state().words = Words::Built(Arc::new(words));
                }
                Some(Work::Group(number, columns, words)) => {
                    let contacts = self.footer.layout.contacts_of(number);
                    let group = build(&columns, (number * GROUP) as u32, contacts, &words, &self.hasher)?;
                    drop(words);
                    self.state().groups[number] = GroupState::Built(Box::new(group));
                }
            }
        }
    }

    fn words(&self, blocks: Vec<Raw>) -> Result<WordSet, Error> {
        let (mut words, mut scratch) = (WordSet::default(), Vec::new());
        for (block, raw) in blocks.into_iter().enumerate() {
            let [mut lens, text] = Reader(&raw.bytes).sections()?;
            let text = std::str::from_utf8(text.0).map_err(|_| Error::Malformed("words are not UTF-8"))?;
            let mut at = 0_usize;
            for _ in 0..self.footer.layout.words_of(block) {
                let end = usize::try_from(lens.varint()?).ok().and_then(|len| at.checked_add(len));
                let word = end.and_then(|end| text.get(at..end)).ok_or(Error::Malformed("a word ends after its block"))?;
                words.push(word, &self.hasher, &mut scratch).map_err(|_| Error::Malformed("its words take 4 GB"))?;
                at += word.len();
            }
            lens.end()?;
            Reader(&text.as_bytes()[at..]).end()?;
        }
        words.end();
        Ok(words)
    }
}

impl State {
    fn work(&mut self) -> Option<Work> {
        if let Words::Reading(blocks) = &mut self.words
            && blocks.iter().all(Option::is_some)
        {
            let blocks = mem::take(blocks).into_iter().flatten().collect();
            self.words = Words::Building;
            return Some(Work::Words(blocks));
        }
        let Words::Built(words) = &self.words else { return None };
        let is_complete = |group: &GroupState| match group {
            GroupState::Reading(columns) => columns.iter().all(Option::is_some),
            _ => false,
        };
        let number = self.groups.iter().position(is_complete)?;
        let GroupState::Reading(columns) = mem::replace(&mut self.groups[number], GroupState::Building) else { return None };
        let columns: Vec<Raw> = columns.into_iter().flatten().collect();
        Some(Work::Group(number, columns.try_into().ok()?, Arc::clone(words)))
    }
}

/// Reads a snapshot that is in memory.
///
/// # Errors
///
/// Those of [`Footer::read`], [`Decoder::new`], [`Decoder::block`] and [`Decoder::finish`].
pub fn read(object: &[u8], tenant: &TenantHash, memory: usize, threads: NonZeroUsize) -> Result<Snapshot, Error> {
    let decoder = Decoder::new(Footer::read(object)?, tenant, memory)?;
    let next = AtomicUsize::new(0);
    let decode = || {
        let blocks = &decoder.footer.blocks;
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(info) = blocks.get(number) else { return Ok(()) };
            let range = usize::try_from(info.range.start).unwrap_or(usize::MAX)..usize::try_from(info.range.end).unwrap_or(0);
            decoder.block(number, object.get(range).ok_or(Error::Checksum { block: number })?)?;
        }
    };
    if is_parallel(threads) {
        thread::scope(|scope| {
            let other = scope.spawn(decode);
            decode().and(other.join().unwrap_or(Err(Error::Malformed("reading it panicked"))))
        })?;
    } else {
        decode()?;
    }
    decoder.finish(threads)
}

fn decompress(bytes: &[u8], len: usize) -> Result<Raw, Error> {
    const FAILED: Error = Error::Malformed("a block cannot be decompressed");
    let mut raw = Vec::with_capacity(len);
    let mut decompressor = Decompressor::new().map_err(|_| FAILED)?;
    decompressor.decompress_to_buffer(bytes, &mut raw).map_err(|_| FAILED)?;
    if raw.len() != len {
        return Err(FAILED);
    }
    Ok(Raw { bytes: raw, stored: bytes.len() as u64 })
}

fn read_lists(raw: &Raw) -> Result<Vec<Vec<String>>, Error> {
    let mut reader = Reader(&raw.bytes);
    let mut lists = Vec::new();
    for _ in 0..reader.count()? {
        let mut names = Vec::new();
        for _ in 0..reader.count()? {
            names.push(reader.text()?);
        }
        if !names.is_sorted_by(|lesser, greater| lesser < greater) {
            return Err(Error::Malformed("the names of a namespace list are not sorted"));
        }
        lists.push(names);
    }
    reader.end()?;
    let mut sorted: Vec<&Vec<String>> = lists.iter().collect();
    sorted.sort_unstable();
    if !sorted.is_sorted_by(|lesser, greater| lesser < greater) {
        return Err(Error::Malformed("a namespace list is there twice"));
    }
    Ok(lists)
}

fn read_tombstones(raw: &Raw, count: usize) -> Result<Vec<IndexEntry>, Error> {
    let mut reader = Reader(&raw.bytes);
    let mut tombstones = Vec::new();
    for _ in 0..count {
        let id = ObjectId::from_bytes(reader.array()?);
        let (version, updated_at) = (reader.varint()?, Timestamp::from_millis(reader.signed_varint()?));
        tombstones.push(IndexEntry { id, version, updated_at, fields: None });
    }
    reader.end()?;
    Ok(tombstones)
}
