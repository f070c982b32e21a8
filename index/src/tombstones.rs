//! Deleted contacts that the index remembers, so that an older entry does not bring one back.

use std::collections::{BTreeSet, HashMap};

use crate::entry::IndexEntry;
use crate::namespaces::map_bytes;
use crate::object_id::ObjectId;
use crate::timestamp::Timestamp;

/// Bytes of one element of the ordered set: the element, and its share of the tree's half-full nodes.
const ORDERED_BYTES: usize = size_of::<(Timestamp, ObjectId)>() * 3 / 2;

/// Tombstones by contact, and in the order of their deletion.
#[derive(Clone, Debug, Default)]
pub(super) struct Tombstones {
    by_contact: HashMap<ObjectId, Tombstone>,
    by_deletion: BTreeSet<(Timestamp, ObjectId)>,
}

#[derive(Clone, Copy, Debug)]
struct Tombstone {
    version: u64,
    deleted_at: Timestamp,
}

impl Tombstones {
    /// The version that the deletion of a contact made.
    pub fn version(&self, id: ObjectId) -> Option<u64> {
        self.by_contact.get(&id).map(|tombstone| tombstone.version)
    }

    /// Adds the tombstone in this entry, in place of an older one.
    pub fn insert(&mut self, entry: &IndexEntry) {
        self.remove(entry.id);
        self.by_contact.insert(entry.id, Tombstone { version: entry.version, deleted_at: entry.updated_at });
        self.by_deletion.insert((entry.updated_at, entry.id));
    }

    /// Removes a contact's tombstone, if there is one.
    pub fn remove(&mut self, id: ObjectId) {
        if let Some(tombstone) = self.by_contact.remove(&id) {
            self.by_deletion.remove(&(tombstone.deleted_at, id));
        }
    }

    /// Removes the tombstones of contacts that were deleted before `moment`.
    pub fn forget_before(&mut self, moment: Timestamp) {
        if self.by_deletion.first().is_none_or(|(oldest, _)| *oldest >= moment) {
            return;
        }
        let kept = self.by_deletion.split_off(&(moment, ObjectId::from_bytes([0; 12])));
        for (_, id) in std::mem::replace(&mut self.by_deletion, kept) {
            self.by_contact.remove(&id);
        }
        if self.by_contact.capacity() > 4 * self.by_contact.len() {
            self.by_contact.shrink_to(2 * self.by_contact.len());
        }
    }

    /// When contacts were deleted, newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = Timestamp> {
        self.by_deletion.iter().rev().map(|(deleted_at, _)| *deleted_at)
    }

    /// Each deleted contact with the version and the time of its deletion, in any order.
    pub fn iter(&self) -> impl Iterator<Item = (ObjectId, u64, Timestamp)> {
        self.by_contact.iter().map(|(&id, tombstone)| (id, tombstone.version, tombstone.deleted_at))
    }

    /// Bytes on the heap.
    pub fn memory_bytes(&self) -> usize {
        map_bytes::<(ObjectId, Tombstone)>(self.by_contact.capacity()) + self.by_deletion.len() * ORDERED_BYTES
    }
}
