//! Items of the contacts table: how a contact, a tombstone and an entry of the change log are written there.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Deserialize;

use super::Stored;
use crate::contact::Contact;
use crate::error::Error;
use crate::listing::entry::{EntryFields, IndexEntry};
use crate::object_id::ObjectId;
use crate::timestamp::Timestamp;

/// The attributes of one item, by name.
pub type Item = HashMap<String, AttributeValue>;

/// The attributes of a contact that an update can set or a deletion has to remove, `updatedAt` and `__v` apart.
pub const CONTACT_ATTRIBUTES: [&str; 15] = [
    "creator",
    "editor",
    "name",
    "local_name",
    "phone1",
    "phone2",
    "email",
    "title",
    "extra_info",
    "disabled",
    "media",
    "cover_photo",
    "integration_meta",
    "company_namespace",
    "createdAt",
];

/// The primary key of a contact.
pub fn key(tenant: &str, id: ObjectId) -> Item {
    key_of_text(tenant, id.to_string())
}

/// The primary key of an item whose sort key need not be a contact's id.
pub fn key_of_text(tenant: &str, sort_key: String) -> Item {
    HashMap::from([("tenant".to_owned(), AttributeValue::S(tenant.to_owned())), ("_id".to_owned(), AttributeValue::S(sort_key))])
}

/// The item of a contact.
pub fn of_contact(tenant: &str, contact: &Contact) -> Result<Item, Error> {
    let mut item: Item = serde_dynamo::to_item(contact).map_err(|error| Error::Internal(error.into()))?;
    item.insert("tenant".to_owned(), AttributeValue::S(tenant.to_owned()));
    Ok(item)
}

/// The contact or the tombstone in an item.
pub fn stored(item: Item) -> Result<Stored, Error> {
    let stored = if item.contains_key("deleted") {
        serde_dynamo::from_item(item).map(|TombstoneItem { id, version, updated_at }| Stored::Tombstone {
            id,
            version,
            updated_at,
        })
    } else {
        serde_dynamo::from_item(item).map(Box::new).map(Stored::Contact)
    };
    stored.map_err(|error| Error::Internal(error.into()))
}

#[derive(Deserialize)]
struct TombstoneItem {
    #[serde(rename = "_id")]
    id: ObjectId,
    #[serde(rename = "__v")]
    version: u64,
    #[serde(rename = "updatedAt")]
    updated_at: Timestamp,
}

/// The entry of the change log in an item of the index `updatedAt-index`.
pub fn entry(item: Item) -> Result<IndexEntry, Error> {
    let entry: EntryItem = serde_dynamo::from_item(item).map_err(|error| Error::Internal(error.into()))?;
    let fields = match (entry.deleted, entry.name, entry.created_at) {
        (true, ..) => None,
        (false, Some(name), Some(created_at)) => Some(EntryFields {
            name,
            local_name: entry.local_name,
            phone1: entry.phone1,
            phone2: entry.phone2,
            email: entry.email,
            title: entry.title,
            disabled: entry.disabled,
            created_at,
            company_namespace: entry.company_namespace,
        }),
        (false, ..) => return Err(Error::Internal(format!("contact {} has no name or no createdAt", entry.id).into())),
    };
    Ok(IndexEntry { id: entry.id, version: entry.version, updated_at: entry.updated_at, fields })
}

#[derive(Deserialize)]
struct EntryItem {
    #[serde(rename = "_id")]
    id: ObjectId,
    #[serde(rename = "__v")]
    version: u64,
    #[serde(rename = "updatedAt")]
    updated_at: Timestamp,
    #[serde(default)]
    deleted: bool,
    name: Option<String>,
    local_name: Option<String>,
    phone1: Option<String>,
    phone2: Option<String>,
    email: Option<String>,
    title: Option<String>,
    #[serde(default)]
    disabled: bool,
    #[serde(rename = "createdAt")]
    created_at: Option<Timestamp>,
    #[serde(default)]
    company_namespace: Vec<String>,
}

impl From<&Stored> for IndexEntry {
    /// What the change log shows, or will show, of what the table holds.
    fn from(stored: &Stored) -> Self {
        match stored {
            Stored::Contact(contact) => Self {
                id: contact.id,
                version: contact.version,
                updated_at: contact.updated_at,
                fields: Some(EntryFields {
                    name: contact.name.clone(),
                    local_name: contact.local_name.clone(),
                    phone1: contact.phone1.clone(),
                    phone2: contact.phone2.clone(),
                    email: contact.email.clone(),
                    title: contact.title.clone(),
                    disabled: contact.disabled,
                    created_at: contact.created_at,
                    company_namespace: contact.company_namespace.clone(),
                }),
            },
            Stored::Tombstone { id, version, updated_at } => {
                Self { id: *id, version: *version, updated_at: *updated_at, fields: None }
            }
        }
    }
}

/// The size of an item by DynamoDB's rules, in bytes.
/// Source: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>.
pub fn size(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value_size(value)).sum()
}

fn value_size(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(digits) => digits.len() / 2 + 2,
        AttributeValue::L(values) => 3 + values.iter().map(|value| 1 + value_size(value)).sum::<usize>(),
        AttributeValue::M(members) => 3 + members.iter().map(|(name, value)| 1 + name.len() + value_size(value)).sum::<usize>(),
        // No other type is in an item of ours but the one byte of a boolean.
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_an_item_counts_names_and_values() {
        let item: Item = HashMap::from([
            ("name".to_owned(), AttributeValue::S("جون".to_owned())),
            ("disabled".to_owned(), AttributeValue::Bool(false)),
            ("media".to_owned(), AttributeValue::L(vec![AttributeValue::S("abc".to_owned())])),
        ]);

        assert_eq!(size(&item), (4 + 6) + (8 + 1) + (5 + 3 + 1 + 3));
    }
}
