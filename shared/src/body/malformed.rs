//! Bodies that are no JSON object: what is wrong, and where.

use serde_json::error::Category;

/// Why a body is no JSON object, as the rest of a sentence about it.
pub(super) fn why_no_object(body: &[u8], error: &serde_json::Error) -> String {
    let must = "must be a JSON object";
    let start = body.iter().find(|byte| !byte.is_ascii_whitespace());
    let place = || format!("line {}, column {}", error.line(), column(body, error));
    match (error.classify(), start) {
        (_, None) => format!("{must}, and is empty"),
        (Category::Data, Some(b'[')) => format!("{must}, not an array"),
        (Category::Data, Some(b'"')) => format!("{must}, not a string"),
        (Category::Data, Some(b't' | b'f')) => format!("{must}, not a boolean"),
        (Category::Data, Some(b'n')) => format!("{must}, not null"),
        (Category::Data, Some(_)) => format!("{must}, not a number"),
        (Category::Eof, Some(_)) => format!("{must}: its JSON ends too early, at {}", place()),
        (Category::Syntax | Category::Io, Some(_)) => {
            let text = error.to_string();
            let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
            format!("{must}: its JSON is malformed at {}: {what}", place())
        }
    }
}

/// The column of an error in characters, counted from 1; the error counts bytes.
fn column(body: &[u8], error: &serde_json::Error) -> usize {
    let line = body.split(|byte| *byte == b'\n').nth(error.line().saturating_sub(1)).unwrap_or_default();
    let before = &line[..error.column().min(line.len())];
    String::from_utf8_lossy(before).chars().count().max(1)
}
