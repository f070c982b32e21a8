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
    text: String,
    ends: Vec<u32>,
    forms: Vec<Form>,
    /// Of each word the number of its folded form, which can be none or several.
    folded: Vec<u32>,
    several: Vec<Vec<u32>>,
    distinct: Distinct,
}

/// How a written word and its folded form differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    pub is_ascii: bool,
    pub is_folded: bool,
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
        self.text.push_str(word);
        self.ends.push(u32::try_from(self.text.len()).map_err(|_| TooLong)?);
        scratch.clear();
        fold_onto(word, scratch);
        self.forms.push(Form { is_ascii: word.is_ascii(), is_folded: scratch == word.as_bytes() });
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
        self.folded.push(folded);
        Ok(())
    }

    /// Gives back what is only needed to add words.
    pub fn end(&mut self) {
        self.distinct.table = Vec::new();
    }

    /// A word as it is written, and how it differs from its folded form.
    pub fn get(&self, number: u32) -> Option<(&str, Form)> {
        let at = number as usize;
        let end = *self.ends.get(at)? as usize;
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        Some((self.text.get(start..end)?, self.forms[at]))
    }

    /// Appends the numbers of what a word is when it is folded.
    pub fn fold(&self, number: u32, folded: &mut Vec<u32>) {
        match self.folded[number as usize] {
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
