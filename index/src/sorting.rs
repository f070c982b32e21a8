//! What an order request comes down to, and sorting by it.
//!
//! Comparing two contacts means finding and reading their texts, which at a million contacts is expensive. So each gets a short prefix
//! of bytes that compare as its keys do, and those whose prefixes are equal get the next one.

use std::collections::{HashMap, HashSet};

use crate::query::{SortField, SortKey};
use crate::records::{Column, Records};
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
const PREFIX: usize = if cfg!(test) { 1 } else { 3 };

/// Bytes of a prefix.
const PREFIX_BYTES: usize = PREFIX * 8;

/// How many prefixes in a row of each contact are compared at most, before the contacts themselves are.
const PREFIXES: usize = 4;

/// Up to so many distinct values, the first key is sorted by the rank of its value.
const VALUES: usize = if cfg!(test) { 6 } else { 1 << 12 };

/// A contact with a part of its keys.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Keyed {
    /// Bytes that compare as the keys do, as far as they tell.
    prefix: [u64; PREFIX],
    /// The contact's place among all by id.
    by_id: u32,
    /// Whether the keys have more to tell. Of contacts with equal prefixes, all or none have.
    is_cut: bool,
}

/// Sorts contacts, which are in the order of their ids, by these keys and then by id.
pub(super) fn sort(records: &Records, by_id: &[u32], keys: &[SortKey]) -> Vec<u32> {
    let Some(first) = keys.first() else { return by_id.to_vec() };
    let mut sorter = Sorter { records, by_id, keys, ranks: None };
    if let Some(column) = column(first.field) {
        sorter.ranks = Ranks::of(records, by_id, column);
    }
    let mut keyed: Vec<Keyed> = (0..by_id.len() as u32).map(|by_id| sorter.keyed(by_id, 0)).collect();
    sorter.sort(&mut keyed, 0);
    keyed.iter().map(|keyed| sorter.slot(keyed)).collect()
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
    fn of(records: &Records, by_id: &[u32], column: Column) -> Option<Self> {
        // A look at some contacts tells of most columns that their texts are as good as all different.
        let some = by_id.iter().step_by(1 + by_id.len() / VALUES);
        let distinct: HashSet<&[u8]> = some.clone().filter_map(|&slot| Some(records.text(slot, column)?.text)).collect();
        if distinct.len() > some.len() / 2 {
            return None;
        }
        let mut numbers: HashMap<&[u8], u16> = HashMap::new();
        let mut values = Vec::new();
        let mut ranks = Vec::with_capacity(by_id.len());
        for &slot in by_id {
            let Some(value) = records.text(slot, column) else {
                ranks.push(0);
                continue;
            };
            let number = *numbers.entry(value.text).or_insert_with(|| {
                values.push(value);
                values.len() as u16
            });
            if usize::from(number) > VALUES {
                return None;
            }
            ranks.push(number);
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

struct Sorter<'a> {
    records: &'a Records,
    by_id: &'a [u32],
    keys: &'a [SortKey],
    /// By place among all by id: the rank of the first key's text, 0 where it is absent.
    ranks: Option<Ranks>,
}

impl Sorter<'_> {
    fn slot(&self, keyed: &Keyed) -> u32 {
        self.by_id[keyed.by_id as usize]
    }

    /// Sorts contacts whose keys are equal in so many prefixes before this one.
    fn sort(&self, keyed: &mut [Keyed], prefixes: usize) {
        keyed.sort_unstable();
        let cut = |one: &Keyed, other: &Keyed| one.prefix == other.prefix;
        for group in keyed.chunk_by_mut(cut).filter(|group| group.len() > 1 && group[0].is_cut) {
            if prefixes + 1 < PREFIXES {
                group.iter_mut().for_each(|keyed| *keyed = self.keyed(keyed.by_id, (prefixes + 1) * PREFIX_BYTES));
                self.sort(group, prefixes + 1);
            } else {
                group.sort_unstable_by(|one, other| {
                    let keys = self.records.compare_keys(self.slot(one), self.slot(other), self.keys);
                    keys.then(one.by_id.cmp(&other.by_id))
                });
            }
        }
    }

    /// A contact with the part of its keys that starts after so many bytes.
    fn keyed(&self, by_id: u32, skip: usize) -> Keyed {
        let slot = self.by_id[by_id as usize];
        let mut prefix = Prefix { bytes: [0; PREFIX_BYTES], len: 0, skip, is_cut: false };
        for (number, key) in self.keys.iter().enumerate() {
            let flip = if key.descending { 0xff } else { 0 };
            let moment = |millis: i64| (millis ^ i64::MIN).to_be_bytes();
            let as_it_is = |byte| byte;
            match key.field {
                SortField::Id => prefix.extend(&by_id.to_be_bytes(), flip, as_it_is),
                SortField::CreatedAt => prefix.extend(&moment(self.records.created_at(slot)), flip, as_it_is),
                SortField::UpdatedAt => prefix.extend(&moment(self.records.updated_at(slot)), flip, as_it_is),
                SortField::Disabled => prefix.push(u8::from(self.records.disabled(slot)), flip),
                SortField::Name | SortField::Text(_) => match (&self.ranks, column(key.field)) {
                    (Some(Ranks(ranks)), _) if number == 0 => {
                        prefix.extend(&ranks[by_id as usize].to_be_bytes(), flip, as_it_is);
                    }
                    (_, column) => {
                        prefix.extend_with_text(column.and_then(|column| self.records.text(slot, column)), flip);
                    }
                },
            }
            if prefix.is_cut {
                break;
            }
        }
        let word = |number: usize| u64::from_be_bytes(std::array::from_fn(|byte| prefix.bytes[8 * number + byte]));
        Keyed { prefix: std::array::from_fn(word), by_id, is_cut: prefix.is_cut }
    }
}

/// Writes a prefix.
struct Prefix {
    bytes: [u8; PREFIX_BYTES],
    len: usize,
    /// Bytes that are left out before the prefix begins.
    skip: usize,
    /// Whether something did not fit.
    is_cut: bool,
}

impl Prefix {
    fn push(&mut self, byte: u8, flip: u8) {
        self.extend(&[byte], flip, |byte| byte);
    }

    fn extend(&mut self, bytes: &[u8], flip: u8, form: impl Fn(u8) -> u8) {
        let skipped = self.skip.min(bytes.len());
        self.skip -= skipped;
        let bytes = &bytes[skipped..];
        let room = &mut self.bytes[self.len..];
        room.iter_mut().zip(bytes).for_each(|(place, &byte)| *place = form(byte) ^ flip);
        self.is_cut |= bytes.len() > room.len();
        self.len += bytes.len().min(room.len());
    }

    /// An absent text is 0. A present one is its folded bytes, each increased by 2, a 1, its own bytes, each increased by 2, and a 1.
    /// UTF-8 has no byte above 0xf4.
    fn extend_with_text(&mut self, text: Option<Text<'_>>, flip: u8) {
        let Some(text) = text else { return self.push(0, flip) };
        let lower = text.lower();
        self.extend(text.raw_folded(), flip, |byte| lower(byte) + 2);
        self.push(1, flip);
        self.extend(text.text, flip, |byte| byte + 2);
        self.push(1, flip);
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
