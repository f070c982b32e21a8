//! Reads of a tenant's change log, as the replica asks for them and as it gets them answered.

use crate::entry::IndexEntry;
use crate::timestamp::Timestamp;

/// One read that a replica asks for: a page of the log, in ascending order of stamps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRead {
    /// What the answer is given back with.
    pub id: ReadId,
    /// The stamps to read, both ends included.
    pub range: LogRange,
    /// Where the page before ended, if there was one.
    pub position: Option<LogPosition>,
    /// The most entries to answer.
    pub limit: u32,
}

/// Identifies a read of one replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReadId(pub(crate) u64);

/// A range of stamps; both ends belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogRange {
    /// The first moment.
    pub from: Timestamp,
    /// The last moment.
    pub to: Timestamp,
}

impl LogRange {
    /// Every stamp.
    pub const ALL: Self = Self { from: Timestamp::from_millis(i64::MIN), to: Timestamp::from_millis(i64::MAX) };

    /// The stamps of `from` and later.
    pub const fn since(from: Timestamp) -> Self {
        Self { from, ..Self::ALL }
    }
}

/// Where a page of the log ended: the keys of its last item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPosition {
    /// The item's stamp.
    pub updated_at: Timestamp,
    /// The item's sort key, which need not be a contact's id.
    pub sort_key: String,
}

/// One page of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogPage {
    /// Its entries, in ascending order of stamps.
    pub entries: Vec<IndexEntry>,
    /// The newest reset mark on it.
    pub reset: Option<ResetMark>,
    /// Where the next page starts; nothing when the range ends here.
    pub next: Option<LogPosition>,
}

/// An entry that says: the tenant's history was changed without new stamps, so whatever was read of it before is void.
///
/// Whoever restores a tenant from a backup, or adds attributes to its items in place, writes one at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResetMark {
    /// When it was written.
    pub updated_at: Timestamp,
    /// What tells it from every other mark: random.
    pub generation: String,
    /// Whether cursors of the change feed are void too, as after a restore.
    pub voids_cursors: bool,
}
