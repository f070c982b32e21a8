//! A tenant's index as bytes: written once, read by every instance that has not seen the tenant yet.
//!
//! A snapshot holds what the contacts are, in columns, and nothing that follows from it: folded words, postings, hashes and orders are made
//! anew when it is read, many at once. So what is read is consistent whatever the bytes were, and a snapshot is smaller.
//!
//! The contacts are in the order of their ids, 32,768 to a group; each column of a group is a block of its own, which is compressed and
//! has a checksum. The words of names, which many contacts share, stand once in blocks before the groups. The footer at the end
//! says what and where everything is, because only then the writer knows. See `docs/adr/0024-snapshot-format.md`.
//!
//! Whatever bytes it is fed, the reader returns an error or an index. It decodes no block to more than 16 times its stored bytes, so they
//! justify all memory that it reserves.

mod bytes;
mod decoder;
mod footer;
mod group;
mod layout;
mod writer;

use std::num::NonZeroUsize;

pub use decoder::{Decoder, read};
pub use footer::{BlockInfo, Footer};
pub use layout::BlockColumn;
pub use writer::{Written, write};

use crate::index::ContactIndex;
use crate::log::ResetMark;
use crate::timestamp::Timestamp;

/// The version of the format. A reader knows one.
pub const FORMAT: u32 = 1;

/// Bytes at the end of a snapshot that hold the footer of some nine million contacts.
pub const FOOTER_READ: usize = 64 * 1_024;

/// Contacts in a group.
const GROUP: usize = if cfg!(test) { 32 } else { 32 * 1_024 };

/// How many times as large as its stored bytes a block can be when it is decoded. Blocks that would exceed it are padded, which only
/// happens to columns in which all contacts have the same value.
const RATIO: u64 = 16;

const _: () = assert!(GROUP.is_multiple_of(32), "records are written in whole blocks");

/// What tells a tenant from every other one: a hash of its name.
pub type TenantHash = [u8; 32];

/// What a snapshot says of itself beside the contacts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Whose contacts they are.
    pub tenant: TenantHash,
    /// Everything that the log showed before this moment, by the writer's clock, and that was no later than the long overlap is in the
    /// snapshot.
    pub moment: Timestamp,
    /// When the reading of the whole log began from which this snapshot descends.
    pub log_read_at: Timestamp,
    /// The newest reset mark that was met.
    pub reset: Option<ResetMark>,
}

/// An index that was read, and what is said of it.
#[derive(Debug)]
pub struct Snapshot {
    /// The contacts.
    pub index: ContactIndex,
    /// Where they are from.
    pub origin: Origin,
}

/// Why bytes are not a snapshot that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The end of the bytes is not that of a snapshot.
    #[error("the object does not end like a snapshot: it is something else, or cut off")]
    NotASnapshot,
    /// More bytes of the end are needed.
    #[error("the footer of the snapshot takes the last {needed} bytes")]
    Incomplete {
        /// How many bytes of the end.
        needed: usize,
    },
    /// Another release wrote it.
    #[error("the snapshot has format {found}; this release reads format {FORMAT}")]
    Format {
        /// The snapshot's format.
        found: u32,
    },
    /// A release with other Unicode tables wrote it.
    #[error("the snapshot was written with the Unicode tables {found:08x}; this release has the tables {known:08x}")]
    Unicode {
        /// The fingerprint of the writer's tables.
        found: u32,
        /// The fingerprint of this release's tables.
        known: u32,
    },
    /// A release with other fields of contacts wrote it.
    #[error("the snapshot has the columns {found}, which are not those of this release")]
    Columns {
        /// The names of its columns.
        found: String,
    },
    /// It is of another tenant.
    #[error("the snapshot is of another tenant")]
    Tenant,
    /// The index would take more memory than there is.
    #[error("the index of the snapshot takes {bytes} bytes")]
    TooLarge {
        /// What it took where it was written.
        bytes: u64,
    },
    /// A block is not what was written.
    #[error("block {block} of the snapshot does not have its checksum")]
    Checksum {
        /// The number of the block.
        block: usize,
    },
    /// Not all blocks were read.
    #[error("block {block} of the snapshot was not read")]
    Missing {
        /// The number of the first one.
        block: usize,
    },
    /// The bytes have their checksums and are not what a writer writes.
    #[error("the snapshot is malformed: {0}")]
    Malformed(&'static str),
}

const fn is_parallel(threads: NonZeroUsize) -> bool {
    threads.get() > 1
}

#[cfg(test)]
mod tests;
