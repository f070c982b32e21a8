//! `contacts keys`: make, show and revoke API keys, on this machine or in a deployed stack.
//!
//! A key's text is shown once, when the key is created, alone on the standard output, so that scripts can read it.

use std::error::Error as _;
use std::path::PathBuf;

use aws_sdk_dynamodb::Client;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde_json::{Value, json};
use shared::api_key::{ApiKey, KeyAdmin, KeyRecord, TENANT_RULE, is_tenant};
use shared::clock;
use shared::object_id;
use shared::timestamp::Timestamp;
use shared::user::{User, UserType};

use crate::account::{self, AccountError};
use crate::database::Database;
use crate::engine::{EngineError, Missing};
use crate::serve::{self, API_KEYS_TABLE};
use crate::tables::{self, TableError, causes};
use crate::template::{self, Template, TemplateError};

/// The longest validity of a key, so that no sum overflows: 100 years.
const LONGEST: i64 = 36_525 * 24 * 60 * 60 * 1000;

/// What to do with API keys.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Create a key and print it, once
    Create {
        /// Tenant that the key can access
        #[arg(long, value_parser = tenant)]
        tenant: String,

        /// Company namespace that the key may use; may be repeated, the first is the default
        #[arg(long = "namespace", value_name = "NAMESPACE", required = true, value_parser = text)]
        namespaces: Vec<String>,

        /// Login name of the user that the key acts as
        #[arg(long, value_parser = text)]
        username: String,

        /// The user's display name
        #[arg(long, value_parser = text)]
        name: String,

        /// Type of the user
        #[arg(long = "type", value_name = "TYPE", default_value = "admin", value_parser = user_type())]
        kind: UserType,

        /// Id of the user, to give one user several keys [default: a new id]
        #[arg(long, value_name = "ID", value_parser = text)]
        user_id: Option<String>,

        /// How long the key is valid, such as 90d, 12h or 30m [default: forever]
        #[arg(long, value_name = "DURATION", value_parser = milliseconds)]
        expires: Option<i64>,

        /// Print the key with its record as JSON, for scripts
        #[arg(long)]
        json: bool,

        /// Where the table of API keys is
        #[command(flatten)]
        location: TableLocation,
    },
    /// List all keys, without their secrets
    List {
        /// Print each key as a line of JSON, for scripts
        #[arg(long)]
        json: bool,

        /// Where the table of API keys is
        #[command(flatten)]
        location: TableLocation,
    },
    /// Revoke a key; takes effect everywhere within a minute
    Revoke {
        /// Id of the key, as `contacts keys list` shows it
        id: String,

        /// Where the table of API keys is
        #[command(flatten)]
        location: TableLocation,
    },
}

/// Where the table of API keys is.
#[derive(Clone, Debug, clap::Args)]
pub struct TableLocation {
    /// Data folder, even while `contacts serve` uses it
    #[arg(long, value_name = "DIR", default_value = ".contacts")]
    data: PathBuf,

    /// Use another DynamoDB instead of the data folder: DynamoDB Local (http) or an account (https)
    #[arg(long, value_name = "URL", conflicts_with = "data", value_parser = serve::endpoint)]
    dynamodb_endpoint: Option<String>,

    /// Table of API keys in a deployed stack (output ApiKeysTableName), reached with the AWS configuration of this shell
    #[arg(long, value_name = "NAME", conflicts_with = "data")]
    table: Option<String>,
}

/// Why a command on keys failed. Each message is one sentence.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The local engine cannot be used.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// There are no credentials for an account.
    #[error("The table of API keys cannot be used: {0}.")]
    Account(#[from] AccountError),
    /// The table cannot be made.
    #[error("The table of API keys cannot be used: {0}.")]
    Table(#[from] TableError),
    /// The template lacks something that this program needs.
    #[error("{0}.")]
    Template(#[from] TemplateError),
    /// DynamoDB refuses, or does not answer.
    #[error("The table of API keys cannot be used: {0}.")]
    Refused(String),
    /// More namespaces than one condition of DynamoDB can name.
    #[error("A key can have at most {MAXIMUM_NAMESPACES} namespaces.")]
    TooManyNamespaces,
    /// There is no such key, or it is already revoked.
    #[error("No valid key has the id {0}; `contacts keys list` shows them.")]
    NotFound(String),
}

impl From<shared::error::Error> for KeysError {
    fn from(error: shared::error::Error) -> KeysError {
        // The public message of an internal error does not help an operator; its causes do.
        KeysError::Refused(error.source().map_or_else(|| error.to_string(), causes))
    }
}

/// The most namespaces of a key: a write names them all in its condition, and DynamoDB takes 4 KB of that.
const MAXIMUM_NAMESPACES: usize = 100;

/// Runs a command and returns what it prints.
///
/// # Errors
/// When the table cannot be reached, or the command names a key that is not there.
pub async fn run(command: Command) -> Result<String, KeysError> {
    match command {
        Command::Create { tenant, namespaces, username, name, kind, user_id, expires, json, location } => {
            let (now, key) = (clock::now(), ApiKey::generate());
            let user = User {
                id: user_id.unwrap_or_else(|| object_id::generate(now).to_string()),
                username: Some(username),
                name: Some(name),
                kind,
                others: Default::default(),
            };
            let mut distinct = Vec::new();
            for namespace in namespaces {
                if !distinct.contains(&namespace) {
                    distinct.push(namespace);
                }
            }
            if distinct.len() > MAXIMUM_NAMESPACES {
                return Err(KeysError::TooManyNamespaces);
            }
            let record = KeyRecord {
                hash: key.hash(),
                tenant,
                namespaces: distinct,
                user,
                created_at: now,
                expires_at: expires.map(|life| now.plus_millis(life)),
                revoked_at: None,
            };
            let table = location.open(Missing::MakeOne).await?;
            table.keys.put(&record).await?;
            table.close().await;
            if json {
                let mut line = record_json(&record);
                line["key"] = key.secret().into();
                return Ok(format!("{line}\n"));
            }
            eprintln!("The key {} is created. Its secret is shown only once:", record.id());
            Ok(format!("{}\n", key.secret()))
        }
        Command::List { json, location } => {
            let table = location.open(Missing::Fail).await?;
            let keys = table.keys.list().await?;
            table.close().await;
            for id in keys.malformed {
                eprintln!("The record of the key {id} is malformed, so the key gives no access.");
            }
            Ok(if json {
                keys.records.iter().map(|record| format!("{}\n", record_json(record))).collect()
            } else {
                listing(&keys.records)
            })
        }
        Command::Revoke { id, location } => {
            let table = location.open(Missing::Fail).await?;
            let revoked = table.keys.revoke(&id, clock::now()).await?;
            table.close().await;
            let revoked = revoked.ok_or(KeysError::NotFound(id))?;
            Ok(format!("{} is revoked. Functions that have just seen it take up to a minute to notice.\n", revoked.id()))
        }
    }
}

/// An open table of keys, with its DynamoDB when that has to be closed.
struct OpenTable {
    keys: KeyAdmin,
    database: Option<Database>,
}

impl OpenTable {
    async fn close(self) {
        if let Some(database) = self.database {
            database.close().await;
        }
    }
}

impl TableLocation {
    async fn open(self, missing: Missing) -> Result<OpenTable, KeysError> {
        let database = match (&self.dynamodb_endpoint, &self.table) {
            (Some(endpoint), _) => Database::at(endpoint).await,
            (None, Some(name)) => return Ok(OpenTable { keys: KeyAdmin::new(account::client().await?, name), database: None }),
            (None, None) => Database::of_folder(&self.data, missing).await?,
        };
        let name = self.table.unwrap_or_else(|| API_KEYS_TABLE.to_owned());
        if !self.dynamodb_endpoint.is_some_and(|endpoint| serve::is_account(&endpoint)) {
            create(&database.client, &name).await?;
        }
        Ok(OpenTable { keys: KeyAdmin::new(database.client.clone(), name), database: Some(database) })
    }
}

/// Creates the table, so that the first key can exist before the first `contacts serve`.
async fn create(client: &Client, name: &str) -> Result<(), KeysError> {
    let template = Template::parse(template::SOURCE)?;
    let declared: Vec<_> =
        template.tables.iter().filter(|table| table.logical_id == API_KEYS_TABLE).map(|table| (table, name)).collect();
    Ok(tables::prepare(client, &declared).await?)
}

fn user_type() -> impl TypedValueParser<Value = UserType> {
    let known = |name: String| UserType::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, kind)| kind);
    PossibleValuesParser::new(UserType::ALL.map(|(name, _)| name)).try_map(move |name| known(name).ok_or("unknown"))
}

/// The name of a tenant.
pub fn tenant(given: &str) -> Result<String, String> {
    if is_tenant(given) { Ok(given.to_owned()) } else { Err(format!("it {TENANT_RULE}")) }
}

/// Text that is not blank.
fn text(given: &str) -> Result<String, &'static str> {
    if given.trim().is_empty() { Err("it must not be empty") } else { Ok(given.to_owned()) }
}

/// The milliseconds in a duration such as `90d`.
fn milliseconds(text: &str) -> Result<i64, String> {
    let units = [("d", 24 * 60 * 60 * 1000), ("h", 60 * 60 * 1000), ("m", 60 * 1000)];
    let parsed = units.into_iter().find_map(|(unit, length)| {
        let count: i64 = text.strip_suffix(unit)?.parse().ok()?;
        count.checked_mul(length).filter(|duration| (1..=LONGEST).contains(duration))
    });
    parsed
        .ok_or_else(|| "it must be a number of days, hours or minutes, such as 90d, 12h or 30m, and at most 100 years".to_owned())
}

/// A key for scripts, without its secret.
fn record_json(record: &KeyRecord) -> Value {
    let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
    json!({
        "id": record.id(),
        "tenant": record.tenant,
        "namespaces": record.namespaces,
        "user": record.user,
        "createdAt": record.created_at.to_string(),
        "expiresAt": time(record.expires_at),
        "revokedAt": time(record.revoked_at),
    })
}

/// A table of keys for people.
fn listing(records: &[KeyRecord]) -> String {
    let mut rows = vec![["ID", "TENANT", "NAMESPACES", "USER", "TYPE", "CREATED", "EXPIRES", "REVOKED"].map(str::to_owned)];
    let time = |time: Option<Timestamp>| time.map_or("-".to_owned(), |time| time.to_string());
    for record in records {
        let (kind, _) = UserType::ALL.into_iter().find(|(_, kind)| *kind == record.user.kind).unwrap_or(("-", record.user.kind));
        rows.push([
            record.id().to_owned(),
            record.tenant.clone(),
            record.namespaces.join(","),
            record.user.username.clone().unwrap_or_else(|| record.user.id.clone()),
            kind.to_owned(),
            record.created_at.to_string(),
            time(record.expires_at),
            time(record.revoked_at),
        ]);
    }
    let widths: Vec<_> =
        (0..rows[0].len()).map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)).collect();
    let line = |row: &[String; 8]| {
        let cells: Vec<_> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_days_hours_or_minutes() {
        const DAY: i64 = 86_400_000;
        for (text, expected) in [
            ("90d", Some(90 * DAY)),
            ("12h", Some(DAY / 2)),
            ("30m", Some(1_800_000)),
            ("36525d", Some(LONGEST)),
            ("36526d", None),
            ("0d", None),
            ("-1d", None),
            ("1.5d", None),
            ("90", None),
            ("d", None),
            ("", None),
            ("90 d", None),
            ("99999999999999999999d", None),
            ("9223372036854775807d", None),
            ("1y", None),
        ] {
            assert_eq!(milliseconds(text).ok(), expected, "{text:?}");
        }
    }

    #[tokio::test]
    async fn a_key_is_made_shown_and_revoked_in_a_folder_that_nobody_serves() {
        let folder = tempfile::tempdir().unwrap();
        let location = || TableLocation { data: folder.path().join("data"), dynamodb_endpoint: None, table: None };
        let create = Command::Create {
            tenant: "acme".into(),
            namespaces: vec!["north".into(), "south".into(), "north".into()],
            username: "ann".into(),
            name: "Ann".into(),
            kind: UserType::Rep,
            user_id: None,
            expires: Some(1000),
            json: false,
            location: location(),
        };

        let secret = run(create).await.unwrap();
        let shown = run(Command::List { json: false, location: location() }).await.unwrap();
        let row: Vec<_> = shown.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(row[1..5], ["acme", "north,south", "ann", "rep"]);
        assert!(!shown.contains(secret.trim()), "{shown}");

        let revoke = || Command::Revoke { id: row[0].to_owned(), location: location() };
        assert!(run(revoke()).await.unwrap().starts_with(row[0]));
        assert_eq!(
            run(revoke()).await.unwrap_err().to_string(),
            format!("No valid key has the id {}; `contacts keys list` shows them.", row[0])
        );
    }
}
