//! What an order request comes down to, and sorting by it.
//!
//! Comparing two contacts means finding and reading their texts, which at a million contacts is expensive. So a contact's keys are
//! written as bytes that compare as they do, and mostly the first eight of them suffice.

use std::ops::Range;

use crate::query::{SortField, SortKey};
use crate::records::{Column, Records};
use crate::text::Text;

/// The keys of the permanent order by change.
pub(super) const BY_UPDATED: [SortKey; 1] = [SortKey { field: SortField::UpdatedAt, descending: false }];

/// How an order is met by walking another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// As it is.
    Forward,
    /// From its end to its start.
    Backward,
    /// From its end to its start, but contacts with equal keys by ascending id. Only the permanent order by change is met so.
    BackwardByGroups,
}

/// An order request in its simplest form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SortPlan {
    /// The request without what cannot matter.
    pub keys: Vec<SortKey>,
    /// The order to walk. Ties go by ascending id.
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
        if keys.first().is_some_and(|first| first.descending) {
            walked.iter_mut().for_each(|key| key.descending = !key.descending);
            if pop_ascending_id(&mut walked) {
                return Self { keys, walked, direction: Direction::Backward };
            }
            if walked == BY_UPDATED {
                return Self { keys, walked, direction: Direction::BackwardByGroups };
            }
            walked.clone_from(&keys);
        }
        Self { keys, walked, direction: Direction::Forward }
    }
}

/// Drops what every order ends with anyway.
fn pop_ascending_id(keys: &mut Vec<SortKey>) -> bool {
    keys.pop_if(|last| last.field == SortField::Id && !last.descending).is_some()
}

/// Bytes of a word.
pub(super) const WORD: usize = 8;

/// Contacts with equal words are sorted by the rest of their streams when they are no more than this, and by one more word otherwise.
const GROUP: usize = if cfg!(test) { 4 } else { 2_048 };

/// Up to so many contacts, sorting all of them takes no longer than selecting some.
const ALL: usize = if cfg!(test) { 4 } else { 2_048 };

/// The contacts from `offset` on, at most `limit`, when all of these are sorted. Only those near the page are sorted.
pub(super) fn page(stream: &Stream<'_>, mut slots: Vec<u32>, offset: usize, limit: usize) -> Vec<u32> {
    let end = offset.saturating_add(limit).min(slots.len());
    if offset >= end {
        return Vec::new();
    }
    if stream.keys.is_empty() {
        let id = |slot: &u32| stream.records.id(*slot);
        slots.select_nth_unstable_by_key(end - 1, id);
        slots.truncate(end);
        slots.select_nth_unstable_by_key(offset, id);
        slots.drain(..offset);
        slots.sort_unstable_by_key(id);
        return slots;
    }
    if slots.len() <= ALL {
        sort(stream, &mut slots, 0);
        return slots[offset..end].to_vec();
    }
    let words = stream.words(&slots, 0);
    let mut selected = words.clone();
    let (_, &mut first, above) = selected.select_nth_unstable(offset);
    let last = if end - offset > 1 { *above.select_nth_unstable(end - offset - 2).1 } else { first };
    let before = words.iter().filter(|&&word| word < first).count();
    let near = slots.iter().zip(&words).filter(|(_, word)| (first..=last).contains(*word)).map(|(&slot, _)| slot);
    let mut near: Vec<u32> = near.collect();
    sort(stream, &mut near, 0);
    near[offset - before..end - before].to_vec()
}

/// Sorts contacts whose streams have the first `skip` bytes in common.
pub(super) fn sort(stream: &Stream<'_>, slots: &mut [u32], skip: usize) {
    if slots.len() < 2 {
        return;
    }
    if slots.len() <= GROUP {
        return sort_by_streams(stream, slots, skip);
    }
    let mut keyed: Vec<(u64, u32)> = stream.words(slots, skip).into_iter().zip(slots.iter().copied()).collect();
    keyed.sort_unstable();
    slots.iter_mut().zip(&keyed).for_each(|(slot, keyed)| *slot = keyed.1);
    let mut rest = slots;
    for group in keyed.chunk_by(|one, other| one.0 == other.0) {
        let (slots, others) = rest.split_at_mut(group.len());
        sort(stream, slots, skip + WORD);
        rest = others;
    }
}

fn sort_by_streams(stream: &Stream<'_>, slots: &mut [u32], skip: usize) {
    let (mut bytes, mut contacts) = (Vec::new(), Vec::<(u64, Range<usize>, u32)>::with_capacity(slots.len()));
    for &slot in slots.iter() {
        let start = bytes.len();
        stream.write(slot, usize::MAX, &mut bytes);
        let rest = (start + skip).min(bytes.len())..bytes.len();
        contacts.push((word(&bytes[rest.clone()]), rest, slot));
    }
    let rest = |range: &Range<usize>| &bytes[range.clone()];
    contacts.sort_unstable_by(|one, other| one.0.cmp(&other.0).then_with(|| rest(&one.1).cmp(rest(&other.1))));
    slots.iter_mut().zip(contacts).for_each(|(slot, sorted)| *slot = sorted.2);
}

/// The first bytes as a number that compares as they do. What is shorter ends with zeros.
pub(super) fn word(bytes: &[u8]) -> u64 {
    let mut word = [0; WORD];
    let len = bytes.len().min(WORD);
    word[..len].copy_from_slice(&bytes[..len]);
    u64::from_be_bytes(word)
}

const fn column(field: SortField) -> Option<Column> {
    match field {
        SortField::Name => Some(Column::Name),
        SortField::Text(field) => Some(Column::Field(field)),
        SortField::Id | SortField::Disabled | SortField::CreatedAt | SortField::UpdatedAt => None,
    }
}

/// The keys of contacts and then their ids, as bytes that compare as they do. None is the beginning of another.
#[derive(Clone, Copy)]
pub(super) struct Stream<'a> {
    pub records: &'a Records,
    pub keys: &'a [SortKey],
}

impl Stream<'_> {
    /// Appends the bytes of a contact. What comes after the first `enough` may be left out.
    pub fn write(&self, slot: u32, enough: usize, bytes: &mut Vec<u8>) {
        let start = bytes.len();
        for key in self.keys {
            let key_start = bytes.len();
            let moment = |millis: i64| (millis ^ i64::MIN).to_be_bytes();
            match key.field {
                SortField::Id => bytes.extend_from_slice(&self.records.id(slot).bytes()),
                SortField::CreatedAt => bytes.extend_from_slice(&moment(self.records.created_at(slot))),
                SortField::UpdatedAt => bytes.extend_from_slice(&moment(self.records.updated_at(slot))),
                SortField::Disabled => bytes.push(u8::from(self.records.disabled(slot))),
                SortField::Name | SortField::Text(_) => {
                    let text = column(key.field).and_then(|column| self.records.text(slot, column));
                    write_text(text, enough.saturating_sub(key_start - start), bytes);
                }
            }
            if key.descending {
                bytes[key_start..].iter_mut().for_each(|byte| *byte ^= 0xff);
            }
            if bytes.len() - start >= enough {
                return;
            }
        }
        bytes.extend_from_slice(&self.records.id(slot).bytes());
    }

    /// The words of these contacts' streams after the first `skip` bytes.
    pub fn words(&self, slots: &[u32], skip: usize) -> Vec<u64> {
        let mut bytes = Vec::new();
        slots.iter().map(|&slot| self.word(slot, skip, &mut bytes)).collect()
    }

    /// The word of a contact's stream after the first `skip` bytes. `bytes` is left with anything.
    pub fn word(&self, slot: u32, skip: usize, bytes: &mut Vec<u8>) -> u64 {
        if skip == 0
            && let Some(first) = self.keys.first()
            && let Some(column) = column(first.field)
            && let Some(word) = self.records.text(slot, column).and_then(text_word)
        {
            return if first.descending { !word } else { word };
        }
        bytes.clear();
        self.write(slot, skip + WORD, bytes);
        word(&bytes[skip.min(bytes.len())..])
    }
}

/// An absent text is 0. A present one is its folded bytes, each increased by 2, a 1, its own bytes, each increased by 2, and a 1.
/// UTF-8 has no byte above 0xf4. What comes after the first `enough` bytes may be left out.
fn write_text(text: Option<Text<'_>>, enough: usize, bytes: &mut Vec<u8>) {
    let Some(text) = text else { return bytes.push(0) };
    let start = bytes.len();
    text.fold_start_onto(enough, bytes);
    bytes[start..].iter_mut().for_each(|byte| *byte += 2);
    if bytes.len() - start >= enough {
        return;
    }
    bytes.push(1);
    bytes.extend(text.text.iter().map(|byte| byte + 2));
    bytes.push(1);
}

/// The first word of what [`write_text`] writes, where it can be told quickly.
fn text_word(text: Text<'_>) -> Option<u64> {
    let start = text.folded_start::<WORD>()?;
    Some(u64::from_be_bytes(start.map(|byte| byte + 2)))
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
            ("-name", "-name", Direction::Forward),
            ("-name _id email", "-name", Direction::Forward),
            ("-name -_id email", "name", Direction::Backward),
            ("-name email", "-name email", Direction::Forward),
            ("-updatedAt", "updatedAt", Direction::BackwardByGroups),
            ("-updatedAt -_id", "updatedAt", Direction::Backward),
            ("-updatedAt name", "-updatedAt name", Direction::Forward),
            ("-name email -_id", "name -email", Direction::Backward),
        ] {
            let plan = SortPlan::new(&keys(sort));

            assert_eq!((plan.walked, plan.direction), (keys(walked), direction), "{sort}");
        }
    }
}
