//! Creates the template's tables where they are missing, on a local engine.

use std::error::Error;
use std::iter;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::create_table::{CreateTableError, CreateTableInput};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType, TimeToLiveSpecification,
};
use futures::future::try_join_all;

use crate::template::{KeyElement, Table};

/// Why a table is not there.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The template declares what no table can be made from.
    #[error("{table} in template.yaml is no table that DynamoDB knows: {source}")]
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
    /// DynamoDB cannot be reached, or does not have the table. Those of an account are deployed, not made here.
    #[error("the table {table} cannot be found: {reason}; --contacts-table and --api-keys-table name those of a deployed stack")]
    NotFound {
        /// The table's name.
        table: String,
        /// What the SDK says.
        reason: String,
    },
}

/// Creates each table that is not there, under the name that goes with it.
///
/// # Errors
/// When DynamoDB cannot be reached or refuses a table.
pub async fn create(client: &Client, tables: &[(&Table, &str)]) -> Result<(), TableError> {
    try_join_all(tables.iter().map(|(table, name)| create_one(client, table, name))).await?;
    Ok(())
}

/// Makes sure that each table is there, without creating any.
///
/// # Errors
/// When DynamoDB cannot be reached or does not show one of them.
pub async fn check(client: &Client, names: &[&str]) -> Result<(), TableError> {
    try_join_all(names.iter().map(async |name| {
        let described = client.describe_table().table_name(*name).send().await;
        described.map_err(|error| TableError::NotFound { table: (*name).to_owned(), reason: causes(&error) })
    }))
    .await?;
    Ok(())
}

async fn create_one(client: &Client, table: &Table, name: &str) -> Result<(), TableError> {
    let declaration = |source| TableError::Declaration { table: table.logical_id.clone(), source };
    let input = definition(table, name).map_err(declaration)?;
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
        Ok(_) => {}
        Err(error) if error.as_service_error().is_some_and(CreateTableError::is_resource_in_use_exception) => return Ok(()),
        Err(error) => return Err(TableError::NotCreated { table: name.to_owned(), reason: causes(&error) }),
    }
    if let Some(attribute) = &table.expiry {
        let expiry = TimeToLiveSpecification::builder().attribute_name(attribute).enabled(true).build().map_err(declaration)?;
        // Without it expired items merely stay, which readers must expect of DynamoDB anyway; not every engine has it.
        if let Err(error) = client.update_time_to_live().table_name(name).time_to_live_specification(expiry).send().await {
            tracing::warn!(table = name, error = causes(&error), "this engine does not remove expired items");
        }
    }
    Ok(())
}

/// A table's definition in the SDK's words.
fn definition(table: &Table, name: &str) -> Result<CreateTableInput, BuildError> {
    let mut input = CreateTableInput::builder()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .set_key_schema(Some(key(&table.key)?));
    for attribute in &table.attributes {
        let kind = ScalarAttributeType::from(attribute.attribute_type.as_str());
        let attribute = AttributeDefinition::builder().attribute_name(&attribute.attribute_name).attribute_type(kind).build()?;
        input = input.attribute_definitions(attribute);
    }
    for index in &table.indexes {
        let projection = Projection::builder()
            .projection_type(ProjectionType::from(index.projection.projection_type.as_str()))
            // DynamoDB takes no empty list.
            .set_non_key_attributes(Some(index.projection.non_key_attributes.clone()).filter(|attributes| !attributes.is_empty()))
            .build();
        let index = GlobalSecondaryIndex::builder().index_name(&index.index_name).set_key_schema(Some(key(&index.key_schema)?));
        input = input.global_secondary_indexes(index.projection(projection).build()?);
    }
    input.build()
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
