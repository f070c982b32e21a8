//! Where an operator's command finds the contacts, and the way there.

use std::path::PathBuf;

use aws_sdk_dynamodb::Client;

use crate::account::{self, AccountError};
use crate::database::Database;
use crate::engine::{EngineError, Missing};
use crate::serve::{self, API_KEYS_TABLE, CONTACTS_TABLE};
use crate::tables::{self, TableError};
use crate::template::{self, Template, TemplateError};

/// Where the table of contacts is.
#[derive(Clone, Debug, clap::Args)]
pub struct TableLocation {
    /// Data folder, even while `contacts serve` uses it
    #[arg(long, value_name = "DIR", default_value = ".contacts")]
    pub data: PathBuf,

    /// Use another DynamoDB instead of the data folder: DynamoDB Local (http) or an account (https)
    #[arg(long, value_name = "URL", conflicts_with = "data", value_parser = serve::endpoint)]
    pub dynamodb_endpoint: Option<String>,

    /// Table of contacts in a deployed stack (output ContactsTableName), reached with the AWS configuration of this shell
    #[arg(long, value_name = "NAME", conflicts_with = "data")]
    pub table: Option<String>,
}

/// Why the table of contacts cannot be used. Each message is one sentence.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The local engine cannot be used.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// There are no credentials for an account.
    #[error("The table of contacts cannot be used: {0}.")]
    Account(#[from] AccountError),
    /// The table is missing or does not match the template.
    #[error("The table of contacts cannot be used: {0}.")]
    Table(#[from] TableError),
    /// The template lacks something that this program needs.
    #[error("{0}.")]
    Template(#[from] TemplateError),
}

impl OpenError {
    /// Whether the data folder or DynamoDB cannot be used.
    pub fn is_database(&self) -> bool {
        match self {
            OpenError::Engine(error) => !matches!(error, EngineError::Address { .. } | EngineError::Thread(_)),
            OpenError::Table(_) => true,
            OpenError::Account(_) | OpenError::Template(_) => false,
        }
    }
}

/// An open table of contacts.
pub struct ContactsTable {
    /// A client of its DynamoDB.
    pub client: Client,
    /// The table's name.
    pub name: String,
    is_account: bool,
    database: Option<Database>,
}

impl ContactsTable {
    /// Opens the table as it is.
    ///
    /// # Errors
    /// When the data folder cannot be used, or nobody is signed in to an account.
    pub async fn open(location: TableLocation) -> Result<ContactsTable, OpenError> {
        ContactsTable::open_or(location, Missing::Fail).await
    }

    /// Opens the table as it is; `missing` says what to do when there is no data folder.
    ///
    /// # Errors
    /// When the data folder cannot be used, or nobody is signed in to an account.
    pub async fn open_or(location: TableLocation, missing: Missing) -> Result<ContactsTable, OpenError> {
        let TableLocation { data, dynamodb_endpoint, table } = location;
        let is_account = dynamodb_endpoint.as_deref().map_or(table.is_some(), serve::is_account);
        let (client, database) = match (dynamodb_endpoint, &table) {
            (None, Some(_)) => (account::client().await?, None),
            (Some(endpoint), _) => (serve::client(&endpoint).await, None),
            (None, None) => {
                let database = Database::of_folder(&data, missing).await?;
                (database.client.clone(), Some(database))
            }
        };
        let name = table.unwrap_or_else(|| CONTACTS_TABLE.to_owned());
        Ok(ContactsTable { client, name, is_account, database })
    }

    /// An empty table in memory, where somebody only wants to know what would happen.
    ///
    /// # Errors
    /// When the engine cannot be started.
    pub async fn in_memory() -> Result<ContactsTable, OpenError> {
        let database = Database::in_memory().await?;
        let client = database.client.clone();
        Ok(ContactsTable { client, name: CONTACTS_TABLE.to_owned(), is_account: false, database: Some(database) })
    }

    /// Makes the table match the template; of an account's table it only checks that it is there.
    ///
    /// # Errors
    /// When the table cannot be reached or upgraded.
    pub async fn prepare(&self) -> Result<(), OpenError> {
        self.prepare_all(&[(CONTACTS_TABLE, &self.name)]).await
    }

    /// The same for the table of API keys as well.
    ///
    /// # Errors
    /// When a table cannot be reached or upgraded.
    pub async fn prepare_with_keys(&self, api_keys_table: Option<&str>) -> Result<(), OpenError> {
        let keys = api_keys_table.unwrap_or(API_KEYS_TABLE);
        self.prepare_all(&[(CONTACTS_TABLE, &self.name), (API_KEYS_TABLE, keys)]).await
    }

    /// Each pair is a logical id and a name.
    async fn prepare_all(&self, tables: &[(&str, &str)]) -> Result<(), OpenError> {
        if self.is_account {
            return Ok(tables::check(&self.client, &tables.iter().map(|(_, name)| *name).collect::<Vec<_>>()).await?);
        }
        let template = Template::parse(template::SOURCE)?;
        let name = |id: &str| tables.iter().find(|(logical_id, _)| *logical_id == id).map(|(_, name)| *name);
        let declared = template.tables.iter().filter_map(|table| Some((table, name(&table.logical_id)?)));
        Ok(tables::prepare(&self.client, &declared.collect::<Vec<_>>()).await?)
    }

    /// Closes it, so that everything is stored.
    pub async fn close(self) {
        if let Some(database) = self.database {
            database.close().await;
        }
    }
}
