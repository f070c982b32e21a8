//! `contacts snapshots`: list, build and delete snapshots, on this machine or in a deployed stack.

mod worker;

use std::collections::BTreeSet;
use std::error::Error as _;
use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use shared::api_key::KeyAdmin;
use shared::aws;
use shared::environment::StartError;
use shared::listing::ListConfig;
use shared::meter::Meter;
use shared::objects::{ObjectError, Objects, S3};
use shared::snapshots::plan::Base;
use shared::snapshots::{Done, Snapshots};
use shared::store::{Manifest, Store};
use tokio::time::interval;

pub use worker::SnapshotOptions;
pub(crate) use worker::{Work, Worker};

use crate::account::{self, AccountError};
use crate::database::Database;
use crate::engine::{EngineError, Missing};
use crate::keys;
use crate::serve::{API_KEYS_TABLE, CONTACTS_TABLE};
use crate::tables::causes;

/// The folder of snapshots in a data folder.
pub(crate) const FOLDER: &str = "snapshots";

/// How often the progress is shown.
const PROGRESS: Duration = Duration::from_millis(200);

/// What to do with snapshots.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Command {
    /// Show which tenants have a snapshot
    List {
        /// Print each tenant as a line of JSON, for scripts
        #[arg(long)]
        json: bool,

        /// Where the contacts are
        #[command(flatten)]
        location: Location,
    },
    /// Build snapshots now, such as the first ones of tenants that were there before there were snapshots
    Build {
        /// Which tenants
        #[command(flatten)]
        tenants: Tenants,

        /// Read the whole change log, even if there is a snapshot to go on from
        #[arg(long)]
        from_log: bool,

        /// Where the contacts are
        #[command(flatten)]
        location: Location,
    },
    /// Delete snapshots at once; lists load the change log until the next one is built
    Delete {
        /// Which tenants
        #[command(flatten)]
        tenants: Tenants,

        /// Where the contacts are
        #[command(flatten)]
        location: Location,
    },
}

/// Which tenants a command concerns.
#[derive(Clone, Debug, clap::Args)]
#[group(required = true)]
pub struct Tenants {
    /// Tenant; may be repeated
    #[arg(long = "tenant", value_name = "TENANT", value_parser = keys::tenant)]
    named: Vec<String>,

    /// Every tenant that has a snapshot or an API key
    #[arg(long, conflicts_with = "named")]
    all: bool,
}

/// Where contacts and snapshots are.
#[derive(Clone, Debug, clap::Args)]
pub struct Location {
    /// Data folder, even while `contacts serve` uses it
    #[arg(long, value_name = "DIR", default_value = ".contacts")]
    data: PathBuf,

    /// Table of contacts in a deployed stack (output ContactsTableName), reached with the AWS configuration of this shell
    #[arg(long, value_name = "NAME", conflicts_with = "data", requires = "bucket")]
    table: Option<String>,

    /// Bucket of snapshots in a deployed stack (output SnapshotsBucketName)
    #[arg(long, value_name = "NAME", requires = "table")]
    bucket: Option<String>,

    /// Table of API keys in a deployed stack (output ApiKeysTableName), for --all
    #[arg(long, value_name = "NAME", requires = "table")]
    api_keys_table: Option<String>,
}

/// Why a command on snapshots failed. Each message is one sentence.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotsError {
    /// The local engine cannot be used.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// There are no credentials for an account.
    #[error("The table of contacts cannot be used: {0}.")]
    Account(#[from] AccountError),
    /// The environment is not valid.
    #[error("Snapshots cannot be used: {0}.")]
    Environment(#[from] StartError),
    /// The bucket cannot be used.
    #[error("The bucket of snapshots cannot be used: {0}.")]
    Objects(#[from] ObjectError),
    /// DynamoDB or the object store refuses, or does not answer.
    #[error("Snapshots cannot be used: {0}.")]
    Refused(String),
    /// Output cannot be written.
    #[error("The output cannot be written: {0}.")]
    Output(#[from] io::Error),
}

impl From<shared::error::Error> for SnapshotsError {
    fn from(error: shared::error::Error) -> SnapshotsError {
        // The public message of an internal error does not help an operator; its causes do.
        SnapshotsError::Refused(error.source().map_or_else(|| error.to_string(), causes))
    }
}

/// What a command works on.
struct Open {
    snapshots: Snapshots,
    store: Store,
    keys: Option<KeyAdmin>,
    database: Option<Database>,
}

impl Location {
    async fn open(&self) -> Result<Open, SnapshotsError> {
        let list = ListConfig::from_env()?;
        let open = |client: Client, table: &str, objects: Objects, keys: Option<&str>, database| {
            let store = Store::new(client.clone(), table);
            let keys = keys.map(|keys| KeyAdmin::new(client, keys));
            let snapshots = Snapshots::new(store.clone(), objects, list.clone()).configured()?;
            Ok::<_, SnapshotsError>(Open { snapshots, store, keys, database })
        };
        if let (Some(table), Some(bucket)) = (&self.table, &self.bucket) {
            let client = account::client().await?;
            let objects = Objects::in_s3(S3::bucket(&aws::aws_config().await, bucket)?);
            return open(client, table, objects, self.api_keys_table.as_deref(), None);
        }
        let database = Database::of_folder(&self.data, Missing::Fail).await?;
        let objects = Objects::in_folder(self.data.join(FOLDER));
        open(database.client.clone(), CONTACTS_TABLE, objects, Some(API_KEYS_TABLE), Some(database))
    }
}

impl Open {
    async fn manifests(&self) -> Result<Vec<Manifest>, SnapshotsError> {
        let mut manifests: Vec<Manifest> = Vec::new();
        loop {
            let after = manifests.last().map(|last| last.tenant.clone());
            let more = self.store.manifests(&Meter::default(), after.as_deref()).await?;
            if more.is_empty() {
                return Ok(manifests);
            }
            manifests.extend(more);
        }
    }

    async fn tenants(&self, tenants: &Tenants) -> Result<BTreeSet<String>, SnapshotsError> {
        if !tenants.all {
            return Ok(tenants.named.iter().cloned().collect());
        }
        let mut all: BTreeSet<String> = self.manifests().await?.into_iter().map(|manifest| manifest.tenant).collect();
        if let Some(keys) = &self.keys {
            all.extend(keys.list().await?.records.into_iter().map(|record| record.tenant));
        }
        Ok(all)
    }

    async fn close(self) {
        if let Some(database) = self.database {
            database.close().await;
        }
    }
}

/// Runs a command and returns what it prints.
///
/// # Errors
/// When DynamoDB or the object store cannot be reached.
pub async fn run(command: Command) -> Result<String, SnapshotsError> {
    let (Command::List { location, .. } | Command::Build { location, .. } | Command::Delete { location, .. }) = &command;
    let open = location.open().await?;
    let said = perform(&open, &command).await;
    open.close().await;
    said
}

async fn perform(open: &Open, command: &Command) -> Result<String, SnapshotsError> {
    match command {
        Command::List { json: false, .. } => Ok(listing(&open.manifests().await?)),
        Command::List { json: true, .. } => {
            Ok(open.manifests().await?.iter().map(|manifest| format!("{}\n", manifest_json(manifest))).collect())
        }
        Command::Build { tenants, from_log, .. } => {
            let base = if *from_log { Base::Log } else { Base::Snapshot };
            let mut said = String::new();
            for tenant in open.tenants(tenants).await? {
                let done = build(&open.snapshots, &tenant, base).await?;
                // A text takes all that is written to it.
                let _always_written = writeln!(said, "{tenant}: {}", outcome(&done)).is_ok();
            }
            Ok(said)
        }
        Command::Delete { tenants, .. } => {
            let mut said = String::new();
            for tenant in open.tenants(tenants).await? {
                let was_there = open.snapshots.delete(&Meter::default(), &tenant).await?;
                let what = if was_there { "its snapshot is deleted" } else { "it had no snapshot" };
                let _always_written = writeln!(said, "{tenant}: {what}").is_ok();
            }
            Ok(said)
        }
    }
}

/// Builds one snapshot, and shows on a terminal what was read so far.
async fn build(snapshots: &Snapshots, tenant: &str, base: Base) -> Result<Done, SnapshotsError> {
    let style = ProgressStyle::with_template("{spinner} {msg}, {elapsed}").unwrap_or_else(|_| ProgressStyle::default_spinner());
    let (bar, meter) = (ProgressBar::new_spinner().with_style(style), Meter::default());
    let progress = async {
        let mut ticks = interval(PROGRESS);
        loop {
            ticks.tick().await;
            bar.set_message(format!("{tenant}: {} requests", meter.readings().requests));
            bar.tick();
        }
    };
    let built = tokio::select! {
        built = snapshots.build(&meter, tenant, base) => built,
        () = progress => unreachable!("the progress has no end"),
    };
    bar.finish_and_clear();
    Ok(built?)
}

fn outcome(done: &Done) -> String {
    match done {
        Done::Built(current) => format!("{} contacts, {} bytes", current.contacts, current.bytes),
        Done::Small { contacts } => format!("{contacts} contacts need no snapshot"),
        Done::ElsewhereBuilt => "somebody else builds it just now".to_owned(),
        Done::Nothing | Done::MovedOn => "nothing to do".to_owned(),
    }
}

/// A tenant's snapshot for scripts; `snapshot` is `null` when it has none.
fn manifest_json(Manifest { tenant, current, changes, lease, .. }: &Manifest) -> Value {
    let snapshot = current.as_ref().map(|current| {
        json!({ "contacts": current.contacts, "bytes": current.bytes, "completeUpTo": current.moment.to_string(), "changesSince": changes })
    });
    json!({ "tenant": tenant, "snapshot": snapshot, "beingBuiltUntil": lease.as_ref().map(|lease| lease.until.to_string()) })
}

/// A line for each tenant, with the time up to which its snapshot is complete.
fn listing(manifests: &[Manifest]) -> String {
    let mut said = String::new();
    for Manifest { tenant, current, changes, lease, .. } in manifests {
        let state = match current {
            Some(current) => format!(
                "{} contacts, {} bytes, complete up to {}, {changes} changes since",
                current.contacts, current.bytes, current.moment
            ),
            None => "no snapshot".to_owned(),
        };
        let lease = lease.as_ref().map(|lease| format!(", one is being built (until {} at the latest)", lease.until));
        let _always_written = writeln!(said, "{tenant}: {state}{}", lease.unwrap_or_default()).is_ok();
    }
    said
}
