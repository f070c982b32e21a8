//! The contacts of an index, packed: a column for each fixed field, and one record with the texts.
//!
//! Each contact has a slot, which is its place in every column. Columns and texts lie apart, so that a look at one field of many
//! contacts walks through that field alone.

mod bulk;

use std::cmp::Ordering;
use std::collections::HashMap;

pub(super) use bulk::{Columns, RecordWriter};

use crate::blocks::Blocks;
use crate::entry::{EntryFields, IndexEntry, TextField};
use crate::hashed::push;
use crate::namespaces::{NamespaceLists, map_bytes, of_class};
use crate::object_id::ObjectId;
use crate::query::{SortField, SortKey};
use crate::text::Text;

/// The class of a free slot.
const FREE: u32 = u32::MAX;

/// A text of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Name,
    Field(TextField),
    ExternalId,
}

impl Column {
    /// Every text, in the order of the record.
    pub const ALL: [Self; TextField::ALL.len() + 2] = {
        let mut all = [Self::Name; TextField::ALL.len() + 2];
        let mut field = 0;
        while field < TextField::ALL.len() {
            all[1 + field] = Self::Field(TextField::ALL[field]);
            field += 1;
        }
        all[1 + field] = Self::ExternalId;
        all
    };

    const fn number(self) -> usize {
        match self {
            Self::Name => 0,
            Self::Field(field) => 1 + field as usize,
            Self::ExternalId => 1 + TextField::ALL.len(),
        }
    }
}

/// In what one state of a contact differs from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    /// A bit for each column.
    texts: Present,
    class: bool,
    disabled: bool,
    created_at: bool,
    updated_at: bool,
}

impl Difference {
    /// A difference in everything.
    pub const ALL: Self = Self { texts: Present::MAX, class: true, disabled: true, created_at: true, updated_at: true };

    /// Whether one of these texts is different.
    pub fn has_one_of(self, columns: &[Column]) -> bool {
        columns.iter().any(|column| self.texts >> column.number() & 1 == 1)
    }

    /// Whether a contact may be found by other words or keys.
    pub const fn is_of_terms(self) -> bool {
        self.texts != 0
    }

    /// Whether a contact has to leave an order by these keys before it changes.
    pub fn moves(self, keys: &[SortKey]) -> bool {
        let differs = |field| match field {
            SortField::Id => false,
            SortField::Name => self.has_one_of(&[Column::Name]),
            SortField::Text(field) => self.has_one_of(&[Column::Field(field)]),
            SortField::Disabled => self.disabled,
            SortField::CreatedAt => self.created_at,
            SortField::UpdatedAt => self.updated_at,
        };
        self.class || keys.iter().any(|key| differs(key.field))
    }
}

/// Which texts a record has.
type Present = u16;

const _: () = assert!(Column::ALL.len() <= Present::BITS as usize, "a record can say of each text whether it has it");

/// The texts of a contact, read from its record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a>(&'a [u8]);

impl<'a> Record<'a> {
    /// The text in this column.
    pub fn text(self, column: Column) -> Option<Text<'a>> {
        let (present, mut rest) = self.parts();
        let wanted = 1 << column.number();
        if present & wanted == 0 {
            return None;
        }
        for _ in 0..(present & (wanted - 1)).count_ones() {
            Text::read(&mut rest);
        }
        Some(Text::read(&mut rest))
    }

    /// All texts that are there.
    pub fn texts(self) -> impl Iterator<Item = (Column, Text<'a>)> {
        let (present, mut rest) = self.parts();
        let columns = Column::ALL.into_iter().filter(move |column| present >> column.number() & 1 == 1);
        columns.map(move |column| (column, Text::read(&mut rest)))
    }

    /// A bit for each text that is not the same in another record.
    fn different_texts(self, other: Record<'_>) -> Present {
        let ((here, mut these), (there, mut those)) = (self.parts(), other.parts());
        let mut different = here ^ there;
        for bit in (0..Column::ALL.len()).map(|number| 1 << number) {
            let one = (here & bit != 0).then(|| Text::read(&mut these).text);
            let other = (there & bit != 0).then(|| Text::read(&mut those).text);
            if one != other {
                different |= bit;
            }
        }
        different
    }

    fn parts(self) -> (Present, &'a [u8]) {
        let (present, rest) = self.0.split_at(size_of::<Present>());
        (Present::from_le_bytes([present[0], present[1]]), rest)
    }
}

/// Writes the texts of a contact.
fn write(record: &mut Vec<u8>, fields: &EntryFields, scratch: &mut Vec<u8>) {
    let EntryFields { name, texts, external_id, disabled: _, created_at: _, company_namespace: _ } = fields;
    let texts = [Some(name)].into_iter().chain(texts.iter().map(Option::as_ref)).chain([external_id.as_ref()]);
    let present: Present = texts.clone().zip(0..).map(|(text, number)| Present::from(text.is_some()) << number).sum();
    record.clear();
    record.extend_from_slice(&present.to_le_bytes());
    texts.flatten().for_each(|text| Text::write(record, text, scratch));
}

/// The contacts' versions, of which few are great.
#[derive(Clone, Debug, Default)]
struct Versions {
    small: Vec<u16>,
    /// Those that do not fit there, which has the greatest number for them.
    great: HashMap<u32, u64>,
}

impl Versions {
    fn get(&self, slot: u32) -> u64 {
        match self.small[slot as usize] {
            u16::MAX => self.great.get(&slot).copied().unwrap_or(u64::from(u16::MAX)),
            small => u64::from(small),
        }
    }

    fn push(&mut self, version: u64) {
        push(&mut self.small, 0);
        self.set(self.small.len() as u32 - 1, version);
    }

    fn set(&mut self, slot: u32, version: u64) {
        let small = u16::try_from(version).unwrap_or(u16::MAX);
        if self.small[slot as usize] == u16::MAX {
            self.great.remove(&slot);
        }
        if small == u16::MAX {
            self.great.insert(slot, version);
        }
        self.small[slot as usize] = small;
    }

    fn memory_bytes(&self) -> usize {
        self.small.capacity() * size_of::<u16>() + map_bytes::<(u32, u64)>(self.great.capacity())
    }
}

/// A contact in the order by change.
#[derive(Clone, Copy)]
pub(super) struct LastChange<'a> {
    records: &'a Records,
    slot: u32,
}

impl Ord for LastChange<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let updated_at = self.records.updated_at(self.slot).cmp(&self.records.updated_at(other.slot));
        updated_at.then_with(|| self.records.id(self.slot).cmp(&self.records.id(other.slot)))
    }
}

impl PartialOrd for LastChange<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Eq for LastChange<'_> {}

impl PartialEq for LastChange<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.slot == other.slot
    }
}

/// The packed contacts.
#[derive(Clone, Debug, Default)]
pub(super) struct Records {
    ids: Vec<ObjectId>,
    versions: Versions,
    /// Epoch milliseconds.
    updated_at: Vec<i64>,
    /// Epoch milliseconds.
    created_at: Vec<i64>,
    classes: Vec<u32>,
    free: Vec<u32>,
    texts: Blocks,
    lists: NamespaceLists,
    /// The record of a contact that is about to be written.
    prepared: Vec<u8>,
    scratch: Vec<u8>,
}

impl Records {
    /// How many contacts there are.
    pub const fn len(&self) -> usize {
        self.ids.len() - self.free.len()
    }

    /// How many slots there are, used and free ones.
    pub const fn slots(&self) -> usize {
        self.ids.len()
    }

    /// A contact's id.
    pub fn id(&self, slot: u32) -> ObjectId {
        self.ids[slot as usize]
    }

    /// A contact's version.
    pub fn version(&self, slot: u32) -> u64 {
        self.versions.get(slot)
    }

    /// When a contact was changed, in epoch milliseconds.
    pub fn updated_at(&self, slot: u32) -> i64 {
        self.updated_at[slot as usize]
    }

    /// What the order by change sorts a contact by.
    pub fn change(&self, slot: u32) -> (i64, ObjectId) {
        (self.updated_at(slot), self.id(slot))
    }

    /// The same, read only as far as it is compared.
    pub const fn last_change(&self, slot: u32) -> LastChange<'_> {
        LastChange { records: self, slot }
    }

    /// When a contact was created, in epoch milliseconds.
    pub fn created_at(&self, slot: u32) -> i64 {
        self.created_at[slot as usize]
    }

    /// A contact's class: its namespaces, and whether it is disabled.
    pub fn class(&self, slot: u32) -> u32 {
        self.classes[slot as usize]
    }

    /// The slots that contacts have, ascending.
    pub fn used_slots(&self) -> impl Iterator<Item = u32> {
        (0..).zip(&self.classes).filter(|(_, class)| **class != FREE).map(|(slot, _)| slot)
    }

    /// Whether a contact is disabled.
    pub fn disabled(&self, slot: u32) -> bool {
        of_class(self.class(slot)).1
    }

    /// A contact's texts.
    pub fn record(&self, slot: u32) -> Record<'_> {
        Record(self.texts.get(slot))
    }

    /// A contact's text, where it has one.
    pub fn text(&self, slot: u32, column: Column) -> Option<Text<'_>> {
        self.record(slot).text(column)
    }

    /// The namespace lists of all contacts.
    pub const fn lists(&self) -> &NamespaceLists {
        &self.lists
    }

    /// Prepares the record of a contact with these fields, for [`insert`](Self::insert) and [`update`](Self::update).
    pub fn prepare(&mut self, fields: &EntryFields) {
        write(&mut self.prepared, fields, &mut self.scratch);
    }

    /// The prepared texts.
    pub fn prepared(&self) -> Record<'_> {
        Record(&self.prepared)
    }

    /// In what a contact differs from those values, of which the texts are prepared.
    pub fn difference(&self, slot: u32, entry: &IndexEntry, fields: &EntryFields, class: u32) -> Difference {
        let (now, then) = (self.record(slot), self.prepared());
        let texts = if now.0 == then.0 { 0 } else { now.different_texts(then) };
        Difference {
            texts,
            class: class != self.class(slot),
            disabled: self.disabled(slot) != fields.disabled,
            created_at: self.created_at(slot) != fields.created_at.millis(),
            updated_at: self.updated_at(slot) != entry.updated_at.millis(),
        }
    }

    /// The number of these fields' namespace list, which one more contact has from now on.
    pub fn add_to_lists(&mut self, fields: &EntryFields) -> u32 {
        self.lists.add(&fields.company_namespace)
    }

    /// Reads a little of a contact, so that memory delivers it while others are read as well.
    pub fn read_ahead(&self, slot: u32) -> u8 {
        self.record(slot).0.last().copied().unwrap_or_default()
    }

    /// Adds a contact, whose texts are prepared, with a class to whose list it was added.
    pub fn insert(&mut self, entry: &IndexEntry, fields: &EntryFields, class: u32) -> u32 {
        let slot = self.free.pop().unwrap_or(self.ids.len() as u32);
        // Marks of other tables need the highest bit.
        assert!(slot < 1 << 31, "memory ends before slot numbers");
        let (updated_at, created_at) = (entry.updated_at.millis(), fields.created_at.millis());
        if slot as usize == self.ids.len() {
            push(&mut self.ids, entry.id);
            self.versions.push(entry.version);
            push(&mut self.updated_at, updated_at);
            push(&mut self.created_at, created_at);
            push(&mut self.classes, class);
            self.texts.push(&self.prepared);
        } else {
            let at = slot as usize;
            self.ids[at] = entry.id;
            self.versions.set(slot, entry.version);
            self.updated_at[at] = updated_at;
            self.created_at[at] = created_at;
            self.classes[at] = class;
            self.texts.set(slot, &self.prepared);
        }
        slot
    }

    /// Gives a contact other values, the prepared texts, and a class to whose list it was added.
    pub fn update(&mut self, slot: u32, entry: &IndexEntry, fields: &EntryFields, class: u32) {
        let at = slot as usize;
        self.versions.set(slot, entry.version);
        self.updated_at[at] = entry.updated_at.millis();
        self.created_at[at] = fields.created_at.millis();
        self.lists.remove(of_class(self.classes[at]).0);
        self.classes[at] = class;
        if self.texts.get(slot) != self.prepared {
            self.texts.set(slot, &self.prepared);
        }
    }

    /// Removes a contact, whose slot is free from now on.
    pub fn remove(&mut self, slot: u32) {
        self.lists.remove(of_class(self.class(slot)).0);
        self.texts.set(slot, &[]);
        self.classes[slot as usize] = FREE;
        push(&mut self.free, slot);
    }

    /// Gives back what was reserved for more contacts.
    pub fn shrink_to_fit(&mut self) {
        self.ids.shrink_to_fit();
        self.versions.small.shrink_to_fit();
        self.updated_at.shrink_to_fit();
        self.created_at.shrink_to_fit();
        self.classes.shrink_to_fit();
        self.free.shrink_to_fit();
        self.texts.shrink_to_fit();
        self.prepared = Vec::new();
        self.scratch = Vec::new();
    }

    /// Bytes on the heap, by what they hold.
    pub fn memory_parts(&self) -> [(&'static str, usize); 7] {
        [
            ("ids", self.ids.capacity() * size_of::<ObjectId>()),
            ("versions", self.versions.memory_bytes()),
            ("updatedAt", self.updated_at.capacity() * size_of::<i64>()),
            ("createdAt", self.created_at.capacity() * size_of::<i64>()),
            ("namespaces and disabled", self.classes.capacity() * size_of::<u32>() + self.lists.memory_bytes()),
            ("texts", self.texts.memory_bytes() + self.prepared.capacity() + self.scratch.capacity()),
            ("free slots", self.free.capacity() * size_of::<u32>()),
        ]
    }
}
