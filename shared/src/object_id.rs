//! New identifiers of contacts, and the type that `index` knows them by.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

pub use index::object_id::{NotAnObjectId, ObjectId};

use crate::timestamp::Timestamp;

/// A new identifier for a contact that is created at `now`, unlike every other one of this and other processes.
///
/// # Panics
///
/// When the operating system has no random bytes.
pub fn generate(now: Timestamp) -> ObjectId {
    static PROCESS: OnceLock<([u8; 5], AtomicU32)> = OnceLock::new();
    let (process, counter) = PROCESS.get_or_init(|| {
        let mut random = [0; 8];
        getrandom::fill(&mut random).expect("the operating system has random bytes");
        let [a, b, c, d, e, f, g, h] = random;
        ([a, b, c, d, e], AtomicU32::new(u32::from_be_bytes([0, f, g, h])))
    });
    let count = counter.fetch_add(1, Ordering::Relaxed);

    let mut bytes = [0; 12];
    bytes[..4].copy_from_slice(&now.unix_seconds().to_be_bytes());
    bytes[4..9].copy_from_slice(process);
    bytes[9..].copy_from_slice(&count.to_be_bytes()[1..]);
    ObjectId::from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_identifier_starts_with_its_second_and_is_unlike_the_last() {
        let now = Timestamp::from_millis(1_673_778_600_999);

        let first = generate(now);
        let second = generate(now);

        assert_eq!(first.bytes()[..4], 1_673_778_600_u32.to_be_bytes());
        assert_ne!(first, second);
    }
}
