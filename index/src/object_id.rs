//! The identifier of a contact: a MongoDB ObjectId, because existing clients store and compare exactly that form.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A MongoDB ObjectId: 4 bytes of the creation second, 5 random bytes of the process, 3 bytes of a counter.
///
/// On the wire it is 24 lower-case hex digits; the order of the bytes is the order of that text.
/// Source: <https://www.mongodb.com/docs/manual/reference/bson-types/#objectid>.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId([u8; 12]);

/// The text is not 24 lower-case hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not 24 lower-case hex digits")]
pub struct NotAnObjectId;

impl ObjectId {
    /// The identifier with these bytes.
    pub const fn from_bytes(bytes: [u8; 12]) -> Self {
        Self(bytes)
    }

    /// The twelve bytes.
    pub const fn bytes(self) -> [u8; 12] {
        self.0
    }

    /// The 24 hex digits, as ASCII.
    pub fn hex(self) -> [u8; 24] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 24];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        text
    }
}

impl FromStr for ObjectId {
    type Err = NotAnObjectId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits: &[u8; 24] = text.as_bytes().try_into().map_err(|_| NotAnObjectId)?;
        let value = |digit: u8| match digit {
            b'0'..=b'9' => Ok(digit - b'0'),
            b'a'..=b'f' => Ok(digit - b'a' + 10),
            _ => Err(NotAnObjectId),
        };
        let mut bytes = [0; 12];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = value(pair[0])? << 4 | value(pair[1])?;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.hex().iter().try_for_each(|digit| write!(formatter, "{}", char::from(*digit)))
    }
}

impl Serialize for ObjectId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ObjectId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_are_two_forms_of_one_identifier() {
        let id: ObjectId = "60f1b2b3c9e9a12345678901".parse().unwrap();

        assert_eq!(id.bytes()[..4], [0x60, 0xf1, 0xb2, 0xb3]);
        assert_eq!(id.to_string(), "60f1b2b3c9e9a12345678901");
    }

    #[test]
    fn other_lengths_and_other_digits_are_no_identifier() {
        for text in
            ["", "60f1b2b3c9e9a1234567890", "60f1b2b3c9e9a123456789012", "60F1B2B3C9E9A12345678901", "60f1b2b3c9e9a1234567890g"]
        {
            assert_eq!(text.parse::<ObjectId>(), Err(NotAnObjectId), "{text}");
        }
    }
}
