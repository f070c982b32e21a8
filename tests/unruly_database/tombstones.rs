//! What the table keeps of a contact that was deleted.

use super::*;

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use shared::text_field::{TextField, Texts};

#[tokio::test]
async fn a_tombstone_has_no_attribute_of_the_contact_but_its_namespaces() {
    let database = Database::start().await;
    let store = &database.running.app.store;
    let body = json!({
        "creator": {"_id": "1", "type": "rep"}, "editor": {"_id": "1", "type": "rep"}, "name": "John Smith", "disabled": true, "media": ["m"],
        "cover_photo": "c", "integration_meta": {"external_id": "e"},
    });
    let body = ContactBody::for_create(body.to_string().as_bytes(), &Handling::strict()).unwrap();
    let now = clock::now();
    let contact = body.into_contact(&caller(), object_id::generate(now), now).unwrap();
    let contact = Contact { texts: Texts::from_fn(|field| Some(field.name().to_owned())), ..contact };
    let contact = store.create(&Meter::default(), "local", contact).await.unwrap();
    let before = database.attributes(contact.id).await;
    assert!(TextField::ALL.iter().all(|field| before.contains(field.name())) && before.contains("external_id"));

    store.delete(&Meter::default(), &caller(), contact.id, &Precondition::None).await.unwrap();

    let after = database.attributes(contact.id).await;
    let kept: Vec<_> = before.intersection(&after).collect();
    assert_eq!(kept, ["__v", "_id", "company_namespace", "tenant", "updatedAt", "w0"]);
    let new: Vec<_> = after.difference(&before).collect();
    assert_eq!(new, ["deleted", "expiresAt", "w1", "w2", "w3", "w4", "w5", "w6", "w7"]);
}

impl Database {
    /// The attributes of the item that the table holds under a contact's key.
    async fn attributes(&self, id: ObjectId) -> BTreeSet<String> {
        let request = self.running.client.get_item().table_name(&self.running.contacts_table).consistent_read(true);
        let (tenant, id) = (AttributeValue::S("local".to_owned()), AttributeValue::S(id.to_string()));
        let item = request.key("tenant", tenant).key("_id", id).send().await.unwrap().item.unwrap();
        item.into_keys().collect()
    }
}
