//! A contact's text beside its folded form, as they are written into a record.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::fold::fold_onto;

/// How the folded form is kept, in the two lowest bits of the text's length.
mod form {
    /// Not at all: the text is ASCII, whose folded form is its lower case.
    pub const LOWER: usize = 0;
    /// It is the text.
    pub const SAME: usize = 1;
    /// After the text, with a length of its own.
    pub const APART: usize = 2;
}

/// A text of a record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'a> {
    /// The text itself.
    pub text: &'a [u8],
    /// Its folded form, if that is not just the lower case of ASCII.
    folded: Option<&'a [u8]>,
}

impl<'a> Text<'a> {
    /// Appends a text to a record. `scratch` is left with anything.
    pub fn write(record: &mut Vec<u8>, text: &str, scratch: &mut String) {
        if text.is_ascii() {
            write_head(record, text.len(), form::LOWER);
            record.extend_from_slice(text.as_bytes());
            return;
        }
        scratch.clear();
        fold_onto(text, scratch);
        let form = if scratch == text { form::SAME } else { form::APART };
        write_head(record, text.len(), form);
        record.extend_from_slice(text.as_bytes());
        if form == form::APART {
            write_head(record, scratch.len(), form::SAME);
            record.extend_from_slice(scratch.as_bytes());
        }
    }

    /// Appends a text to a record that is only ever compared as it is.
    pub fn write_unfolded(record: &mut Vec<u8>, text: &str) {
        write_head(record, text.len(), form::SAME);
        record.extend_from_slice(text.as_bytes());
    }

    /// Reads the text at the start of a record, and advances.
    pub fn read(record: &mut &'a [u8]) -> Self {
        let (len, form) = read_head(record);
        let text;
        (text, *record) = record.split_at(len);
        let folded = match form {
            form::LOWER => None,
            form::SAME => Some(text),
            _ => {
                let (len, _) = read_head(record);
                let folded;
                (folded, *record) = record.split_at(len);
                Some(folded)
            }
        };
        Self { text, folded }
    }

    /// Bytes that are the folded form once [`lower`](Self::lower) is applied to each.
    pub fn raw_folded(self) -> &'a [u8] {
        self.folded.unwrap_or(self.text)
    }

    /// What makes a byte of [`raw_folded`](Self::raw_folded) one of the folded form.
    pub fn lower(self) -> impl Fn(u8) -> u8 + Copy {
        // Bit 5 is the case of an ASCII letter.
        let case = u8::from(self.folded.is_none()) << 5;
        move |byte: u8| byte | (u8::from(byte.is_ascii_uppercase()) << 5 & case)
    }

    /// The folded form.
    pub fn folded(self) -> Cow<'a, [u8]> {
        self.folded.map_or_else(|| Cow::Owned(self.text.to_ascii_lowercase()), Cow::Borrowed)
    }

    /// By the folded form, then by the text.
    pub fn compare(self, other: Text<'_>) -> Ordering {
        let folded = self.raw_folded().iter().map(|&byte| self.lower()(byte));
        folded.cmp(other.raw_folded().iter().map(|&byte| other.lower()(byte))).then_with(|| self.text.cmp(other.text))
    }
}

/// Writes a length and a form as LEB128.
fn write_head(record: &mut Vec<u8>, len: usize, form: usize) {
    let mut rest = len << 2 | form;
    while rest >= 0x80 {
        record.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    record.push(rest as u8);
}

/// Reads what [`write_head`] wrote, and advances.
fn read_head(record: &mut &[u8]) -> (usize, usize) {
    let (mut value, mut shift) = (0, 0);
    while let Some((&byte, rest)) = record.split_first() {
        *record = rest;
        value |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            break;
        }
    }
    (value >> 2, value & 3)
}
