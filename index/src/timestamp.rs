//! A moment as the API and the table know it: milliseconds since 1970, in UTC.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::macros::format_description;

/// Milliseconds since 1970-01-01T00:00:00Z.
///
/// In DynamoDB it is a number; in an answer it is text such as `2023-01-15T10:30:00.000Z`, which [`fmt::Display`] writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment `millis` milliseconds after the start of 1970.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// The moment by this machine's clock.
    pub fn now() -> Self {
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX))
    }

    /// Milliseconds since the start of 1970.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the start of 1970, as an ObjectId holds them: 0 before that and `u32::MAX` after the year 2106.
    pub fn unix_seconds(self) -> u32 {
        u32::try_from(self.0.max(0) / 1_000).unwrap_or(u32::MAX)
    }

    /// The moment `millis` milliseconds later, or earlier when negative.
    #[must_use]
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000)
            .ok()
            .and_then(|moment| moment.format(&format).ok())
            .map_or(Err(fmt::Error), |text| formatter.write_str(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_in_utc_with_milliseconds() {
        assert_eq!(Timestamp::from_millis(1_673_778_600_000).to_string(), "2023-01-15T10:30:00.000Z");
        assert_eq!(Timestamp::from_millis(1_673_778_600_007).to_string(), "2023-01-15T10:30:00.007Z");
    }

    #[test]
    fn seconds_of_an_identifier_stay_within_their_four_bytes() {
        assert_eq!(Timestamp::from_millis(-1).unix_seconds(), 0);
        assert_eq!(Timestamp::from_millis(i64::MAX).unix_seconds(), u32::MAX);
    }
}
