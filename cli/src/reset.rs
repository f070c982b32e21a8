//! `contacts reset`: makes every instance load a tenant's contacts again.
//!
//! Lists follow the stamps of changes. After contacts were changed without new stamps, by a restore from a backup or by a script, run
//! this command.

use std::path::PathBuf;

use shared::clock;
use shared::meter::Meter;
use shared::store::Store;

use crate::account::{self, AccountError};
use crate::database::Database;
use crate::engine::{EngineError, Missing};
use crate::keys;
use crate::serve::{self, CONTACTS_TABLE};
use crate::tables::causes;

/// Which tenant to reset, and where.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Tenant whose contacts were changed
    #[arg(long, value_parser = keys::tenant)]
    pub tenant: String,

    /// The contacts are older than before, as after a restore: readers of the change feed start again too
    #[arg(long)]
    pub restored: bool,

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

/// Why the tenant was not reset. Each message is one sentence.
#[derive(Debug, thiserror::Error)]
pub enum ResetError {
    /// The local engine cannot be used.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// There are no credentials for an account.
    #[error("The table of contacts cannot be used: {0}.")]
    Account(#[from] AccountError),
    /// DynamoDB refuses, or does not answer.
    #[error("The tenant {tenant} cannot be reset: {reason}.")]
    Refused {
        /// The tenant.
        tenant: String,
        /// What the SDK says.
        reason: String,
    },
}

/// Writes the tenant's reset mark, and returns the message to print.
///
/// # Errors
/// When the table cannot be reached.
pub async fn run(options: Options) -> Result<String, ResetError> {
    let Options { tenant, restored, data, dynamodb_endpoint, table } = options;
    let (client, database) = match (dynamodb_endpoint, &table) {
        (None, Some(_)) => (account::client().await?, None),
        (Some(endpoint), _) => (serve::client(&endpoint).await, None),
        (None, None) => {
            let database = Database::of_folder(&data, Missing::Fail).await?;
            (database.client.clone(), Some(database))
        }
    };
    let store = Store::new(client, table.unwrap_or_else(|| CONTACTS_TABLE.to_owned()));
    let written = store.write_reset_mark(&Meter::default(), &tenant, restored, clock::now()).await;
    if let Some(database) = database {
        database.close().await;
    }
    written.map_err(|error| ResetError::Refused { reason: causes(&error), tenant: tenant.clone() })?;
    Ok(format!("Lists of the tenant {tenant} are loaded anew from now on.\n"))
}
