//! Tests that cannot run here, for example without a browser. Rust's test harness only knows tests that pass and tests that fail, so skipped
//! tests are recorded in a file. The last target of `cargo test`, `what_was_skipped`, reports them.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::process::parent_id;
use std::path::PathBuf;
use std::{env, thread};

use serde::{Deserialize, Serialize};

/// A test that was skipped.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Skipped {
    /// What the test needs and did not find.
    pub reason: String,
    /// The test binary and the test.
    pub test: String,
}

/// Records that the running test is skipped, for the report at the end, and prints it at once. It writes to the standard error directly,
/// because the harness hides the output of tests that pass.
///
/// # Panics
///
/// When the note cannot be written, because the report would then lack the test.
pub fn skip(reason: &str) {
    let binary = env::current_exe().ok().and_then(|path| Some(path.file_stem()?.to_str()?.to_owned())).unwrap_or_default();
    let binary = binary.rsplit_once('-').map_or(&*binary, |(name, _hash)| name);
    let test = format!("{binary}: {}", thread::current().name().unwrap_or_default());
    writeln!(io::stderr(), "skipped: {test}: {reason}").ok();
    let note = serde_json::to_string(&Skipped { reason: reason.to_owned(), test }).expect("strings are JSON");
    let mut notes =
        OpenOptions::new().create(true).append(true).open(notes_path()).expect("the folder of the tests can be written to");
    notes.write_all(format!("{note}\n").as_bytes()).expect("the note can be written");
}

/// Returns the tests that this run of `cargo test` has skipped so far, each once, and deletes their notes.
///
/// # Panics
///
/// When the notes cannot be read.
pub fn take_skipped() -> BTreeSet<Skipped> {
    let path = notes_path();
    let notes = match fs::read_to_string(&path) {
        Ok(notes) => notes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return BTreeSet::new(),
        Err(error) => panic!("{}: {error}", path.display()),
    };
    fs::remove_file(&path).expect("the notes can be removed");
    notes.lines().map(|note| serde_json::from_str(note).expect("a note is what `skip` wrote")).collect()
}

/// A file beside the test binaries, one for each run: all binaries of a run have the same parent process. On Linux the name also has the
/// parent's start time, because containers reuse process ids.
fn notes_path() -> PathBuf {
    let parent = parent_id();
    let status = fs::read_to_string(format!("/proc/{parent}/stat")).unwrap_or_default();
    // The start time is field 22. The second field is a name in parentheses, which can contain spaces.
    let start = status.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(19)).unwrap_or("0").to_owned();
    let executable = env::current_exe().expect("a test knows its own file");
    executable.with_file_name(format!("skipped-tests-{parent}-{start}"))
}
