//! The words of many names at once, each of which stands for many occurrences.

use super::{Dictionary, END};
use crate::fold::fold_onto;
use crate::hashed::{Hashed, pair};
use crate::postings::Postings;
use crate::terms::{KeyHasher, Kind};

/// What the numbers of [`WordSet`] have in place of a word: no word, or with this bit set the place of several.
const NONE: u32 = u32::MAX;
const SEVERAL: u32 = 1 << 31;

/// The words of names as they are written, each known by its number, and what they are when they are folded.
#[derive(Debug, Default)]
pub(crate) struct WordSet {
    /// The long words.
    text: Vec<u8>,
    words: Vec<Word>,
    several: Vec<Vec<u32>>,
    distinct: Distinct,
}

/// How many bytes of a word are kept with it.
const SHORT: usize = 16;

/// A word as it is written. The words of a contact are anywhere among all, so memory is asked but once for each of them, if it is short.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word {
    /// The bytes of a short word; of a long one where it is in the text of all.
    bytes: [u8; SHORT],
    /// How many bytes it has; then, in the two highest bits, how it differs from its folded form.
    len: u32,
    /// The number of its folded form, which can be none or several.
    folded: u32,
}

/// Marks of a word beside its length: it is ASCII, and it is folded already.
const ASCII: u32 = 1 << 31;
const FOLDED: u32 = 1 << 30;

impl Word {
    /// How many bytes it has.
    pub const fn len(self) -> usize {
        (self.len & !(ASCII | FOLDED)) as usize
    }

    pub const fn is_ascii(self) -> bool {
        self.len & ASCII != 0
    }

    /// Whether folding leaves it as it is.
    pub const fn is_folded(self) -> bool {
        self.len & FOLDED != 0
    }
}

/// Distinct folded words.
#[derive(Debug, Default)]
struct Distinct {
    text: Vec<u8>,
    starts: Vec<u32>,
    hashes: Vec<u32>,
    /// Numbers of words, each at the first free place from that of its hash on.
    table: Vec<u32>,
}

/// Too many words: together they take more than 4 GB.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TooLong;

impl WordSet {
    /// Adds the next word. What is between the spaces of a name is a word, so none has a space.
    pub fn push(&mut self, word: &str, hasher: &KeyHasher, scratch: &mut Vec<u8>) -> Result<(), TooLong> {
        let len = u32::try_from(word.len()).ok().filter(|len| len & (ASCII | FOLDED) == 0).ok_or(TooLong)?;
        let mut bytes = [0; SHORT];
        if word.len() <= SHORT {
            bytes[..word.len()].copy_from_slice(word.as_bytes());
        } else {
            bytes[..size_of::<u64>()].copy_from_slice(&(self.text.len() as u64).to_le_bytes());
            self.text.extend_from_slice(word.as_bytes());
        }
        scratch.clear();
        fold_onto(word, scratch);
        let mut words = scratch.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
        let folded = match (words.next(), words.next()) {
            (None, _) => NONE,
            (Some(one), None) => self.distinct.number(one, hasher)?,
            (Some(_), Some(_)) => {
                let words = scratch.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
                let several = words.map(|word| self.distinct.number(word, hasher)).collect::<Result<_, _>>()?;
                self.several.push(several);
                (self.several.len() as u32 - 1) | SEVERAL
            }
        };
        let ascii = if word.is_ascii() { ASCII } else { 0 };
        let is_folded = if scratch == word.as_bytes() { FOLDED } else { 0 };
        self.words.push(Word { bytes, len: len | ascii | is_folded, folded });
        Ok(())
    }

    /// Gives back what is only needed to add words.
    pub fn end(&mut self) {
        self.distinct.table = Vec::new();
        self.text.shrink_to_fit();
        self.words.shrink_to_fit();
    }

    /// The word of this number.
    pub fn get(&self, number: u64) -> Option<Word> {
        self.words.get(usize::try_from(number).ok()?).copied()
    }

    /// Appends a word's text.
    pub fn push_text(&self, word: Word, text: &mut Vec<u8>) {
        let len = word.len();
        if len <= SHORT {
            // To copy all of it takes no branch on the length.
            let end = text.len() + len;
            text.extend_from_slice(&word.bytes);
            text.truncate(end);
        } else {
            let start = u64::from_le_bytes(std::array::from_fn(|byte| word.bytes[byte])) as usize;
            text.extend_from_slice(&self.text[start..start + len]);
        }
    }

    /// Appends the numbers of what a word is when it is folded.
    pub fn fold(&self, word: Word, folded: &mut Vec<u32>) {
        match word.folded {
            NONE => {}
            one if one & SEVERAL == 0 => folded.push(one),
            several => folded.extend_from_slice(&self.several[(several & !SEVERAL) as usize]),
        }
    }
}

impl Distinct {
    /// The number of a folded word, which is added if it is new.
    fn number(&mut self, word: &[u8], hasher: &KeyHasher) -> Result<u32, TooLong> {
        if self.starts.len() * 2 >= self.table.len() {
            self.grow();
        }
        let hash = hasher.hash(Kind::Word, word);
        let mut at = self.place(hash);
        while self.table[at] != NONE {
            let number = self.table[at];
            let text = &self.text[self.starts[number as usize] as usize..];
            if self.hashes[number as usize] == hash && text.starts_with(word) && text[word.len()] == END {
                return Ok(number);
            }
            at = (at + 1) % self.table.len();
        }
        let number = self.starts.len() as u32;
        self.starts.push(u32::try_from(self.text.len()).map_err(|_| TooLong)?);
        self.hashes.push(hash);
        self.text.extend_from_slice(word);
        self.text.push(END);
        self.table[at] = number;
        Ok(number)
    }

    fn grow(&mut self) {
        self.table = vec![NONE; (self.table.len() * 2).max(64)];
        for number in 0..self.hashes.len() {
            let mut at = self.place(self.hashes[number]);
            while self.table[at] != NONE {
                at = (at + 1) % self.table.len();
            }
            self.table[at] = number as u32;
        }
    }

    const fn place(&self, hash: u32) -> usize {
        hash as usize & (self.table.len() - 1)
    }

    fn word(&self, number: usize) -> &[u8] {
        let end = self.starts.get(number + 1).map_or(self.text.len(), |&end| end as usize);
        &self.text[self.starts[number] as usize..end]
    }
}

/// The folded words of consecutive contacts' names.
#[derive(Debug, Default)]
pub(crate) struct NameWords {
    /// Numbers of [`WordSet`]s, those of each contact distinct.
    pub numbers: Vec<u32>,
    /// Where the words of each contact end.
    pub ends: Vec<u32>,
}

impl Dictionary {
    /// The dictionary of contacts with the slots 0, 1, 2 and so on, whose names have these words.
    pub fn from_names(words: &WordSet, names: Vec<NameWords>) -> Self {
        let distinct = &words.distinct;
        let mut ends = vec![0_usize; distinct.starts.len()];
        names.iter().flat_map(|part| &part.numbers).for_each(|&number| ends[number as usize] += 1);
        let mut sum = 0;
        for end in &mut ends {
            let start = sum;
            sum += *end;
            *end = start;
        }
        // Each end is the start of the word's slots, until they have moved it.
        let (mut slots, mut slot) = (vec![0; sum], 0);
        for NameWords { numbers, ends: contacts } in names {
            let mut start = 0;
            for end in contacts {
                for &number in &numbers[start..end as usize] {
                    let end = &mut ends[number as usize];
                    slots[*end] = slot;
                    *end += 1;
                }
                start = end as usize;
                slot += 1;
            }
        }

        let mut dictionary = Self::default();
        let (mut start, mut pairs) = (0, Vec::with_capacity(ends.len()));
        dictionary.text.reserve_exact(distinct.text.len());
        dictionary.starts.reserve_exact(ends.len());
        dictionary.postings.reserve_exact(ends.len());
        for (number, end) in ends.into_iter().enumerate() {
            // A word that only occurs elsewhere is not looked for.
            if end > start {
                pairs.push(pair(distinct.hashes[number], dictionary.starts.len() as u32));
                dictionary.starts.push(dictionary.text.len() as u32);
                dictionary.text.extend_from_slice(distinct.word(number));
                let postings = Postings::from_sorted(&slots[start..end]);
                dictionary.posting_bytes += postings.memory_bytes();
                dictionary.postings.push(postings);
            }
            start = end;
        }
        dictionary.text.shrink_to_fit();
        dictionary.starts.shrink_to_fit();
        dictionary.postings.shrink_to_fit();
        dictionary.numbers = Hashed::from_pairs(vec![pairs]);
        dictionary
    }
}
