//! `integration_meta`: a JSON object that is kept as its text.

use std::fmt;

use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::external_id;

/// How deep an `integration_meta` may be. Readers with a limit, such as serde_json's of 128 levels, must be able to read an answer
/// in which it stands some levels further in.
pub const MAXIMUM_LEVELS: usize = 100;

/// A JSON object that comes back exactly as it was sent: its text, without insignificant white space.
///
/// It is text in the table too, because DynamoDB's own maps refuse empty names, more than 32 levels and numbers of more
/// than 38 digits.
#[derive(Clone, Debug)]
pub struct JsonObject(Box<RawValue>);

/// Why a JSON text is no `integration_meta`. Each reads as the rest of a sentence about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotMetadata {
    /// Another type of value.
    #[error("must be a JSON object")]
    NotAnObject,
    /// More than [`MAXIMUM_LEVELS`] deep.
    #[error("must be at most 100 levels deep")]
    TooDeep,
    /// Other programs could not read a number of it again.
    #[error("must not hold a number beyond the range of a double")]
    NumberOutOfRange,
    /// Other programs could not read a string of it again.
    #[error("must not hold half of a surrogate pair, such as \\ud800")]
    LoneSurrogate,
}

impl JsonObject {
    /// The object that `json` holds, with the white space between its tokens taken out.
    ///
    /// # Errors
    ///
    /// When `json` is not the text of one JSON object that other programs can read again.
    pub fn parse(json: &RawValue) -> Result<Self, NotMetadata> {
        let json = json.get();
        if !json.starts_with('{') {
            return Err(NotMetadata::NotAnObject);
        }
        if levels(json) > MAXIMUM_LEVELS {
            return Err(NotMetadata::TooDeep);
        }
        if has_lone_surrogate(json) {
            return Err(NotMetadata::LoneSurrogate);
        }
        // The text is JSON already: nothing else is left that a reader could refuse.
        serde_json::from_str::<Readable>(json).map_err(|_| NotMetadata::NumberOutOfRange)?;
        RawValue::from_string(without_white_space(json)).map(Self).map_err(|_| NotMetadata::NotAnObject)
    }

    /// The external id that it gives the contact, if it gives one.
    pub fn external_id(&self) -> Option<String> {
        external_id::of_meta(self.0.get())
    }

    /// The object's text as a JSON value.
    pub fn raw(&self) -> &RawValue {
        &self.0
    }
}

impl PartialEq for JsonObject {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

impl Serialize for JsonObject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.get())
    }
}

impl<'de> Deserialize<'de> for JsonObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        RawValue::from_string(String::deserialize(deserializer)?).map(Self).map_err(D::Error::custom)
    }
}

/// A JSON value of which nothing is kept: a text that it is read from can be read by others. `serde_json::Value` would not do, because
/// it takes members with certain names for marks of its own.
struct Readable;

impl<'de> Deserialize<'de> for Readable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Readable {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _value: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _value: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _value: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _value: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _value: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self, A::Error> {
        while elements.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self, A::Error> {
        while members.next_entry::<Self, Self>()?.is_some() {}
        Ok(self)
    }
}

/// Whether a string of the JSON text `json` has one half of a surrogate pair without the other.
pub fn has_lone_surrogate(json: &str) -> bool {
    let mut awaits_low = false;
    let mut rest = json;
    while let Some((before, escape)) = rest.split_once('\\') {
        let unit = escape.strip_prefix('u').and_then(|digits| u16::from_str_radix(digits.get(..4)?, 16).ok());
        let is_low = unit.is_some_and(|unit| (0xdc00..=0xdfff).contains(&unit));
        if is_low != awaits_low || awaits_low && !before.is_empty() {
            return true;
        }
        awaits_low = unit.is_some_and(|unit| (0xd800..=0xdbff).contains(&unit));
        // Past what is escaped, which can be a backslash itself.
        rest = escape.get(if unit.is_some() { 5 } else { 1 }..).unwrap_or_default();
    }
    awaits_low
}

/// The JSON text `json` without the white space outside of its strings.
fn without_white_space(json: &str) -> String {
    let white = |character| matches!(character, ' ' | '\t' | '\n' | '\r');
    characters(json).filter(|&(character, in_string)| in_string || !white(character)).map(|(character, _)| character).collect()
}

/// How deep the JSON text `json` is: 1 for an object of plain values.
fn levels(json: &str) -> usize {
    let outside = characters(json).filter(|&(_, in_string)| !in_string);
    let depths = outside.scan(0_usize, |depth, (character, _)| {
        match character {
            '[' | '{' => *depth += 1,
            ']' | '}' => *depth = depth.saturating_sub(1),
            _ => {}
        }
        Some(*depth)
    });
    depths.max().unwrap_or_default()
}

/// The characters of the JSON text `json`, each with whether it is inside of a string.
fn characters(json: &str) -> impl Iterator<Item = (char, bool)> {
    let (mut in_string, mut escaped) = (false, false);
    json.chars().map(move |character| {
        let was_in_string = in_string;
        if in_string {
            in_string = escaped || character != '"';
            escaped = !escaped && character == '\\';
        } else {
            in_string = character == '"';
        }
        (character, was_in_string)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<String, NotMetadata> {
        let raw: Box<RawValue> = serde_json::from_str(json).unwrap();
        JsonObject::parse(&raw).map(|object| object.raw().get().to_owned())
    }

    #[test]
    fn an_object_keeps_its_text_but_for_white_space_between_tokens() {
        let text = "{ \"a b\" : [ 1.50 , 123456789012345678901234567890 ],\n\t\"\": \"\\\" \\\\\" , \"z\": { \"y\" : null } }";

        assert_eq!(parse(text).unwrap(), r#"{"a b":[1.50,123456789012345678901234567890],"":"\" \\","z":{"y":null}}"#);
    }

    #[test]
    fn no_name_of_a_member_means_anything() {
        for text in [
            r#"{"$serde_json::private::RawValue":1}"#,
            r#"{"$serde_json::private::RawValue":"[1"}"#,
            r#"{"a":[{"$serde_json::private::Number":"x"}]}"#,
        ] {
            assert_eq!(parse(text).unwrap(), text);
        }
    }

    #[test]
    fn what_other_programs_could_not_read_again_is_refused() {
        use NotMetadata::{LoneSurrogate, NotAnObject, NumberOutOfRange, TooDeep};

        let deep = |count| format!("{{\"a\":{}{}}}", "[".repeat(count), "]".repeat(count));
        for (text, why) in [
            ("[]", NotAnObject),
            ("\"text\"", NotAnObject),
            ("1", NotAnObject),
            ("null", NotAnObject),
            (r#"{"a":1e400}"#, NumberOutOfRange),
            (r#"{"a":[{"b":-1e400}]}"#, NumberOutOfRange),
            (r#"{"a":"\ud800"}"#, LoneSurrogate),
            (r#"{"a":"\ud800x\udc00"}"#, LoneSurrogate),
            (r#"{"a":"\ud800\n"}"#, LoneSurrogate),
            (r#"{"a":["\ud83d","\ude00"]}"#, LoneSurrogate),
            (r#"{"\udc00":1}"#, LoneSurrogate),
            (&deep(100), TooDeep),
            (&deep(100_000), TooDeep),
        ] {
            assert_eq!(parse(text), Err(why), "{text:.60}");
        }
        for text in [r#"{"a":"\ud83d\ude00 \\ud800 \\\\"}"#, &deep(99)] {
            assert_eq!(parse(text).unwrap(), text);
        }
    }
}
