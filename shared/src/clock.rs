//! This machine's clock. Whatever can take the time as an argument does; this is for those who begin something.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::timestamp::Timestamp;

/// The moment by this machine's clock.
pub fn now() -> Timestamp {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX))
}
