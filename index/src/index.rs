//! All that is known of one tenant's contacts.
//!
//! What the index answers depends on the newest version of each contact that was applied, not on the order in which versions came, nor
//! on how often. It is pure: no clock, no I/O.
//!
//! Two orders are always kept, by id and by change. Others are sorted on first use and kept up with changes from then on, so that
//! only the first list of a kind pays for its order.

mod bulk;
mod check;
mod kept;
mod select;
mod walk;

use std::hint::black_box;
use std::sync::{Mutex, MutexGuard, PoisonError};

pub(super) use bulk::Parts;
use kept::{Kept, KeptOrder, ORDERS, SharedOrder};
pub use select::{Row, Selection};

use crate::dictionary::Dictionary;
use crate::entry::{EntryFields, IndexEntry};
use crate::hashed::Hashed;
use crate::object_id::ObjectId;
use crate::ordered::{CHUNK, Ordered, Visibility};
use crate::query::SortKey;
use crate::records::Records;
use crate::sorting::{BY_UPDATED, Stream};
use crate::terms::{KeyHasher, Terms};
use crate::timestamp::Timestamp;
use crate::tombstones::Tombstones;

/// The contacts of one tenant.
#[derive(Debug)]
pub struct ContactIndex {
    records: Records,
    /// The words of names.
    dictionary: Dictionary,
    /// Names, email addresses, phone numbers and external ids.
    keys: Hashed,
    hasher: KeyHasher,
    by_id: Ordered,
    by_updated: Ordered,
    tombstones: Tombstones,
    newest: Option<Timestamp>,
    chunk_len: usize,
    /// The terms of a contact before and after a change, kept for their memory.
    terms: [Terms; 2],
    /// What lists have left for the next ones. It is locked only to look and to leave, never while something is computed.
    kept: Mutex<Kept>,
}

impl Default for ContactIndex {
    fn default() -> Self {
        Self::new()
    }
}

impl ContactIndex {
    /// An index without contacts.
    pub fn new() -> Self {
        Self::with_chunks(CHUNK)
    }

    /// The index of a complete load: entries in any order, several for one contact and tombstones among them.
    pub fn from_entries(entries: impl IntoIterator<Item = IndexEntry>) -> Self {
        let mut index = Self::new();
        index.load(entries);
        index
    }

    /// Takes over an entry when it is newer than what is known of its contact, and says whether it was.
    pub fn apply(&mut self, entry: &IndexEntry) -> bool {
        self.newest = self.newest.max(Some(entry.updated_at));
        let slot = self.slot_of(entry.id);
        let known = slot.map(|slot| self.records.version(slot));
        if known.or_else(|| self.tombstones.version(entry.id)).is_some_and(|known| known >= entry.version) {
            return false;
        }
        match (slot, &entry.fields) {
            (Some(slot), Some(fields)) => self.update(slot, entry, fields),
            (Some(slot), None) => {
                self.remove(slot);
                self.tombstones.insert(entry);
            }
            (None, Some(fields)) => {
                self.tombstones.remove(entry.id);
                self.insert(entry, fields);
            }
            (None, None) => self.tombstones.insert(entry),
        }
        true
    }

    /// Takes over many entries, and says how many of them were newer than what was known.
    pub fn apply_all(&mut self, entries: &[IndexEntry]) -> usize {
        entries.iter().filter(|entry| self.apply(entry)).count()
    }

    /// Forgets the tombstones of contacts that were deleted before `moment`.
    pub fn forget_tombstones_before(&mut self, moment: Timestamp) {
        self.tombstones.forget_before(moment);
    }

    /// The newest known version of a contact, deleted or not.
    pub fn version(&self, id: ObjectId) -> Option<u64> {
        self.slot_of(id).map(|slot| self.records.version(slot)).or_else(|| self.tombstones.version(id))
    }

    /// How many contacts there are.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there are no contacts.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory that all of this takes, reserves and kept orders included.
    pub fn memory_bytes(&self) -> usize {
        self.memory_parts().iter().map(|(_, bytes)| bytes).sum()
    }

    /// Bytes of memory by what they hold.
    pub fn memory_parts(&self) -> Vec<(&'static str, usize)> {
        let [words, contacts_of_words] = self.dictionary.memory_bytes();
        let mut parts = self.records.memory_parts().to_vec();
        parts.extend([
            ("words", words),
            ("contacts of the words", contacts_of_words),
            ("keys", self.keys.memory_bytes()),
            ("order by id", self.by_id.memory_bytes()),
            ("order by change", self.by_updated.memory_bytes()),
            ("kept orders", self.kept().memory_bytes()),
            ("tombstones", self.tombstones.memory_bytes()),
            ("rest", size_of::<Self>() + self.terms.iter().map(Terms::memory_bytes).sum::<usize>()),
        ]);
        parts
    }

    /// The time of the newest entry that was ever applied.
    pub const fn newest(&self) -> Option<Timestamp> {
        self.newest
    }

    /// How many contacts were changed at `since` or later.
    pub fn count_updated_since(&self, since: Timestamp) -> usize {
        let start = self.by_updated.partition_point(|slot| self.records.updated_at(slot) < since.millis());
        self.len() - self.by_updated.rank(start, &Visibility::All, |_| 0)
    }

    /// When contacts were changed, newest first.
    pub(super) fn changes_newest_first(&self) -> impl Iterator<Item = Timestamp> {
        self.by_updated.iter_backward().map(|slot| Timestamp::from_millis(self.records.updated_at(slot)))
    }

    pub(super) const fn tombstones(&self) -> &Tombstones {
        &self.tombstones
    }

    fn with_chunks(chunk_len: usize) -> Self {
        let empty = Ordered::from_sorted(&[], chunk_len, |_| 0);
        Self {
            records: Records::default(),
            dictionary: Dictionary::default(),
            keys: Hashed::default(),
            hasher: KeyHasher::default(),
            by_id: empty.clone(),
            by_updated: empty,
            tombstones: Tombstones::default(),
            newest: None,
            chunk_len,
            terms: Default::default(),
            kept: Mutex::default(),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Nothing in there is ever half done.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slot_of(&self, id: ObjectId) -> Option<u32> {
        let at = self.by_id.partition_point(|slot| self.records.id(slot) < id);
        self.by_id.get(at).filter(|&slot| self.records.id(slot) == id)
    }

    fn insert(&mut self, entry: &IndexEntry, fields: &EntryFields) {
        let slot = self.insert_unordered(entry, fields);
        let records = &self.records;
        let class_of = |slot| records.class(slot);
        let (id, change) = (records.id(slot), records.change(slot));
        self.by_id.insert(slot, |other| records.id(other) < id, class_of);
        self.by_updated.insert(slot, |other| records.change(other) < change, class_of);
        let kept = self.kept.get_mut().unwrap_or_else(PoisonError::into_inner);
        kept.drop_unused(records.len());
        for KeptOrder { keys, order, moves } in &mut kept.orders {
            *moves += 1;
            order.lock().insert(&Stream { records, keys }, slot, records.class(slot));
        }
    }

    /// Adds a contact everywhere but to the orders.
    fn insert_unordered(&mut self, entry: &IndexEntry, fields: &EntryFields) -> u32 {
        self.records.prepare(fields);
        let slot = self.records.insert(entry, fields);
        let [terms, _] = &mut self.terms;
        terms.read(self.records.record(slot), &self.hasher);
        read_ahead(terms, &self.dictionary, &self.keys);
        terms.words().for_each(|(hash, word)| self.dictionary.insert(hash, word, slot));
        terms.keys().iter().for_each(|&key| self.keys.insert(key, slot));
        slot
    }

    fn remove(&mut self, slot: u32) {
        let records = &self.records;
        let class_of = |slot| records.class(slot);
        let (id, change) = (records.id(slot), records.change(slot));
        self.by_id.remove(slot, |other| records.id(other) < id, class_of);
        self.by_updated.remove(slot, |other| records.change(other) < change, class_of);
        let kept = self.kept.get_mut().unwrap_or_else(PoisonError::into_inner);
        kept.drop_unused(records.len());
        for KeptOrder { keys, order, moves } in &mut kept.orders {
            *moves += 1;
            order.lock().remove(&Stream { records, keys }, slot, records.class(slot));
        }
        self.remove_unordered(slot);
    }

    /// Removes a contact from everywhere but the orders.
    fn remove_unordered(&mut self, slot: u32) {
        let [terms, _] = &mut self.terms;
        terms.read(self.records.record(slot), &self.hasher);
        read_ahead(terms, &self.dictionary, &self.keys);
        terms.words().for_each(|(hash, word)| self.dictionary.remove(hash, word, slot));
        terms.keys().iter().for_each(|&key| self.keys.remove(key, slot));
        self.records.remove(slot);
    }

    fn update(&mut self, slot: u32, entry: &IndexEntry, fields: &EntryFields) {
        self.records.prepare(fields);
        let class = self.records.add_to_class(fields);
        let records = &self.records;
        if records.texts_differ(slot) {
            let [before, after] = &mut self.terms;
            before.read(records.record(slot), &self.hasher);
            after.read(records.prepared(), &self.hasher);
            before.compare_words(after, |(hash, word), is_former| {
                if is_former { self.dictionary.remove(hash, word, slot) } else { self.dictionary.insert(hash, word, slot) }
            });
            before.compare_keys(
                after,
                |key, is_former| {
                    if is_former { self.keys.remove(key, slot) } else { self.keys.insert(key, slot) }
                },
            );
        }

        let changes_class = class != records.class(slot);
        let moves = |keys: &[SortKey]| changes_class || keys.iter().any(|key| records.differs(slot, entry, fields, key.field));
        let kept = self.kept.get_mut().unwrap_or_else(PoisonError::into_inner);
        kept.drop_unused(records.len());
        // A contact is found in an order by its former values, so it leaves before they change. Most changes leave most orders alone.
        let (id, change) = (records.id(slot), records.change(slot));
        let changes_updated = moves(&BY_UPDATED);
        let mut orders: Vec<(&[SortKey], &SharedOrder)> = Vec::with_capacity(ORDERS);
        for kept in kept.orders.iter_mut().filter(|kept| moves(&kept.keys)) {
            kept.moves += 1;
            orders.push((&kept.keys, &kept.order));
        }
        let class_of = |slot| records.class(slot);
        if changes_class {
            self.by_id.remove(slot, |other| records.id(other) < id, class_of);
        }
        if changes_updated {
            self.by_updated.remove(slot, |other| records.change(other) < change, class_of);
        }
        for (keys, order) in &orders {
            order.lock().remove(&Stream { records, keys }, slot, records.class(slot));
        }

        self.records.update(slot, entry, fields, class);
        let records = &self.records;
        let change = records.change(slot);
        let class_of = |slot| records.class(slot);
        if changes_class {
            self.by_id.insert(slot, |other| records.id(other) < id, class_of);
        }
        if changes_updated {
            self.by_updated.insert(slot, |other| records.change(other) < change, class_of);
        }
        for (keys, order) in orders {
            order.lock().insert(&Stream { records, keys }, slot, class);
        }
    }

    /// Fills an index that is empty. Unlike [`apply_all`](Self::apply_all) it sorts the orders once, at the end.
    fn load(&mut self, entries: impl IntoIterator<Item = IndexEntry>) {
        let mut slots = Vec::new();
        for entry in entries {
            self.newest = self.newest.max(Some(entry.updated_at));
            match &entry.fields {
                Some(fields) => slots.push(self.insert_unordered(&entry, fields)),
                None if self.tombstones.version(entry.id).is_none_or(|known| known < entry.version) => {
                    self.tombstones.insert(&entry);
                }
                None => {}
            }
        }
        // The newest of a contact's versions comes first.
        slots.sort_unstable_by_key(|&slot| (self.records.id(slot), u64::MAX - self.records.version(slot)));
        let mut last = None;
        slots.retain(|&slot| {
            let (id, version) = (self.records.id(slot), self.records.version(slot));
            let is_newest = last.replace(id) != Some(id);
            let is_alive = is_newest && self.tombstones.version(id).is_none_or(|deleted| deleted < version);
            if is_alive {
                self.tombstones.remove(id);
            } else {
                self.remove_unordered(slot);
            }
            is_alive
        });
        self.records.shrink_to_fit();
        self.dictionary.shrink_to_fit();
        self.keys.shrink_to_fit();
        let records = &self.records;
        self.by_id = Ordered::from_sorted(&slots, self.chunk_len, |slot| records.class(slot));
        slots.sort_unstable_by_key(|&slot| records.change(slot));
        self.by_updated = Ordered::from_sorted(&slots, self.chunk_len, |slot| records.class(slot));
    }
}

/// Lets memory deliver what a contact's terms need all at once.
fn read_ahead(terms: &Terms, dictionary: &Dictionary, keys: &Hashed) {
    let words = terms.words().fold(0, |read, (hash, _)| read ^ dictionary.read_ahead(hash));
    black_box(terms.keys().iter().fold(words, |read, &key| read ^ keys.read_ahead(key)));
}

#[cfg(test)]
pub(crate) mod tests;
