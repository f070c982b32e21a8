//! `contacts import`: contacts from a file, as JSON Lines or CSV.
//!
//! Each row is one ordinary write by the rules of the API. `shared` decides what becomes of a row and guarantees that nothing is
//! overwritten that was not read; this reads files, says what happened, and keeps several requests under way. See
//! `docs/importing.md`.

mod acting;
mod csv;
mod extended_json;
mod report;
mod rows;
mod source;

use std::error::Error as _;
use std::io;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use futures::{StreamExt as _, stream};
use indicatif::{ProgressBar, ProgressStyle};
use shared::api_key::KeyAdmin;
use shared::caller::Caller;
use shared::clock;
use shared::error::Error;
use shared::store::{BATCH_KEYS, ImportRow, ImportRules, RowOutcome, RowState, Store};
use tokio::sync::mpsc;
use tokio::time::sleep;

pub(crate) use self::csv::write_cell;
pub use self::report::Summary;
pub(crate) use self::rows::elements;
pub use self::source::Format;

use self::acting::ActingError;
use self::report::Reporter;
use self::rows::{HeaderError, Mapping, ReadRow, Refusal, Rows, mapping};
use self::source::SourceError;
use crate::contacts_table::{ContactsTable, OpenError, TableLocation};
use crate::engine::{EngineError, Missing};
use crate::keys;
use crate::serve::API_KEYS_TABLE;
use crate::tables::causes;

/// Batches under way at once: while one waits for its slowest write, others go on.
const BATCHES_AT_ONCE: usize = 4;

/// Batches that are read ahead.
const BATCHES_READ: usize = 4;

/// How often a batch is tried when DynamoDB throttles, as it does when the write rate rises for the first time.
const TRIES: u32 = 10;

/// How long to wait before the next try.
const PATIENCE: Duration = Duration::from_secs(1);

/// What to import, and how.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// File to import, or - for the standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// Tenant that the contacts belong to
    #[arg(long, default_value = "local", value_parser = keys::tenant)]
    pub tenant: String,

    /// Id of the API key as whose user the import acts, in whose namespaces [default: the tenant's only key]
    #[arg(long, value_name = "ID")]
    pub key: Option<String>,

    /// Format of the file [default: what it looks like]
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<Format>,

    /// Field that a column of a CSV file is, such as "Full name=name"; "Notes=" leaves a column out; may be repeated
    #[arg(long = "map", value_name = "COLUMN=FIELD", value_parser = mapping)]
    pub mappings: Vec<Mapping>,

    /// Make contacts that are there what the file says, instead of leaving them alone
    #[arg(long)]
    pub replace: bool,

    /// Bring contacts back that were deleted here, instead of leaving them deleted
    #[arg(long)]
    pub restore: bool,

    /// Say what would happen, and write nothing
    #[arg(long)]
    pub dry_run: bool,

    /// Stop at the first row that is refused: nothing after it is written
    #[arg(long)]
    pub strict: bool,

    /// Also write what was not imported, and why, to this file, as JSON Lines
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,

    /// Print what was not imported, and a summary, as JSON Lines for scripts
    #[arg(long)]
    pub json: bool,

    /// Where the table of contacts is
    #[command(flatten)]
    pub location: TableLocation,

    /// Table of API keys in a deployed stack (output ApiKeysTableName)
    #[arg(long, value_name = "NAME", conflicts_with = "data")]
    pub api_keys_table: Option<String>,
}

/// Why an import did not happen, or not to the end. Each message is one sentence, or two.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The command line does not go with the file or the place.
    #[error("{0}")]
    Usage(String),
    /// The file cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The file cannot be read any further.
    #[error("{reason} {summary}")]
    CutShort {
        /// Why.
        reason: SourceError,
        /// What was done until then.
        summary: Box<Summary>,
    },
    /// The table cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// No key can be used.
    #[error(transparent)]
    Acting(#[from] ActingError),
    /// The report or the output cannot be written.
    #[error("The report cannot be written: {0}.")]
    Report(#[from] io::Error),
    /// DynamoDB refuses, or does not answer.
    #[error("The import stopped, because {table} cannot be used: {reason}. The same command goes on from there. {summary}")]
    Refused {
        /// The table's name.
        table: String,
        /// What the SDK says.
        reason: String,
        /// What was done until then.
        summary: Box<Summary>,
    },
}

impl ImportError {
    /// Whether the command line is wrong.
    pub fn is_usage(&self) -> bool {
        matches!(self, ImportError::Usage(_))
    }

    /// Whether the data folder or DynamoDB cannot be used.
    pub fn is_database(&self) -> bool {
        match self {
            ImportError::Open(error) => error.is_database(),
            ImportError::Acting(ActingError::Refused(_)) | ImportError::Refused { .. } => true,
            _ => false,
        }
    }
}

/// Rows that are imported together.
struct Batch {
    rows: Vec<ReadRow>,
    /// How many bytes of the file were read with them.
    bytes: u64,
}

/// What the thread that reads the file says.
enum Read {
    Batch(Batch),
    /// The end, and the names that no contact has.
    End(Result<Vec<String>, SourceError>),
}

/// A row that was done, or that nothing became of.
pub(crate) struct DoneRow {
    pub(crate) line: u64,
    pub(crate) outcome: Result<RowOutcome, Refusal>,
}

/// Imports the file, and returns what was done. What was not imported is printed meanwhile.
///
/// # Errors
/// When the file, the table or the report cannot be used, or the command line does not go with them.
pub async fn run(options: Options) -> Result<Summary, ImportError> {
    let start = Instant::now();
    let opened = source::open(&options.file, options.format)?;
    let size = opened.size;
    let rows =
        Rows::new(opened, &options.tenant, &options.mappings)?.map_err(|HeaderError(sentence)| ImportError::Usage(sentence))?;
    let is_deployed = options.location.table.is_some() && options.location.dynamodb_endpoint.is_none();
    if is_deployed && options.api_keys_table.is_none() {
        let sentence = "--table needs --api-keys-table, which has the key as whose user the import acts.";
        return Err(ImportError::Usage(sentence.to_owned()));
    }
    let contacts = open(&options).await?;
    let done = import(&options, rows, size, &contacts, start).await;
    contacts.close().await;
    done
}

/// Opens the tables. A dry run makes no data folder.
async fn open(options: &Options) -> Result<ContactsTable, ImportError> {
    let missing = if options.dry_run { Missing::Fail } else { Missing::MakeOne };
    let contacts = match ContactsTable::open_or(options.location.clone(), missing).await {
        Err(OpenError::Engine(EngineError::NoDatabase { .. })) if options.dry_run => ContactsTable::in_memory().await?,
        opened => opened?,
    };
    if let Err(error) = contacts.prepare_with_keys(options.api_keys_table.as_deref()).await {
        contacts.close().await;
        return Err(error.into());
    }
    Ok(contacts)
}

async fn import(
    options: &Options,
    rows: Rows,
    size: Option<u64>,
    contacts: &ContactsTable,
    start: Instant,
) -> Result<Summary, ImportError> {
    let keys = KeyAdmin::new(contacts.client.clone(), options.api_keys_table.as_deref().unwrap_or(API_KEYS_TABLE));
    let caller = &acting::caller(&keys, &options.tenant, options.key.as_deref(), clock::now()).await?;
    let store = &Store::new(contacts.client.clone(), &contacts.name);
    let Options { replace, restore, strict, dry_run, .. } = *options;
    let rules = ImportRules { replace, restore, strict, dry_run };

    let bar = progress_bar(size);
    let mut reporter = Reporter::new(options.json, options.report.as_deref(), bar.clone(), dry_run)?;
    reporter.ignored(rows.ignored());
    let (sender, mut receiver) = mpsc::channel(BATCHES_READ);
    // Reading a file blocks, and so can the standard input for long. It ends by itself when nobody listens any more.
    thread::Builder::new().name("import".to_owned()).spawn(move || read(rows, strict, &sender)).map_err(SourceError::Read)?;
    let mut end = None;
    let batches = stream::poll_fn(|context| receiver.poll_recv(context)).map(async |read| match read {
        Read::Batch(batch) => Ok(carry_out(store, caller, rules, batch).await),
        Read::End(end) => Err(end),
    });
    // With strict rules a batch waits for the one before. In any case they are reported in the order of the file.
    let mut batches = Box::pin(batches.buffered(if strict { 1 } else { BATCHES_AT_ONCE }));
    let (mut failure, mut is_stopped) = (None, false);
    while let Some(done) = batches.next().await {
        let (done, bytes, error) = match done {
            Ok(done) => done,
            Err(reached) => {
                end = Some(reached);
                break;
            }
        };
        is_stopped = strict && done.iter().any(|row| row.outcome.is_err() || matches!(row.outcome, Ok(RowOutcome::Refused(_))));
        for row in done {
            reporter.row(row)?;
        }
        bar.set_position(bytes);
        bar.set_message(reporter.progress(start.elapsed()));
        failure = error;
        if failure.is_some() || is_stopped {
            break;
        }
    }
    bar.finish_and_clear();
    let is_complete = matches!(end, Some(Ok(_)));
    if let Some(Ok(ignored)) = &end {
        reporter.ignored(ignored.iter().map(String::as_str));
    }
    let summary = reporter.end(start.elapsed(), is_complete, is_stopped)?;
    match (failure, end) {
        (Some(error), _) => {
            let reason = error.source().map_or_else(|| error.to_string(), causes);
            Err(ImportError::Refused { table: contacts.name.clone(), reason, summary: Box::new(summary) })
        }
        (None, Some(Err(reason))) => Err(ImportError::CutShort { reason, summary: Box::new(summary) }),
        (None, _) => Ok(summary),
    }
}

/// Reads the file batch by batch, until its end or until nobody listens.
fn read(mut rows: Rows, strict: bool, sender: &mpsc::Sender<Read>) {
    let mut batch = Vec::with_capacity(BATCH_KEYS);
    let end = loop {
        let row = match rows.next() {
            Ok(Some(row)) => row,
            Ok(None) => break Ok(rows.ignored().map(str::to_owned).collect()),
            Err(error) => break Err(error),
        };
        let is_last = strict && row.row.is_err();
        batch.push(row);
        if is_last || batch.len() == BATCH_KEYS {
            let full = Batch { rows: std::mem::replace(&mut batch, Vec::with_capacity(BATCH_KEYS)), bytes: rows.bytes() };
            if sender.blocking_send(Read::Batch(full)).is_err() || is_last {
                return;
            }
        }
    };
    if !batch.is_empty() && sender.blocking_send(Read::Batch(Batch { rows: batch, bytes: rows.bytes() })).is_err() {
        return;
    }
    // Whoever does not listen any more has stopped for another reason.
    sender.blocking_send(Read::End(end)).ok();
}

/// Imports a batch, and waits while the table is busy. Returns its rows as far as they are done, and the error that ended it.
async fn carry_out(store: &Store, caller: &Caller, rules: ImportRules, batch: Batch) -> (Vec<DoneRow>, u64, Option<Error>) {
    let Batch { rows, bytes } = batch;
    let wanted: Vec<ImportRow> = rows.iter().filter_map(|row| Some(row.row.as_ref().ok()?.as_ref().clone())).collect();
    let mut states: Vec<RowState> = wanted.iter().map(|_| RowState::Open).collect();
    let mut tries = 1;
    let error = loop {
        match store.import_rows(caller, &wanted, rules, &mut states).await {
            Ok(()) => break None,
            Err(Error::Unavailable(_) | Error::OutcomeUnknown(_)) if tries < TRIES => sleep(PATIENCE).await,
            Err(error) => break Some(error),
        }
        tries += 1;
    };
    let mut outcomes = states.into_iter().map(RowState::outcome);
    let mut done = Vec::with_capacity(rows.len());
    for ReadRow { line, row } in rows {
        match row {
            Err(refusal) => done.push(DoneRow { line, outcome: Err(refusal) }),
            Ok(_) => match outcomes.next().flatten() {
                Some(outcome) => done.push(DoneRow { line, outcome: Ok(outcome) }),
                // With strict rules nothing is said about what comes after the row that is refused.
                None if error.is_none() => break,
                None => {}
            },
        }
    }
    (done, bytes, error)
}

/// A progress bar on the standard error, hidden if that is not a terminal.
fn progress_bar(size: Option<u64>) -> ProgressBar {
    let (bar, template) = match size {
        Some(size) => (ProgressBar::new(size), "{wide_bar} {msg}, {eta} left"),
        None => (ProgressBar::new_spinner(), "{spinner} {msg}"),
    };
    bar.with_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()))
}
