//! Cursors: where a reader of the feed stands, as a text that it keeps.
//!
//! A cursor is not secret and not signed. It belongs to a tenant and to the namespaces of a key, and what it says decides only where the
//! log is read: whoever makes one up reads what a list shows as well. A checksum tells one that was cut or mistyped.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::feed::{Given, Place, Progress, REMEMBERED};
use crate::caller::Caller;
use crate::error::Error;
use crate::timestamp::Timestamp;

/// What a cursor begins with: the version of its form.
const VERSION: u8 = 1;

/// The longest sort key of an item, in bytes.
/// Source: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>.
const MAXIMUM_SORT_KEY: usize = 1_024;

/// Eight bytes of a SHA-256.
pub type Fingerprint = [u8; 8];

/// What a reader keeps between two calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// When it was given out.
    pub issued: Timestamp,
    /// The last mark that voids cursors, as the reader's first call found it: its stamp and the fingerprint of its generation.
    pub mark: Option<(Timestamp, Fingerprint)>,
    /// Where the reader stands in the log.
    pub progress: Progress,
}

/// The first eight bytes of the SHA-256 of `bytes`.
pub fn fingerprint(bytes: &[u8]) -> Fingerprint {
    let hash = Sha256::digest(bytes);
    std::array::from_fn(|place| hash[place])
}

/// What tells a caller's cursors from those of other tenants and of keys with other namespaces. Their order does not matter.
fn owner(caller: &Caller) -> Fingerprint {
    let mut namespaces: Vec<&String> = caller.namespaces.iter().collect();
    namespaces.sort_unstable();
    let mut text = Vec::new();
    for part in std::iter::once(&caller.tenant).chain(namespaces) {
        text.extend((part.len() as u64).to_be_bytes());
        text.extend(part.as_bytes());
    }
    fingerprint(&text)
}

impl Cursor {
    /// The cursor as `caller` is given it.
    pub fn to_text(&self, caller: &Caller) -> String {
        let Self { issued, mark, progress } = self;
        let Progress { place, settled, base, deep_pass, floor, first_pass, has_forgotten, given } = progress;
        let mut bytes = vec![VERSION];
        bytes.extend(owner(caller));
        let mut moment = |moment: &Timestamp| bytes.extend(moment.millis().to_be_bytes());
        [issued, settled, base, deep_pass, floor, &place.stamp].into_iter().for_each(&mut moment);
        let flags = [first_pass.is_some(), mark.is_some(), place.behind.is_some(), *has_forgotten];
        bytes.push(flags.iter().enumerate().map(|(bit, &flag)| u8::from(flag) << bit).sum());
        bytes.extend(first_pass.iter().flat_map(|began| began.millis().to_be_bytes()));
        bytes.extend(mark.iter().flat_map(|(stamp, _)| stamp.millis().to_be_bytes()));
        bytes.extend(mark.iter().flat_map(|(_, generation)| generation));
        if let Some(behind) = &place.behind {
            bytes.extend(u16::try_from(behind.len()).unwrap_or(u16::MAX).to_be_bytes());
            bytes.extend(behind.as_bytes());
        }
        bytes.extend(given.iter().flat_map(|given| given.0.to_be_bytes()));
        bytes.extend(fingerprint(&bytes));
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The cursor that `caller` sends back.
    ///
    /// # Errors
    ///
    /// [`Error::CursorInvalid`] when no cursor of this caller reads so.
    pub fn of_text(text: &str, caller: &Caller) -> Result<Self, Error> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| Error::CursorInvalid)?;
        let (bytes, checksum) = bytes.split_last_chunk().ok_or(Error::CursorInvalid)?;
        if fingerprint(bytes) != *checksum {
            return Err(Error::CursorInvalid);
        }
        let mut reader = Reader(bytes);
        let cursor = reader.cursor(caller).ok_or(Error::CursorInvalid)?;
        if reader.0.is_empty() { Ok(cursor) } else { Err(Error::CursorInvalid) }
    }
}

/// The bytes of a cursor that are not read yet.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    fn moment(&mut self) -> Option<Timestamp> {
        self.array().map(i64::from_be_bytes).map(Timestamp::from_millis)
    }

    fn cursor(&mut self, caller: &Caller) -> Option<Cursor> {
        if self.array()? != [VERSION] || self.array()? != owner(caller) {
            return None;
        }
        let (issued, settled, base) = (self.moment()?, self.moment()?, self.moment()?);
        let (deep_pass, floor, stamp) = (self.moment()?, self.moment()?, self.moment()?);
        let [flags] = self.array()?;
        let flag = |bit: u32| flags & (1 << bit) != 0;
        if flags >= 1 << 4 {
            return None;
        }
        let first_pass = if flag(0) { Some(self.moment()?) } else { None };
        let mark = if flag(1) { Some((self.moment()?, self.array()?)) } else { None };
        let behind = if flag(2) { Some(self.sort_key()?) } else { None };
        let given = self.given()?;
        let progress = Progress {
            place: Place { stamp, behind },
            settled,
            base,
            deep_pass,
            floor,
            first_pass,
            has_forgotten: flag(3),
            given,
        };
        Some(Cursor { issued, mark, progress })
    }

    fn sort_key(&mut self) -> Option<String> {
        let length = usize::from(u16::from_be_bytes(self.array()?));
        let (text, rest) = self.0.split_at_checked(length).filter(|_| (1..=MAXIMUM_SORT_KEY).contains(&length))?;
        self.0 = rest;
        String::from_utf8(text.to_vec()).ok()
    }

    fn given(&mut self) -> Option<Vec<Given>> {
        let (given, rest) = self.0.as_chunks();
        self.0 = rest;
        (given.len() <= REMEMBERED).then(|| given.iter().map(|bytes| Given(u64::from_be_bytes(*bytes))).collect())
    }
}
