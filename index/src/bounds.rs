//! The bounds on time and amount that the refresh of an index keeps to.
//!
//! An entry is *late* by the time between its stamp and the moment at which the log shows it, by the reader's clock. It has three
//! causes: the write lands some time after its stamp, the log lags behind the table, and clocks differ. The overlaps say how late
//! an entry may be.

/// How late an entry may be for the next refresh to show it, in milliseconds: the log's usual lag, a write's
/// try, and clocks that are seconds apart.
pub const SHORT_OVERLAP_MS: i64 = 8_000;

/// How late an entry may be to be shown at all without a new load, in milliseconds. DynamoDB refuses a request five minutes after
/// its signature, so a write that a frozen instance sends when it thaws lands within that; the rest is for clocks and the log's lag.
pub const LONG_OVERLAP_MS: i64 = 600_000;

/// An index that was not refreshed for this long is loaded anew, in milliseconds: half of the time that tombstones were kept by the
/// release before this one. After that a deletion could have left the log unseen.
pub const TRUST_MS: i64 = 12 * 60 * 60 * 1_000;

/// A snapshot that is older than this is not used, in milliseconds: half of the 30 days that tombstones live. Snapshots came after tombstones
/// had that life.
pub const SNAPSHOT_TRUST_MS: i64 = 15 * 24 * 60 * 60 * 1_000;

/// On a busy tenant, how often a refresh re-reads the whole short overlap, in milliseconds.
pub(crate) const OVERLAP_EVERY_MS: i64 = 1_000;

/// A tenant is busy when it has more entries in the short overlap than this. Refreshes in between re-read so many.
pub(crate) const BUSY_ENTRIES: usize = 128;

/// So many known entries are re-read for nothing: an entry takes at most 340 bytes, and the smallest read is one of 4 KB.
pub(crate) const FREE_ENTRIES: usize = 12;

/// Pace of a sweep: the long overlap is re-read at most once in this many milliseconds for each entry in it, which are 250 entries or
/// about 15 read units a second.
pub(crate) const SWEEP_MS_PER_ENTRY: i64 = 4;

/// The shortest time from the start of one sweep to that of the next, in milliseconds.
pub(crate) const SWEEP_AT_MOST_EVERY_MS: i64 = 1_000;

/// The longest time from the start of one sweep to that of the next, in milliseconds, as long as lists are asked for.
pub(crate) const SWEEP_AT_LEAST_EVERY_MS: i64 = LONG_OVERLAP_MS / 2;

/// Within how many milliseconds a sweep is to end once it has begun, which decides how much of it each refresh does.
pub(crate) const SWEEP_DURATION_MS: i64 = 240_000;

/// The fewest entries that a refresh sweeps.
pub(crate) const SLICE_ENTRIES: u32 = 256;

/// For how long a tenant whose index is larger than the memory is refused without another look, in milliseconds.
pub(crate) const REFUSAL_MS: i64 = 600_000;

/// A reader of the change feed reads an entry again until it was read when it was this old, in milliseconds: what a refresh re-reads, and a
/// little more.
pub const FEED_SETTLE_MS: i64 = 10_000;

/// On a tenant so busy that the log hardly ever ends, a reader of the change feed goes back to what is not settled after this many
/// milliseconds.
pub const FEED_LAG_MS: i64 = 60_000;

/// How often a deep pass of the change feed begins, and how far before the one before it, in milliseconds.
pub const FEED_DEEP_MS: i64 = 900_000;

const _: () = {
    assert!(FEED_SETTLE_MS >= SHORT_OVERLAP_MS, "what a refresh shows soon, the feed does too");
    assert!(FEED_DEEP_MS >= LONG_OVERLAP_MS, "what a refresh shows at all, the feed does too");
    assert!(FEED_LAG_MS > FEED_SETTLE_MS, "going back is worth the while");
};

/// The bounds that can be set from outside, for tests and unusual functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// [`SHORT_OVERLAP_MS`].
    pub short_overlap: i64,
    /// [`LONG_OVERLAP_MS`].
    pub long_overlap: i64,
    /// Entries asked for in one page of the log, a little more than 1 MB holds.
    pub page_entries: u32,
    /// Bytes that the index of one tenant may take.
    pub memory: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { short_overlap: SHORT_OVERLAP_MS, long_overlap: LONG_OVERLAP_MS, page_entries: 5_000, memory: usize::MAX }
    }
}
