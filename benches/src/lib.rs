//! What the benchmarks of the whole API share: the sizes that they take, and where their tables go.
//!
//! A package of its own, so that a benchmark builds the program that it measures and not every function.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

/// A failure of a benchmark, reported as it is.
pub type Failure = Box<dyn Error>;

/// The sizes that the environment variable `name` gives, separated by commas, or `None` when it is not set.
///
/// # Errors
///
/// The variable holds something else than numbers.
pub fn given_sizes(name: &str) -> Result<Option<Vec<u64>>, Failure> {
    let Ok(text) = env::var(name) else { return Ok(None) };
    let sizes: Result<_, _> = text.split(',').map(|size| size.trim().parse()).collect();
    Ok(Some(sizes.map_err(|error| format!("{name} is not a list of numbers: {error}"))?))
}

/// The folder of the documents.
pub fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

/// Puts a report between its marks in `docs/performance.md`.
///
/// # Errors
///
/// The document lacks the marks, or cannot be written.
pub fn insert_into_docs(name: &str, report: &str) -> Result<(), Failure> {
    let document = docs().join("performance.md");
    let text = fs::read_to_string(&document)?;
    let (begin, end) = (format!("<!-- {name}: written by the benchmark -->\n"), format!("<!-- {name}: end -->\n"));
    let lacks = || format!("docs/performance.md has no place for {name}");
    let (before, rest) = text.split_once(&begin).ok_or_else(lacks)?;
    let (_, after) = rest.split_once(&end).ok_or_else(lacks)?;
    Ok(fs::write(&document, format!("{before}{begin}\n{}\n\n{end}{after}", report.trim()))?)
}
