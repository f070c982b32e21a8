//! The listing engine: a tenant's contacts in memory, and any page of any list over them.
//!
//! The engine is pure: no clock, no I/O, no AWS. `shared` reads the change log and the contacts for it.

mod blocks;
pub mod bounds;
mod dictionary;
pub mod entry;
pub mod fold;
mod hashed;
mod index;
pub mod keys;
pub mod log;
mod namespaces;
pub mod object_id;
mod ordered;
mod postings;
pub mod query;
mod recency;
mod records;
mod replica;
mod rough;
mod scan;
mod slots;
pub mod snapshot;
mod sorting;
mod terms;
mod text;
pub mod timestamp;
mod tombstones;

pub use index::{ContactIndex, Row, Selection};
pub use replica::{Progress, Refused, Replica, Source};
