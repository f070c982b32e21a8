//! The packed contacts of many slots at once.

use super::{Column, Present, Records, Versions};
use crate::blocks::{Blocks, BlocksPart};
use crate::namespaces::{NamespaceLists, of_class};
use crate::object_id::ObjectId;
use crate::text::Text;

/// The columns of consecutive slots.
#[derive(Debug)]
pub(crate) struct Columns {
    pub ids: Vec<ObjectId>,
    pub versions: Vec<u64>,
    /// Epoch milliseconds.
    pub updated_at: Vec<i64>,
    /// Epoch milliseconds.
    pub created_at: Vec<i64>,
    pub classes: Vec<u32>,
    pub texts: BlocksPart,
}

/// Writes the records of consecutive slots.
#[derive(Debug)]
pub(crate) struct RecordWriter {
    part: BlocksPart,
    start: usize,
    present: Present,
}

impl RecordWriter {
    /// Writes the record of slot `first` next, which is a multiple of 32.
    pub fn new(first: u32) -> Self {
        Self { part: BlocksPart::new(first), start: 0, present: 0 }
    }

    /// Begins a record.
    pub fn begin(&mut self) {
        self.present = 0;
        let record = self.part.record();
        self.start = record.len();
        record.extend_from_slice(&[0; size_of::<Present>()]);
    }

    /// Begins a text of the record, `len` bytes long, and returns what to append it to. Texts come in the order of [`Column::ALL`].
    pub fn text(&mut self, column: Column, len: usize, is_ascii: bool, is_folded: bool) -> &mut Vec<u8> {
        self.present |= 1 << column.number();
        let record = self.part.record();
        Text::write_start(record, len, is_ascii, is_folded);
        record
    }

    /// Ends the record.
    pub fn end(&mut self) {
        let present = self.present.to_le_bytes();
        self.part.record()[self.start..self.start + size_of::<Present>()].copy_from_slice(&present);
        self.part.end_record();
    }

    /// The records.
    pub fn finish(mut self) -> BlocksPart {
        self.part.end();
        self.part
    }
}

impl Records {
    /// The contacts of parts that follow each other, of which all but the last one are a multiple of 32 long. It is nothing when a
    /// class has no list, or a list no contact.
    pub fn from_columns(parts: Vec<Columns>, lists: Vec<Vec<String>>) -> Option<Self> {
        let len = parts.iter().map(|part| part.ids.len()).sum();
        let mut records = Self {
            ids: Vec::with_capacity(len),
            versions: Versions { small: Vec::with_capacity(len), ..Versions::default() },
            updated_at: Vec::with_capacity(len),
            created_at: Vec::with_capacity(len),
            classes: Vec::with_capacity(len),
            ..Self::default()
        };
        let mut contacts = vec![0; lists.len()];
        let mut texts = Vec::with_capacity(parts.len());
        for part in parts {
            for &class in &part.classes {
                *contacts.get_mut(of_class(class).0 as usize)? += 1;
            }
            part.versions.into_iter().for_each(|version| records.versions.push(version));
            records.ids.extend(part.ids);
            records.updated_at.extend(part.updated_at);
            records.created_at.extend(part.created_at);
            records.classes.extend(part.classes);
            texts.push(part.texts);
        }
        if contacts.contains(&0) {
            return None;
        }
        records.texts = Blocks::from_parts(texts);
        records.lists = NamespaceLists::from_counts(lists.into_iter().zip(contacts).collect());
        Some(records)
    }
}
