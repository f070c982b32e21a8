//! The contacts of an index, packed: fixed fields in slots, texts in two arenas.
//!
//! A list over a million contacts is bound by the memory it walks. So each contact is 48 bytes and two records: one with the folded
//! `name` and `local_name`, which a search walks from end to end, and one with the other texts. Most texts differ from their folded
//! form by their capitals alone; those are kept once.

use std::borrow::Cow;
use std::cmp::Ordering;

use memchr::{memchr, memmem};

use crate::arena::{Arena, NOBODY, Place};
use crate::entry::{EntryFields, IndexEntry};
use crate::fold::fold_onto;
use crate::namespaces::NamespaceLists;
use crate::object_id::ObjectId;
use crate::query::{SortField, SortKey};

/// Ends each text of a search record. It occurs in no UTF-8, so no word is found across it.
pub(super) const END: u8 = 0xff;

/// The first bit of a text record's head.
const DISABLED: u8 = 1;

/// The optional texts in the order of their record, with the bits of its head that say which are present.
const OPTIONAL: [(SortField, u8); 5] = [
    (SortField::LocalName, 1 << 1),
    (SortField::Phone1, 1 << 2),
    (SortField::Phone2, 1 << 3),
    (SortField::Email, 1 << 4),
    (SortField::Title, 1 << 5),
];

/// The fixed fields of a contact.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub id: ObjectId,
    pub version: u64,
    /// Epoch milliseconds.
    pub updated_at: i64,
    /// Epoch milliseconds.
    pub created_at: i64,
    /// The number of its namespace list.
    pub list: u32,
    /// Its folded `name` and `local_name`, each with an [`END`].
    search: Place,
    /// Its other texts.
    text: Place,
}

/// A text with its folded form.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    /// Both are the same.
    Folded(&'a [u8]),
    /// The folded form; the text differs in that its words start with capitals.
    Capitals(&'a [u8]),
    /// The text, all ASCII; the folded form is its lower case.
    Ascii(&'a [u8]),
    /// The text and its folded form.
    Both(&'a [u8], &'a [u8]),
}

/// How a text is written down, in the two lowest bits of its length.
mod form {
    pub const FOLDED: usize = 0;
    pub const CAPITALS: usize = 1;
    pub const ASCII: usize = 2;
    /// Of a name, the text; of others, the text and after it the folded form.
    pub const BOTH: usize = 3;
}

impl<'a> Value<'a> {
    /// Bytes whose ASCII lower case is the folded form, and whether they are that already.
    pub const fn folded(self) -> (&'a [u8], bool) {
        match self {
            Self::Folded(folded) | Self::Capitals(folded) | Self::Both(_, folded) => (folded, true),
            Self::Ascii(text) => (text, false),
        }
    }

    /// The text itself.
    pub fn text(self) -> Cow<'a, [u8]> {
        match self {
            Self::Folded(text) | Self::Ascii(text) | Self::Both(text, _) => Cow::Borrowed(text),
            Self::Capitals(folded) => Cow::Owned(with_capitals(folded).collect()),
        }
    }

    /// Whether this is the text.
    pub fn is(self, text: &[u8]) -> bool {
        match self {
            Self::Folded(own) | Self::Ascii(own) | Self::Both(own, _) => own == text,
            Self::Capitals(folded) => folded.len() == text.len() && with_capitals(folded).eq(text.iter().copied()),
        }
    }

    /// By the folded form, then by the text.
    fn compare(self, other: Value<'_>) -> Ordering {
        let ((mine, mine_is_lower), (others, others_is_lower)) = (self.folded(), other.folded());
        let folded = if mine_is_lower && others_is_lower {
            mine.cmp(others)
        } else {
            let lower = |bytes: &'a [u8]| bytes.iter().map(u8::to_ascii_lowercase);
            lower(mine).cmp(others.iter().map(u8::to_ascii_lowercase))
        };
        folded.then_with(|| match (self, other) {
            (Self::Folded(_), Value::Folded(_)) | (Self::Capitals(_), Value::Capitals(_)) => Ordering::Equal,
            (Self::Capitals(_), Value::Folded(_)) => Ordering::Less,
            (Self::Folded(_), Value::Capitals(_)) => Ordering::Greater,
            _ => self.text().cmp(&other.text()),
        })
    }
}

/// The text with each ASCII letter in upper case that starts it or follows an ASCII character other than a letter or digit.
fn with_capitals(folded: &[u8]) -> impl Iterator<Item = u8> {
    let mut after_break = true;
    folded.iter().map(move |&byte| {
        let capital = if after_break { byte.to_ascii_uppercase() } else { byte };
        after_break = byte.is_ascii() && !byte.is_ascii_alphanumeric();
        capital
    })
}

/// The packed contacts.
#[derive(Clone, Debug)]
pub(super) struct Records {
    slots: Vec<Slot>,
    free: Vec<u32>,
    search: Arena,
    text: Arena,
    lists: NamespaceLists,
    scratch: Scratch,
}

/// A contact's records while they are written.
#[derive(Clone, Debug, Default)]
struct Scratch {
    search: String,
    search_record: Vec<u8>,
    text_record: Vec<u8>,
}

impl Scratch {
    fn write(&mut self, fields: &EntryFields) {
        let EntryFields { name, local_name, phone1, phone2, email, title, disabled, created_at: _, company_namespace: _ } =
            fields;
        let texts = [local_name, phone1, phone2, email, title];

        self.search_record.clear();
        self.text_record.clear();
        let present = OPTIONAL.iter().zip(texts).filter(|(_, text)| text.is_some());
        let head = present.fold(u8::from(*disabled) * DISABLED, |head, ((_, bit), _)| head | bit);
        self.text_record.push(head);
        self.write_name(name);
        match local_name {
            Some(local_name) => self.write_name(local_name),
            None => self.search_record.push(END),
        }
        texts[1..].iter().copied().flatten().for_each(|text| self.write_text(text));
    }

    /// Writes a text whose folded form is part of the search record.
    fn write_name(&mut self, text: &str) {
        self.search.clear();
        fold_onto(text, &mut self.search);
        let folded = self.search.as_bytes();
        self.search_record.extend_from_slice(folded);
        self.search_record.push(END);
        if text.as_bytes() == folded {
            write_head(&mut self.text_record, 0, form::FOLDED);
        } else if Value::Capitals(folded).is(text.as_bytes()) {
            write_head(&mut self.text_record, 0, form::CAPITALS);
        } else {
            write_head(&mut self.text_record, text.len(), form::BOTH);
            self.text_record.extend_from_slice(text.as_bytes());
        }
    }

    fn write_text(&mut self, text: &str) {
        self.search.clear();
        fold_onto(text, &mut self.search);
        let (bytes, folded) = (text.as_bytes(), self.search.as_bytes());
        let (form, kept) = if bytes == folded {
            (form::FOLDED, bytes)
        } else if Value::Capitals(folded).is(bytes) {
            (form::CAPITALS, folded)
        } else if text.is_ascii() {
            (form::ASCII, bytes)
        } else {
            (form::BOTH, bytes)
        };
        write_head(&mut self.text_record, kept.len(), form);
        self.text_record.extend_from_slice(kept);
        if form == form::BOTH {
            write_head(&mut self.text_record, folded.len(), form::FOLDED);
            self.text_record.extend_from_slice(folded);
        }
    }

    fn memory_bytes(&self) -> usize {
        self.search.capacity() + self.search_record.capacity() + self.text_record.capacity()
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

/// The texts of a search record.
pub(super) fn names(search: &[u8]) -> (&[u8], &[u8]) {
    let end = memchr(END, search).expect("each text of a search record ends");
    (&search[..end], &search[end + 1..search.len() - 1])
}

/// Reads a text that `folded` is the folded form of, and advances.
fn read_name<'a>(record: &mut &'a [u8], folded: &'a [u8]) -> Value<'a> {
    match read_head(record) {
        (_, form::FOLDED) => Value::Folded(folded),
        (_, form::CAPITALS) => Value::Capitals(folded),
        (len, _) => {
            let text;
            (text, *record) = record.split_at(len);
            Value::Both(text, folded)
        }
    }
}

/// Reads a text and advances.
fn read_text<'a>(record: &mut &'a [u8]) -> Value<'a> {
    let (len, form) = read_head(record);
    let text;
    (text, *record) = record.split_at(len);
    match form {
        form::FOLDED => Value::Folded(text),
        form::CAPITALS => Value::Capitals(text),
        form::ASCII => Value::Ascii(text),
        _ => {
            let (len, _) = read_head(record);
            let folded;
            (folded, *record) = record.split_at(len);
            Value::Both(text, folded)
        }
    }
}

impl Records {
    /// No contacts, in arenas with pages of this size.
    pub fn new(page_bytes: usize) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            search: Arena::new(page_bytes),
            text: Arena::new(page_bytes),
            lists: NamespaceLists::default(),
            scratch: Scratch::default(),
        }
    }

    /// A contact's fixed fields.
    pub fn slot(&self, slot: u32) -> &Slot {
        &self.slots[slot as usize]
    }

    /// How many contacts there are.
    pub const fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// How many slots there are, used and free ones.
    pub const fn slots(&self) -> usize {
        self.slots.len()
    }

    /// The number of a contact's namespace list.
    pub fn list(&self, slot: u32) -> u32 {
        self.slot(slot).list
    }

    /// The number of the namespace list of the contact in each slot. Free slots have any.
    pub fn lists_of_slots(&self) -> Vec<u32> {
        self.slots.iter().map(|slot| slot.list).collect()
    }

    /// The namespace lists of all contacts.
    pub const fn lists(&self) -> &NamespaceLists {
        &self.lists
    }

    /// The arena whose records are each contact's folded `name` and `local_name`.
    pub const fn search(&self) -> &Arena {
        &self.search
    }

    /// A contact's folded `name` and `local_name`, each with an [`END`].
    pub fn search_record(&self, slot: u32) -> &[u8] {
        self.search.get(self.slot(slot).search)
    }

    /// A contact's name.
    pub fn name(&self, slot: u32) -> Value<'_> {
        let mut record = &self.text.get(self.slot(slot).text)[1..];
        read_name(&mut record, names(self.search_record(slot)).0)
    }

    /// A contact's text, when the field is one and present.
    pub fn value(&self, slot: u32, field: SortField) -> Option<Value<'_>> {
        let record = self.text.get(self.slot(slot).text);
        let (head, mut record) = (record[0], &record[1..]);
        let (_, wanted) = match field {
            SortField::Name => return Some(self.name(slot)),
            _ => *OPTIONAL.iter().find(|(optional, _)| *optional == field)?,
        };
        if head & wanted == 0 {
            return None;
        }
        let skip_name = |record: &mut &[u8]| {
            let (len, _) = read_head(record);
            *record = &record[len..];
        };
        skip_name(&mut record);
        if field == SortField::LocalName {
            return Some(read_name(&mut record, names(self.search_record(slot)).1));
        }
        let (_, local_name) = OPTIONAL[0];
        if head & local_name != 0 {
            skip_name(&mut record);
        }
        for _ in OPTIONAL[1..].iter().filter(|(_, bit)| head & bit != 0 && *bit < wanted) {
            read_text(&mut record);
        }
        Some(read_text(&mut record))
    }

    /// Whether a contact is disabled.
    pub fn disabled(&self, slot: u32) -> bool {
        self.text.get(self.slot(slot).text)[0] & DISABLED != 0
    }

    /// By these keys, without any tie-break.
    pub fn compare_keys(&self, one: u32, other: u32, keys: &[SortKey]) -> Ordering {
        keys.iter().map(|key| self.compare_key(one, other, *key)).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    }

    /// By these keys and then by id.
    pub fn compare(&self, one: u32, other: u32, keys: &[SortKey]) -> Ordering {
        self.compare_keys(one, other, keys).then_with(|| self.slot(one).id.cmp(&self.slot(other).id))
    }

    fn compare_key(&self, one: u32, other: u32, key: SortKey) -> Ordering {
        let order = match key.field {
            SortField::Id => self.slot(one).id.cmp(&self.slot(other).id),
            SortField::CreatedAt => self.slot(one).created_at.cmp(&self.slot(other).created_at),
            SortField::UpdatedAt => self.slot(one).updated_at.cmp(&self.slot(other).updated_at),
            SortField::Disabled => self.disabled(one).cmp(&self.disabled(other)),
            field => match (self.value(one, field), self.value(other, field)) {
                (Some(one), Some(other)) => one.compare(other),
                (one, other) => one.is_some().cmp(&other.is_some()),
            },
        };
        if key.descending { order.reverse() } else { order }
    }

    /// Whether the contact has another value of this field than those.
    pub fn differs(&self, slot: u32, entry: &IndexEntry, fields: &EntryFields, field: SortField) -> bool {
        let text = match field {
            SortField::Id => return false,
            SortField::CreatedAt => return self.slot(slot).created_at != fields.created_at.millis(),
            SortField::UpdatedAt => return self.slot(slot).updated_at != entry.updated_at.millis(),
            SortField::Disabled => return self.disabled(slot) != fields.disabled,
            SortField::Name => Some(&fields.name),
            SortField::LocalName => fields.local_name.as_ref(),
            SortField::Phone1 => fields.phone1.as_ref(),
            SortField::Phone2 => fields.phone2.as_ref(),
            SortField::Email => fields.email.as_ref(),
            SortField::Title => fields.title.as_ref(),
        };
        match (self.value(slot, field), text) {
            (None, None) => false,
            (Some(value), Some(text)) => !value.is(text.as_bytes()),
            _ => true,
        }
    }

    /// The number of a namespace list, which one more contact has from now on.
    pub fn add_list(&mut self, namespaces: &[String]) -> u32 {
        self.lists.add(namespaces)
    }

    /// Adds a contact.
    pub fn insert(&mut self, entry: &IndexEntry, fields: &EntryFields) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| u32::try_from(self.slots.len()).expect("memory ends before slot numbers"));
        assert_ne!(slot, NOBODY, "memory ends before slot numbers");
        self.scratch.write(fields);
        let slots = &mut self.slots;
        let search = self.search.push(slot, &self.scratch.search_record, |moved, place| slots[moved as usize].search = place);
        let text = self.text.push(slot, &self.scratch.text_record, |moved, place| slots[moved as usize].text = place);
        let packed = Slot {
            id: entry.id,
            version: entry.version,
            updated_at: entry.updated_at.millis(),
            created_at: fields.created_at.millis(),
            list: self.lists.add(&fields.company_namespace),
            search,
            text,
        };
        if slot as usize == self.slots.len() {
            if self.slots.len() == self.slots.capacity() {
                // Doubling would leave up to half of the greatest allocation unused.
                self.slots.reserve_exact(16 + self.slots.len() / 8);
            }
            self.slots.push(packed);
        } else {
            self.slots[slot as usize] = packed;
        }
        slot
    }

    /// Gives a contact other values and the namespace list of this number, which it takes over.
    pub fn update(&mut self, slot: u32, entry: &IndexEntry, fields: &EntryFields, list: u32) {
        self.scratch.write(fields);
        let former = &mut self.slots[slot as usize];
        former.version = entry.version;
        former.updated_at = entry.updated_at.millis();
        former.created_at = fields.created_at.millis();
        self.lists.remove(former.list);
        former.list = list;
        let (search, text) = (former.search, former.text);

        let slots = &mut self.slots;
        if self.search.get(search) != self.scratch.search_record {
            self.search.remove(search, |moved, place| slots[moved as usize].search = place);
            let place = self.search.push(slot, &self.scratch.search_record, |moved, place| slots[moved as usize].search = place);
            slots[slot as usize].search = place;
        }
        if self.text.get(text) != self.scratch.text_record {
            self.text.remove(text, |moved, place| slots[moved as usize].text = place);
            let place = self.text.push(slot, &self.scratch.text_record, |moved, place| slots[moved as usize].text = place);
            slots[slot as usize].text = place;
        }
    }

    /// Removes a contact, whose slot is free from now on.
    pub fn remove(&mut self, slot: u32) {
        let Slot { list, search, text, .. } = *self.slot(slot);
        self.lists.remove(list);
        let slots = &mut self.slots;
        self.search.remove(search, |moved, place| slots[moved as usize].search = place);
        self.text.remove(text, |moved, place| slots[moved as usize].text = place);
        self.free.push(slot);
    }

    /// Calls `found` with each contact whose folded `name` or `local_name` holds this word, and with its search record.
    pub fn search_for(&self, word: &[u8], mut found: impl FnMut(u32, &[u8])) {
        let finder = memmem::Finder::new(word);
        for page in self.search.pages() {
            let (mut record, mut from) = (0, 0);
            while let Some(hit) = finder.find(&page.bytes[from..]) {
                record += page.starts[record + 1..].skip_while_at_most(from + hit);
                let end = page.end(record);
                if page.owners[record] != NOBODY {
                    found(page.owners[record], &page.bytes[usize::from(page.starts[record])..end]);
                }
                record += 1;
                from = end;
                if record == page.starts.len() {
                    break;
                }
            }
        }
    }

    /// Gives back what was reserved for more contacts.
    pub fn shrink_to_fit(&mut self) {
        self.slots.shrink_to_fit();
        self.free.shrink_to_fit();
        self.search.shrink_to_fit();
        self.text.shrink_to_fit();
        self.scratch = Scratch::default();
    }

    /// Bytes on the heap.
    pub fn memory_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>()
            + self.free.capacity() * size_of::<u32>()
            + self.search.memory_bytes()
            + self.text.memory_bytes()
            + self.lists.memory_bytes()
            + self.scratch.memory_bytes()
    }
}

/// Ascending starts of records.
trait Starts {
    /// How many of them are at most `hit`.
    fn skip_while_at_most(&self, hit: usize) -> usize;
}

impl Starts for [u16] {
    fn skip_while_at_most(&self, hit: usize) -> usize {
        // Hits lie either close together or far apart, so look at a few before halving the rest.
        let near = &self[..self.len().min(4)];
        let skipped = near.iter().take_while(|&&start| usize::from(start) <= hit).count();
        if skipped < near.len() { skipped } else { skipped + self[skipped..].partition_point(|&start| usize::from(start) <= hit) }
    }
}
