//! `contacts reset`: makes every instance load a tenant's contacts again.
//!
//! Lists follow the stamps of changes. After contacts were changed without new stamps, by a restore from a backup or by a script, run
//! this command.

use shared::clock;
use shared::meter::Meter;
use shared::store::Store;

use crate::contacts_table::{ContactsTable, OpenError, TableLocation};
use crate::keys;
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

    /// Where the table of contacts is
    #[command(flatten)]
    pub location: TableLocation,
}

/// Why the tenant was not reset. Each message is one sentence.
#[derive(Debug, thiserror::Error)]
pub enum ResetError {
    /// The table cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
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
    let Options { tenant, restored, location } = options;
    let contacts = ContactsTable::open(location).await?;
    let store = Store::new(contacts.client.clone(), &contacts.name);
    let written = store.write_reset_mark(&Meter::default(), &tenant, restored, clock::now()).await;
    contacts.close().await;
    written.map_err(|error| ResetError::Refused { reason: causes(&error), tenant: tenant.clone() })?;
    Ok(format!("Lists of the tenant {tenant} are loaded anew from now on.\n"))
}
