//! What a contact is found by: the words of its names, and the hashes of the keys that are looked up exactly.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::ops::Range;

use crate::entry::TextField;
use crate::keys::push_digits;
use crate::records::{Column, Difference, Record};
use crate::text::Text;

/// The kinds of terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A word of a folded name.
    Word,
    /// A name as it is.
    Name,
    /// An email address in lower case.
    Email,
    /// The digits of a phone number.
    Phone,
    /// An external id as it is.
    ExternalId,
}

/// Hashes keys. Each index has random numbers of its own, so nobody can make up keys that collide.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyHasher(RandomState);

impl KeyHasher {
    /// The hash of a key in the form of its kind.
    pub fn hash(&self, kind: Kind, key: &[u8]) -> u32 {
        let mut hasher = self.0.build_hasher();
        // The same bytes either way. Most keys are short, and to write them at once with the kind is quicker.
        let mut bytes = [0; 48];
        if let Some(place) = bytes.get_mut(..=key.len()) {
            place[0] = kind as u8;
            place[1..].copy_from_slice(key);
            hasher.write(place);
        } else {
            hasher.write_u8(kind as u8);
            hasher.write(key);
        }
        hasher.finish() as u32
    }
}

/// Whether a contact is found by the words of the text in this column.
pub(crate) const fn has_words(column: Column) -> bool {
    matches!(column, Column::Name | Column::Field(TextField::LocalName))
}

/// Hashes the keys of texts, with memory that it keeps for the next one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keys {
    digits: String,
    ascii: Vec<u8>,
}

impl Keys {
    /// The hash of the key that the text in this column is found by, if it is.
    pub fn hash(&mut self, column: Column, text: &[u8], hasher: &KeyHasher) -> Option<u32> {
        match column {
            Column::Name => Some(hasher.hash(Kind::Name, text)),
            Column::ExternalId => Some(hasher.hash(Kind::ExternalId, text)),
            Column::Field(TextField::Email) => {
                self.ascii.clear();
                self.ascii.extend(text.iter().map(u8::to_ascii_lowercase));
                Some(hasher.hash(Kind::Email, &self.ascii))
            }
            Column::Field(TextField::Phone1 | TextField::Phone2) => {
                let digits = if text.is_ascii() {
                    ascii_digits(text, &mut self.ascii);
                    &self.ascii
                } else {
                    self.digits.clear();
                    push_digits(std::str::from_utf8(text).unwrap_or_default(), &mut self.digits);
                    self.digits.as_bytes()
                };
                (!digits.is_empty()).then(|| hasher.hash(Kind::Phone, digits))
            }
            Column::Field(_) => None,
        }
    }
}

/// The digits of an ASCII text, in place of what is in `digits`. A million contacts have more telephone numbers than that, and a branch for
/// each character is guessed wrong too often.
fn ascii_digits(text: &[u8], digits: &mut Vec<u8>) {
    digits.clear();
    digits.resize(text.len(), 0);
    let mut len = 0;
    for byte in text {
        digits[len] = *byte;
        len += usize::from(byte.is_ascii_digit());
    }
    digits.truncate(len);
}

/// Appends the form in which a phone number is compared.
pub(crate) fn phone_digits(text: Text<'_>, digits: &mut String) {
    digits.clear();
    push_digits(std::str::from_utf8(text.text).unwrap_or_default(), digits);
}

/// The terms of one contact.
#[derive(Clone, Debug, Default)]
pub(crate) struct Terms {
    folded: Vec<u8>,
    /// Parts of `folded` with their hashes, in the order of these and of their bytes, distinct.
    words: Vec<(u32, Range<u32>)>,
    /// Ascending and distinct.
    keys: Vec<u32>,
    keying: Keys,
}

impl Terms {
    /// Forgets all terms.
    pub fn clear(&mut self) {
        self.folded.clear();
        self.words.clear();
        self.keys.clear();
    }

    /// Reads the terms of a contact that a difference concerns, in place of those of another.
    pub fn read(&mut self, record: Record<'_>, difference: Difference, hasher: &KeyHasher) {
        const NAMES: [Column; 2] = [Column::Name, Column::Field(TextField::LocalName)];
        const PHONES: [Column; 2] = [Column::Field(TextField::Phone1), Column::Field(TextField::Phone2)];
        self.clear();
        // Two names can share a word, and two phone numbers their digits.
        let (names, phones) = (difference.has_one_of(&NAMES), difference.has_one_of(&PHONES));
        for (column, text) in record.texts() {
            if names && has_words(column) {
                self.add_words(text);
            }
            let is_wanted = if PHONES.contains(&column) { phones } else { difference.has_one_of(&[column]) };
            if is_wanted {
                self.keys.extend(self.keying.hash(column, text.text, hasher));
            }
        }
        let folded = &self.folded;
        let bytes = |(_, word): &(u32, Range<u32>)| &folded[word.start as usize..word.end as usize];
        for word in &mut self.words {
            word.0 = hasher.hash(Kind::Word, bytes(word));
        }
        self.words.sort_unstable_by(|one, other| one.0.cmp(&other.0).then_with(|| bytes(one).cmp(bytes(other))));
        self.words.dedup_by(|one, other| one.0 == other.0 && bytes(one) == bytes(other));
        self.keys.sort_unstable();
        self.keys.dedup();
    }

    fn add_words(&mut self, text: Text<'_>) {
        let mut start = self.folded.len();
        text.fold_onto(&mut self.folded);
        for word in self.folded[start..].split(|&byte| byte == b' ') {
            if !word.is_empty() {
                self.words.push((0, start as u32..(start + word.len()) as u32));
            }
            start += word.len() + 1;
        }
    }

    /// The distinct words of the names, with their hashes.
    pub fn words(&self) -> impl Iterator<Item = (u32, &[u8])> {
        self.words.iter().map(|(hash, word)| (*hash, &self.folded[word.start as usize..word.end as usize]))
    }

    /// Calls `changed` with each word that is only here, and true, or only there, and false.
    pub fn compare_words(&self, there: &Self, changed: impl FnMut((u32, &[u8]), bool)) {
        compare(self.words(), there.words(), changed);
    }

    /// Calls `changed` with each key that is only here, and true, or only there, and false.
    pub fn compare_keys(&self, there: &Self, changed: impl FnMut(u32, bool)) {
        compare(self.keys.iter().copied(), there.keys.iter().copied(), changed);
    }
}

/// Walks two ascending sequences, and calls `changed` with what only one of them has.
fn compare<T: Ord>(here: impl Iterator<Item = T>, there: impl Iterator<Item = T>, mut changed: impl FnMut(T, bool)) {
    let (mut here, mut there) = (here.peekable(), there.peekable());
    loop {
        let order = match (here.peek(), there.peek()) {
            (Some(one), Some(other)) => one.cmp(other),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (None, None) => return,
        };
        let mine = if order.is_le() { here.next() } else { None };
        let other = if order.is_ge() { there.next() } else { None };
        match (mine, other) {
            (Some(mine), None) => changed(mine, true),
            (None, Some(other)) => changed(other, false),
            _ => {}
        }
    }
}
