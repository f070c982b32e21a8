//! Request bodies: from bytes to fields of which each keeps its rule, or to a sentence about the first that does not.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::contact::{JsonObject, User, UserType};
use crate::email;
use crate::error::Error;

/// The largest request body, in bytes.
pub const MAXIMUM_BYTES: usize = 256 * 1024;

/// The largest `integration_meta`, in bytes of its JSON text without white space between tokens.
pub const MAXIMUM_META_BYTES: usize = 64 * 1024;

/// What a body says of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Given<T> {
    /// Nothing: the body has no such member.
    Nothing,
    /// `null`.
    Null,
    /// A value, which keeps the field's rule.
    Value(T),
}

impl<T> Given<T> {
    /// The value, if there is one: in a create body `null` means not given.
    pub fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Nothing | Self::Null => None,
        }
    }

    /// The same with a reference to the value.
    pub fn as_ref(&self) -> Given<&T> {
        match self {
            Self::Nothing => Given::Nothing,
            Self::Null => Given::Null,
            Self::Value(value) => Given::Value(value),
        }
    }

    /// The same with the value changed.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Given<U> {
        match self {
            Self::Nothing => Given::Nothing,
            Self::Null => Given::Null,
            Self::Value(value) => Given::Value(change(value)),
        }
    }

    /// Refuses `null` for a field that every contact has.
    fn not_null(self, name: &str) -> Result<Self, Error> {
        match self {
            Self::Null => Err(Error::invalid(name, "must not be null: every contact has one")),
            given => Ok(given),
        }
    }
}

/// The fields that a body can set, each checked against its rule in the contract's table.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each is the contact's field of that name")]
pub struct ContactBody {
    pub creator: Given<User>,
    pub editor: Given<User>,
    pub name: Given<String>,
    pub local_name: Given<String>,
    pub phone1: Given<String>,
    pub phone2: Given<String>,
    pub email: Given<String>,
    pub title: Given<String>,
    pub extra_info: Given<String>,
    pub disabled: Given<bool>,
    pub media: Given<Vec<String>>,
    pub cover_photo: Given<String>,
    pub integration_meta: Given<JsonObject>,
    pub company_namespace: Given<Vec<String>>,
}

impl ContactBody {
    /// Reads the body of a create: `null` means not given, and `name` is required.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] about the first member that breaks a rule, and [`Error::BodyTooLarge`].
    pub fn for_create(body: &[u8]) -> Result<Self, Error> {
        let body = Self::read(&Members::of(body)?)?;
        match body.name {
            Given::Value(_) => Ok(body),
            Given::Nothing | Given::Null => Err(Error::invalid("name", "is required")),
        }
    }

    /// Reads the body of an update: `null` clears an optional field.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] about the first member that breaks a rule or is `null` though every contact has it, and
    /// [`Error::BodyTooLarge`].
    pub fn for_update(body: &[u8]) -> Result<Self, Error> {
        let body = Self::read(&Members::of(body)?)?;
        Ok(Self {
            name: body.name.not_null("name")?,
            creator: body.creator.not_null("creator")?,
            company_namespace: body.company_namespace.not_null("company_namespace")?,
            ..body
        })
    }

    fn read(members: &Members) -> Result<Self, Error> {
        members.check_server_fields()?;
        Ok(Self {
            creator: members.user("creator")?,
            editor: members.user("editor")?,
            name: members.text("name", 1_000)?.checked(|name| {
                let blank = name.trim().is_empty();
                if blank { Err(Error::invalid("name", "must not be empty")) } else { Ok(()) }
            })?,
            local_name: members.text("local_name", 1_000)?,
            phone1: members.text("phone1", 100)?,
            phone2: members.text("phone2", 100)?,
            email: members.email("email")?,
            title: members.text("title", 1_000)?,
            extra_info: members.text("extra_info", 10_000)?,
            disabled: members.typed("disabled", "must be true or false")?,
            media: members.media("media")?,
            cover_photo: members.text("cover_photo", 2_048)?,
            integration_meta: members.meta("integration_meta")?,
            company_namespace: members.namespaces("company_namespace")?,
        })
    }
}

impl<T> Given<T> {
    /// Holds a value, if there is one, against a further rule.
    fn checked(self, rule: impl FnOnce(&T) -> Result<(), Error>) -> Result<Self, Error> {
        if let Self::Value(value) = &self {
            rule(value)?;
        }
        Ok(self)
    }

    fn try_map<U>(self, change: impl FnOnce(T) -> Result<U, Error>) -> Result<Given<U>, Error> {
        Ok(match self {
            Self::Nothing => Given::Nothing,
            Self::Null => Given::Null,
            Self::Value(value) => Given::Value(change(value)?),
        })
    }
}

/// The members of a JSON object, each still as its text; of two with one name the last counts.
struct Members(BTreeMap<String, Box<RawValue>>);

impl Members {
    fn of(body: &[u8]) -> Result<Self, Error> {
        if body.len() > MAXIMUM_BYTES {
            return Err(Error::BodyTooLarge);
        }
        // Members stay text here, so that one that nobody asks for can hold anything, however deep.
        serde_json::from_slice(body).map(Self).map_err(|_| Error::invalid("The request body", "must be a JSON object"))
    }

    /// `_id`, `createdAt`, `updatedAt` and `__v` come back in whole documents: their types are checked and nothing else.
    fn check_server_fields(&self) -> Result<(), Error> {
        for name in ["_id", "createdAt", "updatedAt"] {
            self.typed::<String>(name, "must be a string")?;
        }
        self.typed::<serde_json::Number>("__v", "must be an integer")?.checked(|number| {
            let integer = number.is_i64() || number.is_u64() || number.as_f64().is_some_and(|value| value.fract() == 0.0);
            if integer { Ok(()) } else { Err(Error::invalid("__v", "must be an integer")) }
        })?;
        Ok(())
    }

    fn typed<T: DeserializeOwned>(&self, name: &str, rule: &str) -> Result<Given<T>, Error> {
        match self.0.get(name) {
            None => Ok(Given::Nothing),
            Some(raw) if raw.get() == "null" => Ok(Given::Null),
            Some(raw) => serde_json::from_str(raw.get()).map(Given::Value).map_err(|_| Error::invalid(name, rule)),
        }
    }

    fn text(&self, name: &str, maximum: usize) -> Result<Given<String>, Error> {
        self.typed::<String>(name, "must be a string")?.checked(|text| {
            if text.chars().count() <= maximum {
                Ok(())
            } else {
                Err(Error::invalid(name, format!("must be at most {} characters", grouped(maximum))))
            }
        })
    }

    fn email(&self, name: &str) -> Result<Given<String>, Error> {
        self.typed::<String>(name, "must be a string")?.checked(|address| {
            if email::is_mailbox(address) {
                Ok(())
            } else {
                Err(Error::invalid(name, "must be an e-mail address of at most 254 characters, such as john.smith@example.com"))
            }
        })
    }

    fn media(&self, name: &str) -> Result<Given<Vec<String>>, Error> {
        let rule = "must be an array of at most 100 strings of at most 2,048 characters";
        self.typed::<Vec<String>>(name, rule)?.checked(|media| {
            let kept = media.len() <= 100 && media.iter().all(|entry| entry.chars().count() <= 2_048);
            if kept { Ok(()) } else { Err(Error::invalid(name, rule)) }
        })
    }

    fn namespaces(&self, name: &str) -> Result<Given<Vec<String>>, Error> {
        let rule = "must be an array of 1 to 100 distinct, non-empty strings";
        self.typed::<Vec<String>>(name, rule)?.checked(|namespaces| {
            let distinct: BTreeSet<_> = namespaces.iter().collect();
            let kept = (1..=100).contains(&namespaces.len())
                && distinct.len() == namespaces.len()
                && namespaces.iter().all(|namespace| !namespace.is_empty());
            if kept { Ok(()) } else { Err(Error::invalid(name, rule)) }
        })
    }

    fn meta(&self, name: &str) -> Result<Given<JsonObject>, Error> {
        self.typed::<Box<RawValue>>(name, "must be a JSON object")?.try_map(|raw| {
            let object = JsonObject::parse(&raw).map_err(|_| {
                Error::invalid(
                    name,
                    "must be a JSON object of at most 100 levels, with numbers in the range of a double and whole surrogate pairs",
                )
            })?;
            if object.raw().get().len() <= MAXIMUM_META_BYTES {
                Ok(object)
            } else {
                Err(Error::invalid(name, "must be at most 64 KiB of JSON"))
            }
        })
    }

    fn user(&self, name: &str) -> Result<Given<User>, Error> {
        let rule = "must be an object with the strings _id and type";
        self.typed::<BTreeMap<String, serde_json::Value>>(name, rule)?.try_map(|members| user(name, members))
    }
}

/// A user from its members. Further strings are kept; whatever else there is, is ignored as in every body.
fn user(field: &str, mut members: BTreeMap<String, serde_json::Value>) -> Result<User, Error> {
    let mut text = |name: &str| match members.remove(name) {
        None | Some(serde_json::Value::Null) => Ok(None),
        Some(serde_json::Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Error::invalid(format!("{field}.{name}"), "must be a string")),
    };
    let id = text("_id")?.ok_or_else(|| Error::invalid(format!("{field}._id"), "is required"))?;
    let kind = text("type")?.ok_or_else(|| Error::invalid(format!("{field}.type"), "is required"))?;
    let kind = UserType::ALL
        .iter()
        .find_map(|(name, known)| (*name == kind).then_some(*known))
        .ok_or_else(|| Error::invalid(format!("{field}.type"), "must be one of admin, rep, client"))?;
    let (username, name) = (text("username")?, text("name")?);
    let others = members
        .into_iter()
        .filter_map(|(name, value)| match value {
            serde_json::Value::String(text) => Some((name, text)),
            _ => None,
        })
        .collect::<BTreeMap<_, _>>();
    // DynamoDB has no attribute without a name.
    if others.contains_key("") {
        return Err(Error::invalid(field, "must not have a member with an empty name"));
    }
    Ok(User { id, username, name, kind, others })
}

/// A number as prose writes it: `10,000`.
fn grouped(number: usize) -> String {
    match number {
        0..1_000 => number.to_string(),
        _ => format!("{},{:03}", grouped(number / 1_000), number % 1_000),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn refusal(body: &str) -> String {
        ContactBody::for_create(body.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn every_rule_of_a_field_has_its_sentence() {
        let characters = |count| "x".repeat(count);
        for (member, value, sentence) in [
            ("name", json!(null), "name is required"),
            ("name", json!(" \t\u{3000}"), "name must not be empty"),
            ("name", json!(7), "name must be a string"),
            ("name", json!(characters(1_001)), "name must be at most 1,000 characters"),
            ("local_name", json!(characters(1_001)), "local_name must be at most 1,000 characters"),
            ("title", json!({}), "title must be a string"),
            ("phone1", json!(characters(101)), "phone1 must be at most 100 characters"),
            ("phone2", json!(5_551_234), "phone2 must be a string"),
            ("extra_info", json!(characters(10_001)), "extra_info must be at most 10,000 characters"),
            ("cover_photo", json!(characters(2_049)), "cover_photo must be at most 2,048 characters"),
            ("disabled", json!("false"), "disabled must be true or false"),
            ("media", json!("a"), "media must be an array of at most 100 strings of at most 2,048 characters"),
            ("media", json!(vec!["a"; 101]), "media must be an array of at most 100 strings of at most 2,048 characters"),
            ("media", json!([characters(2_049)]), "media must be an array of at most 100 strings of at most 2,048 characters"),
            ("company_namespace", json!([]), "company_namespace must be an array of 1 to 100 distinct, non-empty strings"),
            (
                "company_namespace",
                json!(["a", "a"]),
                "company_namespace must be an array of 1 to 100 distinct, non-empty strings",
            ),
            ("company_namespace", json!([""]), "company_namespace must be an array of 1 to 100 distinct, non-empty strings"),
            (
                "integration_meta",
                json!([]),
                "integration_meta must be a JSON object of at most 100 levels, with numbers in the range of a double and whole surrogate pairs",
            ),
            ("integration_meta", json!({"a": characters(65_529)}), "integration_meta must be at most 64 KiB of JSON"),
            ("creator", json!("admin"), "creator must be an object with the strings _id and type"),
            ("creator", json!({"type": "admin"}), "creator._id is required"),
            ("creator", json!({"_id": "1", "type": "boss"}), "creator.type must be one of admin, rep, client"),
            ("editor", json!({"_id": "1", "type": "rep", "name": 1}), "editor.name must be a string"),
            ("editor", json!({"_id": "1", "type": "rep", "": "x"}), "editor must not have a member with an empty name"),
            ("_id", json!(1), "_id must be a string"),
            ("createdAt", json!(1), "createdAt must be a string"),
            ("updatedAt", json!(false), "updatedAt must be a string"),
            ("__v", json!("0"), "__v must be an integer"),
            ("__v", json!(0.5), "__v must be an integer"),
        ] {
            let mut body = json!({"name": "John"});
            body[member] = value;
            assert_eq!(refusal(&body.to_string()), sentence);
        }
    }

    #[test]
    fn values_at_their_bounds_are_accepted() {
        let wide = |count| "\u{1F600}".repeat(count);
        let body = json!({
            "name": wide(1_000), "local_name": wide(1_000), "title": "", "phone1": wide(100), "phone2": "", "extra_info": wide(10_000),
            "cover_photo": wide(2_048), "media": vec!["x".repeat(2_048); 50], "integration_meta": {"a": "x".repeat(65_528)},
            "_id": "", "__v": 1.0, "createdAt": "yesterday", "creator": {"_id": "", "type": "client", "client": "c", "other": 5},
        });

        let read = ContactBody::for_create(body.to_string().as_bytes()).unwrap();

        assert_eq!(read.creator.value().unwrap().others, BTreeMap::from([("client".to_owned(), "c".to_owned())]));
        assert_eq!(read.integration_meta.value().unwrap().raw().get().len(), MAXIMUM_META_BYTES);
    }

    #[test]
    fn what_is_no_object_is_refused_as_a_whole() {
        for body in
            ["", "null", "[]", "\"name\"", "{", "{\"name\":\"a\"} x", "\u{feff}{}", "{\"name\":\"\\ud800\",}", "{'name':1}"]
        {
            assert_eq!(refusal(body), "The request body must be a JSON object", "{body}");
        }
        assert_eq!(
            ContactBody::for_create(b"{\"name\":\"\xff\"}").unwrap_err().to_string(),
            "The request body must be a JSON object"
        );
    }

    #[test]
    fn half_a_surrogate_pair_is_no_string() {
        assert_eq!(refusal(r#"{"name":"\ud800"}"#), "name must be a string");
    }

    #[test]
    fn unknown_members_are_ignored_however_deep() {
        let body = format!(r#"{{"name":"John","x":{}{},"y":1e999}}"#, "[".repeat(100_000), "]".repeat(100_000));

        assert!(ContactBody::for_create(body.as_bytes()).is_ok());
    }

    #[test]
    fn null_is_nothing_in_a_create_and_clears_in_an_update() {
        let body = br#"{"name":"John","email":null,"editor":null,"disabled":null}"#;

        assert_eq!(ContactBody::for_create(body).unwrap().email.value(), None);
        assert_eq!(ContactBody::for_update(body).unwrap().email, Given::Null);
        assert_eq!(ContactBody::for_update(b"{}").unwrap().email, Given::Nothing);
        for field in ["name", "creator", "company_namespace"] {
            let refusal = ContactBody::for_update(json!({field: null}).to_string().as_bytes()).unwrap_err().to_string();
            assert_eq!(refusal, format!("{field} must not be null: every contact has one"));
        }
    }

    #[test]
    fn a_body_above_its_limit_is_too_large() {
        let body = vec![b' '; MAXIMUM_BYTES + 1];

        assert!(matches!(ContactBody::for_update(&body), Err(Error::BodyTooLarge)));
    }

    proptest! {
        #[test]
        fn junk_never_panics(body: Vec<u8>) {
            let _either = (ContactBody::for_create(&body), ContactBody::for_update(&body));
        }
    }
}
