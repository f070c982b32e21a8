//! What an order request comes down to, and sorting by it.
//!
//! Comparing two contacts means finding and decoding their texts, which at a million contacts is dear. So each gets a short prefix of
//! bytes that compare as its keys do, and only those whose prefix does not tell are compared in full.

use std::cmp::Ordering;

use crate::query::{SortField, SortKey};
use crate::records::{Records, Value};

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

/// Bytes of a prefix.
const PREFIX: usize = 40;

/// Up to so many contacts that share a prefix are compared in full; more get another one, of what comes next in their keys.
const FEW: usize = if cfg!(test) { 2 } else { 6 };

/// What in the keys a prefix starts with.
#[derive(Clone, Copy, Default)]
struct Start {
    /// The first key that still matters.
    key: usize,
    /// Of that key only the text matters: the folded forms are equal.
    is_text: bool,
    /// So many bytes after that are equal as well.
    skip: usize,
}

/// A contact with a part of its keys.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Keyed {
    /// Bytes that compare as the keys do, as far as they tell.
    prefix: [u64; PREFIX / 8],
    /// The contact's place among all by id.
    by_id: u32,
    /// How many of the bytes tell something. There is no more to tell when it is greater than [`PREFIX`].
    told: u8,
    /// The key that comes next.
    key: u8,
}

/// Sorts contacts, which are in the order of their ids, by these keys and then by id.
pub(super) fn sort(records: &Records, by_id: &[u32], keys: &[SortKey]) -> Vec<u32> {
    if keys.is_empty() {
        return by_id.to_vec();
    }
    let sorter = Sorter { records, by_id, keys };
    let mut keyed: Vec<Keyed> = (0..by_id.len() as u32).map(|by_id| sorter.keyed(by_id, Start::default())).collect();
    sorter.sort(&mut keyed, Start::default());
    keyed.iter().map(|keyed| sorter.slot(keyed)).collect()
}

struct Sorter<'a> {
    records: &'a Records,
    by_id: &'a [u32],
    keys: &'a [SortKey],
}

impl Sorter<'_> {
    fn slot(&self, keyed: &Keyed) -> u32 {
        self.by_id[keyed.by_id as usize]
    }

    fn compare(&self, one: &Keyed, other: &Keyed) -> Ordering {
        self.records.compare_keys(self.slot(one), self.slot(other), self.keys).then(one.by_id.cmp(&other.by_id))
    }

    /// Sorts contacts whose prefixes start there, and who are equal before that.
    fn sort(&self, keyed: &mut [Keyed], start: Start) {
        keyed.sort_unstable();
        let mut rest = keyed;
        while let Some(first) = rest.first().copied() {
            let told = usize::from(first.told);
            let len = if told > PREFIX { 1 } else { rest.iter().take_while(|other| starts_equal(&first, other)).count() };
            let (group, after) = rest.split_at_mut(len);
            if len > FEW {
                let start = if told == PREFIX {
                    Start { skip: start.skip + PREFIX, ..start }
                } else {
                    Start { key: usize::from(first.key), is_text: true, skip: 0 }
                };
                group.iter_mut().for_each(|keyed| *keyed = self.keyed(keyed.by_id, start));
                self.sort(group, start);
            } else if len > 1 {
                group.sort_unstable_by(|one, other| self.compare(one, other));
            }
            rest = after;
        }
    }

    fn keyed(&self, by_id: u32, start: Start) -> Keyed {
        let slot = self.by_id[by_id as usize];
        let mut prefix = Prefix { bytes: [0; PREFIX], len: 0, skip: start.skip, is_cut: false };
        let mut next = start.key;
        for (number, key) in (0..).zip(self.keys).skip(start.key) {
            next = number;
            let flip = if key.descending { 0xff } else { 0 };
            let moment = |millis: i64| (millis ^ i64::MIN).to_be_bytes().map(|byte| byte ^ flip);
            match key.field {
                SortField::Id => prefix.extend(&by_id.to_be_bytes().map(|byte| byte ^ flip), |byte| byte),
                SortField::CreatedAt => prefix.extend(&moment(self.records.slot(slot).created_at), |byte| byte),
                SortField::UpdatedAt => prefix.extend(&moment(self.records.slot(slot).updated_at), |byte| byte),
                SortField::Disabled => prefix.push(u8::from(self.records.disabled(slot)) ^ flip),
                field => {
                    let value = self.records.value(slot, field);
                    if start.is_text && number == start.key {
                        prefix.push_text(value, flip);
                    } else {
                        prefix.push_value(value, flip);
                    }
                }
            }
            if prefix.is_cut {
                break;
            }
        }
        let word = |number: usize| u64::from_be_bytes(std::array::from_fn(|byte| prefix.bytes[8 * number + byte]));
        let told = if prefix.is_cut { prefix.len as u8 } else { u8::MAX };
        Keyed { prefix: std::array::from_fn(word), by_id, told, key: next as u8 }
    }
}

/// Whether the other prefix starts as the first one does, as far as that tells.
fn starts_equal(first: &Keyed, other: &Keyed) -> bool {
    let told = usize::from(first.told);
    (0..PREFIX / 8).all(|word| {
        let bytes = told.saturating_sub(word * 8).min(8);
        let mask = if bytes == 0 { 0 } else { u64::MAX << (64 - 8 * bytes) };
        (first.prefix[word] ^ other.prefix[word]) & mask == 0
    })
}

/// Writes a prefix.
struct Prefix {
    bytes: [u8; PREFIX],
    len: usize,
    /// Bytes that are left out before the prefix begins.
    skip: usize,
    /// Whether something did not fit, or could not be put into bytes.
    is_cut: bool,
}

impl Prefix {
    fn push(&mut self, byte: u8) {
        if self.skip > 0 {
            self.skip -= 1;
        } else if let Some(place) = self.bytes.get_mut(self.len) {
            *place = byte;
            self.len += 1;
        } else {
            self.is_cut = true;
        }
    }

    fn extend(&mut self, bytes: &[u8], form: impl Fn(u8) -> u8) {
        let skipped = self.skip.min(bytes.len());
        self.skip -= skipped;
        let bytes = &bytes[skipped..];
        let room = &mut self.bytes[self.len..];
        room.iter_mut().zip(bytes).for_each(|(place, &byte)| *place = form(byte));
        self.is_cut = bytes.len() > room.len();
        self.len += bytes.len().min(room.len());
    }

    /// An absent text is 0. A present one is its folded bytes, each increased by 2, a 1, and a byte for how the text differs from
    /// that. UTF-8 has no byte above 0xf4.
    fn push_value(&mut self, value: Option<Value<'_>>, flip: u8) {
        let Some(value) = value else { return self.push(flip) };
        let (folded, is_lower) = value.folded();
        if is_lower {
            self.extend(folded, |byte| (byte + 2) ^ flip);
        } else {
            self.extend(folded, |byte| (byte.to_ascii_lowercase() + 2) ^ flip);
        }
        if self.is_cut {
            return;
        }
        self.push(1 ^ flip);
        match value {
            Value::Capitals(_) => self.push(2 ^ flip),
            Value::Folded(_) => self.push(3 ^ flip),
            // Where such a text belongs among those depends on which of its letters differ. The zeros that follow here sort it before
            // all with the same folded form, so that it stands first in the group that has to be looked at.
            Value::Ascii(_) | Value::Both(..) => self.is_cut = true,
        }
    }

    /// The text itself, in the same way.
    fn push_text(&mut self, value: Option<Value<'_>>, flip: u8) {
        let Some(value) = value else { return self.push(flip) };
        self.extend(&value.text(), |byte| (byte + 2) ^ flip);
        if !self.is_cut {
            self.push(1 ^ flip);
        }
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
