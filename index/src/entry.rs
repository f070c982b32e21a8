//! One entry of a tenant's change log: what the listing engine knows of a contact.

use crate::object_id::ObjectId;
use crate::timestamp::Timestamp;

/// The last known state of a contact, as the index `updatedAt-index` projects it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// The contact.
    pub id: ObjectId,
    /// Its `__v`; of two entries for one contact the one with the higher version counts.
    pub version: u64,
    /// When that version was written.
    pub updated_at: Timestamp,
    /// The values, or nothing for a tombstone.
    pub fields: Option<EntryFields>,
}

/// What filters, orders and visibility need of a contact that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the contact's field of that name")]
pub struct EntryFields {
    pub name: String,
    pub local_name: Option<String>,
    pub phone1: Option<String>,
    pub phone2: Option<String>,
    pub email: Option<String>,
    pub title: Option<String>,
    pub disabled: bool,
    pub created_at: Timestamp,
    /// At least one, distinct, in the contact's order.
    pub company_namespace: Vec<String>,
}
