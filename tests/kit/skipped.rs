//! Tests that cannot run here: a missing browser, an API that runs elsewhere. The test harness knows only tests that passed and tests that
//! failed, so what was skipped is written down beside it and reported by the last target of `cargo test`, `what_was_skipped`.

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

/// Notes that the running test is skipped, for the report at the end, and says so at once on the terminal. The harness would keep back
/// what a passing test prints.
///
/// # Panics
///
/// Panics when the note cannot be written: then the report would lack the test.
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

/// The tests that this run of `cargo test` skipped so far, each once. They are forgotten with that.
///
/// # Panics
///
/// Panics when the notes cannot be read.
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

/// A file beside the test binaries, of its own for each run: all binaries of a run have the same parent. On Linux the parent's start is
/// in the name as well, because a container gives the same process numbers again and again.
fn notes_path() -> PathBuf {
    let parent = parent_id();
    let status = fs::read_to_string(format!("/proc/{parent}/stat")).unwrap_or_default();
    // The start is field 22. The second one is a name in parentheses, which can have spaces.
    let start = status.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(19)).unwrap_or("0").to_owned();
    let executable = env::current_exe().expect("a test knows its own file");
    executable.with_file_name(format!("skipped-tests-{parent}-{start}"))
}
