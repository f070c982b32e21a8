//! A moment as the API and the table know it: milliseconds since 1970, in UTC.

use std::fmt;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

/// Milliseconds since 1970-01-01T00:00:00Z.
///
/// In DynamoDB it is a number; in an answer it is text such as `2023-01-15T10:30:00.000Z`, which [`fmt::Display`] writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The first moment that has a text: the start of the year 0.
    pub const FIRST_WITH_TEXT: Self = Self(-62_167_219_200_000);

    /// The last moment that has a text: the last millisecond of the year 9999.
    pub const LAST_WITH_TEXT: Self = Self(253_402_300_799_999);

    /// The moment `millis` milliseconds after the start of 1970.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// The moment that `text` names as RFC 3339 has it, which includes the form that [`fmt::Display`] writes. Digits beyond milliseconds
    /// are cut. A space before the offset counts as the `+` that it was before a query string was decoded.
    ///
    /// Source: <https://www.rfc-editor.org/rfc/rfc3339#section-5.6>.
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        // Anything may separate date and time for the parser; here it is what the RFC names.
        text.as_bytes().get(10).filter(|separator| matches!(separator, b'T' | b't' | b' '))?;
        let offset = text.len().checked_sub("+00:00".len()).filter(|&start| start > 10 && text.as_bytes()[start] == b' ');
        let text = offset.map(|start| format!("{}+{}", &text[..start], &text[start + 1..])).unwrap_or_else(|| text.to_owned());
        let nanos = OffsetDateTime::parse(&text, &Rfc3339).ok()?.unix_timestamp_nanos();
        i64::try_from(nanos.div_euclid(1_000_000)).ok().map(Self)
    }

    /// Whether the moment has a text, which needs a year from 0 to 9999.
    pub fn has_text(self) -> bool {
        (Self::FIRST_WITH_TEXT..=Self::LAST_WITH_TEXT).contains(&self)
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
    fn a_text_of_rfc_3339_is_read_to_the_millisecond() {
        let read = |text| Timestamp::from_rfc3339(text).map(Timestamp::millis);
        for (text, millis) in [
            ("2023-01-15T10:30:00.000Z", 1_673_778_600_000),
            ("2023-01-15t10:30:00z", 1_673_778_600_000),
            ("2023-01-15 10:30:00Z", 1_673_778_600_000),
            ("2023-01-15T10:30:00.007999999999Z", 1_673_778_600_007),
            ("2023-01-15T12:30:00+02:00", 1_673_778_600_000),
            ("2023-01-15T12:30:00 02:00", 1_673_778_600_000),
            ("2023-01-15T12:30:00.5 02:00", 1_673_778_600_500),
            ("2023-01-15T05:00:00.1-05:30", 1_673_778_600_100),
            ("1969-12-31T23:59:59.9999Z", -1),
            ("0000-01-01T00:00:00Z", Timestamp::FIRST_WITH_TEXT.millis()),
            ("9999-12-31T23:59:59.999Z", Timestamp::LAST_WITH_TEXT.millis()),
        ] {
            assert_eq!(read(text), Some(millis), "{text}");
        }
        for text in [
            "",
            "2023",
            "2023-01-15",
            "2023-01-15T10:30:00",
            "2023-01-15T10:30Z",
            "2023-02-30T10:30:00Z",
            "2023-01-15T24:00:00Z",
            "2023-01-15_10:30:00Z",
            "+2023-01-15T10:30:00Z",
            "12023-01-15T10:30:00Z",
            "2023-01-15T10:30:00 02",
            " 02:00",
            "جون جون جون",
            "2023-01-15T10:30:00 +02:00",
            "2023-01-15T10:30:00.Z",
            "2023-01-15T10:30:00\u{e9}02:00",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn years_of_four_digits_have_a_text() {
        assert_eq!(Timestamp::FIRST_WITH_TEXT.to_string(), "0000-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::LAST_WITH_TEXT.to_string(), "9999-12-31T23:59:59.999Z");
        assert!(!Timestamp::LAST_WITH_TEXT.plus_millis(1).has_text() && !Timestamp::FIRST_WITH_TEXT.plus_millis(-1).has_text());
    }

    #[test]
    fn seconds_of_an_identifier_stay_within_their_four_bytes() {
        assert_eq!(Timestamp::from_millis(-1).unix_seconds(), 0);
        assert_eq!(Timestamp::from_millis(i64::MAX).unix_seconds(), u32::MAX);
    }
}
