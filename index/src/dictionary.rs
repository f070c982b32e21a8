//! The distinct words of all names, each kept once, with the contacts that have it.
//!
//! The words lie one after another in one text, so that those which hold a part are found by one search through memory. A word is what
//! stands between spaces in a folded name; a part without a space occurs in a name exactly when it occurs in one of its words.

mod bulk;

pub(crate) use bulk::{NameWords, Word, WordSet};
use memchr::memmem;

use crate::hashed::{Hashed, push};
use crate::postings::Postings;
use crate::slots::{Bits, Slots};

/// Ends each word. It occurs in no UTF-8, so nothing is found across it.
const END: u8 = 0xff;

/// Bytes of unused words that are always let be.
const UNUSED: usize = if cfg!(test) { 30 } else { 1 << 16 };

/// The words of a tenant.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dictionary {
    text: Vec<u8>,
    /// Where each word starts.
    starts: Vec<u32>,
    /// The contacts that have each word; none for a word that is not in use any more.
    postings: Vec<Postings>,
    /// The words' numbers by the hash of the word.
    numbers: Hashed,
    posting_bytes: usize,
    /// Bytes of the text that unused words take.
    unused: usize,
}

/// A contact that gets a word, or loses it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WordChange {
    pub hash: u32,
    /// Where the word is among the words of all changes.
    pub start: u32,
    pub len: u32,
    pub slot: u32,
    pub is_new: bool,
}

/// The words that hold a part.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    numbers: Vec<u32>,
    /// How many contacts they have, those that have several of them counted several times.
    pub postings: usize,
}

impl Dictionary {
    /// Makes all these changes, of which the words are in `bytes`.
    pub fn change(&mut self, changes: &mut [WordChange], bytes: &[u8]) {
        changes.sort_unstable_by_key(|change| (self.numbers.place(change.hash), change.is_new));
        let mut last: Option<(&[u8], u32)> = None;
        for change in changes {
            let word = &bytes[change.start as usize..][..change.len as usize];
            let number = match last {
                Some((same, number)) if same == word => number,
                _ => match self.number(change.hash, word) {
                    Some(number) => number,
                    None if change.is_new => self.add(change.hash, word),
                    None => {
                        debug_assert!(false, "a contact is removed from words that it has");
                        continue;
                    }
                },
            };
            last = Some((word, number));
            let postings = &mut self.postings[number as usize];
            let (len, before) = (postings.len(), postings.memory_bytes());
            if change.is_new {
                postings.insert(change.slot);
            } else {
                postings.remove(change.slot);
            }
            self.posting_bytes = self.posting_bytes + postings.memory_bytes() - before;
            match (len, postings.len()) {
                (0, 1..) => self.unused -= word.len() + 1,
                (1.., 0) => self.unused += word.len() + 1,
                _ => {}
            }
        }
        if self.unused > UNUSED + self.text.len() / 4 {
            self.drop_unused();
        }
    }

    /// Adds a word that is not there, and returns its number.
    fn add(&mut self, hash: u32, word: &[u8]) -> u32 {
        let number = self.starts.len() as u32;
        let start = u32::try_from(self.text.len()).expect("the words of a tenant take less than 4 GB");
        push(&mut self.starts, start);
        push(&mut self.postings, Postings::default());
        if self.text.capacity() - self.text.len() < word.len() + 1 {
            self.text.reserve_exact(64 + word.len() + self.text.len() / 32);
        }
        self.text.extend_from_slice(word);
        self.text.push(END);
        self.unused += word.len() + 1;
        self.numbers.insert(hash, number);
        number
    }

    /// The words that hold this part, which has no space.
    pub fn find(&self, part: &[u8]) -> Found {
        let finder = memmem::Finder::new(part);
        let mut found = Found { numbers: Vec::new(), postings: 0 };
        let (mut number, mut from) = (0, 0);
        while let Some(hit) = finder.find(&self.text[from..]) {
            number += words_before(&self.starts[number + 1..], (from + hit) as u32);
            let contacts = self.postings[number].len();
            if contacts > 0 {
                found.numbers.push(number as u32);
                found.postings += contacts;
            }
            number += 1;
            let Some(&start) = self.starts.get(number) else { break };
            from = start as usize;
        }
        found
    }

    /// The contacts that have one of these words. All slots are below `bound`.
    pub fn contacts(&self, found: &Found, bound: usize) -> Slots {
        let postings = found.numbers.iter().map(|&number| &self.postings[number as usize]);
        if found.postings < bound / 64 {
            let mut slots = Vec::with_capacity(found.postings);
            postings.for_each(|postings| postings.for_each(|slot| slots.push(slot)));
            slots.sort_unstable();
            slots.dedup();
            return Slots::Few(slots);
        }
        let mut bits = Bits::below(bound);
        postings.for_each(|postings| postings.for_each(|slot| bits.add(slot)));
        Slots::Many(bits)
    }

    /// Gives back what was reserved for more words.
    pub fn shrink_to_fit(&mut self) {
        self.text.shrink_to_fit();
        self.starts.shrink_to_fit();
        self.postings.iter_mut().for_each(Postings::shrink_to_fit);
        self.postings.shrink_to_fit();
        self.posting_bytes = self.postings.iter().map(Postings::memory_bytes).sum();
        self.numbers.shrink_to_fit();
    }

    /// Bytes on the heap: of the words, and of their contacts.
    pub const fn memory_bytes(&self) -> [usize; 2] {
        let words = self.text.capacity() + self.starts.capacity() * size_of::<u32>() + self.numbers.memory_bytes();
        [words, self.postings.capacity() * size_of::<Postings>() + self.posting_bytes]
    }

    fn number(&self, hash: u32, word: &[u8]) -> Option<u32> {
        let mut found = None;
        self.numbers.for_each(hash, |number| {
            let text = &self.text[self.starts[number as usize] as usize..];
            if text.starts_with(word) && text[word.len()] == END {
                found = Some(number);
            }
        });
        found
    }

    /// Takes the words out that no contact has, and numbers the others anew.
    fn drop_unused(&mut self) {
        let former = std::mem::take(self);
        let mut new_numbers = vec![None; former.starts.len()];
        let ends = former.starts[1..].iter().map(|&start| start as usize).chain([former.text.len()]);
        for (((&start, end), postings), new_number) in former.starts.iter().zip(ends).zip(former.postings).zip(&mut new_numbers) {
            if postings.len() > 0 {
                *new_number = Some(self.starts.len() as u32);
                push(&mut self.starts, self.text.len() as u32);
                push(&mut self.postings, postings);
                self.text.extend_from_slice(&former.text[start as usize..end]);
            }
        }
        self.posting_bytes = former.posting_bytes;
        self.text.shrink_to_fit();
        former.numbers.for_each_entry(|hash, number| {
            if let Some(number) = new_numbers[number as usize] {
                self.numbers.insert(hash, number);
            }
        });
    }
}

/// How many of these ascending starts are at most `hit`.
fn words_before(starts: &[u32], hit: u32) -> usize {
    // The next hit is either close or far away: look further and further, then between the last two looks.
    let mut end = 1;
    while end < starts.len() && starts[end - 1] <= hit {
        end *= 2;
    }
    let (low, high) = (end / 2, end.min(starts.len()));
    low + starts[low..high].partition_point(|&start| start <= hit)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    /// So few hashes that words share them.
    fn hash(word: &str) -> u32 {
        (word.bytes().map(u32::from).sum::<u32>() % 50) << 26
    }

    fn word() -> impl Strategy<Value = String> {
        prop_oneof!["[ab]{1,3}", "[a-dé]{1,6}"]
    }

    proptest! {
        #[test]
        fn contacts_are_found_by_parts_of_their_words(
            changes in prop::collection::vec((word(), 0..40_u32, prop::bool::weighted(0.6)), 0..300),
            parts in prop::collection::vec(word(), 1..8),
            together in 1..20_usize,
        ) {
            let (mut dictionary, mut model) = (Dictionary::default(), BTreeMap::<String, BTreeSet<u32>>::new());
            for changes in changes.chunks(together) {
                let (mut bytes, mut made) = (Vec::new(), Vec::new());
                for (word, slot, is_new) in changes {
                    let slots = model.entry(word.clone()).or_default();
                    let is_change = if *is_new { slots.insert(*slot) } else { slots.remove(slot) };
                    // What came goes again with other changes.
                    let is_first = made.iter().all(|made: &WordChange| {
                        made.slot != *slot || bytes[made.start as usize..][..made.len as usize] != *word.as_bytes()
                    });
                    if !is_first {
                        dictionary.change(&mut std::mem::take(&mut made), &bytes);
                    }
                    if is_change {
                        let (start, len) = (bytes.len() as u32, word.len() as u32);
                        made.push(WordChange { hash: hash(word), start, len, slot: *slot, is_new: *is_new });
                        bytes.extend_from_slice(word.as_bytes());
                    }
                }
                dictionary.change(&mut made, &bytes);
            }
            for part in parts {
                let holding = model.iter().filter(|(word, _)| word.contains(&part)).map(|(_, slots)| slots);
                let expected: BTreeSet<u32> = holding.clone().flatten().copied().collect();
                let found = dictionary.find(part.as_bytes());
                prop_assert_eq!(found.postings, holding.map(BTreeSet::len).sum::<usize>());
                for bound in [64, 64 * 1_000] {
                    let slots = dictionary.contacts(&found, bound).into_vec();
                    prop_assert_eq!(slots.iter().copied().collect::<BTreeSet<_>>(), expected.clone());
                    prop_assert_eq!(slots.len(), expected.len());
                }
            }
            let in_use: usize = model.iter().filter(|(_, slots)| !slots.is_empty()).map(|(word, _)| word.len() + 1).sum();
            prop_assert_eq!(dictionary.text.len() - dictionary.unused, in_use);
            prop_assert!(dictionary.unused <= UNUSED + dictionary.text.len() / 4);
        }
    }

    #[test]
    fn starts_are_counted_up_to_a_hit() {
        let starts: Vec<u32> = (1..40).map(|start| start * 10).collect();
        for hit in 0..500 {
            assert_eq!(words_before(&starts, hit), starts.iter().filter(|&&start| start <= hit).count(), "{hit}");
        }
        assert_eq!(words_before(&[], 5), 0);
    }
}
