//! Makes the tables of a local DynamoDB match the template: missing ones are created, and those of another version of the template
//! are upgraded.
//!
//! An index can be rebuilt at any time, because all that it holds is in its table. So an index that is missing, or has another key or
//! projection, is deleted and rebuilt. If the program ends in between, the next start finds the index missing. An index of contacts' external ids is
//! built after the contacts have got the attribute, so where it is, they have. Changes that affect the items themselves in another way are refused.

use std::error::Error;
use std::iter;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::create_table::{CreateTableError, CreateTableInput};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, CreateGlobalSecondaryIndexAction, DeleteGlobalSecondaryIndexAction, GlobalSecondaryIndex,
    GlobalSecondaryIndexDescription, GlobalSecondaryIndexUpdate, IndexStatus, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType, TableDescription, TimeToLiveSpecification, TimeToLiveStatus,
};
use futures::future::try_join_all;
use shared::store::{CHANGE_LOG_INDEX, EXTERNAL_ID_INDEX, FORMER_CHANGE_LOG_INDEX, Store};
use tokio::time::sleep;

use crate::template::{Attribute, Index, KeyElement, Table};

/// How often DynamoDB is polled while it builds an index in the background.
const POLL: Duration = Duration::from_millis(100);

/// How long the description of a table may take.
const DESCRIPTION_TIMEOUT: Duration = Duration::from_secs(60);

/// Why a table cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The template declares a table that DynamoDB cannot create.
    #[error("{table} in template.yaml is not a table that DynamoDB can create: {source}")]
    Declaration {
        /// The logical id of the table.
        table: String,
        /// What is wrong with it.
        source: BuildError,
    },
    /// DynamoDB cannot be reached, or refuses.
    #[error("the table {table} cannot be created: {reason}")]
    NotCreated {
        /// The table's name.
        table: String,
        /// What the SDK says.
        reason: String,
    },
    /// The table differs from the template in a way that would require changes of its items.
    #[error(
        "the table {table} has {found} where this version needs {needed}; use the version that made it, or another data folder \
         or table prefix"
    )]
    Different {
        /// The table's name.
        table: String,
        /// What it has.
        found: String,
        /// What it should have.
        needed: String,
    },
    /// An index cannot be built, or its table cannot be described.
    #[error("the table {table} cannot be upgraded: {reason}; the next start continues from there")]
    NotUpdated {
        /// The table's name.
        table: String,
        /// What the SDK says.
        reason: String,
    },
    /// DynamoDB cannot be reached, or does not have the table. An account's tables are deployed, not created here.
    #[error("the table {table} cannot be found: {reason}; --contacts-table and --api-keys-table name those of a deployed stack")]
    NotFound {
        /// The table's name.
        table: String,
        /// What the SDK says.
        reason: String,
    },
}

/// Creates each missing table under its name, and upgrades the others.
///
/// # Errors
/// When DynamoDB cannot be reached or refuses a table, or when a table cannot be upgraded.
pub async fn prepare(client: &Client, tables: &[(&Table, &str)]) -> Result<(), TableError> {
    try_join_all(tables.iter().map(async |(table, name)| {
        if !create(client, table, name).await? {
            update(client, table, name).await?;
        }
        expire(client, table, name).await
    }))
    .await?;
    Ok(())
}

/// Checks that each table exists, without creating any.
///
/// # Errors
/// When DynamoDB cannot be reached or does not show one of them.
pub async fn check(client: &Client, names: &[&str]) -> Result<(), TableError> {
    try_join_all(names.iter().map(async |name| {
        let described = client.describe_table().table_name(*name).customize().config_override(for_descriptions()).send().await;
        described.map_err(|error| TableError::NotFound { table: (*name).to_owned(), reason: causes(&error) })
    }))
    .await?;
    Ok(())
}

/// Creates a table unless it exists.
async fn create(client: &Client, table: &Table, name: &str) -> Result<bool, TableError> {
    let input = definition(table, name).map_err(|source| declaration(table, source))?;
    let created = client
        .create_table()
        .table_name(name)
        .set_attribute_definitions(input.attribute_definitions)
        .set_key_schema(input.key_schema)
        .set_global_secondary_indexes(input.global_secondary_indexes)
        .set_billing_mode(input.billing_mode)
        .send()
        .await;
    match created {
        Ok(_) => Ok(true),
        Err(error) if error.as_service_error().is_some_and(CreateTableError::is_resource_in_use_exception) => Ok(false),
        Err(error) => Err(TableError::NotCreated { table: name.to_owned(), reason: causes(&error) }),
    }
}

/// Enables the expiry of items if the table declares an attribute for it.
async fn expire(client: &Client, table: &Table, name: &str) -> Result<(), TableError> {
    let Some(attribute) = &table.expiry else { return Ok(()) };
    let described = client.describe_time_to_live().table_name(name).send().await.ok();
    let current = described.and_then(|described| described.time_to_live_description);
    if current.is_some_and(|current| {
        current.attribute_name() == Some(attribute.as_str()) && current.time_to_live_status() == Some(&TimeToLiveStatus::Enabled)
    }) {
        return Ok(());
    }
    let expiry = TimeToLiveSpecification::builder().attribute_name(attribute).enabled(true).build();
    let expiry = expiry.map_err(|source| declaration(table, source))?;
    // Without it expired items stay, which readers must expect of DynamoDB anyway. Not every engine supports it.
    if let Err(error) = client.update_time_to_live().table_name(name).time_to_live_specification(expiry).send().await {
        tracing::warn!(table = name, error = causes(&error), "this engine does not remove expired items");
    }
    Ok(())
}

/// Makes an existing table match the template.
async fn update(client: &Client, table: &Table, name: &str) -> Result<(), TableError> {
    let mut found = describe(client, name).await?;
    check_items(table, name, &found)?;
    for index in &table.indexes {
        let current = indexes(&found).find(|current| current.index_name() == Some(index.index_name.as_str()));
        if let Some(current) = current {
            if is_declared(current, index) {
                continue;
            }
            tracing::info!("The index {} of {name} has changed and is rebuilt.", index.index_name);
            change(client, name, None, deletion(table, &index.index_name)?).await?;
        } else {
            if index.index_name == EXTERNAL_ID_INDEX {
                migrate(client, name).await?;
            }
            tracing::info!("The index {} of {name} is missing and is built.", index.index_name);
        }
        let create = creation(index).map_err(|source| declaration(table, source))?;
        let attributes = attributes_with(table, &found, index).map_err(|source| declaration(table, source))?;
        change(client, name, Some(attributes), GlobalSecondaryIndexUpdate::builder().create(create).build()).await?;
        found = describe(client, name).await?;
    }
    // The change log of the first version makes every write more expensive, and that version builds it again.
    let declares = |name: &str| table.indexes.iter().any(|index| index.index_name == name);
    let has_former = indexes(&found).any(|index| index.index_name() == Some(FORMER_CHANGE_LOG_INDEX));
    if has_former && !declares(FORMER_CHANGE_LOG_INDEX) && declares(CHANGE_LOG_INDEX) {
        tracing::info!("The index {FORMER_CHANGE_LOG_INDEX} of {name} is not used any more and is removed.");
        change(client, name, None, deletion(table, FORMER_CHANGE_LOG_INDEX)?).await?;
    }
    Ok(())
}

/// Gives contacts of an earlier version what their index of external ids needs.
async fn migrate(client: &Client, name: &str) -> Result<(), TableError> {
    tracing::info!("The contacts in {name} get what finds them by their external ids.");
    let migrated = Store::new(client.clone(), name).migrate(None, |_| ()).await;
    let migrated = migrated.map_err(|error| TableError::NotUpdated { table: name.to_owned(), reason: causes(&error) })?;
    tracing::info!("{} of {} items of {name} have changed.", migrated.changed, migrated.read);
    Ok(())
}

fn deletion(table: &Table, index: &str) -> Result<GlobalSecondaryIndexUpdate, TableError> {
    let delete = DeleteGlobalSecondaryIndexAction::builder().index_name(index).build();
    let delete = delete.map_err(|source| declaration(table, source))?;
    Ok(GlobalSecondaryIndexUpdate::builder().delete(delete).build())
}

/// Changes one index, and waits until the change is done. A new one comes with the definitions of all key attributes.
async fn change(
    client: &Client,
    name: &str,
    attributes: Option<Vec<AttributeDefinition>>,
    update: GlobalSecondaryIndexUpdate,
) -> Result<(), TableError> {
    // No time limit: the request ends when the index is built, and a repetition would not speed that up.
    let patient =
        aws_sdk_dynamodb::config::Builder::new().timeout_config(TimeoutConfig::disabled()).retry_config(RetryConfig::disabled());
    let changed = client
        .update_table()
        .table_name(name)
        .set_attribute_definitions(attributes)
        .global_secondary_index_updates(update)
        .customize()
        .config_override(patient)
        .send()
        .await;
    changed.map_err(|error| TableError::NotUpdated { table: name.to_owned(), reason: causes(&error) })?;
    while indexes(&describe(client, name).await?).any(|index| index.index_status() != Some(&IndexStatus::Active)) {
        sleep(POLL).await;
    }
    Ok(())
}

/// Time-outs for descriptions of tables. The embedded engine counts a table's items before it answers, which takes seconds with a million of them.
fn for_descriptions() -> aws_sdk_dynamodb::config::Builder {
    let timeouts = TimeoutConfig::builder().connect_timeout(Duration::from_secs(3));
    // The client's own bound on one attempt is much shorter.
    let timeouts = timeouts.operation_attempt_timeout(DESCRIPTION_TIMEOUT).operation_timeout(DESCRIPTION_TIMEOUT);
    aws_sdk_dynamodb::config::Builder::new().timeout_config(timeouts.build())
}

async fn describe(client: &Client, name: &str) -> Result<TableDescription, TableError> {
    let failed = |reason| TableError::NotUpdated { table: name.to_owned(), reason };
    let described = client.describe_table().table_name(name).customize().config_override(for_descriptions()).send().await;
    let described = described.map_err(|error| failed(causes(&error)))?;
    described.table.ok_or_else(|| failed("its description is empty".to_owned()))
}

fn indexes(table: &TableDescription) -> impl Iterator<Item = &GlobalSecondaryIndexDescription> {
    table.global_secondary_indexes().iter()
}

/// Checks what cannot change without changing items: the table's key, and the types of key attributes.
fn check_items(table: &Table, name: &str, found: &TableDescription) -> Result<(), TableError> {
    let different = |found, needed| Err(TableError::Different { table: name.to_owned(), found, needed });
    let (key, needed) = (described_key(found.key_schema()), declared_key(&table.key));
    if key != needed {
        return different(format!("the key {}", key.join(", ")), needed.join(", "));
    }
    for attribute in &table.attributes {
        let current = found.attribute_definitions().iter().find(|current| current.attribute_name() == attribute.attribute_name);
        let Some(kind) = current.map(|current| current.attribute_type().as_str()) else { continue };
        if kind != attribute.attribute_type {
            let needed = &attribute.attribute_type;
            return different(format!("{} of type {kind} in a key", attribute.attribute_name), format!("type {needed}"));
        }
    }
    Ok(())
}

/// Whether an index matches the template.
fn is_declared(current: &GlobalSecondaryIndexDescription, declared: &Index) -> bool {
    let sorted = |attributes: &[String]| {
        let mut attributes = attributes.to_vec();
        attributes.sort_unstable();
        attributes
    };
    let projection = current.projection();
    described_key(current.key_schema()) == declared_key(&declared.key_schema)
        && projection.and_then(Projection::projection_type).map(ProjectionType::as_str)
            == Some(declared.projection.projection_type.as_str())
        && sorted(projection.map(Projection::non_key_attributes).unwrap_or_default())
            == sorted(&declared.projection.non_key_attributes)
}

/// The attributes of a key, the partition key first.
fn described_key(elements: &[KeySchemaElement]) -> Vec<&str> {
    let of = |kind: KeyType| elements.iter().filter(move |element| *element.key_type() == kind);
    of(KeyType::Hash).chain(of(KeyType::Range)).map(KeySchemaElement::attribute_name).collect()
}

fn declared_key(elements: &[KeyElement]) -> Vec<&str> {
    let of = |kind: KeyType| elements.iter().filter(move |element| element.key_type == kind.as_str());
    of(KeyType::Hash).chain(of(KeyType::Range)).map(|element| element.attribute_name.as_str()).collect()
}

fn declaration(table: &Table, source: BuildError) -> TableError {
    TableError::Declaration { table: table.logical_id.clone(), source }
}

/// A table's definition as the SDK's type.
fn definition(table: &Table, name: &str) -> Result<CreateTableInput, BuildError> {
    let mut input = CreateTableInput::builder()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .set_key_schema(Some(key(&table.key)?))
        .set_attribute_definitions(Some(attributes(table)?));
    for index in &table.indexes {
        let declared =
            GlobalSecondaryIndex::builder().index_name(&index.index_name).set_key_schema(Some(key(&index.key_schema)?));
        input = input.global_secondary_indexes(declared.projection(projection(index)).build()?);
    }
    input.build()
}

/// An index's definition as the SDK's type, for an existing table.
fn creation(index: &Index) -> Result<CreateGlobalSecondaryIndexAction, BuildError> {
    let action = CreateGlobalSecondaryIndexAction::builder().index_name(&index.index_name);
    action.set_key_schema(Some(key(&index.key_schema)?)).projection(projection(index)).build()
}

fn projection(index: &Index) -> Projection {
    Projection::builder()
        .projection_type(ProjectionType::from(index.projection.projection_type.as_str()))
        // DynamoDB accepts no empty list.
        .set_non_key_attributes(Some(index.projection.non_key_attributes.clone()).filter(|attributes| !attributes.is_empty()))
        .build()
}

fn attributes(table: &Table) -> Result<Vec<AttributeDefinition>, BuildError> {
    table.attributes.iter().map(attribute).collect()
}

/// The attributes of the table's key, of the indexes that it has, and of one more: DynamoDB refuses a definition that no key uses.
fn attributes_with(table: &Table, found: &TableDescription, index: &Index) -> Result<Vec<AttributeDefinition>, BuildError> {
    let of_indexes = indexes(found).flat_map(|index| described_key(index.key_schema()));
    let used: Vec<&str> = declared_key(&table.key).into_iter().chain(declared_key(&index.key_schema)).chain(of_indexes).collect();
    let is_used = |declared: &&Attribute| used.contains(&declared.attribute_name.as_str());
    table.attributes.iter().filter(is_used).map(attribute).collect()
}

fn attribute(declared: &Attribute) -> Result<AttributeDefinition, BuildError> {
    let kind = ScalarAttributeType::from(declared.attribute_type.as_str());
    AttributeDefinition::builder().attribute_name(&declared.attribute_name).attribute_type(kind).build()
}

fn key(elements: &[KeyElement]) -> Result<Vec<KeySchemaElement>, BuildError> {
    let element = |element: &KeyElement| {
        let kind = KeyType::from(element.key_type.as_str());
        KeySchemaElement::builder().attribute_name(&element.attribute_name).key_type(kind).build()
    };
    elements.iter().map(element).collect()
}

/// An error and all that caused it, on one line and without the full stop.
pub(crate) fn causes(error: &(dyn Error + 'static)) -> String {
    let chain: Vec<_> = iter::successors(Some(error), |&error| error.source()).map(ToString::to_string).collect();
    chain.join(": ").split_whitespace().collect::<Vec<_>>().join(" ").trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use aws_sdk_dynamodb::types::AttributeValue;

    use super::*;
    use crate::engine::{Engine, Storage};
    use crate::template::{self, Template};

    /// Makes the table of contacts what a template declares.
    async fn prepare_contacts(client: &Client, template: &str) -> Result<(), TableError> {
        let template = Template::parse(template).unwrap();
        let contacts = template.tables.iter().find(|table| table.logical_id == "ContactsTable").unwrap();
        prepare(client, &[(contacts, "contacts")]).await
    }

    /// All that an index holds of a tenant, each item as the sorted names of its attributes.
    async fn held(client: &Client, index: &str) -> Vec<Vec<String>> {
        let query = client.query().table_name("contacts").index_name(index).key_condition_expression("tenant = :t");
        let found = query.expression_attribute_values(":t", AttributeValue::S("t".into())).send().await.unwrap();
        let names = |item: &HashMap<String, AttributeValue>| {
            let mut names: Vec<_> = item.keys().cloned().collect();
            names.sort();
            names
        };
        found.items().iter().map(names).collect()
    }

    #[tokio::test]
    async fn a_new_template_changes_the_indexes_and_no_item() {
        // Whatever else the template of today projects.
        const OLD: &str = "- disabled\n";
        const NEW: &str = "- disabled\n              - extra_info\n";
        const OLD_INDEXES: &str = "      GlobalSecondaryIndexes:\n";
        const NEW_INDEXES: &str = "      GlobalSecondaryIndexes:\n        \
            - IndexName: sparse-index\n          \
              KeySchema: [{ AttributeName: tenant, KeyType: HASH }, { AttributeName: sparse, KeyType: RANGE }]\n          \
              Projection: { ProjectionType: KEYS_ONLY }\n";
        const OLD_ATTRIBUTES: &str = "- { AttributeName: updatedAt, AttributeType: \"N\" }\n";
        const NEW_ATTRIBUTES: &str = "- { AttributeName: updatedAt, AttributeType: \"N\" }\n        \
            - { AttributeName: sparse, AttributeType: S }\n";
        let replaced = |source: &str, old: &str, new: &str| {
            assert!(source.contains(old), "{old} is not in the template");
            source.replacen(old, new, 1)
        };
        let newer = replaced(template::SOURCE, OLD, NEW);
        let newer = replaced(&replaced(&newer, OLD_INDEXES, NEW_INDEXES), OLD_ATTRIBUTES, NEW_ATTRIBUTES);
        let engine = Engine::start(Storage::Memory, None).await.unwrap();
        let client = engine.client();
        prepare_contacts(&client, template::SOURCE).await.unwrap();
        let text = |text: &str| AttributeValue::S(text.to_owned());
        for (id, sparse) in [("a", None), ("b", Some("1"))] {
            let item = [
                ("tenant", text("t")),
                ("_id", text(id)),
                ("updatedAt", AttributeValue::N("1".into())),
                ("extra_info", text("x")),
            ];
            let item = item.into_iter().chain(sparse.map(|sparse| ("sparse", text(sparse))));
            let item = item.map(|(name, value)| (name.to_owned(), value)).collect();
            client.put_item().table_name("contacts").set_item(Some(item)).send().await.unwrap();
        }

        // The second time there is nothing to do.
        for _ in 0..2 {
            prepare_contacts(&client, &newer).await.unwrap();
            assert_eq!(held(&client, "change-log-index").await, [["_id", "extra_info", "tenant", "updatedAt"]; 2]);
            assert_eq!(held(&client, "sparse-index").await, [["_id", "sparse", "tenant"]]);
        }
        // An older version makes its own index what it needs, and leaves the one that it does not know.
        prepare_contacts(&client, template::SOURCE).await.unwrap();
        assert_eq!(held(&client, "change-log-index").await, [["_id", "tenant", "updatedAt"]; 2]);
        assert_eq!(held(&client, "sparse-index").await.len(), 1);
        let all = client.scan().table_name("contacts").send().await.unwrap();
        assert_eq!(all.items().iter().map(HashMap::len).sum::<usize>(), 4 + 5);
        engine.stop().await;
    }

    #[tokio::test]
    async fn another_key_is_refused() {
        let engine = Engine::start(Storage::Memory, None).await.unwrap();
        prepare_contacts(&engine.client(), template::SOURCE).await.unwrap();
        let other = template::SOURCE.replace("_id", "id");

        let refused = prepare_contacts(&engine.client(), &other).await.unwrap_err().to_string();

        assert_eq!(
            refused,
            "the table contacts has the key tenant, _id where this version needs tenant, id; use the version that made it, or \
             another data folder or table prefix"
        );
        engine.stop().await;
    }
}
