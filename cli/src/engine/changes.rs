//! What was written to a table of the engine, as a DynamoDB stream with keys only would show it.
//!
//! The engine has streams of its own, but each record that it keeps makes writes slower. This sees every write as it passes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use shared::object_id::ObjectId;

/// Whose contacts were changed since the last look, and how often. Clones are the same.
#[derive(Clone, Debug)]
pub struct Changes {
    table: Arc<str>,
    tenants: Arc<Mutex<HashMap<String, u64>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Request {
    table_name: String,
    item: Keys,
    key: Keys,
    request_items: HashMap<String, Vec<BatchWrite>>,
    transact_items: Vec<HashMap<String, Request>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct BatchWrite {
    put_request: Request,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Keys {
    tenant: Text,
    #[serde(rename = "_id")]
    id: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Text {
    #[serde(rename = "S")]
    text: String,
}

impl Changes {
    /// No changes yet of this table.
    pub fn of_table(table: &str) -> Changes {
        Changes { table: table.into(), tenants: Arc::default() }
    }

    /// Takes all that was seen.
    pub fn take(&self) -> HashMap<String, u64> {
        std::mem::take(&mut *self.tenants())
    }

    /// Takes note of a write that was done. Items that are no contacts are left out, as by the filter in `template.yaml`.
    pub(super) fn wrote(&self, operation: &str, body: &[u8]) {
        if !matches!(operation, "BatchWriteItem" | "PutItem" | "TransactWriteItems" | "UpdateItem") {
            return;
        }
        let Ok(request) = serde_json::from_slice::<Request>(body) else { return };
        let in_batch = request.request_items.iter().filter(|(table, _)| **table == *self.table);
        let in_batch = in_batch.flat_map(|(_, writes)| writes).map(|write| &write.put_request.item);
        let actions = request.transact_items.iter().flatten().filter(|(action, _)| *action == "Put" || *action == "Update");
        let alone = actions.map(|(_, action)| action).chain([&request]).filter(|request| *request.table_name == *self.table);
        let keys = alone.flat_map(|request| [&request.item, &request.key]).chain(in_batch);
        let mut tenants = self.tenants();
        for keys in keys.filter(|keys| keys.id.text.parse::<ObjectId>().is_ok()) {
            match tenants.get_mut(&keys.tenant.text) {
                Some(changes) => *changes += 1,
                None => drop(tenants.insert(keys.tenant.text.clone(), 1)),
            }
        }
    }

    fn tenants(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn every_way_of_writing_a_contact_is_seen() {
        let item =
            |tenant: &str, id: &str| json!({"tenant": {"S": tenant}, "_id": {"S": id}, "name": {"S": "x"}, "media": {"L": []}});
        let contact = |tenant: &str| item(tenant, "60f1b2b3c9e9a12345678901");
        let write = |action: &str, part: &str| json!({action: {"TableName": "contacts", part: contact("t")}});
        let seen = |operation: &str, body: Value| {
            let changes = Changes::of_table("contacts");
            changes.wrote(operation, body.to_string().as_bytes());
            let mut seen: Vec<_> = changes.take().into_iter().collect();
            seen.sort();
            seen
        };
        let one = [("t".to_owned(), 1)];

        assert_eq!(seen("PutItem", json!({"TableName": "contacts", "Item": contact("t")})), one);
        assert_eq!(
            seen("UpdateItem", json!({"TableName": "contacts", "Key": contact("t"), "UpdateExpression": "SET a = :a"})),
            one
        );
        assert_eq!(
            seen("TransactWriteItems", json!({"TransactItems": [write("Put", "Item"), write("ConditionCheck", "Key")]})),
            one
        );
        let batch = json!({"RequestItems": {
            "contacts": [{"PutRequest": {"Item": contact("t")}}, {"PutRequest": {"Item": contact("u")}}, {"DeleteRequest": {}}],
            "keys": [{"PutRequest": {"Item": contact("v")}}]
        }});
        assert_eq!(seen("BatchWriteItem", batch), [("t".to_owned(), 1), ("u".to_owned(), 1)]);
    }

    #[test]
    fn what_is_no_contact_of_the_table_is_not_seen() {
        let changes = Changes::of_table("contacts");
        let put = |table: &str, tenant: &str, id: &str| {
            json!({"TableName": table, "Item": {"tenant": {"S": tenant}, "_id": {"S": id}}}).to_string()
        };

        changes.wrote("PutItem", put("keys", "t", "60f1b2b3c9e9a12345678901").as_bytes());
        changes.wrote("PutItem", put("contacts", "t", "reset-mark#1").as_bytes());
        changes.wrote("UpdateItem", put("contacts", "\tsnapshots", "tenant#t").as_bytes());
        changes.wrote("DeleteItem", put("contacts", "t", "60f1b2b3c9e9a12345678901").as_bytes());
        changes.wrote("PutItem", b"nonsense");

        assert!(changes.take().is_empty());
    }
}
