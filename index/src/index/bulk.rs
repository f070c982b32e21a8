//! The index of many contacts at once, and what a snapshot is written from.

use std::thread;

use super::ContactIndex;
use crate::dictionary::{Dictionary, NameWords, WordSet};
use crate::entry::IndexEntry;
use crate::hashed::{Hashed, Pair};
use crate::object_id::ObjectId;
use crate::ordered::{CHUNK, Ordered};
use crate::records::Records;
use crate::terms::KeyHasher;
use crate::timestamp::Timestamp;
use crate::tombstones::Tombstones;

/// What an index is made of, each in the order of ids: slot 0 has the lowest id.
pub(crate) struct Parts {
    pub records: Records,
    pub hasher: KeyHasher,
    /// The hashes of the contacts' keys, by this hasher, with their slots.
    pub keys: Vec<Vec<Pair>>,
    pub words: WordSet,
    pub names: Vec<NameWords>,
    pub tombstones: Vec<IndexEntry>,
    pub newest: Option<Timestamp>,
}

impl ContactIndex {
    /// The index of these parts. It is nothing when ids do not ascend, or a contact that exists has a tombstone. With `is_parallel`, a
    /// second thread does half of the work.
    pub(crate) fn from_parts(parts: Parts, is_parallel: bool) -> Option<Self> {
        let Parts { records, hasher, keys, words, names, tombstones: entries, newest } = parts;
        let slots: Vec<u32> = (0..records.len() as u32).collect();
        if !slots.is_sorted_by(|&lesser, &greater| records.id(lesser) < records.id(greater)) {
            return None;
        }
        let of_words = || {
            let dictionary = Dictionary::from_names(&words, names);
            let class_of = |slot| records.class(slot);
            let by_id = Ordered::from_sorted(&slots, CHUNK, class_of);
            let by_updated = Ordered::from_sorted(&by_updated(&records), CHUNK, class_of);
            (dictionary, by_id, by_updated)
        };
        let ((dictionary, by_id, by_updated), keys) = if is_parallel {
            thread::scope(|scope| {
                let keys = scope.spawn(|| Hashed::from_pairs(keys));
                Some((of_words(), keys.join().ok()?))
            })?
        } else {
            let keys = Hashed::from_pairs(keys);
            (of_words(), keys)
        };
        drop(words);
        let newest = by_updated.iter_backward().next().map(|slot| Timestamp::from_millis(records.updated_at(slot))).max(newest);
        let mut tombstones = Tombstones::default();
        entries.iter().for_each(|entry| tombstones.insert(entry));
        let newest = entries.iter().map(|entry| Some(entry.updated_at)).fold(newest, Option::max);
        let index = Self { records, dictionary, keys, hasher, by_id, by_updated, tombstones, newest, ..Self::new() };
        entries.iter().all(|entry| index.slot_of(entry.id).is_none()).then_some(index)
    }

    pub(crate) const fn records(&self) -> &Records {
        &self.records
    }

    /// The contacts' slots in the order of their ids.
    pub(crate) fn slots_by_id(&self) -> Vec<u32> {
        self.by_id.iter_from(self.by_id.start()).collect()
    }

    /// The known deletions: contact, version and time, in the order of ids.
    pub(crate) fn deletions(&self) -> Vec<(ObjectId, u64, Timestamp)> {
        let mut deletions: Vec<_> = self.tombstones.iter().collect();
        deletions.sort_unstable();
        deletions
    }
}

/// All slots in the order of change, when they are in the order of ids.
fn by_updated(records: &Records) -> Vec<u32> {
    let slots = 0..records.len() as u32;
    let updated = || slots.clone().map(|slot| records.updated_at(slot));
    let (Some(first), Some(last)) = (updated().min(), updated().max()) else { return Vec::new() };
    // Time and slot fit into one number, unless a time is far off.
    let bits = u32::BITS - slots.end.leading_zeros();
    if last.abs_diff(first).leading_zeros() >= bits {
        let keyed = |slot: u32| records.updated_at(slot).abs_diff(first) << bits | u64::from(slot);
        let mut sorted: Vec<u64> = slots.map(keyed).collect();
        sorted.sort_unstable();
        return sorted.into_iter().map(|keyed| (keyed & ((1 << bits) - 1)) as u32).collect();
    }
    let mut sorted: Vec<(i64, u32)> = slots.map(|slot| (records.updated_at(slot), slot)).collect();
    sorted.sort_unstable();
    sorted.into_iter().map(|(_, slot)| slot).collect()
}
