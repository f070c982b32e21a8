//! `contacts sample`: what the events in `events/` need, so that `sam local invoke` answers them as they are.
//!
//! The key is public, because it is in the repository. It therefore belongs to a tenant of its own with made-up contacts, and is
//! never stored in an account.

use std::path::PathBuf;

use aws_sdk_dynamodb::Client;
use shared::api_key::{ApiKey, KeyAdmin, KeyRecord};
use shared::body::ContactBody;
use shared::caller::Caller;
use shared::clock;
use shared::error::Error;
use shared::handling::Handling;
use shared::meter::Meter;
use shared::object_id::ObjectId;
use shared::store::Store;
use shared::timestamp::Timestamp;
use shared::user::{User, UserType};

use crate::database::Database;
use crate::engine::{EngineError, Missing};
use crate::serve::{self, API_KEYS_TABLE, CONTACTS_TABLE};
use crate::tables::{self, TableError, causes};
use crate::template::{self, Template, TemplateError};

/// The API key in the events.
pub const KEY: &str = "cc_sample-key-of-the-events-which-is-no-secret";

/// The contact that the events read and change.
pub const CONTACT: &str = "60f1b2b3c9e9a12345678901";

/// The contact that an event deletes.
pub const CONTACT_TO_DELETE: &str = "60f1b2b3c9e9a12345678902";

/// Where to put it.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Data folder, even while `contacts serve` uses it
    #[arg(long, value_name = "DIR", default_value = ".contacts")]
    pub data: PathBuf,

    /// Use another DynamoDB instead of the data folder: DynamoDB Local, or the one of `contacts serve --dynamodb-port`
    #[arg(long, value_name = "URL", conflicts_with = "data", value_parser = local_endpoint)]
    pub dynamodb_endpoint: Option<String>,
}

/// Why the sample cannot be stored. Each message is one sentence.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    /// The local engine cannot be used.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The tables are not there.
    #[error("The tables cannot be used: {0}.")]
    Table(#[from] TableError),
    /// The template lacks something that this program needs.
    #[error("{0}.")]
    Template(#[from] TemplateError),
    /// DynamoDB refuses, or does not answer.
    #[error("The sample cannot be stored: {0}.")]
    Refused(String),
}

/// Stores the key and the missing contacts, and returns the message to print.
///
/// # Errors
/// When the tables cannot be reached.
pub async fn run(options: Options) -> Result<String, SampleError> {
    let database = match options.dynamodb_endpoint {
        Some(endpoint) => Database::at(&endpoint).await,
        None => Database::of_folder(&options.data, Missing::MakeOne).await?,
    };
    let template = Template::parse(template::SOURCE)?;
    let declared: Vec<_> = template.tables.iter().map(|table| (table, &*table.logical_id)).collect();
    tables::prepare(&database.client, &declared).await?;
    let stored = store(&database.client, CONTACTS_TABLE, API_KEYS_TABLE).await;
    database.close().await;
    stored.map_err(|error| SampleError::Refused(causes(&error)))?;
    Ok("The key and the contacts that the events in events/ name are stored.\n".to_owned())
}

/// Stores the key and the missing contacts in these tables.
///
/// # Errors
/// When DynamoDB refuses, or does not answer.
pub async fn store(client: &Client, contacts_table: &str, api_keys_table: &str) -> Result<(), Error> {
    let now = clock::now();
    let record = record(now);
    KeyAdmin::new(client.clone(), api_keys_table).put(&record).await?;
    let caller = Caller { tenant: record.tenant, namespaces: record.namespaces, user: record.user };
    let (store, meter) = (Store::new(client.clone(), contacts_table), Meter::default());
    for id in [CONTACT, CONTACT_TO_DELETE] {
        let id: ObjectId = id.parse().map_err(|_| Error::Internal("a sample's id is not an ObjectId".into()))?;
        if store.get(&meter, &caller.tenant, id).await?.is_none() {
            let body = ContactBody::for_create(br#"{"name": "John Smith", "title": "Sales Manager"}"#, &Handling::strict())?;
            let contact = body.into_contact(&caller, id, now)?;
            store.import(&caller.tenant, &[contact]).await?;
        }
    }
    Ok(())
}

fn record(now: Timestamp) -> KeyRecord {
    KeyRecord {
        hash: ApiKey::new(KEY).hash(),
        tenant: "sample".to_owned(),
        namespaces: vec!["company1".to_owned()],
        user: User {
            id: "60f1b2b3c9e9a12345678900".to_owned(),
            username: Some("sample_user".to_owned()),
            name: Some("Sample User".to_owned()),
            kind: UserType::Rep,
            others: Default::default(),
        },
        created_at: now,
        expires_at: None,
        revoked_at: None,
    }
}

/// An endpoint that does not belong to an account.
fn local_endpoint(text: &str) -> Result<String, String> {
    let endpoint = serve::endpoint(text)?;
    if serve::is_account(&endpoint) {
        return Err("the sample key is public and must not be stored in an account".to_owned());
    }
    Ok(endpoint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_key_is_for_local_engines_only() {
        assert_eq!(local_endpoint("http://localhost:8000").as_deref(), Ok("http://localhost:8000"));
        assert!(local_endpoint("https://dynamodb.eu-central-1.amazonaws.com").unwrap_err().contains("account"));
    }

    #[tokio::test]
    async fn a_folder_gets_it_whether_it_is_served_or_not_and_again() {
        let folder = tempfile::tempdir().unwrap();
        let options = || Options { data: folder.path().join("data"), dynamodb_endpoint: None };
        run(options()).await.unwrap();
        let serving = serve::Options { port: 0, dynamodb_port: None, data: options().data, ..serve::Options::default() };
        let running = serve::start(serving).await.unwrap();

        run(options()).await.unwrap();

        let record = record(clock::now());
        for id in [CONTACT, CONTACT_TO_DELETE] {
            let found = running.app.store.get(&Meter::default(), &record.tenant, id.parse().unwrap()).await.unwrap();
            assert_eq!(found.unwrap().version, 0);
        }
        running.stop().await;
    }
}
