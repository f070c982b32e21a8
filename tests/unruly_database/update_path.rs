//! The update of a stack of the first version, deployment by deployment, with its contacts. Between two deployments the table and the functions have what
//! `template.yaml` says for that step. CloudFormation changes the table first, and at most one of its indexes.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, CreateGlobalSecondaryIndexAction, DeleteGlobalSecondaryIndexAction,
    GlobalSecondaryIndex, GlobalSecondaryIndexUpdate, KeySchemaElement, KeyType, Projection, ProjectionType, ScalarAttributeType,
};
use contacts::template::{self, Template};
use shared::listing::{Lists, params};
use shared::store::Store;

use super::*;

const TABLE: &str = "deployed";

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn key_schema(partition: &str, sort: &str) -> Vec<KeySchemaElement> {
    let element = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap();
    vec![element(partition, KeyType::Hash), element(sort, KeyType::Range)]
}

fn definition(name: &str, kind: &str) -> AttributeDefinition {
    AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::from(kind)).build().unwrap()
}

/// The table of contacts as the first version made it.
async fn create_table(client: &Client) {
    let attributes = [
        "name",
        "local_name",
        "phone1",
        "phone2",
        "email",
        "title",
        "disabled",
        "createdAt",
        "company_namespace",
        "__v",
        "deleted",
    ];
    let projection = Projection::builder().projection_type(ProjectionType::Include);
    let index = GlobalSecondaryIndex::builder()
        .index_name("updatedAt-index")
        .set_key_schema(Some(key_schema("tenant", "updatedAt")))
        .projection(projection.set_non_key_attributes(Some(attributes.map(str::to_owned).to_vec())).build());
    client
        .create_table()
        .table_name(TABLE)
        .billing_mode(BillingMode::PayPerRequest)
        .set_key_schema(Some(key_schema("tenant", "_id")))
        .set_attribute_definitions(Some(vec![definition("tenant", "S"), definition("_id", "S"), definition("updatedAt", "N")]))
        .global_secondary_indexes(index.build().unwrap())
        .send()
        .await
        .unwrap();
}

/// What the first version wrote: no external id is an attribute of its own, and a tombstone has no namespaces.
async fn write_as_the_first_version(client: &Client, store: &Store, name: &str, external_id: &str) -> ObjectId {
    let created = create_with(store, name, Some(external_id)).await;
    let update = client.update_item().table_name(TABLE).key("tenant", text("local")).key("_id", text(&created.id.to_string()));
    update.update_expression("REMOVE external_id").send().await.unwrap();
    created.id
}

async fn create_with(store: &Store, name: &str, external_id: Option<&str>) -> Contact {
    let mut body = json!({"name": name});
    if let Some(external_id) = external_id {
        body["integration_meta"] = json!({"external_id": external_id});
    }
    let body = ContactBody::for_create(body.to_string().as_bytes(), &Handling::default()).unwrap();
    let now = clock::now();
    let contact = body.into_contact(&caller(), object_id::generate(now), now).unwrap();
    store.create(&Meter::default(), "local", contact).await.unwrap()
}

/// What CloudFormation does to the table for one deployment.
async fn deploy(client: &Client, template: &Template) {
    let declared = template.tables.iter().find(|table| table.logical_id == "ContactsTable").unwrap();
    let described = client.describe_table().table_name(TABLE).send().await.unwrap().table.unwrap();
    let there: BTreeSet<&str> = described.global_secondary_indexes().iter().filter_map(|index| index.index_name()).collect();
    let wanted: BTreeSet<&str> = declared.indexes.iter().map(|index| index.index_name.as_str()).collect();
    let changed: Vec<&&str> = there.symmetric_difference(&wanted).collect();
    let [changed] = changed[..] else { panic!("CloudFormation cannot change {changed:?} at once") };
    let update = match declared.indexes.iter().find(|index| index.index_name == **changed) {
        None => {
            let delete = DeleteGlobalSecondaryIndexAction::builder().index_name(*changed).build().unwrap();
            GlobalSecondaryIndexUpdate::builder().delete(delete).build()
        }
        Some(index) => {
            let names: Vec<&str> = index.key_schema.iter().map(|element| element.attribute_name.as_str()).collect();
            let attributes = Some(index.projection.non_key_attributes.clone()).filter(|names| !names.is_empty());
            let create = CreateGlobalSecondaryIndexAction::builder()
                .index_name(*changed)
                .set_key_schema(Some(key_schema(names[0], names[1])))
                .projection(
                    Projection::builder()
                        .projection_type(ProjectionType::from(index.projection.projection_type.as_str()))
                        .set_non_key_attributes(attributes)
                        .build(),
                );
            GlobalSecondaryIndexUpdate::builder().create(create.build().unwrap()).build()
        }
    };
    let definitions =
        declared.attributes.iter().map(|attribute| definition(&attribute.attribute_name, &attribute.attribute_type));
    client
        .update_table()
        .table_name(TABLE)
        .set_attribute_definitions(Some(definitions.collect()))
        .global_secondary_index_updates(update)
        .send()
        .await
        .unwrap();
}

/// The list function with the environment of one deployment.
struct Deployed {
    store: Store,
    lists: Lists,
}

impl Deployed {
    fn new(client: &Client, change_log_index: &str) -> Self {
        let store = Store::new(client.clone(), TABLE).with_change_log_index(change_log_index);
        Self { lists: Lists::new(store.clone(), patient()), store }
    }

    async fn list(&self, query: &str) -> Result<BTreeSet<String>, Error> {
        let query = params::parse(&format!("per_page=100&{query}"), &Handling::default()).unwrap();
        let page = self.lists.list(&Meter::default(), &caller(), &query, clock::now()).await?;
        Ok(page.contacts.iter().map(|contact| contact.name.clone()).collect())
    }
}

#[tokio::test]
async fn a_stack_of_the_first_version_is_updated_in_three_deployments_and_loses_nothing() {
    let database = Database::start().await;
    let client = &database.running.client;
    create_table(client).await;
    let mut functions = Deployed::new(client, "updatedAt-index");
    let mut expected = BTreeSet::new();
    let mut ids = Vec::new();
    for number in 0..20 {
        let name = format!("old {number}");
        ids.push(write_as_the_first_version(client, &functions.store, &name, &format!("C-{number}")).await);
        expected.insert(name);
    }
    functions.store.delete(&Meter::default(), &caller(), ids[19], &Precondition::None).await.unwrap();
    expected.remove("old 19");
    assert_eq!(functions.list("").await.unwrap(), expected);

    for step in ["first", "second", "done"] {
        let template = Template::with_parameters(template::SOURCE, &[("IndexUpdate", step)]).unwrap();
        deploy(client, &template).await;
        // The functions of the deployment before run on for a while, and write.
        create_with(&functions.store, &format!("meanwhile {step}"), Some(&format!("meanwhile {step}"))).await;
        expected.insert(format!("meanwhile {step}"));
        let fresh = Deployed::new(client, &template.environment["CHANGE_LOG_INDEX"]);
        for deployed in [&functions, &fresh] {
            assert_eq!(deployed.list("").await.unwrap(), expected, "{step}");
        }

        functions = fresh;
        create_with(&functions.store, step, Some(step)).await;
        rename_at(&functions.store, ids[0], &format!("renamed {step}")).await;
        expected.retain(|name| name != "old 0" && !name.starts_with("renamed"));
        expected.extend([step.to_owned(), format!("renamed {step}")]);
        let external_ids = format!("integration_meta.external_id=C-0&integration_meta.external_id={step}");
        for deployed in [&functions, &Deployed::new(client, &template.environment["CHANGE_LOG_INDEX"])] {
            assert_eq!(deployed.list("").await.unwrap(), expected, "{step}");
            match step {
                // Neither index shows external ids, and a list without some of its contacts would be wrong.
                "first" => assert!(matches!(deployed.list(&external_ids).await, Err(Error::Unavailable(_)))),
                "second" => assert_eq!(deployed.list(&external_ids).await.unwrap(), [step.to_owned()].into()),
                _ => {
                    let both = BTreeSet::from([step.to_owned(), format!("renamed {step}")]);
                    assert_eq!(deployed.list(&external_ids).await.unwrap(), both);
                }
            }
        }
        if step == "second" {
            let before = items(client).await;
            let migrated = functions.store.migrate(None, |_| ()).await.unwrap();
            assert_eq!((migrated.changed, migrated.tenants), (19, 1));
            assert_eq!(functions.store.migrate(Some("local"), |_| ()).await.unwrap().changed, 0);
            // Nothing else of any item has changed.
            let mut after = items(client).await;
            after.retain(|item| !item["_id"].as_s().unwrap().starts_with("reset-mark#"));
            let mut got = 0;
            for (item, was) in after.iter_mut().zip(&before) {
                if was.contains_key("external_id") || item.remove("external_id").is_none() {
                    assert_eq!(item, was);
                } else {
                    assert_eq!(item, was);
                    got += 1;
                }
            }
            assert_eq!(got, 19);
            // The instance that had the index has loaded it anew.
            let all: Vec<String> = (0..20).map(|number| format!("integration_meta.external_id=C-{number}")).collect();
            for deployed in [&functions, &Deployed::new(client, "change-log-index")] {
                assert_eq!(deployed.list(&all.join("&")).await.unwrap().len(), 19);
            }
        }
    }
}

/// Every item, by its sort key.
async fn items(client: &Client) -> Vec<HashMap<String, AttributeValue>> {
    let mut items = client.scan().table_name(TABLE).send().await.unwrap().items.unwrap();
    items.sort_by_key(|item| item["_id"].as_s().unwrap().clone());
    items
}

async fn rename_at(store: &Store, id: ObjectId, name: &str) {
    let body = ContactBody::for_update(json!({"name": name}).to_string().as_bytes(), &Handling::default()).unwrap();
    store.update(&Meter::default(), &caller(), id, &body, &Precondition::None).await.unwrap();
}

impl Database {
    /// Takes the attribute from a contact, as if the first version had written it.
    async fn make_older(&self, contact: &Contact) {
        let update = self.running.client.update_item().table_name(&self.running.contacts_table);
        let update = update.key("tenant", text("local")).key("_id", text(&contact.id.to_string()));
        update.update_expression("REMOVE external_id").send().await.unwrap();
    }

    async fn external_id(&self, contact: &Contact) -> Option<String> {
        let get = self.running.client.get_item().table_name(&self.running.contacts_table).consistent_read(true);
        let get = get.key("tenant", text("local")).key("_id", text(&contact.id.to_string()));
        Some(get.send().await.unwrap().item.unwrap().get("external_id")?.as_s().unwrap().clone())
    }
}

#[tokio::test]
async fn a_migration_undoes_nothing_that_others_write_meanwhile() {
    let database = Database::start().await;
    let store = &database.running.app.store;
    let mut contacts = Vec::new();
    for name in ["changed", "cleared", "deleted", "left alone"] {
        let contact = create_with(store, name, Some(&format!("{name} before"))).await;
        database.make_older(&contact).await;
        contacts.push(contact);
    }
    let trouble = Arc::<Trouble>::default();
    let instance = database.instance(&trouble, patient()).await;
    let (writer, others) = (store.clone(), contacts.clone());
    let writes = async move {
        let (store, contacts) = (writer, others);
        for (contact, meta) in contacts.iter().zip([json!({"external_id": "after"}), json!(null)]) {
            let body = json!({"integration_meta": meta}).to_string();
            let body = ContactBody::for_update(body.as_bytes(), &Handling::default()).unwrap();
            store.update(&Meter::default(), &caller(), contact.id, &body, &Precondition::None).await.unwrap();
        }
        store.delete(&Meter::default(), &caller(), contacts[2].id, &Precondition::None).await.unwrap();
    };
    // After the items were read, and before any of them is written.
    let writes = writes.boxed().shared();
    trouble.before(move |operation| if operation == "UpdateItem" { writes.clone().boxed() } else { async {}.boxed() });

    let migrated = instance.app.store.migrate(None, |_| ()).await.unwrap();

    let mut external_ids = Vec::new();
    for contact in &contacts {
        external_ids.push(database.external_id(contact).await);
    }
    assert_eq!(external_ids, [Some("after".to_owned()), None, None, Some("left alone before".to_owned())]);
    assert_eq!((migrated.changed, migrated.tenants), (1, 1));
}

#[tokio::test]
async fn a_migration_corrects_external_ids_that_are_wrong() {
    let database = Database::start().await;
    let store = &database.running.app.store;
    let contacts = [
        create_with(store, "other", Some("C-1")).await,
        create_with(store, "none", None).await,
        create_with(store, "same", Some("C-3")).await,
    ];
    for contact in &contacts[..2] {
        let update = database.running.client.update_item().table_name(&database.running.contacts_table);
        let update = update.key("tenant", text("local")).key("_id", text(&contact.id.to_string()));
        let update = update.update_expression("SET external_id = :wrong").expression_attribute_values(":wrong", text("wrong"));
        update.send().await.unwrap();
    }

    assert_eq!(store.migrate(Some("local"), |_| ()).await.unwrap().changed, 2);

    let mut external_ids = Vec::new();
    for contact in &contacts {
        external_ids.push(database.external_id(contact).await);
    }
    assert_eq!(external_ids, [Some("C-1".to_owned()), None, Some("C-3".to_owned())]);
}

#[tokio::test]
async fn a_migration_that_was_interrupted_goes_on_and_ends_with_the_reset() {
    let database = Database::start().await;
    let store = &database.running.app.store;
    for number in 0..5 {
        let contact = create_with(store, &number.to_string(), Some(&number.to_string())).await;
        database.make_older(&contact).await;
    }
    let loaded = database.instance(&Arc::default(), patient()).await;
    assert_eq!(loaded.all().await.len(), 5);
    let trouble = Arc::<Trouble>::default();
    let instance = database.instance(&trouble, patient()).await;
    let find = async |number: u32| {
        let filter = Filter { external_ids: Some(vec![number.to_string()]), ..Filter::default() };
        loaded.list(&ListQuery { filter, ..query() }).await.unwrap().total
    };

    // All are written, but not the reset mark.
    trouble.fate(|operation, _| if operation == "PutItem" { Fate::Refused("AccessDeniedException") } else { Fate::Answered });
    assert!(instance.app.store.migrate(None, |_| ()).await.is_err());
    assert_eq!(find(3).await, 0);
    trouble.fate(|_, _| Fate::Answered);
    let migrated = instance.app.store.migrate(None, |_| ()).await.unwrap();

    assert_eq!((migrated.changed, migrated.tenants), (0, 1));
    assert_eq!(find(3).await, 1);
}

#[tokio::test]
async fn a_migration_waits_until_the_change_log_shows_what_it_wrote() {
    let database = Database::start().await;
    let contact = create_with(&database.running.app.store, "late", Some("C-1")).await;
    database.make_older(&contact).await;
    let trouble = Arc::<Trouble>::default();
    let instance = database.instance(&trouble, patient()).await;
    let mut late = 3;
    trouble.distort(move |operation, request, answer| {
        if operation == "Query" && request["IndexName"] == "change-log-index" && late > 0 {
            late -= 1;
            for item in answer["Items"].as_array_mut().unwrap() {
                item.as_object_mut().unwrap().remove("external_id");
            }
        }
    });

    instance.app.store.migrate(None, |_| ()).await.unwrap();

    assert_eq!(late_looks(&trouble), 4);
}

/// How often the log was looked at before the reset mark was written: the last query is for the last mark.
fn late_looks(trouble: &Trouble) -> usize {
    trouble.count("Query") - 1
}
