//! `contacts seed`: fills a tenant with lifelike contacts, as fast as DynamoDB accepts them.
//!
//! It adds and never replaces: every run makes new contacts. An API that is serving meanwhile shows them at once, because each gets
//! the time of its write as its `updatedAt`.

use std::error::Error as _;
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::builder::NonEmptyStringValueParser;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use indicatif::{ProgressBar, ProgressStyle};
use shared::clock;
use shared::contact::Contact;
use shared::error::Error;
use shared::store::{BATCH_KEYS, Store};
use tokio::time::sleep;

use crate::database::Database;
use crate::engine::{EngineError, Missing};
use crate::keys;
use crate::lifelike::Lifelike;
use crate::serve::{self, CONTACTS_TABLE};
use crate::tables::{self, TableError, causes};
use crate::template::{self, Template, TemplateError};

/// Requests under way at once. The embedded engine handles them one after the other; over a network they overlap.
const REQUESTS_AT_ONCE: usize = 8;

/// How often a batch is tried when DynamoDB throttles, as it does when the write rate rises for the first time.
const TRIES: u32 = 10;

/// How long to wait before the next try.
const PATIENCE: Duration = Duration::from_secs(1);

/// What to fill, and with how many contacts.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// How many contacts to add
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub count: u64,

    /// Tenant that the contacts belong to
    #[arg(long, default_value = "local", value_parser = keys::tenant)]
    pub tenant: String,

    /// Company namespace of the contacts
    #[arg(long, default_value = "company1", value_parser = NonEmptyStringValueParser::new())]
    pub namespace: String,

    /// Random seed; the same seed gives the same people [default: a new seed in every run]
    #[arg(long, value_name = "S")]
    pub seed: Option<u64>,

    /// Data folder, even while `contacts serve` uses it
    #[arg(long, value_name = "DIR", default_value = ".contacts")]
    pub data: PathBuf,

    /// Use another DynamoDB instead of the data folder: DynamoDB Local (http) or an account (https)
    #[arg(long, value_name = "URL", conflicts_with = "data", value_parser = serve::endpoint)]
    pub dynamodb_endpoint: Option<String>,

    /// Prefix of the table names, for several APIs in one DynamoDB
    #[arg(long, value_name = "PREFIX", default_value = "")]
    pub table_prefix: String,

    /// Name of the table of contacts, instead of one made from the prefix
    #[arg(long, value_name = "NAME")]
    pub contacts_table: Option<String>,
}

/// Why a tenant was not filled. Each message is one sentence.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The local engine cannot be used.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The table is missing or does not match the template.
    #[error("The table of contacts cannot be used: {0}.")]
    Table(#[from] TableError),
    /// The template lacks something that this program needs.
    #[error("{0}.")]
    Template(#[from] TemplateError),
    /// DynamoDB refuses, or does not answer.
    #[error("After {written} contacts the table {table} stopped accepting writes: {reason}.")]
    Refused {
        /// How many contacts were written, at least.
        written: u64,
        /// The table's name.
        table: String,
        /// What the SDK says.
        reason: String,
    },
}

/// The result of a run. Its text is one line.
#[derive(Clone, Debug)]
pub struct Seeded {
    /// How many contacts were added.
    pub count: u64,
    /// The tenant.
    pub tenant: String,
    /// The time that it took.
    pub elapsed: Duration,
}

impl fmt::Display for Seeded {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Seeded { count, tenant, elapsed } = self;
        write!(formatter, "Contacts added to the tenant {tenant}: {count}, in {:.1} seconds.", elapsed.as_secs_f64())
    }
}

/// Adds contacts, with a progress bar if the standard error is a terminal.
///
/// # Errors
/// When the table cannot be reached, or stops accepting writes.
pub async fn run(options: Options) -> Result<Seeded, SeedError> {
    let database = match &options.dynamodb_endpoint {
        Some(endpoint) => Database::at(endpoint).await,
        None => Database::of_folder(&options.data, Missing::MakeOne).await?,
    };
    let table = options.contacts_table.unwrap_or_else(|| format!("{}{CONTACTS_TABLE}", options.table_prefix));
    let client = database.client.clone();
    if options.dynamodb_endpoint.is_some_and(|endpoint| serve::is_account(&endpoint)) {
        tables::check(&client, &[&table]).await?;
    } else {
        let template = Template::parse(template::SOURCE)?;
        let declared = template.tables.iter().filter(|table| table.logical_id == CONTACTS_TABLE);
        tables::prepare(&client, &declared.map(|declared| (declared, &*table)).collect::<Vec<_>>()).await?;
    }

    let start = Instant::now();
    let now = clock::now();
    // The clock's last digits give a seed that no earlier run used.
    let seed = options.seed.unwrap_or(now.millis().unsigned_abs());
    let contacts = Lifelike::new(seed, options.count, &options.namespace, now);
    let store = Store::new(client, &table);
    let bar = progress_bar(options.count);
    let filled = fill(&store, &options.tenant, contacts, &bar).await;
    let written = bar.position();
    bar.finish_and_clear();
    database.close().await;
    match filled {
        Ok(()) => Ok(Seeded { count: options.count, tenant: options.tenant, elapsed: start.elapsed() }),
        Err(error) => {
            let reason = error.source().map_or_else(|| error.to_string(), causes);
            Err(SeedError::Refused { written, table, reason })
        }
    }
}

async fn fill(store: &Store, tenant: &str, contacts: Lifelike, bar: &ProgressBar) -> Result<(), Error> {
    stream::iter(contacts)
        .chunks(BATCH_KEYS)
        .map(async |batch| {
            import(store, tenant, &batch).await?;
            bar.inc(batch.len() as u64);
            Ok(())
        })
        .buffer_unordered(REQUESTS_AT_ONCE)
        .try_collect()
        .await
}

/// Writes a batch, and waits while the table is busy.
async fn import(store: &Store, tenant: &str, batch: &[Contact]) -> Result<(), Error> {
    let mut tries = 1;
    loop {
        match store.import(tenant, batch).await {
            Err(Error::Unavailable(_)) if tries < TRIES => sleep(PATIENCE).await,
            done => return done,
        }
        tries += 1;
    }
}

/// A progress bar on the standard error, hidden if that is not a terminal.
fn progress_bar(count: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_bar} {human_pos} of {human_len}, {eta} left");
    ProgressBar::new(count).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use clap::Parser;
    use index::query::{Filter, ListQuery};
    use shared::caller::Caller;
    use shared::meter::Meter;

    use super::*;
    use crate::development_key;
    use crate::serve::Running;

    #[derive(Parser)]
    struct Arguments {
        #[command(flatten)]
        options: Options,
    }

    fn options(arguments: &[&str]) -> Options {
        Arguments::parse_from([&["seed"], arguments].concat()).options
    }

    async fn total(running: &Running) -> u64 {
        let record = development_key::record(running.development_key.as_ref().unwrap(), clock::now());
        let caller = Caller { tenant: record.tenant, namespaces: record.namespaces, user: record.user };
        let query = ListQuery { filter: Filter::default(), sort: vec![], page: NonZeroU64::MIN, per_page: 25 };
        let page = running.app.lists.list(&Meter::default(), &caller, &query, clock::now()).await.unwrap();
        assert!(page.contacts.iter().all(|contact| contact.updated_at > contact.created_at));
        page.total
    }

    #[tokio::test]
    async fn a_running_api_lists_every_contact_that_is_added() {
        let memory = serve::Options { port: 0, dynamodb_port: Some(0), memory: true, ..serve::Options::default() };
        let running = serve::start(memory).await.unwrap();
        let endpoint = running.dynamodb_endpoint.clone().unwrap();
        let fill = |count| options(&["--dynamodb-endpoint", &endpoint, "--seed", "1", "--count", count]);
        assert_eq!(total(&running).await, 0);

        run(fill("60")).await.unwrap();
        assert_eq!(total(&running).await, 60);
        let seeded = run(fill("7")).await.unwrap().to_string();
        assert_eq!(total(&running).await, 67);
        assert!(seeded.starts_with("Contacts added to the tenant local: 7, in "), "{seeded}");
        running.stop().await;
    }

    #[tokio::test]
    async fn a_folder_is_filled_before_and_while_it_is_served() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().to_str().unwrap();
        run(options(&["--data", data, "--count", "30"])).await.unwrap();
        let stored = serve::Options { port: 0, data: data.into(), ..serve::Options::default() };
        let running = serve::start(stored).await.unwrap();
        assert_eq!(total(&running).await, 30);

        run(options(&["--data", data, "--count", "30"])).await.unwrap();
        assert_eq!(total(&running).await, 60);
        running.stop().await;
    }

    #[tokio::test]
    async fn a_dynamodb_that_is_not_there_is_one_sentence() {
        let sentence =
            run(options(&["--dynamodb-endpoint", "http://127.0.0.1:1", "--count", "1"])).await.unwrap_err().to_string();
        assert!(sentence.starts_with("The table of contacts cannot be used: "), "{sentence}");
        assert_eq!(sentence.lines().count(), 1, "{sentence}");
    }
}
