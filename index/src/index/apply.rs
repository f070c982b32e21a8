//! Changes: many entries at once.
//!
//! At a million contacts a change waits for memory most of the time: for its record, its places in two orders, its words and its keys.
//! So entries are applied together, and each of these is visited once, in the order in which it lies in memory.

use std::cmp::Reverse;
use std::hint::black_box;
use std::slice;

use super::ContactIndex;
use crate::dictionary::WordChange;
use crate::entry::{EntryFields, IndexEntry};
use crate::hashed::HashChange;
use crate::namespaces::class;
use crate::object_id::ObjectId;
use crate::query::SortKey;
use crate::records::{Difference, Records};
use crate::slots::Bits;
use crate::sorting::Stream;
use crate::terms::Terms;

/// How many entries are applied together at most.
const TOGETHER: usize = if cfg!(test) { 7 } else { 8_192 };

/// How many records are fetched from memory together.
const AHEAD: usize = 32;

/// An entry that is newer than what is known of its contact.
struct Change<'a> {
    entry: &'a IndexEntry,
    /// The contact's slot, if there is one.
    slot: Option<u32>,
    /// The chunk of the order by id that the contact is in.
    chunk: usize,
    /// The class that it gets.
    class: u32,
}

/// What changes of words and keys, gathered.
#[derive(Debug, Default)]
struct TermChanges {
    before: Terms,
    after: Terms,
    /// The words' bytes.
    bytes: Vec<u8>,
    words: Vec<WordChange>,
    keys: Vec<HashChange>,
}

impl ContactIndex {
    /// Takes over an entry when it is newer than what is known of its contact, and says whether it was.
    pub fn apply(&mut self, entry: &IndexEntry) -> bool {
        self.apply_all(slice::from_ref(entry)) > 0
    }

    /// Takes over those of many entries that are newer than what is known of their contacts, and says how many contacts that changed.
    pub fn apply_all(&mut self, entries: &[IndexEntry]) -> usize {
        entries.chunks(TOGETHER).map(|entries| self.apply_together(entries)).sum()
    }

    fn apply_together(&mut self, entries: &[IndexEntry]) -> usize {
        self.newest = self.newest.max(entries.iter().map(|entry| entry.updated_at).max());
        let mut changes = self.newer(entries);
        self.leave_orders(&mut changes);

        // Those without a slot come last, after slots that others leave.
        changes.sort_by_key(|change| change.slot.unwrap_or(u32::MAX));
        let (mut terms, mut new, mut moved) = (TermChanges::default(), Vec::new(), Vec::new());
        for changes in changes.chunks(AHEAD) {
            read_ahead(&self.records, changes);
            for change in changes {
                match (change.slot, &change.entry.fields) {
                    (Some(slot), Some(fields)) => {
                        self.update(slot, change, fields, &mut terms);
                        moved.push(slot);
                    }
                    (Some(slot), None) => {
                        self.remove(slot, &mut terms);
                        self.tombstones.insert(change.entry);
                    }
                    (None, Some(fields)) => {
                        self.tombstones.remove(change.entry.id);
                        new.push(self.insert(change, fields, &mut terms));
                    }
                    (None, None) => self.tombstones.insert(change.entry),
                }
            }
        }
        self.dictionary.change(&mut terms.words, &terms.bytes);
        self.keys.change(&mut terms.keys);

        let records = &self.records;
        let class_of = |slot| records.class(slot);
        self.by_id.insert_all(&new, |slot| records.id(slot), class_of);
        moved.extend(new);
        moved.sort_by_cached_key(|&slot| records.change(slot));
        self.by_updated.insert_all(&moved, |slot| records.last_change(slot), class_of);
        changes.len()
    }

    /// The newest entry of each contact of which none so new is known, in the order of their ids.
    fn newer<'a>(&self, entries: &'a [IndexEntry]) -> Vec<Change<'a>> {
        let mut newest: Vec<_> = (0..).zip(entries).map(|(at, entry)| (entry.id, Reverse(entry.version), at)).collect();
        newest.sort_unstable();
        newest.dedup_by_key(|(id, ..)| *id);
        let ids: Vec<ObjectId> = newest.iter().map(|(id, ..)| *id).collect();
        let found = self.by_id.find_all(&ids, |slot| self.records.id(slot));
        let changes = newest.iter().zip(found).map(|((.., at), found): (&(_, _, usize), _)| {
            let (chunk, slot) = found.map_or((0, None), |(chunk, slot)| (chunk, Some(slot)));
            Change { entry: &entries[*at], slot, chunk, class: 0 }
        });
        let is_newer = |change: &Change<'_>| {
            let known = match change.slot {
                Some(slot) => Some(self.records.version(slot)),
                None => self.tombstones.version(change.entry.id),
            };
            known.is_none_or(|known| known < change.entry.version)
        };
        changes.filter(is_newer).collect()
    }

    /// Takes the contacts out of the permanent orders in which they do not stay, and gives them their new classes.
    fn leave_orders(&mut self, changes: &mut [Change<'_>]) {
        let Self { records, by_id, by_updated, .. } = self;
        let (mut removed, mut moved) = (Vec::new(), Vec::new());
        for change in changes {
            if let Some(fields) = &change.entry.fields {
                change.class = class(records.add_to_lists(fields), fields.disabled);
            }
            let Some(slot) = change.slot else { continue };
            moved.push(slot);
            if change.entry.fields.is_none() {
                removed.push(slot);
            } else if change.class != records.class(slot) {
                by_id.recount(change.chunk, records.class(slot), change.class);
            }
        }
        by_id.remove_all(&removed, |slot| records.id(slot), |slot| records.class(slot));
        if moved.len() < by_updated.chunks() {
            moved.sort_by_cached_key(|&slot| records.change(slot));
            by_updated.remove_all(&moved, |slot| records.last_change(slot), |slot| records.class(slot));
        } else {
            let mut set = Bits::below(records.slots());
            set.extend(moved);
            by_updated.remove_set(&set, |slot| records.class(slot));
        }
    }

    /// Adds a contact everywhere but to the permanent orders.
    fn insert(&mut self, change: &Change<'_>, fields: &EntryFields, terms: &mut TermChanges) -> u32 {
        self.records.prepare(fields);
        let slot = self.records.insert(change.entry, fields, change.class);
        terms.after.read(self.records.record(slot), Difference::ALL, &self.hasher);
        terms.before.clear();
        terms.gather(slot);
        self.enter_kept_orders(slot, |_| true);
        slot
    }

    /// Removes a contact from everywhere but the permanent orders.
    fn remove(&mut self, slot: u32, terms: &mut TermChanges) {
        terms.before.read(self.records.record(slot), Difference::ALL, &self.hasher);
        terms.after.clear();
        terms.gather(slot);
        self.leave_kept_orders(slot, |_| true);
        self.records.remove(slot);
    }

    /// Changes a contact everywhere but in the permanent orders.
    fn update(&mut self, slot: u32, change: &Change<'_>, fields: &EntryFields, terms: &mut TermChanges) {
        self.records.prepare(fields);
        let difference = self.records.difference(slot, change.entry, fields, change.class);
        if difference.is_of_terms() {
            terms.before.read(self.records.record(slot), difference, &self.hasher);
            terms.after.read(self.records.prepared(), difference, &self.hasher);
            terms.gather(slot);
        }
        let moves = |keys: &[SortKey]| difference.moves(keys);
        self.leave_kept_orders(slot, moves);
        self.records.update(slot, change.entry, fields, change.class);
        self.enter_kept_orders(slot, moves);
    }

    fn leave_kept_orders(&mut self, slot: u32, moves: impl Fn(&[SortKey]) -> bool) {
        let records = &self.records;
        for kept in self.kept.get_mut().orders.iter_mut().filter(|kept| moves(&kept.keys)) {
            kept.order.lock().remove(&Stream { records, keys: &kept.keys }, slot);
        }
    }

    fn enter_kept_orders(&mut self, slot: u32, moves: impl Fn(&[SortKey]) -> bool) {
        let records = &self.records;
        for kept in self.kept.get_mut().orders.iter_mut().filter(|kept| moves(&kept.keys)) {
            kept.order.lock().insert(&Stream { records, keys: &kept.keys }, slot);
        }
    }
}

impl TermChanges {
    /// Adds what is different between before and after.
    fn gather(&mut self, slot: u32) {
        let Self { before, after, bytes, words, keys } = self;
        before.compare_words(after, |(hash, word), is_former| {
            let start = bytes.len() as u32;
            bytes.extend_from_slice(word);
            words.push(WordChange { hash, start, len: word.len() as u32, slot, is_new: !is_former });
        });
        before.compare_keys(after, |hash, is_former| keys.push(HashChange { hash, number: slot, is_new: !is_former }));
    }
}

/// Lets memory deliver what changes of these contacts all at once.
fn read_ahead(records: &Records, changes: &[Change<'_>]) {
    black_box(changes.iter().filter_map(|change| change.slot).fold(0, |read, slot| read ^ records.read_ahead(slot)));
}
