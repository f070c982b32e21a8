//! All that is known of one tenant's contacts.
//!
//! What the index answers depends on the newest version of each contact that was applied, not on the order in which versions came, nor
//! on how often. It is pure: no clock, no I/O.
//!
//! Two orders are always kept, by id and by change. Others are made on first use, sorted where lists look at them, and kept up with
//! changes from then on.

mod apply;
mod bulk;
mod check;
mod kept;
mod select;
mod walk;

use std::sync::MutexGuard;

pub(super) use bulk::Parts;
use kept::{Kept, KeptOrders};
pub use select::{Row, Selection};

use crate::dictionary::Dictionary;
use crate::entry::IndexEntry;
use crate::hashed::Hashed;
use crate::object_id::ObjectId;
use crate::ordered::{CHUNK, Ordered, Visibility};
use crate::records::Records;
use crate::terms::KeyHasher;
use crate::timestamp::Timestamp;
use crate::tombstones::Tombstones;

/// How many entries of a load are held at a time.
const LOADED: usize = 8_192;

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
    kept: KeptOrders,
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

    /// The index of these entries, which can be in any order, several for one contact and tombstones among them.
    pub fn from_entries(entries: impl IntoIterator<Item = IndexEntry>) -> Self {
        let mut index = Self::new();
        index.load(entries);
        index
    }

    /// Applies all entries, and gives back what was reserved for more.
    fn load(&mut self, entries: impl IntoIterator<Item = IndexEntry>) {
        let mut entries = entries.into_iter().peekable();
        while entries.peek().is_some() {
            let some: Vec<IndexEntry> = entries.by_ref().take(LOADED).collect();
            self.apply_all(&some);
        }
        self.shrink_to_fit();
    }

    /// Gives back what was reserved for more contacts.
    pub fn shrink_to_fit(&mut self) {
        self.records.shrink_to_fit();
        self.dictionary.shrink_to_fit();
        self.keys.shrink_to_fit();
        self.by_id.shrink_to_fit();
        self.by_updated.shrink_to_fit();
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
            ("rest", size_of::<Self>()),
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
            kept: KeptOrders::default(),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock()
    }

    fn slot_of(&self, id: ObjectId) -> Option<u32> {
        let at = self.by_id.partition_point(|slot| self.records.id(slot) < id);
        self.by_id.get(at).filter(|&slot| self.records.id(slot) == id)
    }
}

#[cfg(test)]
pub(crate) mod tests;
