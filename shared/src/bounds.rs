//! The bounds of the protocol between writers, the change log and its readers: each stands here once, with what it depends on.
//!
//! A write is stamped with its writer's clock, and a reader of the change log reads again what may have come late. The time between a stamp and
//! the moment at which lists can see the write has three parts:
//!
//! - From the stamp to the landing: at most [`WRITE_TRY`] as long as the writer runs. An instance that is frozen within a try can send the
//!   request's bytes when it thaws. DynamoDB refuses them when they were signed more than [`SIGNATURE_LIFE`] ago by its clock, and the stamp is
//!   taken at most [`WRITE_TRY`] before the signature, by the same clock.
//! - From the landing to the change log: at most [`INDEX_LAG`].
//! - Between two clocks: at most [`CLOCK_SKEW`].
//!
//! The overlaps of a refresh, which [`::index::bounds`] has, depend on these: the short one covers a write that runs, the long one all of it. Both are
//! checked when this is compiled.

use std::time::Duration;

use ::index::bounds::{LONG_OVERLAP_MS, SHORT_OVERLAP_MS};

/// How long one try of a write may take, from its stamp to its answer. The request is given up then, and can land all the same.
pub const WRITE_TRY: Duration = Duration::from_secs(3);

/// How long all tries of a write may take together. A function then still has time to answer 503 itself.
pub const WRITE: Duration = Duration::from_millis(4_500);

/// How long an upsert may take, which finds the contact first and begins again when others were faster. Each of its writes has [`WRITE`].
pub const UPSERT: Duration = Duration::from_secs(9);

/// The least time that a try gets. When less is left of [`WRITE`], or of the call's own time, no further try begins.
pub const LEAST_WRITE_TRY: Duration = Duration::from_millis(100);

/// How often a write is tried, most of all when other writes of the same contact keep coming first.
pub const WRITE_TRIES: u32 = 20;

/// How many tries of a write may fail: throttled, refused for a conflict with a transaction, or without an answer.
pub const FAILED_WRITE_TRIES: u32 = 8;

/// The longest pause after the first failed try. It doubles with each failure; the pause is drawn from the upper half of it.
pub const FIRST_PAUSE: Duration = Duration::from_millis(25);

/// How long after its signature DynamoDB takes a request, by its own clock.
pub const SIGNATURE_LIFE: Duration = Duration::from_secs(5 * 60);

/// The most by which the clocks of two machines are thought to differ. Lambda's are synchronised to well under a second.
pub const CLOCK_SKEW: Duration = Duration::from_secs(60);

/// The most by which the change log is thought to lag behind the table. It is usually within a second.
pub const INDEX_LAG: Duration = Duration::from_secs(120);

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A tenant with fewer contacts has no snapshot: one or two pages of its change log are as quick. A page of 1 MB has about 3,500 entries.
pub const SNAPSHOT_CONTACTS: u64 = 7_000;

/// A snapshot is built anew when so many changes are not in it, or a tenth of its contacts if that is more.
pub const SNAPSHOT_CHANGES: u64 = 1_000;

/// The least time from one snapshot of a tenant to the next because of the number of changes.
pub const SNAPSHOT_PAUSE: Duration = Duration::from_secs(5 * 60);

/// After so long a snapshot is built anew because of a single change.
pub const SNAPSHOT_AGE: Duration = Duration::from_secs(20 * 60 * 60);

/// A snapshot that lacks a change for so long and cannot be built anew is taken away, because the change may be a deletion.
pub const SNAPSHOT_LAST_CHANCE: Duration = Duration::from_secs(22 * 60 * 60);

/// After so long the next snapshot is built from the whole change log, so that no error lives on.
pub const SNAPSHOT_FROM_LOG: Duration = Duration::from_secs(7 * DAY.as_secs());

/// After so long without a change the moment of a snapshot is moved on.
pub const SNAPSHOT_MOVE_ON: Duration = Duration::from_secs(4 * DAY.as_secs());

/// After so long a snapshot without a change is written anew, before its object expires.
pub const SNAPSHOT_RENEWAL: Duration = Duration::from_secs(28 * DAY.as_secs());

/// When the bucket's own rule deletes an object, in days: `template.yaml` says the same.
pub const OBJECT_DAYS: u64 = 35;

/// For how long a snapshot that was replaced can still be read.
pub const PREDECESSOR_LIFE: Duration = HOUR;

/// How often the schedule looks after all manifests.
pub const SCHEDULE: Duration = HOUR;

/// How long one writer may take to build a snapshot. Lambda's longest time is a little less.
pub const SNAPSHOT_LEASE: Duration = Duration::from_secs(16 * 60);

/// How long a list waits for a snapshot before it reads the change log instead.
pub const SNAPSHOT_READ: Duration = Duration::from_secs(10);

/// How long one try of reading a part of an object may take.
pub const OBJECT_READ_TRY: Duration = Duration::from_secs(3);

/// How long one try of writing or deleting an object may take.
pub const OBJECT_WRITE_TRY: Duration = Duration::from_secs(60);

/// How often a request to the object store is tried.
pub const OBJECT_TRIES: u32 = 3;

/// How long the start of an instance waits for its connections.
pub const CONNECT: Duration = Duration::from_millis(500);

const _: () = {
    let gone = SNAPSHOT_LAST_CHANCE.as_secs() + SCHEDULE.as_secs();
    assert!(
        gone + SNAPSHOT_LEASE.as_secs() < DAY.as_secs(),
        "a deleted contact is out of a snapshot that cannot be built within a day"
    );
    let replaced = SNAPSHOT_AGE.as_secs() + SCHEDULE.as_secs() + SNAPSHOT_LEASE.as_secs();
    let gone = replaced + PREDECESSOR_LIFE.as_secs() + SCHEDULE.as_secs();
    assert!(gone < DAY.as_secs(), "a deleted contact is out of the predecessor within a day");
    assert!(SNAPSHOT_MOVE_ON.as_secs() + SCHEDULE.as_secs() < 5 * DAY.as_secs(), "a moment is at most five days old");
    assert!(SNAPSHOT_RENEWAL.as_secs() + DAY.as_secs() < OBJECT_DAYS * DAY.as_secs(), "an object is renewed before it expires");
};

const _: () = {
    assert!(WRITE_TRY.as_millis() < SHORT_OVERLAP_MS.unsigned_abs() as u128, "a write that runs lands within the short overlap");
    let late = SIGNATURE_LIFE.as_millis() + WRITE_TRY.as_millis() + INDEX_LAG.as_millis() + CLOCK_SKEW.as_millis();
    assert!(late < LONG_OVERLAP_MS.unsigned_abs() as u128, "what froze and thawed shows within the long overlap");
    assert!(WRITE_TRY.as_millis() <= WRITE.as_millis(), "a write has the time for a whole try");
    assert!(WRITE.as_millis() < UPSERT.as_millis(), "an upsert has the time for a whole write after it has found the contact");
    assert!(LEAST_WRITE_TRY.as_millis() <= WRITE_TRY.as_millis(), "a try can take the least time that it is given");
    assert!(FAILED_WRITE_TRIES < WRITE_TRIES, "tries that fail are tries");
};
