//! The change feed: every contact that a caller sees, and then every change of them, deletions included, from a cursor on.
//!
//! What the log shows is where to look. The contacts themselves are read strongly consistent, so what the feed shows of one never goes back to
//! an older version. `feed` decides what is read and when a reader has everything; `cursor` is what the reader keeps; the reads are here.

mod cursor;
mod feed;
pub mod params;
#[cfg(test)]
mod simulation;

use std::collections::HashMap;

use futures::{StreamExt, TryStreamExt, stream};
use serde_json::value::RawValue;

use crate::caller::Caller;
use crate::contact::ChangeJson;
use crate::error::Error;
use crate::meter::Meter;
use crate::object_id::ObjectId;
use crate::store::{BATCH_KEYS, ContactState, Store};
use crate::timestamp::Timestamp;
use cursor::{Cursor, fingerprint};
use feed::{Progress, Reading, Shown};
use params::{ChangesQuery, Start};

/// How old a cursor may be, in milliseconds. Deletions stay in the log for a day more.
const CURSOR_LIFE_MS: i64 = 29 * 24 * 60 * 60 * 1_000;

/// The most bytes of changes in an answer.
const MAXIMUM_BYTES: usize = 4_000_000;

/// The most bytes of changes in an answer as Lambda passes it on: a string in the function's own JSON, where quotes and backslashes take
/// two bytes. Lambda takes 6 MB.
const MAXIMUM_ESCAPED_BYTES: usize = 5_900_000;

/// How many reads of contacts are under way at once in one call.
const READS_AT_ONCE: usize = 2;

/// An answer of the feed.
#[derive(Debug)]
pub struct Changes {
    /// The changes as JSON, in their order.
    pub data: Vec<Box<RawValue>>,
    /// Where to go on.
    pub cursor: String,
    /// Whether there is more now.
    pub more: bool,
}

/// The changes that `query` asks for and that `caller` may see, at `now`.
///
/// # Errors
///
/// [`Error::CursorInvalid`], [`Error::CursorExpired`], [`Error::Unavailable`] and [`Error::Internal`].
pub async fn changes(
    store: &Store,
    meter: &Meter,
    caller: &Caller,
    query: &ChangesQuery,
    now: Timestamp,
) -> Result<Changes, Error> {
    store.needs_full_change_log()?;
    let Cursor { mark, progress, .. } = begin(store, meter, caller, &query.start, now).await?;
    let mut reading = Reading::new(progress, &caller.namespaces, query.limit, now);
    while let Some(read) = reading.next_read() {
        let page = store.feed_page(meter, &caller.tenant, read.from, read.position, read.limit).await?;
        if let Some(found) = &page.voids_cursors
            && mark.is_none_or(|(stamp, generation)| {
                found.updated_at >= stamp && fingerprint(found.generation.as_bytes()) != generation
            })
        {
            return Err(Error::CursorExpired);
        }
        reading.page(page);
    }

    let wanted: Vec<ObjectId> = reading.wanted().collect();
    let batches: Vec<_> = wanted.chunks(BATCH_KEYS).map(|batch| store.current(meter, &caller.tenant, batch)).collect();
    let mut batches = stream::iter(batches).buffered(READS_AT_ONCE);
    let mut current: HashMap<ObjectId, ContactState> = HashMap::new();
    let mut room = Room::default();
    let mut fits = 0;
    'batches: for batch in wanted.chunks(BATCH_KEYS) {
        current.extend(batches.try_next().await?.unwrap_or_default().into_iter().map(|current| (current.id(), current)));
        for id in batch {
            let shown = current.get(id).and_then(|current| reading.show(current));
            if !room.takes(shown.as_ref())? {
                break 'batches;
            }
            fits += 1;
        }
    }
    drop(batches);
    let shown: Vec<Option<Shown<'_>>> =
        wanted.iter().take(fits).map(|id| current.get(id).and_then(|current| reading.show(current))).collect();
    let (progress, more) = reading.finish(&shown);
    let cursor = Cursor { issued: now, mark, progress }.to_text(caller);
    Ok(Changes { data: room.data, cursor, more })
}

/// The reader as it begins this call.
async fn begin(store: &Store, meter: &Meter, caller: &Caller, start: &Start, now: Timestamp) -> Result<Cursor, Error> {
    let is_too_old = |moment: Timestamp| now.millis().saturating_sub(moment.millis()) > CURSOR_LIFE_MS;
    let after = match start {
        Start::Cursor(text) => {
            let cursor = Cursor::of_text(text, caller)?;
            let first_pass = cursor.progress.first_pass;
            let is_expired = is_too_old(cursor.issued) || first_pass.is_some_and(is_too_old);
            return if is_expired { Err(Error::CursorExpired) } else { Ok(cursor) };
        }
        Start::After(after) if is_too_old(*after) => return Err(Error::CursorExpired),
        Start::After(after) => Some(*after),
        Start::Beginning => None,
    };
    let mark = store.last_mark_that_voids_cursors(meter, &caller.tenant).await?;
    let mark = mark.map(|mark| (mark.updated_at, fingerprint(mark.generation.as_bytes())));
    Ok(Cursor { issued: now, mark, progress: Progress::new(after, now) })
}

/// An answer's changes, as far as there is room for them.
#[derive(Default)]
struct Room {
    data: Vec<Box<RawValue>>,
    bytes: usize,
    escaped: usize,
}

impl Room {
    /// Takes a change, unless there is no room for it. The first one always has room: a contact is smaller than an answer.
    fn takes(&mut self, shown: Option<&Shown<'_>>) -> Result<bool, Error> {
        let Some(shown) = shown else { return Ok(true) };
        let change = match *shown {
            Shown::Contact(contact) => ChangeJson::of_contact(contact),
            Shown::Deleted { id, version, updated_at } => ChangeJson::of_deletion(id, version, updated_at),
        };
        let json = serde_json::value::to_raw_value(&change).map_err(|error| Error::Internal(error.into()))?;
        let quotes = json.get().bytes().filter(|byte| matches!(byte, b'"' | b'\\')).count();
        let bytes = self.bytes + json.get().len() + 1;
        let escaped = self.escaped + json.get().len() + quotes + 1;
        if !self.data.is_empty() && (bytes > MAXIMUM_BYTES || escaped > MAXIMUM_ESCAPED_BYTES) {
            return Ok(false);
        }
        (self.bytes, self.escaped) = (bytes, escaped);
        self.data.push(json);
        Ok(true)
    }
}
