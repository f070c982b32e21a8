//! CSV: records with the line on which each begins, and cells that know whether they were quoted.
//!
//! The rules of quoting are those of `csv-core`. What it does not tell is found here: the lines, also behind line breaks in
//! cells; an empty cell from a quoted empty one; and a quote that is never closed, which would take the rest of the file into one
//! cell.

use std::io::{self, BufRead};

use csv_core::{ReadFieldResult, Reader, ReaderBuilder};

use super::source::{MAXIMUM_ROW_BYTES, Source, SourceError};

/// What some programs begin a file of UTF-8 with.
pub const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// A part of a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// What is in it, which need not be text.
    pub bytes: Vec<u8>,
    /// It stands in quotes.
    pub is_quoted: bool,
}

/// A record: a row of the file, which can be several lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The line on which it begins, counted from 1.
    pub line: u64,
    /// Its cells.
    pub cells: Vec<Cell>,
}

/// The records of a file.
pub struct Records {
    source: Source,
    parser: Reader,
}

impl Records {
    /// The records of a source, whose cells `delimiter` separates.
    pub fn new(source: Source, delimiter: u8) -> Records {
        Records { source, parser: ReaderBuilder::new().delimiter(delimiter).build() }
    }

    /// How many bytes were read.
    pub fn bytes(&self) -> u64 {
        self.source.bytes()
    }

    /// The next record that has a cell with something in it.
    ///
    /// # Errors
    /// When the file cannot be read, or a quote is never closed.
    pub fn next(&mut self) -> Result<Option<Record>, SourceError> {
        while let Some(record) = self.record()? {
            // Spreadsheets write the empty rows below a table, too.
            if record.cells.iter().any(|cell| !cell.bytes.is_empty()) {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    fn record(&mut self) -> Result<Option<Record>, SourceError> {
        // What ended the last record can have a second byte.
        while let Some(b'\r' | b'\n') = self.source.peek()? {
            self.source.take(1);
        }
        if self.source.peek()?.is_none() {
            return Ok(None);
        }
        let mut record = Record { line: self.source.line(), cells: Vec::new() };
        let mut size = 0;
        loop {
            let (cell, is_last) = self.cell(record.line, &mut size)?;
            record.cells.push(cell);
            if is_last {
                return Ok(Some(record));
            }
        }
    }

    fn cell(&mut self, line: u64, size: &mut usize) -> Result<(Cell, bool), SourceError> {
        let is_quoted = self.source.peek()? == Some(b'"');
        let (mut bytes, mut length, mut quotes) = (vec![0; 64], 0, 0_usize);
        loop {
            let input = self.source.fill()?;
            let at_end = input.is_empty();
            let (result, read, written) = self.parser.read_field(input, &mut bytes[length..]);
            quotes += input[..read].iter().filter(|&&byte| byte == b'"').count();
            self.source.take(read);
            length += written;
            *size += read;
            if *size > MAXIMUM_ROW_BYTES || (at_end && is_quoted && !quotes.is_multiple_of(2)) {
                return Err(SourceError::Unclosed { line });
            }
            match result {
                ReadFieldResult::InputEmpty => {}
                ReadFieldResult::OutputFull => bytes.resize(bytes.len() * 2, 0),
                ReadFieldResult::Field { record_end } => {
                    bytes.truncate(length);
                    return Ok((Cell { bytes, is_quoted }, record_end));
                }
                ReadFieldResult::End => {
                    return Ok((Cell::default(), true));
                }
            }
        }
    }
}

/// What separates the cells of a file with this header: a comma, or a semicolon, as spreadsheets write it where the comma is the
/// decimal mark.
pub fn delimiter(header: &[u8]) -> u8 {
    let mut in_quotes = false;
    let (mut commas, mut semicolons) = (0, 0);
    for byte in header {
        match byte {
            b'"' => in_quotes = !in_quotes,
            b',' if !in_quotes => commas += 1,
            b';' if !in_quotes => semicolons += 1,
            _ => {}
        }
    }
    if semicolons > commas { b';' } else { b',' }
}

/// Reads what the header is made of: the first lines, up to a line break that is not in quotes.
///
/// # Errors
/// When the file cannot be read.
pub fn header_bytes(reader: &mut dyn BufRead) -> io::Result<Vec<u8>> {
    let mut header = Vec::new();
    loop {
        let before = header.len();
        let mut line = io::Read::take(&mut *reader, MAXIMUM_ROW_BYTES as u64);
        line.read_until(b'\n', &mut header)?;
        let is_closed = header.iter().filter(|&&byte| byte == b'"').count().is_multiple_of(2);
        let is_blank = header.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&header).trim_ascii().is_empty();
        if header.len() == before || header.len() > MAXIMUM_ROW_BYTES || (is_closed && !is_blank) {
            return Ok(header);
        }
    }
}

/// Writes a cell as [`Records`] reads it: an empty text in quotes, because an empty cell means that there is none.
pub fn write_cell(into: &mut String, text: Option<&str>) {
    let Some(text) = text else { return };
    let is_plain = !text.is_empty() && !text.contains(['"', ',', ';', '\r', '\n']);
    if is_plain {
        into.push_str(text);
    } else {
        into.push('"');
        into.push_str(&text.replace('"', "\"\""));
        into.push('"');
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn records(text: &[u8], delimiter: u8) -> Result<Vec<Record>, SourceError> {
        let mut records = Records::new(Source::of_bytes(text), delimiter);
        std::iter::from_fn(|| records.next().transpose()).collect()
    }

    fn texts(record: &Record) -> Vec<String> {
        record.cells.iter().map(|cell| String::from_utf8(cell.bytes.clone()).unwrap()).collect()
    }

    #[test]
    fn a_record_knows_its_line_whatever_ends_lines_and_stands_in_cells() {
        for line_break in ["\n", "\r\n"] {
            let text = "name,title\n\"Jane\nDoe\",CEO\n\n\n,\nJohn,\"a\n\nb\"\n\"\",x\nlast,\"\"";
            let read = records(text.replace('\n', line_break).as_bytes(), b',').unwrap();

            let lines: Vec<u64> = read.iter().map(|record| record.line).collect();
            assert_eq!(lines, [1, 2, 7, 10, 11], "{line_break:?}");
            assert_eq!(texts(&read[1]), [format!("Jane{line_break}Doe"), "CEO".to_owned()]);
            assert_eq!(read[3].cells[0], Cell { bytes: Vec::new(), is_quoted: true });
            assert_eq!(texts(&read[4]), ["last", ""]);
            assert!(read[4].cells[1].is_quoted);
        }
    }

    #[test]
    fn a_quote_that_is_never_closed_is_found_with_the_line_where_it_opens() {
        let text = b"name\nJane\n\"John\nJack,\"\"x\nJoan\n";

        let mut read = Records::new(Source::of_bytes(text), b',');
        assert_eq!((read.next().unwrap().unwrap().line, read.next().unwrap().unwrap().line), (1, 2));
        assert!(matches!(read.next(), Err(SourceError::Unclosed { line: 3 })));
        let endless = [b"name\n\"", vec![b'x'; MAXIMUM_ROW_BYTES + 1].as_slice()].concat();
        assert!(matches!(records(&endless, b','), Err(SourceError::Unclosed { line: 2 })));
    }

    #[test]
    fn the_header_says_what_separates_cells() {
        for (header, expected) in [
            ("name,title", b','),
            ("name;title;phone1", b';'),
            ("name", b','),
            ("\"a;b;c\",title", b','),
            ("\"a,b,c\";title", b';'),
            ("", b','),
        ] {
            assert_eq!(delimiter(header.as_bytes()), expected, "{header}");
        }
        let mut whole = &b"\n\"a\nb\";c\nd;e\n"[..];
        assert_eq!(header_bytes(&mut whole).unwrap(), b"\n\"a\nb\";c\n");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(rows in prop::collection::vec(prop::collection::vec(prop::option::of("[a \",;\n\r'=é]{0,6}"), 2..5), 0..6)) {
            let rows: Vec<_> = rows.into_iter().filter(|row| row.iter().any(|cell| cell.as_ref().is_some_and(|text| !text.is_empty()))).collect();
            let mut text = String::new();
            for row in &rows {
                for (place, cell) in row.iter().enumerate() {
                    if place > 0 {
                        text.push(',');
                    }
                    write_cell(&mut text, cell.as_deref());
                }
                text.push_str("\r\n");
            }

            let read = records(text.as_bytes(), b',').unwrap();

            let cells = |record: &Record| -> Vec<Option<String>> {
                let cells = record.cells.iter().zip(texts(record));
                cells.map(|(cell, text)| (cell.is_quoted || !text.is_empty()).then_some(text)).collect()
            };
            prop_assert_eq!(read.iter().map(cells).collect::<Vec<_>>(), rows);
        }

        #[test]
        fn junk_never_panics_and_lines_never_fall(bytes in prop::collection::vec(prop::sample::select(b"ab\",;\r\n\xff".to_vec()), 0..80)) {
            if let Ok(read) = records(&bytes, b',') {
                prop_assert!(read.is_sorted_by_key(|record| record.line));
                let lines = 1 + bytes.iter().filter(|&&byte| byte == b'\n').count() as u64;
                prop_assert!(read.iter().all(|record| record.line <= lines));
            }
        }
    }
}
