//! `contacts keys`: make, show and revoke API keys, on this machine or in a deployed stack.
//!
//! A key's text is shown once, when it is made, and alone on the standard output, so that a script can take it from there.

use std::error::Error as _;
use std::path::PathBuf;

use aws_sdk_dynamodb::Client;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use shared::api_key::{ApiKey, KeyAdmin, KeyRecord};
use shared::contact::{User, UserType};
use shared::object_id::ObjectId;
use shared::timestamp::Timestamp;

use crate::account::{self, AccountError};
use crate::engine::{self, Engine, EngineError, Storage};
use crate::serve::{self, API_KEYS_TABLE};
use crate::tables::{self, TableError, causes};
use crate::template::{self, Template, TemplateError};

/// No key is made for longer, so that no sum overflows: 100 years.
const LONGEST: i64 = 36_525 * 24 * 60 * 60 * 1000;

/// What to do with API keys.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make a key and print it, once
    Create {
        /// Whose contacts the key reaches
        #[arg(long, value_parser = text)]
        tenant: String,

        /// A company namespace that the key may use; give several, the first is its default
        #[arg(long = "namespace", value_name = "NAMESPACE", required = true, value_parser = text)]
        namespaces: Vec<String>,

        /// The login name of the user that the key acts as
        #[arg(long, value_parser = text)]
        username: String,

        /// The name to show of that user
        #[arg(long, value_parser = text)]
        name: String,

        /// What kind of user it is
        #[arg(long = "type", value_name = "TYPE", default_value = "admin", value_parser = user_type())]
        kind: UserType,

        /// The id of that user, for another key of the same one; a new id when not given
        #[arg(long, value_name = "ID", value_parser = text)]
        user_id: Option<String>,

        /// For how long the key is valid, such as 90d, 12h or 30m; for ever when not given
        #[arg(long, value_name = "DURATION", value_parser = milliseconds)]
        expires: Option<i64>,

        /// Where the table of API keys is
        #[command(flatten)]
        place: Place,
    },
    /// Show all keys, without their text
    List {
        /// Where the table of API keys is
        #[command(flatten)]
        place: Place,
    },
    /// Make a key invalid, within a minute everywhere
    Revoke {
        /// The key's id, as `contacts keys list` shows it
        id: String,

        /// Where the table of API keys is
        #[command(flatten)]
        place: Place,
    },
}

/// Where the table of API keys is.
#[derive(Clone, Debug, clap::Args)]
pub struct Place {
    /// Folder of `contacts serve`, running or not
    #[arg(long, value_name = "DIR", default_value = ".contacts")]
    data: PathBuf,

    /// A DynamoDB of yours instead: DynamoDB Local (http), or an account (https)
    #[arg(long, value_name = "URL", conflicts_with = "data", value_parser = serve::endpoint)]
    dynamodb_endpoint: Option<String>,

    /// The table of API keys of a deployed stack, its output ApiKeysTableName, by the AWS configuration of this shell
    #[arg(long, value_name = "NAME", conflicts_with = "data")]
    table: Option<String>,
}

/// Why a command on keys failed. Each reads as one sentence.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The local engine cannot be used.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Nobody is signed in to an account.
    #[error("The table of API keys cannot be used: {0}.")]
    Account(#[from] AccountError),
    /// The table cannot be made.
    #[error("The table of API keys cannot be used: {0}.")]
    Table(#[from] TableError),
    /// The template is not what this program needs.
    #[error("{0}.")]
    Template(#[from] TemplateError),
    /// DynamoDB refuses, or does not answer.
    #[error("The table of API keys cannot be used: {0}.")]
    Refused(String),
    /// More namespaces than one condition of DynamoDB can name.
    #[error("A key can have at most {MAXIMUM_NAMESPACES} namespaces.")]
    TooManyNamespaces,
    /// There is no such key, or it is revoked already.
    #[error("No valid key has the id {0}; `contacts keys list` shows them.")]
    NotFound(String),
}

impl From<shared::error::Error> for KeysError {
    fn from(error: shared::error::Error) -> KeysError {
        // The public sentence of an internal error says nothing to an operator; its causes do.
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
        Command::Create { tenant, namespaces, username, name, kind, user_id, expires, place } => {
            let (now, key) = (Timestamp::now(), ApiKey::generate());
            let user = User {
                id: user_id.unwrap_or_else(|| ObjectId::generate(now).to_string()),
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
            let table = place.open().await?;
            table.keys.put(&record).await?;
            table.close().await;
            eprintln!("The key {} is made; its text is shown this once:", record.id());
            Ok(format!("{}\n", key.secret()))
        }
        Command::List { place } => {
            let table = place.open().await?;
            let records = table.keys.list().await?;
            table.close().await;
            Ok(listing(&records))
        }
        Command::Revoke { id, place } => {
            let table = place.open().await?;
            let revoked = table.keys.revoke(&id, Timestamp::now()).await?;
            table.close().await;
            let revoked = revoked.ok_or(KeysError::NotFound(id))?;
            Ok(format!("{} is revoked. Functions that have just seen it take up to a minute to notice.\n", revoked.id()))
        }
    }
}

/// An open table of keys, with the engine it is in when that had to be started.
struct OpenTable {
    keys: KeyAdmin,
    engine: Option<Engine>,
}

impl OpenTable {
    async fn close(self) {
        if let Some(engine) = self.engine {
            engine.stop().await;
        }
    }
}

impl Place {
    async fn open(self) -> Result<OpenTable, KeysError> {
        let (endpoint, engine) = match (self.dynamodb_endpoint, &self.table) {
            (Some(endpoint), _) => (endpoint, None),
            (None, Some(name)) => return Ok(OpenTable { keys: KeyAdmin::new(account::client().await?, name), engine: None }),
            (None, None) => match Engine::start(Storage::Folder(self.data.clone()), 0).await {
                Ok(engine) => (engine.endpoint().to_owned(), Some(engine)),
                // `contacts serve` has the folder open, and with it an engine that we can speak to.
                Err(EngineError::InUse { .. }) => (engine::endpoint_of(&self.data)?, None),
                Err(error) => return Err(error.into()),
            },
        };
        let name = self.table.unwrap_or_else(|| API_KEYS_TABLE.to_owned());
        let client = serve::client(&endpoint).await;
        if !serve::is_account(&endpoint) {
            create(&client, &name).await?;
        }
        Ok(OpenTable { keys: KeyAdmin::new(client, name), engine })
    }
}

/// Makes the table, so that the first key can be there before the first `contacts serve`.
async fn create(client: &Client, name: &str) -> Result<(), KeysError> {
    let template = Template::parse(template::SOURCE)?;
    let declared: Vec<_> =
        template.tables.iter().filter(|table| table.logical_id == API_KEYS_TABLE).map(|table| (table, name)).collect();
    Ok(tables::create(client, &declared).await?)
}

fn user_type() -> impl TypedValueParser<Value = UserType> {
    let known = |name: String| UserType::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, kind)| kind);
    PossibleValuesParser::new(UserType::ALL.map(|(name, _)| name)).try_map(move |name| known(name).ok_or("unknown"))
}

/// Text that says something.
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
        let place = || Place { data: folder.path().join("data"), dynamodb_endpoint: None, table: None };
        let create = Command::Create {
            tenant: "acme".into(),
            namespaces: vec!["north".into(), "south".into(), "north".into()],
            username: "ann".into(),
            name: "Ann".into(),
            kind: UserType::Rep,
            user_id: None,
            expires: Some(1000),
            place: place(),
        };

        let secret = run(create).await.unwrap();
        let shown = run(Command::List { place: place() }).await.unwrap();
        let row: Vec<_> = shown.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(row[1..5], ["acme", "north,south", "ann", "rep"]);
        assert!(!shown.contains(secret.trim()), "{shown}");

        let revoke = || Command::Revoke { id: row[0].to_owned(), place: place() };
        assert!(run(revoke()).await.unwrap().starts_with(row[0]));
        assert_eq!(
            run(revoke()).await.unwrap_err().to_string(),
            format!("No valid key has the id {}; `contacts keys list` shows them.", row[0])
        );
    }
}
