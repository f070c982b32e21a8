//! Items of the contacts table: how a contact, a tombstone and an entry of the change log are written there.

use std::collections::HashMap;
use std::str::FromStr;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Deserialize;

use super::Stored;
use super::register::{self, WriteId};
use crate::contact::Contact;
use crate::error::Error;
use crate::object_id::ObjectId;
use crate::timestamp::Timestamp;
use index::entry::{EntryFields, IndexEntry};

/// The attributes of one item, by name.
pub type Item = HashMap<String, AttributeValue>;

/// The attributes of a contact that an update can set or a deletion has to remove, `updatedAt` and `__v` apart.
pub const CONTACT_ATTRIBUTES: [&str; 16] = [
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
    // The register of writes, as it was in the first release.
    "lastWrite",
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

/// The item of a contact that the write `id` creates.
pub fn of_new_contact(tenant: &str, contact: &Contact, id: &WriteId) -> Result<Item, Error> {
    let mut item = of_contact(tenant, contact)?;
    let entry = AttributeValue::S(register::entry(contact.created_at, id));
    item.extend(register::ATTRIBUTES.first().map(|attribute| ((*attribute).to_owned(), entry)));
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

/// The entry of the change log in an item of the index `updatedAt-index`. By hand and not by `serde_dynamo`, because a load reads
/// hundreds of thousands of them.
pub fn entry(mut item: Item) -> Result<IndexEntry, Error> {
    let id = text(&mut item, "_id").and_then(|id| id.parse().ok()).ok_or_else(|| no("_id"))?;
    let version = digits(&mut item, "__v").ok_or_else(|| no("__v"))?;
    let updated_at = digits(&mut item, "updatedAt").map(Timestamp::from_millis).ok_or_else(|| no("updatedAt"))?;
    if item.contains_key("deleted") {
        return Ok(IndexEntry { id, version, updated_at, fields: None });
    }
    let fields = EntryFields {
        name: text(&mut item, "name").ok_or_else(|| no("name"))?,
        local_name: text(&mut item, "local_name"),
        phone1: text(&mut item, "phone1"),
        phone2: text(&mut item, "phone2"),
        email: text(&mut item, "email"),
        title: text(&mut item, "title"),
        disabled: item.get("disabled").and_then(|value| value.as_bool().ok().copied()).unwrap_or_default(),
        created_at: digits(&mut item, "createdAt").map(Timestamp::from_millis).ok_or_else(|| no("createdAt"))?,
        company_namespace: texts(&mut item, "company_namespace").ok_or_else(|| no("company_namespace"))?,
    };
    Ok(IndexEntry { id, version, updated_at, fields: Some(fields) })
}

fn no(attribute: &str) -> Error {
    Error::Internal(format!("an entry of the change log has no {attribute} that can be read").into())
}

fn text(item: &mut Item, attribute: &str) -> Option<String> {
    match item.remove(attribute)? {
        AttributeValue::S(text) => Some(text),
        _ => None,
    }
}

fn digits<T: FromStr>(item: &mut Item, attribute: &str) -> Option<T> {
    item.remove(attribute)?.as_n().ok()?.parse().ok()
}

fn texts(item: &mut Item, attribute: &str) -> Option<Vec<String>> {
    let AttributeValue::L(values) = item.remove(attribute)? else { return None };
    let text = |value| match value {
        AttributeValue::S(text) => Some(text),
        _ => None,
    };
    values.into_iter().map(text).collect()
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
    use serde_json::json;

    use super::*;

    #[test]
    fn the_change_log_shows_what_the_table_holds() {
        let whole = json!({
            "_id": "60f1b2b3c9e9a12345678901", "creator": {"_id": "1", "type": "rep"}, "name": "John", "local_name": "جون", "phone1": "1",
            "phone2": "2", "email": "j@example.com", "title": "", "extra_info": "x", "disabled": true, "company_namespace": ["a", "b"],
            "createdAt": 5, "updatedAt": 7, "__v": 3,
        });
        let least = json!({
            "_id": "60f1b2b3c9e9a12345678902", "creator": {"_id": "1", "type": "rep"}, "name": "Jane", "disabled": false,
            "company_namespace": ["a"], "createdAt": 5, "updatedAt": 5, "__v": 0,
        });
        let tombstone = json!({"_id": "60f1b2b3c9e9a12345678903", "deleted": true, "expiresAt": 9, "updatedAt": 8, "__v": 1});

        for item in [whole, least, tombstone] {
            let item: Item = serde_dynamo::to_item(item).unwrap();
            assert_eq!(entry(item.clone()).unwrap(), IndexEntry::from(&stored(item).unwrap()));
        }
    }

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
