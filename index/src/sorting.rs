//! What an order request comes down to, and sorting by it.
//!
//! Comparing two contacts means finding and reading their texts, which at a million contacts is expensive. So each contact's keys are
//! written once as bytes that compare as they do: all are sorted by a short prefix, and by the rest where prefixes are equal.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use crate::query::{SortField, SortKey};
use crate::records::{Column, Records};
use crate::slots::Bits;
use crate::text::Text;

/// How an order is met by walking another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// As it is.
    Forward,
    /// From its end to its start.
    Backward,
    /// From its end to its start, but contacts with equal keys by ascending id.
    BackwardByGroups,
}

/// An order request in its simplest form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SortPlan {
    /// The request without what cannot matter.
    pub keys: Vec<SortKey>,
    /// The order to walk: the first key is ascending, so that one order serves both directions. Ties go by ascending id.
    pub walked: Vec<SortKey>,
    /// How to walk it.
    pub direction: Direction,
}

impl SortPlan {
    /// The plan for this request.
    pub fn new(sort: &[SortKey]) -> Self {
        let mut keys: Vec<SortKey> = Vec::new();
        for key in sort {
            if !keys.iter().any(|earlier| earlier.field == key.field) {
                keys.push(*key);
            }
            if key.field == SortField::Id {
                break;
            }
        }
        pop_ascending_id(&mut keys);

        let mut walked = keys.clone();
        let mut direction = Direction::Forward;
        if keys.first().is_some_and(|first| first.descending) {
            walked.iter_mut().for_each(|key| key.descending = !key.descending);
            direction = if pop_ascending_id(&mut walked) { Direction::Backward } else { Direction::BackwardByGroups };
        }
        Self { keys, walked, direction }
    }
}

/// Drops what every order ends with anyway.
fn pop_ascending_id(keys: &mut Vec<SortKey>) -> bool {
    keys.pop_if(|last| last.field == SortField::Id && !last.descending).is_some()
}

/// Words of a prefix.
const PREFIX: usize = if cfg!(test) { 2 } else { 5 };

/// Bytes of a word.
const WORD: usize = 8;

/// Bytes of a prefix.
const PREFIX_BYTES: usize = PREFIX * WORD;

/// Up to so many distinct values, the first key is sorted by the rank of its value.
const VALUES: usize = if cfg!(test) { 6 } else { 1 << 12 };

/// Up to so many contacts, sorting all of them takes no longer than selecting some.
const ALL: usize = if cfg!(test) { 4 } else { 2_048 };

/// The contacts from `offset` on, at most `limit`, when all of these, which are in the order of their ids, are sorted by these keys and
/// then by id. Only those near the page are sorted.
pub(super) fn page(records: &Records, by_id: &[u32], keys: &[SortKey], offset: usize, limit: usize) -> Vec<u32> {
    let end = offset.saturating_add(limit).min(by_id.len());
    if by_id.len() <= ALL || keys.is_empty() || offset >= end {
        return sort(records, by_id, keys).into_iter().skip(offset).take(limit).collect();
    }
    let stream = Stream { records, by_id, keys, ranks: None };
    let mut bytes = Vec::new();
    let mut words = vec![0; by_id.len()];
    for number in reading_order(by_id) {
        bytes.clear();
        stream.write(number, WORD, &mut bytes);
        bytes.resize(WORD, 0);
        words[number as usize] = u64::from_be_bytes(std::array::from_fn(|byte| bytes[byte]));
    }
    let mut selected = words.clone();
    let (_, &mut first, above) = selected.select_nth_unstable(offset);
    let last = if end - offset > 1 { *above.select_nth_unstable(end - offset - 2).1 } else { first };
    let before = words.iter().filter(|&&word| word < first).count();
    let near = by_id.iter().zip(&words).filter(|(_, word)| (first..=last).contains(*word)).map(|(&slot, _)| slot);
    sort(records, &near.collect::<Vec<_>>(), keys).into_iter().skip(offset - before).take(limit).collect()
}

/// Sorts contacts, which are in the order of their ids, by these keys and then by id.
pub(super) fn sort(records: &Records, by_id: &[u32], keys: &[SortKey]) -> Vec<u32> {
    let Some(first) = keys.first() else { return by_id.to_vec() };
    let reading = reading_order(by_id);
    let ranks = column(first.field).and_then(|column| Ranks::of(records, by_id, &reading, column));
    let stream = Stream { records, by_id, keys, ranks };
    let mut sorter = Sorter { prefixes: vec![[0; PREFIX]; by_id.len()], cut: Bits::below(by_id.len()), stream };
    let mut bytes = Vec::new();
    for number in reading {
        bytes.clear();
        sorter.stream.write(number, PREFIX_BYTES, &mut bytes);
        if bytes.len() > PREFIX_BYTES {
            sorter.cut.add(number);
        }
        bytes.resize(PREFIX_BYTES, 0);
        let word = |word: usize| u64::from_be_bytes(std::array::from_fn(|byte| bytes[8 * word + byte]));
        sorter.prefixes[number as usize] = std::array::from_fn(word);
    }
    let mut keyed: Vec<Keyed> = (0..).zip(&sorter.prefixes).map(|(number, prefix)| keyed(prefix[0], number)).collect();
    sorter.sort(&mut keyed, 0, &mut Rests::default());
    keyed.iter().map(|&keyed| by_id[number(keyed) as usize]).collect()
}

/// The places of contacts among all by id, in the order of their slots if there are many: so their records are read one after another.
fn reading_order(by_id: &[u32]) -> Vec<u32> {
    const NONE: u32 = u32::MAX;
    let slots = by_id.iter().max().map_or(0, |&last| last as usize + 1);
    if by_id.len() < slots / 8 {
        return (0..by_id.len() as u32).collect();
    }
    let mut numbers = vec![NONE; slots];
    for (number, &slot) in (0..).zip(by_id) {
        numbers[slot as usize] = number;
    }
    numbers.retain(|&number| number != NONE);
    numbers
}

/// A word of a contact's prefix, and below it the contact's place among all by id.
type Keyed = u128;

const fn keyed(word: u64, number: u32) -> Keyed {
    (word as u128) << 64 | number as u128
}

const fn number(keyed: Keyed) -> u32 {
    keyed as u32
}

const fn column(field: SortField) -> Option<Column> {
    match field {
        SortField::Name => Some(Column::Name),
        SortField::Text(field) => Some(Column::Field(field)),
        SortField::Id | SortField::Disabled | SortField::CreatedAt | SortField::UpdatedAt => None,
    }
}

/// The ranks of the distinct texts in a column that has few of them.
struct Ranks(Vec<u16>);

impl Ranks {
    /// The rank of each contact's text; nothing when there are many distinct texts.
    fn of(records: &Records, by_id: &[u32], reading: &[u32], column: Column) -> Option<Self> {
        // A look at some contacts tells of most columns that their texts are as good as all different.
        let some = by_id.iter().step_by(1 + by_id.len() / VALUES);
        let distinct: HashSet<&[u8]> = some.clone().filter_map(|&slot| Some(records.text(slot, column)?.text)).collect();
        if distinct.len() > some.len() / 2 {
            return None;
        }
        let mut numbers: HashMap<&[u8], u16> = HashMap::new();
        let mut values = Vec::new();
        let mut ranks = vec![0; by_id.len()];
        for &place in reading {
            let Some(value) = records.text(by_id[place as usize], column) else { continue };
            let number = *numbers.entry(value.text).or_insert_with(|| {
                values.push(value);
                values.len() as u16
            });
            if usize::from(number) > VALUES {
                return None;
            }
            ranks[place as usize] = number;
        }
        let mut sorted: Vec<u16> = (1..=values.len() as u16).collect();
        sorted.sort_unstable_by(|one, other| values[usize::from(*one) - 1].compare(values[usize::from(*other) - 1]));
        let mut rank_of = vec![0; values.len() + 1];
        for (number, rank) in sorted.into_iter().zip(1..) {
            rank_of[usize::from(number)] = rank;
        }
        ranks.iter_mut().for_each(|number| *number = rank_of[usize::from(*number)]);
        Some(Self(ranks))
    }
}

/// The keys of contacts as bytes that compare as the keys do. None is the beginning of another.
struct Stream<'a> {
    records: &'a Records,
    by_id: &'a [u32],
    keys: &'a [SortKey],
    /// By place among all by id: the rank of the first key's text, 0 where it is absent.
    ranks: Option<Ranks>,
}

impl Stream<'_> {
    /// Appends the bytes of a contact, but no more keys once there are more than `enough`.
    fn write(&self, by_id: u32, enough: usize, bytes: &mut Vec<u8>) {
        let slot = self.by_id[by_id as usize];
        let start = bytes.len();
        for (number, key) in self.keys.iter().enumerate() {
            let key_start = bytes.len();
            let moment = |millis: i64| (millis ^ i64::MIN).to_be_bytes();
            match key.field {
                SortField::Id => bytes.extend_from_slice(&by_id.to_be_bytes()),
                SortField::CreatedAt => bytes.extend_from_slice(&moment(self.records.created_at(slot))),
                SortField::UpdatedAt => bytes.extend_from_slice(&moment(self.records.updated_at(slot))),
                SortField::Disabled => bytes.push(u8::from(self.records.disabled(slot))),
                SortField::Name | SortField::Text(_) => match (&self.ranks, column(key.field)) {
                    (Some(Ranks(ranks)), _) if number == 0 => bytes.extend_from_slice(&ranks[by_id as usize].to_be_bytes()),
                    (_, column) => {
                        let text = column.and_then(|column| self.records.text(slot, column));
                        write_text(text, enough.saturating_sub(key_start - start), bytes);
                    }
                },
            }
            if key.descending {
                bytes[key_start..].iter_mut().for_each(|byte| *byte ^= 0xff);
            }
            if bytes.len() - start > enough {
                break;
            }
        }
    }
}

/// An absent text is 0. A present one is its folded bytes, each increased by 2, a 1, its own bytes, each increased by 2, and a 1.
/// UTF-8 has no byte above 0xf4. What comes after more than `enough` bytes may be left out.
fn write_text(text: Option<Text<'_>>, enough: usize, bytes: &mut Vec<u8>) {
    let Some(text) = text else { return bytes.push(0) };
    let start = bytes.len();
    text.fold_start_onto(enough.saturating_add(1), bytes);
    bytes[start..].iter_mut().for_each(|byte| *byte += 2);
    if bytes.len() - start > enough {
        return;
    }
    bytes.push(1);
    bytes.extend(text.text.iter().map(|byte| byte + 2));
    bytes.push(1);
}

struct Sorter<'a> {
    stream: Stream<'a>,
    /// The first bytes of each contact's stream.
    prefixes: Vec<[u64; PREFIX]>,
    /// Those whose stream is longer than that.
    cut: Bits,
}

/// The rests of streams, while a few contacts are sorted by them.
#[derive(Default)]
struct Rests {
    bytes: Vec<u8>,
    contacts: Vec<(Range<usize>, Keyed)>,
}

impl Sorter<'_> {
    /// Sorts contacts by this word of their prefixes and what comes after it.
    fn sort(&self, contacts: &mut [Keyed], word: usize, rests: &mut Rests) {
        contacts.sort_unstable();
        for group in contacts.chunk_by_mut(|one, other| one >> 64 == other >> 64).filter(|group| group.len() > 1) {
            if word + 1 < PREFIX {
                for contact in group.iter_mut() {
                    let number = number(*contact);
                    *contact = keyed(self.prefixes[number as usize][word + 1], number);
                }
                self.sort(group, word + 1, rests);
            } else if self.cut.contains(number(group[0])) {
                self.sort_by_rest(group, rests);
            }
        }
    }

    /// Sorts contacts with equal prefixes by the rest of their streams.
    fn sort_by_rest(&self, group: &mut [Keyed], Rests { bytes, contacts }: &mut Rests) {
        bytes.clear();
        contacts.clear();
        for contact in group.iter() {
            let start = bytes.len();
            self.stream.write(number(*contact), usize::MAX, bytes);
            contacts.push((start + PREFIX_BYTES..bytes.len(), *contact));
        }
        contacts.sort_unstable_by(|one, other| bytes[one.0.clone()].cmp(&bytes[other.0.clone()]).then(one.1.cmp(&other.1)));
        group.iter_mut().zip(contacts).for_each(|(contact, (_, sorted))| *contact = *sorted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(sort: &str) -> Vec<SortKey> {
        let key = |name: &str| {
            let (field, descending) = name.strip_prefix('-').map_or((name, false), |field| (field, true));
            let (_, field) = SortField::ALL.into_iter().find(|(name, _)| *name == field).unwrap();
            SortKey { field, descending }
        };
        sort.split_whitespace().map(key).collect()
    }

    #[test]
    fn one_order_is_walked_for_all_requests_that_it_serves() {
        for (sort, walked, direction) in [
            ("", "", Direction::Forward),
            ("_id name", "", Direction::Forward),
            ("-_id name", "", Direction::Backward),
            ("name", "name", Direction::Forward),
            ("name -name _id", "name", Direction::Forward),
            ("name -_id", "name -_id", Direction::Forward),
            ("-name", "name", Direction::BackwardByGroups),
            ("-name _id email", "name", Direction::BackwardByGroups),
            ("-name -_id email", "name", Direction::Backward),
            ("-name email", "name -email", Direction::BackwardByGroups),
            ("-name email -_id", "name -email", Direction::Backward),
        ] {
            let plan = SortPlan::new(&keys(sort));

            assert_eq!((plan.walked, plan.direction), (keys(walked), direction), "{sort}");
        }
    }
}
