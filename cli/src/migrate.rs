//! `contacts migrate`: gives contacts that an earlier version wrote what finds them by their external ids.
//!
//! A data folder is migrated when `contacts serve` starts; an account's contacts when an operator runs this command, as `docs/deploying.md` says.

use std::error::Error as _;
use std::io::{self, IsTerminal as _};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use shared::store::{Migrated, Store};

use crate::contacts_table::{ContactsTable, OpenError, TableLocation};
use crate::keys;
use crate::tables::causes;

/// Contacts between two lines of progress where nobody watches a bar.
const LINE_EVERY: u64 = 100_000;

/// Which contacts to migrate, and where.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Tenant whose contacts are migrated [default: all tenants]
    #[arg(long, value_parser = keys::tenant)]
    pub tenant: Option<String>,

    /// Print what was done as JSON, for scripts
    #[arg(long)]
    pub json: bool,

    /// Where the table of contacts is
    #[command(flatten)]
    pub location: TableLocation,
}

/// Why not all contacts were migrated. Each message is one sentence.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The table cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// DynamoDB refuses, or does not answer.
    #[error("The contacts in {table} are not all migrated: {reason}. The same command goes on from there.")]
    Refused {
        /// The table's name.
        table: String,
        /// What the SDK says.
        reason: String,
    },
}

/// Migrates the contacts, and returns the message to print. Progress goes to the standard error.
///
/// # Errors
/// When the table cannot be reached, or stops accepting writes.
pub async fn run(options: Options) -> Result<String, MigrateError> {
    let Options { tenant, json, location } = options;
    let contacts = ContactsTable::open(location).await?;
    if let Err(error) = contacts.prepare().await {
        contacts.close().await;
        return Err(error.into());
    }
    let store = Store::new(contacts.client.clone(), &contacts.name);
    let bar = ProgressBar::new_spinner();
    bar.set_style(ProgressStyle::with_template("{spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()));
    let (watched, mut next_line) = (io::stderr().is_terminal(), LINE_EVERY);
    let progress = |done: Migrated| {
        bar.set_message(format!("{} items read, {} contacts changed", done.read, done.changed));
        bar.tick();
        if !watched && done.read >= next_line {
            tracing::info!("{} items read, {} contacts changed.", done.read, done.changed);
            next_line = done.read + LINE_EVERY;
        }
    };
    let migrated = store.migrate(tenant.as_deref(), progress).await;
    bar.finish_and_clear();
    let table = contacts.name.clone();
    contacts.close().await;
    match migrated {
        Ok(Migrated { read, changed, tenants }) if json => {
            Ok(format!("{}\n", json!({ "read": read, "changed": changed, "tenants": tenants })))
        }
        Ok(Migrated { read, changed, tenants }) => Ok(format!(
            "Items read: {read}. Contacts changed: {changed}. Tenants whose lists are loaded anew from now on: {tenants}.\n"
        )),
        Err(error) => Err(MigrateError::Refused { table, reason: error.source().map_or_else(|| error.to_string(), causes) }),
    }
}
