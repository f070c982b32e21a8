//! The register of writes: by it a write that is tried again knows whether it was applied before.
//!
//! An item remembers its last eight writes in the attributes `w0` to `w7`, the latest first. Each entry is the stamp of the try that was applied
//! and the write's random id. Every write shifts the register, so an id at position `k` means: applied, and `k` writes came after it.
//!
//! Stamps are `updatedAt` as it was after the write, so they fall strictly from entry to entry. An id that is not in the register was never
//! applied, if the last entry is older than the first try that can have been.

use aws_sdk_dynamodb::types::AttributeValue;

use super::item::Item;
use crate::hex::hex;
use crate::timestamp::Timestamp;

/// The attributes of the register, the latest write first.
pub const ATTRIBUTES: [&str; 8] = ["w0", "w1", "w2", "w3", "w4", "w5", "w6", "w7"];

/// The entry in the place of a write that never was. It is less than every other entry.
pub const NONE: &str = "-";

/// The length of an entry.
pub const ENTRY_BYTES: usize = STAMP_DIGITS + 1 + 2 * ID_BYTES;

const ID_BYTES: usize = 8;

/// Enough until the year 2286. Later stamps look alike here, so that what they say is "unknown" and nothing untrue.
const STAMP_DIGITS: usize = 13;
const LAST_STAMP: i64 = 9_999_999_999_999;

/// What tells one write from all others, over all its tries: 16 hex digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WriteId(String);

impl WriteId {
    /// A new id.
    ///
    /// # Panics
    ///
    /// When the operating system has no random bytes.
    pub fn generate() -> Self {
        let mut bytes = [0; ID_BYTES];
        getrandom::fill(&mut bytes).expect("the operating system has random bytes");
        Self::from_bytes(bytes)
    }

    /// The id with these bytes.
    pub fn from_bytes(bytes: [u8; ID_BYTES]) -> Self {
        Self(hex(&bytes))
    }

    /// The 16 hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The entry of the write `id` whose try was stamped `stamp`.
pub fn entry(stamp: Timestamp, id: &WriteId) -> String {
    format!("{}-{}", stamp_text(stamp), id.0)
}

/// A stamp as entries begin with it. It is greater than every entry that is older, and not greater than any other.
pub fn stamp_text(stamp: Timestamp) -> String {
    format!("{:0STAMP_DIGITS$}", stamp.millis().clamp(0, LAST_STAMP))
}

/// How many writes were applied after the write `id`, if `item` shows that it was applied at all.
pub fn position(item: &Item, id: &WriteId) -> Option<usize> {
    ATTRIBUTES.iter().position(|attribute| text(item, attribute).is_some_and(|entry| entry.ends_with(&id.0)))
}

/// The stamp of the try of the write `id` that was applied, if `item` still shows it.
pub fn stamp_of(item: &Item, id: &WriteId) -> Option<Timestamp> {
    let entry = text(item, ATTRIBUTES[position(item, id)?])?;
    entry.get(..STAMP_DIGITS)?.parse().ok().map(Timestamp::from_millis)
}

/// Whether `item` shows every write that was applied with the stamp `first` or a later one.
pub fn reaches_back_to(item: &Item, first: Timestamp) -> bool {
    text(item, ATTRIBUTES[ATTRIBUTES.len() - 1]).is_none_or(|oldest| oldest < &*stamp_text(first))
}

/// Lets `item` be as if it were written anew at `stamp`, over writes of which nothing is known: a write from before that is tried again
/// cannot tell whether it was applied, and must not be applied now.
pub fn forget_before(item: &mut Item, stamp: Timestamp) {
    item.extend(ATTRIBUTES.map(|attribute| (attribute.to_owned(), AttributeValue::S(stamp_text(stamp)))));
}

/// Lets `item` replace `there` by the write `id` with this stamp, as an update shifts the register. Over nothing, `item` keeps what it has beside.
pub fn shift(item: &mut Item, there: &Item, stamp: Timestamp, id: &WriteId) {
    if !there.is_empty() {
        for pair in ATTRIBUTES.windows(2) {
            let before = text(there, pair[0]).unwrap_or(NONE).to_owned();
            item.insert(pair[1].to_owned(), AttributeValue::S(before));
        }
    }
    item.insert(ATTRIBUTES[0].to_owned(), AttributeValue::S(entry(stamp, id)));
}

fn text<'a>(item: &'a Item, attribute: &str) -> Option<&'a str> {
    item.get(attribute)?.as_s().ok().map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EARLY: Timestamp = Timestamp::from_millis(999);
    const LATE: Timestamp = Timestamp::from_millis(1_764_016_016_123);

    fn item(entries: &[(&str, String)]) -> Item {
        entries.iter().map(|(attribute, entry)| ((*attribute).to_owned(), AttributeValue::S(entry.clone()))).collect()
    }

    #[test]
    fn an_entry_tells_the_write_and_when_it_was_stamped() {
        let (own, other) = (WriteId::from_bytes([0xab; 8]), WriteId::from_bytes([0x11; 8]));
        let item = item(&[("w0", entry(LATE, &other)), ("w1", entry(EARLY, &own)), ("w2", NONE.to_owned())]);

        assert_eq!(entry(EARLY, &own), "0000000000999-abababababababab");
        assert_eq!((position(&item, &own), position(&item, &other)), (Some(1), Some(0)));
        assert_eq!((stamp_of(&item, &own), stamp_of(&item, &other)), (Some(EARLY), Some(LATE)));
        assert_eq!(position(&item, &WriteId::from_bytes([0; 8])), None);
    }

    #[test]
    fn entries_sort_by_their_stamps() {
        let id = WriteId::from_bytes([0; 8]);

        assert!(*NONE < *entry(EARLY, &id));
        assert!(entry(EARLY, &id) < stamp_text(LATE));
        assert!(stamp_text(LATE) <= entry(LATE, &id));
        assert!(entry(Timestamp::from_millis(i64::MAX), &id).len() == entry(EARLY, &id).len());
    }

    #[test]
    fn a_register_reaches_back_to_what_is_later_than_its_last_entry() {
        let id = WriteId::from_bytes([7; 8]);
        let (full, shifted) = (item(&[("w7", entry(LATE, &id))]), item(&[("w7", NONE.to_owned())]));
        let mut written_anew = Item::new();
        forget_before(&mut written_anew, LATE);

        for item in [&full, &written_anew] {
            assert!(!reaches_back_to(item, LATE) && !reaches_back_to(item, EARLY));
            assert!(reaches_back_to(item, LATE.plus_millis(1)));
        }
        assert!(reaches_back_to(&shifted, EARLY) && reaches_back_to(&Item::new(), EARLY));
        assert_eq!(position(&written_anew, &id), None);
    }
}
