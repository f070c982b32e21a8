//! An API that runs elsewhere, in which tests leave nothing behind.

use std::collections::BTreeSet;
use std::env;
use std::sync::{Mutex, PoisonError};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use contacts::serve;
use shared::api_key::{KeyAdmin, KeyRecord};
use shared::aws::aws_client;

/// Where an API runs, and its tables.
#[derive(Clone, Debug, Default)]
pub struct Deployment {
    /// Its URL, without a slash at its end.
    pub url: String,
    /// The API key of requests.
    pub key: Option<String>,
    /// The endpoint of its DynamoDB; that of the AWS configuration where there is none.
    pub dynamodb_endpoint: Option<String>,
    /// Its table of keys, in which each app makes some.
    pub api_keys_table: Option<String>,
    /// Its table of contacts, from which all is removed that these keys can have made.
    pub contacts_table: Option<String>,
}

/// What tests made in a deployment.
#[derive(Debug)]
pub(crate) struct Guest {
    deployment: Deployment,
    made: Mutex<Made>,
}

/// Keys by their hashes, and their tenants, which nobody else has.
#[derive(Debug, Default)]
struct Made {
    keys: BTreeSet<String>,
    tenants: BTreeSet<String>,
}

impl Deployment {
    /// The one that the environment names, if it does.
    pub fn of_environment() -> Option<Deployment> {
        let variable = |name| env::var(name).ok();
        Some(Deployment {
            url: variable("TEST_API_URL")?.trim_end_matches('/').to_owned(),
            key: variable("TEST_API_KEY"),
            dynamodb_endpoint: variable("TEST_DYNAMODB_ENDPOINT"),
            api_keys_table: variable("TEST_API_KEYS_TABLE"),
            contacts_table: variable("TEST_CONTACTS_TABLE"),
        })
    }

    /// The keys, if their table is known.
    pub(crate) async fn keys(&self) -> Option<KeyAdmin> {
        let table = self.api_keys_table.as_ref()?;
        Some(KeyAdmin::new(self.client().await, table))
    }

    async fn client(&self) -> Client {
        match &self.dynamodb_endpoint {
            Some(endpoint) => serve::client(endpoint).await,
            None => aws_client().await,
        }
    }
}

impl Guest {
    /// Has made nothing yet.
    pub(crate) fn of(deployment: Deployment) -> Guest {
        Guest { deployment, made: Mutex::default() }
    }

    /// Notes a key that is about to be made.
    pub(crate) fn will_have(&self, record: &KeyRecord) {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.keys.insert(record.hash.clone());
        made.tenants.insert(record.tenant.clone());
    }

    /// Removes what was made. What stays is named on the standard error.
    pub(crate) async fn clean(&self) {
        let Some(keys) = self.deployment.keys().await else { return };
        let made = std::mem::take(&mut *self.made.lock().unwrap_or_else(PoisonError::into_inner));
        // Keys first: nobody writes after that.
        for hash in &made.keys {
            if let Err(error) = keys.remove(hash).await {
                eprintln!("the API key with the hash {hash} stays: {error}");
            }
        }
        let Some(table) = &self.deployment.contacts_table else { return };
        let client = self.deployment.client().await;
        for tenant in &made.tenants {
            if let Err(error) = remove_tenant(&client, table, tenant).await {
                eprintln!("items of the tenant {tenant:?} stay: {error}");
            }
        }
    }
}

/// Removes every item of a tenant: contacts, tombstones, and what belongs to requests.
async fn remove_tenant(client: &Client, table: &str, tenant: &str) -> Result<(), aws_sdk_dynamodb::Error> {
    let mut pages = client
        .query()
        .table_name(table)
        .key_condition_expression("#tenant = :tenant")
        .projection_expression("#tenant, #id")
        .expression_attribute_names("#tenant", "tenant")
        .expression_attribute_names("#id", "_id")
        .expression_attribute_values(":tenant", AttributeValue::S(tenant.to_owned()))
        .consistent_read(true)
        .into_paginator()
        .items()
        .send();
    while let Some(key) = pages.try_next().await? {
        client.delete_item().table_name(table).set_key(Some(key)).send().await?;
    }
    Ok(())
}
