//! MongoDB's extended JSON, as `mongoexport` writes it: `{"$oid": …}`, `{"$date": …}` and typed numbers become what the API has
//! in their place.
//!
//! Everything else stays as it is written, with the spelling of every number kept. Source:
//! <https://github.com/mongodb/specifications/blob/master/source/extended-json/extended-json.md>.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use shared::timestamp::Timestamp;

/// The members of an object in their order, names and values as they are written.
struct Members<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

/// Whether a document is one of MongoDB: a member has a typed value. Inside `integration_meta` such an object can be meant as it
/// is.
pub fn is_used_in(document: &BTreeMap<String, Box<RawValue>>) -> bool {
    let is_typed = |value: &RawValue| {
        value.get().starts_with('{')
            && serde_json::from_str::<Members<'_>>(value.get())
                .is_ok_and(|Members(members)| matches!(&members[..], [(name, _)] if name.get().starts_with("\"$")))
    };
    document.iter().any(|(name, value)| name != "integration_meta" && is_typed(value))
}

/// The value with every typed value in it replaced.
///
/// # Errors
/// When one cannot be written as plain JSON. The message completes the sentence that the member's name begins.
pub fn resolved(value: &RawValue) -> Result<Box<RawValue>, String> {
    RawValue::from_string(text(value)?).map_err(|_| "must be JSON".to_owned())
}

fn text(value: &RawValue) -> Result<String, String> {
    let json = value.get();
    let malformed = |_| "must be JSON".to_owned();
    match json.as_bytes().first() {
        Some(b'{') => {
            let Members(members) = serde_json::from_str(json).map_err(malformed)?;
            if let [(name, value)] = &members[..]
                && let Some(plain) = plain(name.get(), value)
            {
                return plain;
            }
            let members = members.iter().map(|(name, value)| Ok(format!("{}:{}", name.get(), text(value)?)));
            Ok(format!("{{{}}}", members.collect::<Result<Vec<_>, String>>()?.join(",")))
        }
        Some(b'[') => {
            let elements: Vec<&RawValue> = serde_json::from_str(json).map_err(malformed)?;
            let elements = elements.into_iter().map(text).collect::<Result<Vec<_>, String>>()?;
            Ok(format!("[{}]", elements.join(",")))
        }
        _ => Ok(json.to_owned()),
    }
}

/// What stands for the only member of a typed value; nothing if that is not a type, or one that the API has nothing for.
fn plain(name: &str, value: &RawValue) -> Option<Result<String, String>> {
    let string = || serde_json::from_str::<String>(value.get()).ok();
    Some(match name {
        "\"$oid\"" => Ok(serde_json::Value::from(string()?).to_string()),
        "\"$numberInt\"" | "\"$numberLong\"" => {
            string().filter(|digits| digits.parse::<i64>().is_ok()).ok_or_else(|| format!("has a {name} that is not an integer"))
        }
        "\"$numberDouble\"" | "\"$numberDecimal\"" => {
            let number = string().filter(|number| serde_json::from_str::<serde_json::Number>(number).is_ok());
            number.ok_or_else(|| format!("has a {name} that JSON has no number for"))
        }
        "\"$date\"" => {
            let millis = || text(value).ok().and_then(|millis| millis.parse().ok()).map(Timestamp::from_millis);
            let moment =
                string().and_then(|text| Timestamp::from_rfc3339(&text)).or_else(millis).filter(|moment| moment.has_text());
            moment
                .map(|moment| format!("\"{moment}\""))
                .ok_or_else(|| "has a \"$date\" that is not a time in the years 0 to 9999".to_owned())
        }
        "\"$undefined\"" => Ok("null".to_owned()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str) -> Result<String, String> {
        let value: Box<RawValue> = serde_json::from_str(json).unwrap();
        resolved(&value).map(|value| value.get().to_owned())
    }

    #[test]
    fn typed_values_become_plain_ones_and_everything_else_stays_as_it_is_written() {
        for (given, expected) in [
            (r#"{"$oid":"60F1b2b3c9e9a12345678901"}"#, r#""60F1b2b3c9e9a12345678901""#),
            (r#"{"$date":"2023-01-15T12:30:00.5+02:00"}"#, r#""2023-01-15T10:30:00.500Z""#),
            (r#"{"$date":{"$numberLong":"1673778600000"}}"#, r#""2023-01-15T10:30:00.000Z""#),
            (r#"{"$date":1673778600000}"#, r#""2023-01-15T10:30:00.000Z""#),
            (r#"{"$date":{"$numberLong":"-1"}}"#, r#""1969-12-31T23:59:59.999Z""#),
            (r#"{"$numberInt":"7"}"#, "7"),
            (r#"{"$numberLong":"-9223372036854775808"}"#, "-9223372036854775808"),
            (r#"{"$numberDouble":"1.50"}"#, "1.50"),
            (r#"{"$numberDecimal":"12345678901234567890.5"}"#, "12345678901234567890.5"),
            (r#"{"$undefined":true}"#, "null"),
            (r#"[{"$oid":"a"}, {"b" : {"$numberInt":"1"}, "a":[1.50, 1e3]}]"#, r#"["a",{"b":1,"a":[1.50,1e3]}]"#),
            (r#"{"$oid":"a","other":1}"#, r#"{"$oid":"a","other":1}"#),
            (r#"{"$binary":{"base64":"AA==","subType":"00"}}"#, r#"{"$binary":{"base64":"AA==","subType":"00"}}"#),
            (r#"{"a":1,"a":{"$numberInt":"2"},"\ud800":"\udc00"}"#, r#"{"a":1,"a":2,"\ud800":"\udc00"}"#),
        ] {
            assert_eq!(of(given).as_deref(), Ok(expected), "{given}");
        }
        for wrong in [
            r#"{"$numberDouble":"NaN"}"#,
            r#"{"$numberDouble":"Infinity"}"#,
            r#"{"$numberInt":"1.5"}"#,
            r#"{"$numberLong":7}"#,
            r#"{"$date":"yesterday"}"#,
            r#"{"a":[{"$date":{"$numberLong":"999999999999999999"}}]}"#,
        ] {
            assert!(of(wrong).unwrap_err().starts_with("has a \"$"), "{wrong}");
        }
    }

    #[test]
    fn a_document_of_mongodb_has_a_typed_member_outside_of_integration_meta() {
        let is_used = |json: &str| is_used_in(&serde_json::from_str(json).unwrap());
        assert!(is_used(r#"{"_id":{"$oid":"60f1b2b3c9e9a12345678901"},"name":"Jane"}"#));
        assert!(is_used(r#"{"name":"Jane","createdAt":{"$date":"2023-01-15T10:30:00Z"}}"#));
        assert!(!is_used(r#"{"_id":"60f1b2b3c9e9a12345678901","integration_meta":{"$oid":"x"}}"#));
        assert!(!is_used(r#"{"creator":{"_id":"1","type":"rep"},"media":["{$oid}"]}"#));
    }
}
