//! A contact's text, as it is written into a record.

use std::borrow::Cow;

use crate::fold::{fold_onto, fold_start_onto};

/// What there is to do to get the folded form, in the two lowest bits of the text's length.
mod form {
    /// Nothing.
    pub const FOLDED: usize = 0;
    /// It is the lower case of the text, which is ASCII.
    pub const ASCII: usize = 1;
    /// Folding the text.
    pub const ANY: usize = 2;
}

/// A text of a record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'a> {
    /// The text itself.
    pub text: &'a [u8],
    form: usize,
}

impl<'a> Text<'a> {
    /// Appends a text to a record. `scratch` is left with anything.
    pub fn write(record: &mut Vec<u8>, text: &str, scratch: &mut Vec<u8>) {
        let form = if text.is_ascii() {
            form::ASCII
        } else {
            scratch.clear();
            fold_onto(text, scratch);
            if scratch == text.as_bytes() { form::FOLDED } else { form::ANY }
        };
        write_head(record, text.len(), form);
        record.extend_from_slice(text.as_bytes());
    }

    /// Appends the beginning of a text of `len` bytes to a record, which the text is to follow. `is_folded` says whether folding leaves
    /// it as it is; of ASCII it does not matter.
    pub fn write_start(record: &mut Vec<u8>, len: usize, is_ascii: bool, is_folded: bool) {
        let form = match (is_ascii, is_folded) {
            (true, _) => form::ASCII,
            (false, true) => form::FOLDED,
            (false, false) => form::ANY,
        };
        write_head(record, len, form);
    }

    /// Reads the text at the start of a record, and advances.
    pub fn read(record: &mut &'a [u8]) -> Self {
        let (len, form) = read_head(record);
        let text;
        (text, *record) = record.split_at(len);
        Self { text, form }
    }

    /// Appends the folded form.
    pub fn fold_onto(self, folded: &mut Vec<u8>) {
        match self.form {
            form::FOLDED => folded.extend_from_slice(self.text),
            form::ASCII => folded.extend(self.text.iter().map(u8::to_ascii_lowercase)),
            _ => fold_onto(std::str::from_utf8(self.text).unwrap_or_default(), folded),
        }
    }

    /// Appends the folded form, or no less than its first `enough` bytes.
    pub fn fold_start_onto(self, enough: usize, folded: &mut Vec<u8>) {
        match self.form {
            form::FOLDED | form::ASCII => Self { text: &self.text[..enough.min(self.text.len())], ..self }.fold_onto(folded),
            _ => fold_start_onto(std::str::from_utf8(self.text).unwrap_or_default(), enough, folded),
        }
    }

    /// The first bytes of the folded form, if there are so many and they need no folding by letter.
    pub fn folded_start<const LEN: usize>(self) -> Option<[u8; LEN]> {
        let start = self.text.first_chunk::<LEN>()?;
        match self.form {
            form::FOLDED => Some(*start),
            form::ASCII => Some(start.map(|byte| byte.to_ascii_lowercase())),
            _ => None,
        }
    }

    /// The folded form.
    pub fn folded(self) -> Cow<'a, [u8]> {
        if self.form == form::FOLDED {
            return Cow::Borrowed(self.text);
        }
        let mut folded = Vec::with_capacity(self.text.len());
        self.fold_onto(&mut folded);
        Cow::Owned(folded)
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
    // Most texts are short.
    if let Some((&byte, rest)) = record.split_first()
        && byte < 0x80
    {
        *record = rest;
        return (usize::from(byte) >> 2, usize::from(byte) & 3);
    }
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
