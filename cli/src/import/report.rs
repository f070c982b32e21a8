//! What an import says: each row that was not imported, with its line and its reason, and a summary.

use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::time::Duration;

use indicatif::{HumanCount, ProgressBar};
use serde_json::{Map, Value, json};
use shared::store::RowOutcome;

use super::DoneRow;
use super::rows::Refusal;

/// How many rows became what. Its text is one line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// Rows of the file that were looked at.
    pub rows: u64,
    /// New contacts.
    pub added: u64,
    /// Contacts that became what the file says.
    pub replaced: u64,
    /// Contacts that came back.
    pub restored: u64,
    /// Contacts that are what the file says already.
    pub unchanged: u64,
    /// Contacts that are there and were left alone.
    pub there: u64,
    /// Contacts that were deleted here and stay so.
    pub deleted: u64,
    /// Rows that break a rule.
    pub refused: u64,
    /// Names of columns or members that no contact has.
    pub ignored: Vec<String>,
    /// The file was read to its end.
    pub is_complete: bool,
    /// It ended at a row that is refused, because it is strict.
    pub is_stopped: bool,
    /// Nothing was written.
    pub is_dry_run: bool,
    /// How long it took.
    pub elapsed: Duration,
    /// It was printed already, as JSON.
    pub is_printed: bool,
}

impl Summary {
    fn counts(&self) -> [(&'static str, &'static str, u64, bool); 8] {
        let Summary { rows, added, replaced, restored, unchanged, there, deleted, refused, .. } = *self;
        [
            ("rows", "Rows", rows, true),
            ("added", "Added", added, true),
            ("replaced", "Replaced", replaced, replaced > 0),
            ("restored", "Restored", restored, restored > 0),
            ("unchanged", "The same already", unchanged, unchanged > 0),
            ("there", "Already there", there, true),
            ("deleted", "Deleted here", deleted, deleted > 0),
            ("refused", "Refused", refused, true),
        ]
    }

    fn json(&self) -> Value {
        let mut members: Map<String, Value> =
            self.counts().iter().map(|&(name, _, count, _)| (name.to_owned(), count.into())).collect();
        members.insert("ignored".to_owned(), self.ignored.clone().into());
        members.insert("complete".to_owned(), self.is_complete.into());
        members.insert("dry_run".to_owned(), self.is_dry_run.into());
        members.insert("seconds".to_owned(), self.elapsed.as_secs_f64().into());
        json!({ "summary": members })
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_dry_run {
            formatter.write_str("Nothing was written. ")?;
        }
        if self.is_stopped {
            formatter.write_str("Stopped at the row that is refused. ")?;
        }
        let counts = self.counts();
        let shown = counts.iter().filter(|(.., is_shown)| *is_shown);
        for (_, label, count, _) in shown {
            write!(formatter, "{label}: {count}. ")?;
        }
        write!(formatter, "In {:.1} seconds.", self.elapsed.as_secs_f64())
    }
}

/// Counts, and says what was not imported.
pub(super) struct Reporter {
    summary: Summary,
    is_json: bool,
    file: Option<BufWriter<File>>,
    bar: ProgressBar,
}

impl Reporter {
    /// A reporter on the standard error, or as JSON on the standard output, and into `file`.
    pub(super) fn new(is_json: bool, file: Option<&Path>, bar: ProgressBar, is_dry_run: bool) -> io::Result<Reporter> {
        let file = file.map(File::create).transpose()?.map(BufWriter::new);
        Ok(Reporter { summary: Summary { is_dry_run, ..Summary::default() }, is_json, file, bar })
    }

    /// Tells of names that no contact has, each once.
    pub(super) fn ignored<'a>(&mut self, names: impl Iterator<Item = &'a str>) {
        let known = &self.summary.ignored;
        let new: Vec<String> = names.filter(|&name| known.iter().all(|known| known != name)).map(str::to_owned).collect();
        if new.is_empty() {
            return;
        }
        if !self.is_json {
            let names = new.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
            self.bar.suspend(|| eprintln!("Ignored, because no contact has such a field: {names}."));
        }
        self.summary.ignored.extend(new);
    }

    /// Counts a row, and tells of it when it was not imported.
    pub(super) fn row(&mut self, DoneRow { line, outcome }: DoneRow) -> io::Result<()> {
        let summary = &mut self.summary;
        summary.rows += 1;
        let (count, told) = match outcome {
            Ok(RowOutcome::Added) => (&mut summary.added, None),
            Ok(RowOutcome::Replaced) => (&mut summary.replaced, None),
            Ok(RowOutcome::Restored) => (&mut summary.restored, None),
            Ok(RowOutcome::Unchanged) => (&mut summary.unchanged, None),
            Ok(RowOutcome::There) => (&mut summary.there, None),
            Ok(RowOutcome::Deleted) => {
                let reason = "its contact was deleted here, and --restore brings it back";
                (&mut summary.deleted, Some(("deleted", Refusal::from(reason))))
            }
            Ok(RowOutcome::Refused(error)) => (&mut summary.refused, Some(("refused", Refusal::from(error)))),
            Err(refusal) => (&mut summary.refused, Some(("refused", refusal))),
        };
        *count += 1;
        let Some((outcome, Refusal { reason, fields })) = told else { return Ok(()) };
        let mut report = json!({ "line": line, "outcome": outcome, "error": reason });
        if !fields.is_empty() {
            report["fields"] =
                fields.into_iter().map(|(name, sentence)| (name, Value::from(sentence))).collect::<Map<_, _>>().into();
        }
        if let Some(file) = &mut self.file {
            writeln!(file, "{report}")?;
        }
        if self.is_json {
            self.bar.suspend(|| writeln!(io::stdout(), "{report}"))
        } else {
            self.bar.suspend(|| writeln!(io::stderr(), "line {line}: {reason}"))
        }
    }

    /// How far it has come, beside the bar.
    pub(super) fn progress(&self, elapsed: Duration) -> String {
        let rows = self.summary.rows;
        let rate = rows as f64 / elapsed.as_secs_f64().max(0.001);
        format!("{} rows, {} a second", HumanCount(rows), HumanCount(rate as u64))
    }

    /// Ends the report.
    pub(super) fn end(mut self, elapsed: Duration, is_complete: bool, is_stopped: bool) -> io::Result<Summary> {
        if let Some(file) = &mut self.file {
            file.flush()?;
        }
        let mut summary = Summary { elapsed, is_complete, is_stopped, is_printed: self.is_json, ..self.summary };
        summary.ignored.sort();
        if self.is_json {
            writeln!(io::stdout(), "{}", summary.json())?;
        }
        Ok(summary)
    }
}
