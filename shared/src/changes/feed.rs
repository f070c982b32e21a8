//! The protocol of the change feed: what of the log is read next, and when a reader has everything. Pure: no clock, no I/O.
//!
//! The log is in the order of stamps, and an entry can appear in it behind others that were given out already: a write lands after
//! its stamp, the log lags behind the table, clocks differ. So a reader does not only go forward:
//!
//! - What was read less than [`FEED_SETTLE_MS`] after its stamp is not *settled*. When the log ends, reading goes on from there next time. What
//!   was given out since is remembered, so that it does not come again.
//! - On a tenant so busy that the log hardly ever ends, reading goes back to the settled place when that is [`FEED_LAG_MS`] behind.
//! - Every [`FEED_DEEP_MS`] a *deep pass* begins as far before the deep pass before it, for what a frozen writer sent late.
//!
//! A *pass* is what lies between two answers that end with the log. It began at `base`: what happened before is known to the reader.

use index::bounds::{FEED_DEEP_MS, FEED_LAG_MS, FEED_SETTLE_MS};
use index::log::LogPosition;
use sha2::{Digest, Sha256};

use crate::object_id::ObjectId;
use crate::store::{ContactState, FeedEntry, FeedPage, Leaving, LeftNamespaces};
use crate::timestamp::Timestamp;

/// The most entries of the log that one call reads, so that its time is bounded whatever the reader sees of them.
const READ_AT_MOST: usize = 5_000;

/// The most changes of which a reader remembers that it was given them: 2 KB of its cursor.
pub const REMEMBERED: usize = 256;

/// Where a reader stands: what a cursor holds of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Where reading goes on.
    pub place: Place,
    /// Everything stamped before this moment was read when it was at least [`FEED_SETTLE_MS`] old.
    pub settled: Timestamp,
    /// Where the pass began: the reader knows what happened before.
    pub base: Timestamp,
    /// When the last deep pass began.
    pub deep_pass: Timestamp,
    /// The first stamp that the reader asked for.
    pub floor: Timestamp,
    /// When the first pass began, as long as it has not ended.
    pub first_pass: Option<Timestamp>,
    /// Whether more was given out since the settled place than is remembered.
    pub has_forgotten: bool,
    /// What was given out since the settled place, the latest last.
    pub given: Vec<Given>,
}

/// A place in the log: before everything that is stamped so, or behind one entry with that stamp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The stamp.
    pub stamp: Timestamp,
    /// The sort key of the entry that the place is behind.
    pub behind: Option<String>,
}

impl Place {
    /// The place before everything that is stamped `stamp` or later.
    pub const fn before(stamp: Timestamp) -> Self {
        Self { stamp, behind: None }
    }
}

impl From<LogPosition> for Place {
    fn from(position: LogPosition) -> Self {
        Self { stamp: position.updated_at, behind: Some(position.sort_key) }
    }
}

/// A version of a contact that was given out, in eight bytes: 52 bits of the id's hash and the version's last 12.
///
/// Two contacts of a tenant share the first once in 10^15 pairs; then a change could be taken for one that was given out, until a
/// deep pass gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Given(pub u64);

/// The bits of a [`Given`] that are the version's.
const VERSION_BITS: u32 = 12;

impl Given {
    fn new(id: ObjectId, version: u64) -> Self {
        let hash = Sha256::digest(id.bytes());
        let hash = u64::from_be_bytes(std::array::from_fn(|place| hash[place]));
        let version_mask = (1 << VERSION_BITS) - 1;
        Self(hash & !version_mask | version & version_mask)
    }

    fn is_same_contact(self, other: Self) -> bool {
        self.0 >> VERSION_BITS == other.0 >> VERSION_BITS
    }

    /// Whether this is `other`'s version or a later one of the same contact.
    fn covers(self, other: Self) -> bool {
        // Half of the numbers that twelve bits hold are ahead of a version, the other half behind it.
        let ahead = self.0.wrapping_sub(other.0) & ((1 << VERSION_BITS) - 1);
        self.is_same_contact(other) && ahead < 1 << (VERSION_BITS - 1)
    }
}

/// A change as the reader is given it.
#[derive(Clone, Debug, PartialEq)]
pub enum Shown<'a> {
    /// The contact as it is now.
    Contact(&'a crate::contact::Contact),
    /// The contact is gone, or out of the caller's sight.
    Deleted {
        /// The contact.
        id: ObjectId,
        /// The version at which it went.
        version: u64,
        /// When it went.
        updated_at: Timestamp,
    },
}

impl Shown<'_> {
    fn given(&self) -> Given {
        match *self {
            Self::Contact(contact) => Given::new(contact.id, contact.version),
            Self::Deleted { id, version, .. } => Given::new(id, version),
        }
    }
}

impl Progress {
    /// A reader that begins at `now`, with the first change or with the first after `after`.
    pub fn new(after: Option<Timestamp>, now: Timestamp) -> Self {
        let floor = after.map_or(Timestamp::from_millis(i64::MIN), |after| after.plus_millis(1));
        Self {
            place: Place::before(floor),
            settled: floor,
            base: floor,
            deep_pass: now,
            floor,
            first_pass: Some(now),
            has_forgotten: false,
            given: Vec::new(),
        }
    }

    /// Where the reading at `now` begins.
    fn go_back(&mut self, now: Timestamp) {
        let since = |moment: Timestamp| now.millis().saturating_sub(moment.millis());
        if since(self.deep_pass) >= FEED_DEEP_MS {
            let from = self.deep_pass.plus_millis(-FEED_DEEP_MS).max(self.floor);
            // A pass that does not end leaves the base where it is: a contact that changes again and again moves on before the reader.
            self.base = self.base.min(from);
            if from < self.place.stamp {
                self.place = Place::before(from);
            }
            self.deep_pass = now;
        } else if self.place.stamp > self.settled && since(self.settled) > FEED_LAG_MS {
            self.place = Place::before(self.settled);
        }
    }
}

/// One call's reading of the log.
#[derive(Debug)]
pub struct Reading<'a> {
    progress: Progress,
    namespaces: &'a [String],
    now: Timestamp,
    limit: usize,
    /// Where the call began to read.
    start: Place,
    /// The entries that were read, with what is known of each, in their order.
    entries: Vec<Entry>,
    /// How many of them are wanted.
    wanted: usize,
    /// Whether the log ends behind them.
    is_end: bool,
    is_done: bool,
}

#[derive(Debug)]
struct Entry {
    place: Place,
    kind: EntryKind,
}

#[derive(Debug, PartialEq, Eq)]
enum EntryKind {
    /// The caller sees nothing of it.
    Unseen,
    /// It was given out.
    Given(Given),
    /// It is to be given out: the contact with this id.
    Wanted(ObjectId),
}

/// A read of the log: entries in the order of their stamps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedRead {
    /// The first stamp.
    pub from: Timestamp,
    /// The entry to begin behind.
    pub position: Option<LogPosition>,
    /// The most entries to answer.
    pub limit: u32,
}

impl<'a> Reading<'a> {
    /// Begins a call at `now` of a reader that uses `namespaces` and takes at most `limit` changes.
    pub fn new(mut progress: Progress, namespaces: &'a [String], limit: usize, now: Timestamp) -> Self {
        progress.go_back(now);
        let start = progress.place.clone();
        Self { progress, namespaces, now, limit, start, entries: Vec::new(), wanted: 0, is_end: false, is_done: false }
    }

    /// What is to be read next; nothing when that is enough.
    pub fn next_read(&self) -> Option<FeedRead> {
        if self.is_done {
            return None;
        }
        let place = self.entries.last().map_or(&self.start, |entry| &entry.place);
        let position = place.behind.clone().map(|sort_key| LogPosition { updated_at: place.stamp, sort_key });
        // One more than wanted tells whether more follows, and what was given out before takes room too. Where the caller sees little, the
        // next pages are larger.
        let limit = self.limit - self.wanted + self.progress.given.len() + 1;
        let limit = if self.entries.is_empty() { limit } else { limit.max(READ_AT_MOST / 5) };
        Some(FeedRead { from: place.stamp, position, limit: u32::try_from(limit).unwrap_or(u32::MAX) })
    }

    /// Takes a page of the log, the answer to [`Reading::next_read`].
    pub fn page(&mut self, page: FeedPage) {
        let next = page.next.clone();
        for entry in page.entries {
            let kind = self.kind(&entry);
            if let EntryKind::Wanted(id) = kind {
                // A contact that changed between two pages is on both.
                if let Some(before) = self.entries.iter_mut().find(|before| before.kind == EntryKind::Wanted(id)) {
                    before.kind = EntryKind::Unseen;
                    self.wanted -= 1;
                }
                if self.wanted == self.limit {
                    self.is_done = true;
                    return;
                }
                self.wanted += 1;
            }
            let place = Place { stamp: entry.updated_at, behind: Some(entry.id.to_string()) };
            self.entries.push(Entry { place, kind });
        }
        match next {
            None => {
                self.is_end = true;
                self.is_done = true;
            }
            Some(position) => {
                // Items that are not contacts are behind the reader too.
                let place = Place::from(position);
                if self.entries.last().is_none_or(|last| last.place != place) {
                    self.entries.push(Entry { place, kind: EntryKind::Unseen });
                }
                self.is_done = self.wanted == self.limit || self.entries.len() >= READ_AT_MOST;
            }
        }
    }

    /// What is to be done about an entry of the log.
    fn kind(&self, entry: &FeedEntry) -> EntryKind {
        let version = match self.sight(&entry.namespaces, &entry.left) {
            Sight::Whole => entry.version,
            Sight::Left(leaving) if leaving.updated_at >= self.progress.base => leaving.version,
            Sight::Left(_) | Sight::Nothing => return EntryKind::Unseen,
        };
        let would_give = Given::new(entry.id, version);
        match self.progress.given.iter().find(|given| given.covers(would_give)) {
            Some(&given) => EntryKind::Given(given),
            None => EntryKind::Wanted(entry.id),
        }
    }

    /// What the caller sees of a contact that has these namespaces and has left those.
    fn sight(&self, namespaces: &[String], left: &LeftNamespaces) -> Sight {
        if namespaces.iter().any(|namespace| self.namespaces.contains(namespace)) {
            return Sight::Whole;
        }
        left.last_of(self.namespaces).map_or(Sight::Nothing, Sight::Left)
    }

    /// The contacts whose state now is to be read, strongly consistent, in the order in which they are given out.
    pub fn wanted(&self) -> impl Iterator<Item = ObjectId> {
        self.entries.iter().filter_map(|entry| match entry.kind {
            EntryKind::Wanted(id) => Some(id),
            EntryKind::Unseen | EntryKind::Given(_) => None,
        })
    }

    /// What the reader is given of a contact's state now; nothing when it has none in the caller's sight.
    pub fn show<'c>(&self, current: &'c ContactState) -> Option<Shown<'c>> {
        let (id, version, updated_at) = (current.id(), current.version(), current.updated_at());
        match self.sight(current.namespaces(), current.left()) {
            Sight::Whole => Some(match current {
                ContactState::Contact { contact, .. } => Shown::Contact(contact),
                ContactState::Tombstone { .. } => Shown::Deleted { id, version, updated_at },
            }),
            Sight::Left(Leaving { version, updated_at }) if updated_at >= self.progress.base => {
                Some(Shown::Deleted { id, version, updated_at })
            }
            Sight::Left(_) | Sight::Nothing => None,
        }
    }

    /// Ends the call. `shown` is what was given of the first of the wanted contacts, as many as there was room for, at least one.
    /// Answers where the reader stands then, and whether there is more now.
    pub fn finish(mut self, shown: &[Option<Shown<'_>>]) -> (Progress, bool) {
        let is_whole = shown.len() == self.wanted;
        self.cut_behind(shown);
        let mut progress = self.progress;
        let end = self.entries.last().map_or(&self.start, |entry| &entry.place).clone();
        let is_end = self.is_end && is_whole;
        // Nothing between the settled place and the start of this call was left unsettled.
        let is_settling = self.start.stamp <= progress.settled;
        if is_settling {
            let old_enough = self.now.plus_millis(-FEED_SETTLE_MS);
            let settled = if is_end { old_enough } else { end.stamp.min(old_enough) };
            progress.settled = progress.settled.max(settled);
        }
        let mut given: Vec<(Timestamp, Given)> = Vec::new();
        let mut shown = shown.iter();
        for entry in &self.entries {
            let new = match entry.kind {
                EntryKind::Unseen => None,
                EntryKind::Given(given) => Some(given),
                EntryKind::Wanted(_) => shown.next().and_then(Option::as_ref).map(Shown::given),
            };
            given.extend(new.map(|given| (entry.place.stamp, given)));
        }
        progress.remember(&given, is_settling && is_end);

        if !is_end {
            progress.place = end;
            return (progress, true);
        }
        progress.place = Place::before(progress.settled);
        if !is_settling && !progress.has_forgotten {
            // The log ends here, but something may have appeared since, between the settled place and where this call began. All else there is
            // remembered, so one more reading of it is short, and says so.
            return (progress, true);
        }
        progress.base = progress.settled;
        progress.first_pass = None;
        (progress, false)
    }

    /// Forgets the entries from the first wanted one on that there was no room for.
    fn cut_behind(&mut self, shown: &[Option<Shown<'_>>]) {
        let mut wanted = self.entries.iter().enumerate().filter(|(_, entry)| matches!(entry.kind, EntryKind::Wanted(_)));
        if let Some((place, _)) = wanted.nth(shown.len()) {
            self.entries.truncate(place);
        }
    }
}

/// What a caller sees of a contact.
enum Sight {
    /// All of it, or its deletion.
    Whole,
    /// That it went out of sight.
    Left(Leaving),
    Nothing,
}

impl Progress {
    /// Takes note of what the log had in a call's range, with the stamps of its entries. `is_all` when that is everything since the settled place.
    fn remember(&mut self, in_range: &[(Timestamp, Given)], is_all: bool) {
        if is_all {
            self.given.clear();
            self.has_forgotten = false;
        }
        for &(stamp, given) in in_range {
            self.given.retain(|known| !known.is_same_contact(given));
            if stamp >= self.settled {
                self.given.push(given);
            }
        }
        if self.given.len() > REMEMBERED {
            self.given.drain(..self.given.len() - REMEMBERED);
            self.has_forgotten = true;
        }
    }
}
