//! `contacts export`: all contacts of a tenant as JSON Lines or CSV, in the order of their ids.
//!
//! It reads page by page and keeps nothing, so its memory does not grow with the tenant. A file gets its name when it is whole.

use std::error::Error as _;
use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use shared::contact::{Contact, ContactJson};
use shared::error::Error;
use shared::meter::Meter;
use shared::store::{ExportPage, Store};
use shared::text_field::TextField;
use tempfile::NamedTempFile;
use tokio::time::sleep;

use crate::contacts_table::{ContactsTable, OpenError, TableLocation};
use crate::import::{Format, elements, write_cell};
use crate::keys;
use crate::tables::causes;

/// How often a page is tried when DynamoDB throttles.
const TRIES: u32 = 10;

/// How long to wait before the next try.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often the progress is shown.
const PROGRESS: Duration = Duration::from_millis(200);

/// What to export, and where to.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Tenant whose contacts are exported
    #[arg(long, default_value = "local", value_parser = keys::tenant)]
    pub tenant: String,

    /// Format of the output [default: csv if the name of the output ends so, else jsonl]
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<Format>,

    /// File to write, which is replaced when the export is complete [default: the standard output]
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Write a ' before cells of a CSV file that a spreadsheet would take for formulas; such a file does not import as the same
    /// contacts
    #[arg(long)]
    pub for_spreadsheets: bool,

    /// Where the table of contacts is
    #[command(flatten)]
    pub location: TableLocation,
}

/// Why an export did not happen. Each message is one sentence.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// An option that needs another one.
    #[error("--for-spreadsheets is for CSV: add --format csv.")]
    NotForSpreadsheets,
    /// The table cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The file, or the standard output, cannot be written.
    #[error("{} cannot be written: {source}.", .file.as_ref().map_or("The standard output".to_owned(), |file| file.display().to_string()))]
    Output {
        /// The file.
        file: Option<PathBuf>,
        /// What the system said.
        source: io::Error,
    },
    /// DynamoDB refuses, or does not answer.
    #[error("The table of contacts {table} cannot be used: {reason}.")]
    Refused {
        /// The table's name.
        table: String,
        /// What the SDK says.
        reason: String,
    },
}

impl ExportError {
    /// Whether the command line is wrong.
    pub fn is_usage(&self) -> bool {
        matches!(self, ExportError::NotForSpreadsheets)
    }

    /// Whether the data folder or DynamoDB cannot be used.
    pub fn is_database(&self) -> bool {
        match self {
            ExportError::Open(error) => error.is_database(),
            ExportError::Refused { .. } => true,
            ExportError::Output { .. } | ExportError::NotForSpreadsheets => false,
        }
    }
}

/// The result of an export. Its text is one line.
#[derive(Clone, Debug)]
pub struct Exported {
    /// Contacts that were written.
    pub count: u64,
    /// Malformed items, which were left out.
    pub malformed: u64,
    /// How long it took.
    pub elapsed: Duration,
}

impl fmt::Display for Exported {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Exported { count, malformed, elapsed } = self;
        write!(formatter, "Contacts exported: {count}. ")?;
        if *malformed > 0 {
            write!(formatter, "Malformed items left out, which the log names: {malformed}. ")?;
        }
        write!(formatter, "In {:.1} seconds.", elapsed.as_secs_f64())
    }
}

/// Exports all contacts.
///
/// # Errors
/// When the table or the output cannot be used.
pub async fn run(options: Options) -> Result<Exported, ExportError> {
    let Options { tenant, format, output, for_spreadsheets, location } = options;
    let is_csv_file = output.as_deref().and_then(Path::extension).is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
    let format = format.unwrap_or(if is_csv_file { Format::Csv } else { Format::Jsonl });
    if for_spreadsheets && format != Format::Csv {
        return Err(ExportError::NotForSpreadsheets);
    }
    let start = Instant::now();
    let contacts = ContactsTable::open(location).await?;
    if let Err(error) = contacts.prepare().await {
        contacts.close().await;
        return Err(error.into());
    }
    let written = write(&contacts, &tenant, output, format, for_spreadsheets).await;
    contacts.close().await;
    let (count, malformed) = written?;
    Ok(Exported { count, malformed, elapsed: start.elapsed() })
}

/// Where an export goes.
enum Output {
    /// Gets its name at the end.
    File(NamedTempFile, PathBuf),
    Standard,
}

impl Output {
    fn open(file: Option<&Path>) -> io::Result<Output> {
        let Some(file) = file else { return Ok(Output::Standard) };
        // In the same folder, so that it can be renamed. Others cannot read it.
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if file.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        Ok(Output::File(NamedTempFile::new_in(folder)?, file.to_owned()))
    }

    fn writer(&self) -> io::Result<BufWriter<Box<dyn Write + Send>>> {
        let writer: Box<dyn Write + Send> = match self {
            Output::File(file, _) => Box::new(file.reopen()?),
            Output::Standard => Box::new(io::stdout()),
        };
        Ok(BufWriter::with_capacity(256 * 1024, writer))
    }

    fn end(self) -> io::Result<()> {
        if let Output::File(file, name) = self {
            file.as_file().sync_all()?;
            file.persist(&name)?;
            // The new name, too, survives a power failure.
            if let Some(folder) = name.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                File::open(folder)?.sync_all()?;
            }
        }
        Ok(())
    }
}

/// Writes all contacts, and returns their number and that of malformed items.
async fn write(
    contacts: &ContactsTable,
    tenant: &str,
    file: Option<PathBuf>,
    format: Format,
    for_spreadsheets: bool,
) -> Result<(u64, u64), ExportError> {
    let failed = |source| ExportError::Output { file: file.clone(), source };
    let output = Output::open(file.as_deref()).map_err(failed)?;
    let mut writer = output.writer().map_err(failed)?;
    let store = Store::new(contacts.client.clone(), &contacts.name);
    let bar = ProgressBar::new_spinner();
    bar.set_style(ProgressStyle::with_template("{spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.enable_steady_tick(PROGRESS);
    if format == Format::Csv {
        writer.write_all(header().as_bytes()).map_err(failed)?;
    }
    let (mut count, mut malformed, mut position) = (0, 0, None);
    loop {
        let page = next_page(&store, tenant, position).await.map_err(|error| {
            let reason = error.source().map_or_else(|| error.to_string(), causes);
            ExportError::Refused { table: contacts.name.clone(), reason }
        })?;
        for contact in &page.contacts {
            let line = match format {
                Format::Jsonl => serde_json::to_string(&ContactJson(contact)).map_err(|error| failed(error.into()))? + "\n",
                Format::Csv => record(contact, for_spreadsheets),
            };
            writer.write_all(line.as_bytes()).map_err(failed)?;
        }
        count += page.contacts.len() as u64;
        malformed += page.malformed;
        bar.set_message(format!("{} contacts", HumanCount(count)));
        position = page.next;
        if position.is_none() {
            break;
        }
    }
    writer.flush().map_err(failed)?;
    drop(writer);
    output.end().map_err(failed)?;
    bar.finish_and_clear();
    Ok((count, malformed))
}

/// Reads a page, and waits while the table is busy.
async fn next_page(store: &Store, tenant: &str, position: Option<shared::store::ExportPosition>) -> Result<ExportPage, Error> {
    let mut tries = 1;
    loop {
        match store.export_page(&Meter::default(), tenant, position.clone()).await {
            Err(Error::Unavailable(_)) if tries < TRIES => sleep(PATIENCE).await,
            done => return done,
        }
        tries += 1;
    }
}

/// The first line of a CSV file: the fields in the order of an answer.
fn header() -> String {
    let texts = TextField::ALL.map(TextField::name).join(",");
    format!(
        "_id,creator,editor,name,{texts},disabled,media,cover_photo,integration_meta,company_namespace,createdAt,updatedAt,__v\r\n"
    )
}

/// The record of a contact: objects as JSON, arrays with semicolons where that says the same. A field that it does not have is an
/// empty cell.
fn record(contact: &Contact, for_spreadsheets: bool) -> String {
    let array = |texts: &[String]| {
        let joined = texts.join(";");
        let is_the_same = !joined.trim_start().starts_with('[') && !joined.is_empty() && elements(&joined) == texts;
        if is_the_same { joined } else { serde_json::Value::from(texts).to_string() }
    };
    let answer = serde_json::to_value(ContactJson(contact)).unwrap_or_default();
    let user = |name: &str| answer.get(name).map(ToString::to_string);
    let texts = contact.texts.iter().map(|(_, text)| text.clone());
    let mut cells = vec![Some(contact.id.to_string()), user("creator"), user("editor"), Some(contact.name.clone())];
    cells.extend(texts);
    cells.extend([
        Some(contact.disabled.to_string()),
        contact.media.as_deref().map(array),
        contact.cover_photo.clone(),
        contact.integration_meta.as_ref().map(|meta| meta.raw().get().to_owned()),
        Some(array(&contact.company_namespace)),
        Some(contact.created_at.to_string()),
        Some(contact.updated_at.to_string()),
        Some(contact.version.to_string()),
    ]);
    let mut record = String::new();
    for (place, cell) in cells.into_iter().enumerate() {
        if place > 0 {
            record.push(',');
        }
        let cell = cell.map(|text| if for_spreadsheets && is_formula(&text) { format!("'{text}") } else { text });
        write_cell(&mut record, cell.as_deref());
    }
    record.push_str("\r\n");
    record
}

/// Whether a spreadsheet could run a cell as a formula.
/// Source: <https://owasp.org/www-community/attacks/CSV_Injection>.
fn is_formula(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@', '\t', '\r'])
}

#[cfg(test)]
mod tests {
    use shared::timestamp::Timestamp;

    use super::*;
    use crate::lifelike::Lifelike;

    fn contact() -> Contact {
        Lifelike::new(1, 1, "company1", Timestamp::from_millis(1_760_000_000_000)).next().unwrap()
    }

    #[test]
    fn there_is_a_column_for_each_field_of_an_answer() {
        let header = header();
        let names: Vec<&str> = header.trim_end().split(',').collect();
        let known = serde_json::to_value(ContactJson(&contact())).unwrap();
        for name in known.as_object().unwrap().keys() {
            assert!(names.contains(&&**name), "{name}");
        }
    }

    #[test]
    fn arrays_are_written_so_that_they_are_read_as_they_are() {
        let media = |media: &[&str]| {
            let media = Some(media.iter().map(ToString::to_string).collect());
            let record = record(&Contact { media, cover_photo: Some("COVER".to_owned()), ..contact() }, false);
            record.split(",COVER").next().unwrap().rsplit("false,").next().unwrap().to_owned()
        };
        assert_eq!(media(&["a", "b c"]), "\"a;b c\"");
        assert_eq!(media(&["a;b", "c"]), "\"[\"\"a;b\"\",\"\"c\"\"]\"");
        assert_eq!(media(&[]), "[]");
        assert_eq!(media(&[" a"]), "\"[\"\" a\"\"]\"");
        assert_eq!(media(&["[a"]), "\"[\"\"[a\"\"]\"");
    }

    #[test]
    fn a_formula_is_disarmed_only_on_request() {
        let odd = Contact { name: "=HYPERLINK(\"x\")".to_owned(), ..contact() };
        assert!(record(&odd, false).contains(",\"=HYPERLINK("));
        assert!(record(&odd, true).contains(",\"'=HYPERLINK("));
        assert!(["+49", "-1", "@x", "\tx"].iter().all(|text| is_formula(text)) && !is_formula("a=b"));
    }
}
