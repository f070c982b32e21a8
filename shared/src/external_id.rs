//! External ids: the names by which another system knows contacts, kept in their `integration_meta`.
//!
//! The table has a contact's external id as an attribute of its own, for the index that finds contacts by it. Every write derives it here, from
//! the text of the `integration_meta` that it writes.

#[cfg(feature = "openapi")]
pub(crate) mod openapi;

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::Error;
use crate::handling::Handling;
use crate::parameters::Parameters;

#[cfg(feature = "openapi")]
pub use openapi::ExternalIdParameter;

/// The member of `integration_meta` that holds it.
pub const MEMBER: &str = "external_id";

/// The most characters of an external id that is a string.
pub const MAXIMUM_CHARACTERS: usize = 255;

/// The most bytes that a sort key of DynamoDB takes. Strings stay below it, and so does every integer within the range of a double.
/// Source: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>.
pub const MAXIMUM_BYTES: usize = 1_024;

/// The parameter that names an external id.
pub const PARAMETER: &str = "integration_meta.external_id";

/// An external id as a caller names it: 1 to 255 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalId(String);

impl ExternalId {
    /// The external id with this text; nothing when no contact that a caller writes can have it.
    pub fn parse(text: &str) -> Option<Self> {
        (1..=MAXIMUM_CHARACTERS).contains(&text.chars().count()).then(|| Self(text.to_owned()))
    }

    /// The one that a query string names, which has nothing else.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidParameter`] when it is missing or too long, and about every other parameter under strict handling.
    pub fn of_query(query: &str, handling: &Handling) -> Result<Self, Error> {
        let mut given = Parameters::of(query, handling);
        let is_wrong = |given: &Parameters<'_>| given.has_refused(PARAMETER);
        let external_id = given.parsed(PARAMETER, "must have at most 255 characters", Self::parse);
        if external_id.is_none() && !is_wrong(&given) {
            given.refuse(PARAMETER, "is required");
        }
        given.finish()?;
        external_id.ok_or_else(|| Error::invalid_parameter(PARAMETER, "is required"))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text as a JSON string.
    pub fn to_json(&self) -> String {
        serde_json::Value::from(self.0.as_str()).to_string()
    }
}

/// The external id of a contact whose `integration_meta` has this JSON text: a string of 1 to 255 characters as it is, or the digits of an
/// integer that is written without fraction and exponent. Anything else there is kept and gives no external id.
///
/// Of members with the same name the last one counts, as in most parsers. `-0` is the integer 0.
pub fn of_meta(meta: &str) -> Option<String> {
    of_value(member(meta)?.get())
}

/// The external id that the JSON text of the member itself gives.
pub fn of_value(value: &str) -> Option<String> {
    let id = if value.starts_with('"') {
        serde_json::from_str(value).ok().filter(|text: &String| text.chars().count() <= MAXIMUM_CHARACTERS)
    } else {
        integer(value).map(str::to_owned)
    };
    id.filter(|id| (1..=MAXIMUM_BYTES).contains(&id.len()))
}

/// The digits of an integer's JSON text.
fn integer(json: &str) -> Option<&str> {
    let digits = json.strip_prefix('-').unwrap_or(json);
    match digits {
        "0" => Some(digits),
        _ => digits.bytes().all(|byte| byte.is_ascii_digit()).then_some(json),
    }
}

/// What the member holds, in the text of a JSON object; nothing when it is not there or the text is not an object.
pub fn member(meta: &str) -> Option<&RawValue> {
    serde_json::from_str::<Member<'_>>(meta).ok()?.0
}

struct Member<'a>(Option<&'a RawValue>);

impl<'de> Deserialize<'de> for Member<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Member<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
                let mut found = None;
                while let Some((name, value)) = members.next_entry::<String, &RawValue>()? {
                    if name == MEMBER {
                        found = Some(value);
                    }
                }
                Ok(Member(found))
            }
        }

        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn strings_and_integers_are_external_ids() {
        let long = "9".repeat(309);
        let wide = "\u{1F600}".repeat(255);
        for (value, id) in [
            (r#""C-1""#, "C-1"),
            (r#"" ""#, " "),
            (r#""\u0000""#, "\0"),
            (r#""\ud83d\ude00\n\"""#, "😀\n\""),
            (r#""-0""#, "-0"),
            (r#""007""#, "007"),
            (&*format!("\"{wide}\""), &*wide),
            ("0", "0"),
            ("-0", "0"),
            ("-5", "-5"),
            ("18446744073709551616", "18446744073709551616"),
            (
                "123456789012345678901234567890123456789012345678901234567890",
                "123456789012345678901234567890123456789012345678901234567890",
            ),
            (&*long, &*long),
        ] {
            assert_eq!(of_meta(&format!("{{\"a\":{{}},\"external_id\":{value},\"b\":1}}")).as_deref(), Some(id), "{value}");
        }
    }

    #[test]
    fn other_values_give_none() {
        let long = format!("\"{}\"", "x".repeat(256));
        let huge = "1".repeat(1_025);
        for value in
            [r#""""#, &*long, "1.0", "1e3", "-1E+2", "-0.0", "true", "null", "[]", r#"["a"]"#, r#"{"external_id":"a"}"#, &*huge]
        {
            assert_eq!(of_meta(&format!("{{\"external_id\":{value}}}")), None, "{value}");
        }
        for meta in
            [r#"{"External_id":"a"}"#, r#"{"a":{"external_id":"b"}}"#, "{}", "[]", "", "{\"external_id\":", r#""external_id""#]
        {
            assert_eq!(of_meta(meta), None, "{meta}");
        }
    }

    #[test]
    fn a_name_can_be_written_with_escapes_and_the_last_of_equal_ones_counts() {
        assert_eq!(of_meta(r#"{"external\u005fid":"a"}"#).as_deref(), Some("a"));
        assert_eq!(of_meta(r#"{"external_id":"a","external_id":"b"}"#).as_deref(), Some("b"));
        assert_eq!(of_meta(r#"{"external_id":"a","external_id":null}"#), None);
        assert_eq!(of_meta(r#"{"$serde_json::private::RawValue":1,"external_id":"a"}"#).as_deref(), Some("a"));
    }

    proptest! {
        #[test]
        fn every_string_of_the_right_length_is_its_own_external_id(text: String) {
            let expected = (1..=MAXIMUM_CHARACTERS).contains(&text.chars().count()).then(|| text.clone());
            prop_assert_eq!(of_meta(&json!({"external_id": text}).to_string()), expected);
        }

        #[test]
        fn every_integer_gives_its_digits(number: i64) {
            prop_assert_eq!(of_meta(&json!({"external_id": number}).to_string()), Some(number.to_string()));
        }
    }
}
