//! A group of contacts, from the bytes of its columns.

use super::bytes::Reader;
use super::layout::BlockColumn;
use super::{Error, RATIO};
use crate::dictionary::{NameWords, Word, WordSet};
use crate::entry::TextField;
use crate::fold::fold_onto;
use crate::hashed::{Pair, pair};
use crate::object_id::ObjectId;
use crate::records::{Column, Columns, RecordWriter};
use crate::terms::{KeyHasher, Keys, has_words};

const WORDS: Error = Error::Malformed("a text has a word that there is not");

/// The decompressed bytes of a block.
#[derive(Debug)]
pub(super) struct Raw {
    pub bytes: Vec<u8>,
    /// How many bytes it took in the snapshot.
    pub stored: u64,
}

/// The contacts of a group and what they are found by.
#[derive(Debug)]
pub(super) struct Group {
    pub columns: Columns,
    pub keys: Vec<Pair>,
    pub names: NameWords,
}

/// Whether the texts of a column are written as the numbers of their words, which pays where contacts share them.
pub(super) const fn is_of_words(column: Column) -> bool {
    has_words(column) || matches!(column, Column::Field(TextField::Title))
}

/// A column of texts that is being read.
enum Texts<'a> {
    Plain { lens: Reader<'a>, text: &'a str, at: usize, is_ascii: bool },
    OfWords(WordTexts<'a>),
}

/// Words that are looked up at once.
const AHEAD: usize = 4_096;

/// The most words of a text: more than the bytes of an item.
pub(super) const MOST_WORDS: usize = 1 << 19;

/// A column of texts that are written as the numbers of their words.
struct WordTexts<'a> {
    counts: Reader<'a>,
    numbers: Reader<'a>,
    words: &'a WordSet,
    /// The words of the next texts. Those of many contacts are looked up at once, so that memory delivers one while it is asked for others.
    found: Vec<Word>,
    at: usize,
    /// How many bytes the texts can still have.
    left: u64,
}

impl WordTexts<'_> {
    /// The words of the next text, and how many bytes the text has; nothing for a contact without one.
    fn next(&mut self) -> Result<Option<(&[Word], usize)>, Error> {
        let count = self.counts.varint()?;
        if count == 0 {
            return Ok(None);
        }
        let count = usize::try_from(count).ok().filter(|&count| count <= MOST_WORDS).ok_or(WORDS)?;
        if self.found.len() - self.at < count {
            self.look_up(count)?;
        }
        let start = self.at;
        self.at += count;
        let words = self.found.get(start..self.at).ok_or(WORDS)?;
        let len = words.iter().map(|word| word.len()).sum::<usize>() + count - 1;
        self.left = self.left.checked_sub(len as u64).ok_or(Error::Malformed("texts have more than their bytes can hold"))?;
        Ok(Some((words, len)))
    }

    /// Looks up at least so many words, as far as there are so many.
    fn look_up(&mut self, count: usize) -> Result<(), Error> {
        self.found.drain(..self.at);
        self.at = 0;
        while self.found.len() < count.max(AHEAD) && !self.numbers.0.is_empty() {
            self.found.push(self.words.get(self.numbers.varint()?).ok_or(WORDS)?);
        }
        Ok(())
    }

    fn end(self) -> Result<(), Error> {
        if self.at < self.found.len() {
            return Err(WORDS);
        }
        self.counts.end().and(self.numbers.end())
    }
}

impl<'a> Texts<'a> {
    fn new(column: Column, raw: &'a Raw, words: &'a WordSet) -> Result<Self, Error> {
        let [lens, rest] = Reader(&raw.bytes).sections()?;
        if is_of_words(column) {
            let left = raw.stored * RATIO;
            return Ok(Self::OfWords(WordTexts { counts: lens, numbers: rest, words, found: Vec::new(), at: 0, left }));
        }
        let text = std::str::from_utf8(rest.0).map_err(|_| Error::Malformed("texts are not UTF-8"))?;
        Ok(Self::Plain { lens, text, at: 0, is_ascii: text.is_ascii() })
    }

    fn end(self) -> Result<(), Error> {
        match self {
            Self::Plain { lens, text, at, is_ascii: _ } => lens.end().and(Reader(&text.as_bytes()[at..]).end()),
            Self::OfWords(texts) => texts.end(),
        }
    }
}

/// Builds the group of the contacts from slot `first` on.
pub(super) fn build(
    raw: &[Raw; BlockColumn::OF_GROUP.len()],
    first: u32,
    contacts: usize,
    words: &WordSet,
    hasher: &KeyHasher,
) -> Result<Group, Error> {
    let [seconds, rests, created_at, updated_at, versions, classes, texts @ ..] = raw;
    let ids = ids(seconds, rests, contacts)?;
    let created_at = fixed(created_at, contacts, |reader, at| {
        let [first, second, third, fourth, ..] = ids[at].bytes();
        let second = u32::from_be_bytes([first, second, third, fourth]);
        Ok(reader.signed_varint()?.wrapping_add(i64::from(second) * 1_000))
    })?;
    let updated_at = fixed(updated_at, contacts, |reader, at| Ok(reader.signed_varint()?.wrapping_add(created_at[at])))?;
    let versions = fixed(versions, contacts, |reader, _| reader.varint())?;
    let classes = fixed(classes, contacts, |reader, _| {
        u32::try_from(reader.varint()?).map_err(|_| Error::Malformed("a contact has no class"))
    })?;
    let mut builder = Builder {
        words,
        hasher,
        records: RecordWriter::new(first),
        keys: Vec::with_capacity(contacts * 4),
        names: NameWords { numbers: Vec::with_capacity(contacts * 4), ends: Vec::with_capacity(contacts) },
        keying: Keys::default(),
        folded: Vec::new(),
        scratch: Vec::new(),
    };
    let mut columns = Vec::with_capacity(texts.len());
    for (column, raw) in Column::ALL.into_iter().zip(texts) {
        columns.push((column, Texts::new(column, raw, words)?));
    }
    for slot in first..first + contacts as u32 {
        builder.contact(slot, &mut columns)?;
    }
    columns.into_iter().try_for_each(|(_, texts)| texts.end())?;
    let Builder { records, mut keys, mut names, .. } = builder;
    keys.shrink_to_fit();
    names.numbers.shrink_to_fit();
    let columns = Columns { ids, versions, updated_at, created_at, classes, texts: records.finish() };
    Ok(Group { columns, keys, names })
}

/// A column of numbers.
fn fixed<T>(
    raw: &Raw,
    contacts: usize,
    mut read: impl FnMut(&mut Reader<'_>, usize) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let mut reader = Reader(&raw.bytes);
    // Each takes at least one byte.
    let mut values = Vec::with_capacity(contacts.min(raw.bytes.len()));
    for at in 0..contacts {
        values.push(read(&mut reader, at)?);
    }
    reader.end()?;
    Ok(values)
}

fn ids(seconds: &Raw, rests: &Raw, contacts: usize) -> Result<Vec<ObjectId>, Error> {
    let mut rests = Reader(&rests.bytes);
    let mut second = 0_u32;
    let ids = fixed(seconds, contacts, |reader, _| {
        let since = u32::try_from(reader.varint()?).ok();
        second = since.and_then(|since| second.checked_add(since)).ok_or(Error::Malformed("an id ends after its 32 bits"))?;
        let mut id = [0; 12];
        let (start, rest) = id.split_at_mut(4);
        start.copy_from_slice(&second.to_be_bytes());
        rest.copy_from_slice(&rests.array::<8>()?);
        Ok(ObjectId::from_bytes(id))
    })?;
    rests.end()?;
    Ok(ids)
}

struct Builder<'a> {
    words: &'a WordSet,
    hasher: &'a KeyHasher,
    records: RecordWriter,
    keys: Vec<Pair>,
    names: NameWords,
    keying: Keys,
    /// The words of a text, and the folded words of a contact.
    folded: Vec<u32>,
    scratch: Vec<u8>,
}

impl Builder<'_> {
    fn contact(&mut self, slot: u32, columns: &mut [(Column, Texts<'_>)]) -> Result<(), Error> {
        self.records.begin();
        self.folded.clear();
        for (column, texts) in columns {
            let column = *column;
            let is_there = match texts {
                Texts::Plain { lens, text, at, is_ascii } => {
                    let len = lens.varint()?;
                    if let Some(len) = len.checked_sub(1) {
                        let end = usize::try_from(len).ok().and_then(|len| at.checked_add(len));
                        let end = end.ok_or(Error::Malformed("a text ends after its block"))?;
                        let text =
                            text.get(*at..end).ok_or(Error::Malformed("a text ends within a letter, or after its block"))?;
                        *at = end;
                        self.plain(slot, column, text, *is_ascii);
                    }
                    len > 0
                }
                Texts::OfWords(texts) => {
                    let text = texts.next()?;
                    if let Some((words, len)) = text {
                        self.of_words(slot, column, words, len);
                    }
                    text.is_some()
                }
            };
            if column == Column::Name && !is_there {
                return Err(Error::Malformed("a contact has no name"));
            }
        }
        self.records.end();
        self.folded.sort_unstable();
        self.folded.dedup();
        self.names.numbers.extend_from_slice(&self.folded);
        let end = u32::try_from(self.names.numbers.len()).map_err(|_| Error::Malformed("names have too many words"))?;
        self.names.ends.push(end);
        Ok(())
    }

    fn plain(&mut self, slot: u32, column: Column, text: &str, is_ascii: bool) {
        let is_ascii = is_ascii || text.is_ascii();
        let is_folded = !is_ascii && {
            self.scratch.clear();
            fold_onto(text, &mut self.scratch);
            self.scratch == text.as_bytes()
        };
        self.records.text(column, text.len(), is_ascii, is_folded).extend_from_slice(text.as_bytes());
        self.key(slot, column, text.as_bytes());
    }

    /// A text of these words, which is `len` bytes long.
    fn of_words(&mut self, slot: u32, column: Column, words: &[Word], len: usize) {
        let is_ascii = words.iter().all(|word| word.is_ascii());
        let is_folded = words.iter().all(|word| word.is_folded());
        let record = self.records.text(column, len, is_ascii, is_folded);
        let start = record.len();
        for (at, &word) in words.iter().enumerate() {
            if at > 0 {
                record.push(b' ');
            }
            self.words.push_text(word, record);
        }
        let hash = self.keying.hash(column, &record[start..], self.hasher);
        self.keys.extend(hash.map(|hash| pair(hash, slot)));
        if has_words(column) {
            words.iter().for_each(|&word| self.words.fold(word, &mut self.folded));
        }
    }

    fn key(&mut self, slot: u32, column: Column, text: &[u8]) {
        self.keys.extend(self.keying.hash(column, text, self.hasher).map(|hash| pair(hash, slot)));
    }
}
