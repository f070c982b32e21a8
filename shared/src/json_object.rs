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

/// The text of a JSON value that can be a member of an `integration_meta`, without insignificant white space.
#[derive(Clone, Debug)]
pub struct JsonMember(Box<RawValue>);

impl JsonMember {
    /// The value that `json` holds, with the white space between its tokens taken out.
    ///
    /// # Errors
    ///
    /// When an object with this member is not one that other programs can read again.
    pub fn parse(json: &RawValue) -> Result<Self, NotMetadata> {
        let object = JsonObject::written(&[("\"\"", json)])?;
        JsonObject::parse(&object)?;
        RawValue::from_string(without_white_space(json.get())).map(Self).map_err(|_| NotMetadata::NotAnObject)
    }

    /// The external id that it gives a contact, as the member of that name.
    pub fn external_id(&self) -> Option<String> {
        external_id::of_value(self.0.get())
    }

    /// How long its text is, in bytes.
    pub fn bytes(&self) -> usize {
        self.0.get().len()
    }
}

impl PartialEq for JsonMember {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

impl JsonObject {
    /// The object with each of these members set to a value, or removed where there is none. Everything else stays as it is written: the order of
    /// the members, the spelling of their names and numbers, and names that come twice. A member that is set stands where it stood, else
    /// at the end; if it came twice, it comes once afterwards.
    ///
    /// # Errors
    ///
    /// [`NotMetadata::TooDeep`], and [`NotMetadata::NotAnObject`] when the text, which a script may have written, is no JSON object.
    pub fn with_members<'a>(
        current: Option<&Self>,
        changes: impl IntoIterator<Item = (&'a str, Option<&'a JsonMember>)>,
    ) -> Result<Self, NotMetadata> {
        let text = current.map_or("{}", |object| object.0.get());
        let mut members = serde_json::from_str::<RawMembers>(text).map_err(|_| NotMetadata::NotAnObject)?.0;
        let mut names = Vec::new();
        for (key, value) in changes {
            // A name with half of a surrogate pair is nobody's key.
            let is_named = |name: &RawValue| serde_json::from_str::<String>(name.get()).is_ok_and(|name| name == key);
            let mut value = value;
            members.retain_mut(|(name, old)| {
                if !is_named(name) {
                    return true;
                }
                value.take().is_some_and(|JsonMember(new)| {
                    *old = new;
                    true
                })
            });
            if let Some(JsonMember(new)) = value {
                let name = serde_json::to_string(key).map_err(|_| NotMetadata::NotAnObject)?;
                names.push((name, new));
            }
        }
        let kept = members.iter().map(|(name, value)| (name.get(), &**value));
        let added = names.iter().map(|(name, value)| (name.as_str(), &***value));
        let object = Self::written(&kept.chain(added).collect::<Vec<_>>())?;
        if levels(object.get()) <= MAXIMUM_LEVELS { Ok(Self(object)) } else { Err(NotMetadata::TooDeep) }
    }

    /// The text of an object with these members, whose names are JSON texts too.
    fn written(members: &[(&str, &RawValue)]) -> Result<Box<RawValue>, NotMetadata> {
        let members: Vec<String> = members.iter().map(|(name, value)| format!("{name}:{}", value.get())).collect();
        RawValue::from_string(format!("{{{}}}", members.join(","))).map_err(|_| NotMetadata::NotAnObject)
    }

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

    /// The object `meta`, or an empty one, with the member `external_id`, which it does not have. `value` is the JSON text of that.
    ///
    /// # Errors
    ///
    /// [`NotMetadata::NotAnObject`] when one of both texts, which a script may have written, is no JSON.
    pub fn with_external_id(meta: Option<&Self>, value: &str) -> Result<Self, NotMetadata> {
        let object = meta.map_or("{}", |meta| meta.0.get());
        let members = object.strip_suffix('}').ok_or(NotMetadata::NotAnObject)?;
        let separator = if members == "{" { "" } else { "," };
        let object = format!("{members}{separator}\"{}\":{value}}}", external_id::MEMBER);
        RawValue::from_string(object).map(Self).map_err(|_| NotMetadata::NotAnObject)
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

/// The members of a JSON object in their order, name and value as they are written.
struct RawMembers<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de> Deserialize<'de> for RawMembers<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = RawMembers<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(RawMembers(members))
            }
        }

        deserializer.deserialize_map(Members)
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

/// The JSON text `json` without the white space outside its strings.
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

/// The characters of the JSON text `json`, each with whether it is inside a string.
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

    fn with(json: &str, changes: &[(&str, Option<&str>)]) -> Result<String, NotMetadata> {
        let object = JsonObject(serde_json::from_str(json).unwrap());
        let changes: Vec<_> = changes
            .iter()
            .map(|(key, value)| {
                (*key, value.map(|text| JsonMember::parse(&serde_json::from_str::<Box<RawValue>>(text).unwrap()).unwrap()))
            })
            .collect();
        JsonObject::with_members(Some(&object), changes.iter().map(|(key, value)| (*key, value.as_ref())))
            .map(|object| object.raw().get().to_owned())
    }

    #[test]
    fn a_member_is_set_or_removed_and_everything_else_stays_as_it_is_written() {
        let odd =
            r#"{"z":1.50,"a":12345678901234567890123456789.0e5,"a":"twice","\ud800":"\udc00","\u0065rp":{"x": [1, 2]},"":null}"#;
        for (json, changes, expected) in [
            ("{}", &[("erp", Some("{ \"id\" : 7 }"))][..], r#"{"erp":{"id":7}}"#),
            ("{}", &[("erp", None)], "{}"),
            (r#"{"erp":1}"#, &[("erp", None)], "{}"),
            (r#"{"crm":1,"erp":1}"#, &[("erp", Some("2")), ("new", Some("null")), ("crm", None)], r#"{"erp":2,"new":null}"#),
            (odd, &[], odd),
            (
                odd,
                &[("erp", Some("1.0"))],
                r#"{"z":1.50,"a":12345678901234567890123456789.0e5,"a":"twice","\ud800":"\udc00","\u0065rp":1.0,"":null}"#,
            ),
            (odd, &[("a", Some("0"))], r#"{"z":1.50,"a":0,"\ud800":"\udc00","\u0065rp":{"x": [1, 2]},"":null}"#),
            (odd, &[("a", None), ("z", None)], r#"{"\ud800":"\udc00","\u0065rp":{"x": [1, 2]},"":null}"#),
            (" { \"a\" : [ 1 ] , \"b\" : 2 } ", &[("b", Some("3"))], r#"{"a":[ 1 ],"b":3}"#),
            ("{}", &[("a\"\\\n", Some("1"))], r#"{"a\"\\\n":1}"#),
            (
                r#"{"$serde_json::private::RawValue":"[1"}"#,
                &[("$serde_json::private::Number", Some("1"))],
                r#"{"$serde_json::private::RawValue":"[1","$serde_json::private::Number":1}"#,
            ),
        ] {
            assert_eq!(with(json, changes).unwrap(), expected, "{json} {changes:?}");
        }
    }

    #[test]
    fn a_member_that_other_programs_could_not_read_again_is_refused() {
        let parse = |text: &str| JsonMember::parse(&serde_json::from_str::<Box<RawValue>>(text).unwrap());
        let deep = |count: usize| format!("{}{}", "[".repeat(count), "]".repeat(count));

        assert_eq!(parse("1e400"), Err(NotMetadata::NumberOutOfRange));
        assert_eq!(parse(r#"{"a":"\ud800"}"#), Err(NotMetadata::LoneSurrogate));
        assert_eq!(parse(&deep(100)), Err(NotMetadata::TooDeep));
        assert!(parse(&deep(99)).is_ok());
        // What a script left there is deeper already.
        assert_eq!(with(&format!("{{\"a\":{}}}", deep(100)), &[("b", Some("1"))]), Err(NotMetadata::TooDeep));
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
