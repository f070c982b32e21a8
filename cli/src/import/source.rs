//! The bytes of a file: counted, by line, and looked at for what they are.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

use super::csv;

/// The largest row, in bytes. The API takes 256 KiB, which a file can write less compactly.
pub const MAXIMUM_ROW_BYTES: usize = 4 * 1024 * 1024;

const BUFFER: usize = 256 * 1024;

/// How rows stand in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// JSON Lines: each line an object
    Jsonl,
    /// Comma- or semicolon-separated values below a header
    Csv,
}

/// Why a file cannot be read, or not any further. Each message is one sentence.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The system does not give it.
    #[error("{} cannot be read: {source}.", shown(file))]
    File {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It breaks off.
    #[error("The file cannot be read any further: {0}.")]
    Read(#[from] io::Error),
    /// It is text of another encoding.
    #[error("The file is UTF-16, and must be UTF-8: save it as \"CSV UTF-8\".")]
    Utf16,
    /// It is one JSON array.
    #[error(
        "The file is one JSON array, and must have an object on each line: leave out --jsonArray of mongoexport, or convert it with `jq -c '.[]'`."
    )]
    Array,
    /// A quoted cell takes the rest of the file, or more than a row can have.
    #[error("The quote that opens in the record at line {line} is never closed, so the rest of the file cannot be read.")]
    Unclosed {
        /// The line.
        line: u64,
    },
}

/// A file as the user named it.
fn shown(file: &Path) -> String {
    if file.as_os_str() == "-" { "The standard input".to_owned() } else { file.display().to_string() }
}

/// Bytes that are read one after the other.
pub struct Source {
    reader: Box<dyn BufRead + Send>,
    line: u64,
    bytes: u64,
}

/// A line that is not longer than a row may be, without its end; nothing if it is.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    /// Its number, counted from 1.
    pub number: u64,
    /// What is in it.
    pub bytes: Option<Vec<u8>>,
}

impl Source {
    fn new(reader: impl BufRead + Send + 'static) -> Source {
        Source { reader: Box::new(reader), line: 1, bytes: 0 }
    }

    #[cfg(test)]
    pub fn of_bytes(bytes: &[u8]) -> Source {
        Source::new(Cursor::new(bytes.to_vec()))
    }

    /// The line that the next byte is on, counted from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// How many bytes were taken.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The bytes that come next, some of them at least; none at the end.
    pub fn fill(&mut self) -> io::Result<&[u8]> {
        self.reader.fill_buf()
    }

    /// The next byte.
    pub fn peek(&mut self) -> io::Result<Option<u8>> {
        Ok(self.fill()?.first().copied())
    }

    /// Takes bytes of those that come next.
    pub fn take(&mut self, count: usize) {
        let taken = self.reader.fill_buf().map_or(&[][..], |bytes| &bytes[..count.min(bytes.len())]);
        self.line += taken.iter().filter(|&&byte| byte == b'\n').count() as u64;
        self.bytes += taken.len() as u64;
        self.reader.consume(count);
    }

    /// Takes the next line.
    pub fn next_line(&mut self) -> io::Result<Option<Line>> {
        let number = self.line;
        let mut bytes = Some(Vec::new());
        loop {
            let next = self.fill()?;
            if next.is_empty() {
                return Ok((self.bytes_of_line(&bytes) > 0).then_some(Line { number, bytes }));
            }
            let end = next.iter().position(|&byte| byte == b'\n');
            let part = &next[..end.unwrap_or(next.len())];
            let length = part.len();
            if let Some(line) = bytes.as_mut() {
                line.extend_from_slice(part);
            }
            bytes = bytes.filter(|line| line.len() <= MAXIMUM_ROW_BYTES);
            self.take(length + usize::from(end.is_some()));
            if end.is_some() {
                return Ok(Some(Line { number, bytes }));
            }
        }
    }

    fn bytes_of_line(&self, bytes: &Option<Vec<u8>>) -> usize {
        bytes.as_ref().map_or(MAXIMUM_ROW_BYTES, Vec::len)
    }
}

/// A file that was opened.
pub struct Opened {
    /// Its bytes, without a byte order mark.
    pub source: Source,
    /// How rows stand in it.
    pub format: Format,
    /// What separates the cells of a CSV file.
    pub delimiter: u8,
    /// How large it is, if that is known.
    pub size: Option<u64>,
}

/// Opens a file, or the standard input as `-`, and finds out what it is unless `format` says it.
///
/// # Errors
/// When it cannot be read, or is no UTF-8.
pub fn open(file: &Path, format: Option<Format>) -> Result<Opened, SourceError> {
    let failed = |source| SourceError::File { file: file.to_owned(), source };
    if file.as_os_str() == "-" {
        return of_reader(BufReader::with_capacity(BUFFER, io::stdin()), None, format, failed);
    }
    let opened = File::open(file).map_err(failed)?;
    let known = opened.metadata().map_err(failed)?;
    if known.is_dir() {
        return Err(failed(io::Error::from(io::ErrorKind::IsADirectory)));
    }
    of_reader(BufReader::with_capacity(BUFFER, opened), known.is_file().then_some(known.len()), format, failed)
}

fn of_reader(
    mut reader: impl BufRead + Send + 'static,
    size: Option<u64>,
    format: Option<Format>,
    failed: impl Fn(io::Error) -> SourceError,
) -> Result<Opened, SourceError> {
    let mut head = csv::header_bytes(&mut reader).map_err(&failed)?;
    if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) {
        return Err(SourceError::Utf16);
    }
    if head.starts_with(csv::BYTE_ORDER_MARK) {
        head.drain(..csv::BYTE_ORDER_MARK.len());
    }
    // No header of a table begins like this.
    let first = head.iter().find(|byte| !byte.is_ascii_whitespace());
    let format = format.unwrap_or(if matches!(first, Some(b'{' | b'[')) { Format::Jsonl } else { Format::Csv });
    if format == Format::Jsonl && first == Some(&b'[') {
        return Err(SourceError::Array);
    }
    let delimiter = csv::delimiter(&head);
    Ok(Opened { source: Source::new(Cursor::new(head).chain(reader)), format, delimiter, size })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(bytes: &[u8]) -> Result<Opened, SourceError> {
        of_reader(Cursor::new(bytes.to_vec()), None, None, SourceError::Read)
    }

    #[test]
    fn a_file_shows_what_it_is() {
        for (text, format, delimiter) in [
            ("name,title\nJane,CEO\n", Format::Csv, b','),
            ("\u{feff}name;title\n", Format::Csv, b';'),
            ("{\"name\":\"Jane\"}\n", Format::Jsonl, b','),
            ("\u{feff}\n {\"name\":\"Jane\"}", Format::Jsonl, b','),
            ("", Format::Csv, b','),
        ] {
            let opened = opened(text.as_bytes()).unwrap();
            assert_eq!((opened.format, opened.delimiter), (format, delimiter), "{text:?}");
        }
        assert!(matches!(opened(b"\xff\xfen\0a\0"), Err(SourceError::Utf16)));
        assert!(matches!(opened(b" [{\"name\":\"Jane\"}]"), Err(SourceError::Array)));
    }

    #[test]
    fn lines_are_numbered_and_one_that_is_too_long_is_passed() {
        let long = "x".repeat(MAXIMUM_ROW_BYTES + 1);
        let mut source = Source::of_bytes(format!("a\n\n{long}\nlast").as_bytes());

        let lines: Vec<Line> = std::iter::from_fn(|| source.next_line().unwrap()).collect();

        let line = |number, text: Option<&str>| Line { number, bytes: text.map(|text| text.as_bytes().to_vec()) };
        assert_eq!(lines, [line(1, Some("a")), line(2, Some("")), line(3, None), line(4, Some("last"))]);
        assert_eq!(source.bytes(), (long.len() + 8) as u64);
        assert_eq!(Source::of_bytes(long.as_bytes()).next_line().unwrap(), Some(line(1, None)));
    }
}
