//! The resource: a contact person, the users who made and edited it, and how both look on the wire.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, SerializeStruct};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::body::ContactBody;
use crate::caller::Caller;
use crate::error::Error;
use crate::object_id::ObjectId;
use crate::timestamp::Timestamp;
use index::entry::TextField;

/// An individual contact person associated with clients.
///
/// Its `Serialize` and `Deserialize` are the form of the table; [`ContactJson`] is the form of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are the table in the contract, name by name")]
pub struct Contact {
    #[serde(rename = "_id")]
    pub id: ObjectId,
    pub creator: User,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub editor: Option<User>,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone1: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone2: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra_info: Option<String>,
    #[serde(default)]
    pub disabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cover_photo: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub integration_meta: Option<JsonObject>,
    pub company_namespace: Vec<String>,
    #[serde(rename = "createdAt")]
    pub created_at: Timestamp,
    #[serde(rename = "updatedAt")]
    pub updated_at: Timestamp,
    /// 0 when created, one more with every change.
    #[serde(rename = "__v")]
    pub version: u64,
}

impl Contact {
    /// The contact that `caller` creates at `now` with the fields of `body`, and the defaults where it is silent.
    ///
    /// # Errors
    ///
    /// [`Error::NamespaceNotAllowed`] when the body names a namespace that the caller may not use.
    pub fn new(body: ContactBody, caller: &Caller, id: ObjectId, now: Timestamp) -> Result<Self, Error> {
        let company_namespace =
            body.company_namespace.value().unwrap_or_else(|| caller.namespaces.first().cloned().into_iter().collect());
        caller.may_change_namespaces(&[], &company_namespace)?;
        Ok(Self {
            id,
            creator: body.creator.value().unwrap_or_else(|| caller.user.clone()),
            editor: body.editor.value(),
            name: body.name.value().ok_or_else(|| Error::invalid_field("name", "is required"))?,
            local_name: body.local_name.value(),
            phone1: body.phone1.value(),
            phone2: body.phone2.value(),
            email: body.email.value(),
            title: body.title.value(),
            extra_info: body.extra_info.value(),
            disabled: body.disabled.value().unwrap_or_default(),
            media: body.media.value(),
            cover_photo: body.cover_photo.value(),
            integration_meta: body.integration_meta.value(),
            company_namespace,
            created_at: now,
            updated_at: now,
            version: 0,
        })
    }

    /// The contact as it is when it was created at `now`.
    #[must_use]
    pub fn created(self, now: Timestamp) -> Self {
        Self { created_at: now, updated_at: now, ..self }
    }

    /// The text by which lists sort under this field.
    pub const fn text(&self, field: TextField) -> Option<&String> {
        match field {
            TextField::LocalName => self.local_name.as_ref(),
            TextField::Phone1 => self.phone1.as_ref(),
            TextField::Phone2 => self.phone2.as_ref(),
            TextField::Email => self.email.as_ref(),
            TextField::Title => self.title.as_ref(),
        }
    }

    /// About how many bytes the contact takes in memory.
    pub fn memory_bytes(&self) -> usize {
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let user = |user: &User| {
            let others: usize = user.others.iter().map(|(name, value)| 64 + name.len() + value.len()).sum();
            user.id.len() + text(&user.username) + text(&user.name) + others
        };
        let list = |texts: &[String]| texts.iter().map(|text| size_of::<String>() + text.len()).sum::<usize>();
        let texts = [&self.local_name, &self.phone1, &self.phone2, &self.email, &self.title, &self.extra_info, &self.cover_photo];
        size_of::<Self>()
            + user(&self.creator)
            + self.editor.as_ref().map_or(0, user)
            + self.name.len()
            + texts.into_iter().map(text).sum::<usize>()
            + self.media.as_deref().map_or(0, list)
            + self.integration_meta.as_ref().map_or(0, |object| object.raw().get().len())
            + list(&self.company_namespace)
    }
}

/// A contact as an answer shows it: absent where never set, moments as text, `integration_meta` as the client sent it.
pub struct ContactJson<'a>(pub &'a Contact);

impl Serialize for ContactJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Contact {
            id,
            creator,
            editor,
            name,
            local_name,
            phone1,
            phone2,
            email,
            title,
            extra_info,
            disabled,
            media,
            cover_photo,
            integration_meta,
            company_namespace,
            created_at,
            updated_at,
            version,
        } = self.0;
        let mut object = serializer.serialize_struct("Contact", 18)?;
        object.serialize_field("_id", id)?;
        object.serialize_field("creator", &UserJson(creator))?;
        optional(&mut object, "editor", &editor.as_ref().map(UserJson))?;
        object.serialize_field("name", name)?;
        optional(&mut object, "local_name", local_name)?;
        optional(&mut object, "phone1", phone1)?;
        optional(&mut object, "phone2", phone2)?;
        optional(&mut object, "email", email)?;
        optional(&mut object, "title", title)?;
        optional(&mut object, "extra_info", extra_info)?;
        object.serialize_field("disabled", disabled)?;
        optional(&mut object, "media", media)?;
        optional(&mut object, "cover_photo", cover_photo)?;
        optional(&mut object, "integration_meta", &integration_meta.as_ref().map(JsonObject::raw))?;
        object.serialize_field("company_namespace", company_namespace)?;
        object.serialize_field("createdAt", &created_at.to_string())?;
        object.serialize_field("updatedAt", &updated_at.to_string())?;
        object.serialize_field("__v", version)?;
        object.end()
    }
}

fn optional<S: SerializeStruct>(object: &mut S, name: &'static str, value: &Option<impl Serialize>) -> Result<(), S::Error> {
    match value {
        Some(value) => object.serialize_field(name, value),
        None => object.skip_field(name),
    }
}

/// Somebody who acts on contacts: an administrator, a field-sales representative or a client.
///
/// Its `Serialize` and `Deserialize` are the form of the tables, which differs from that of an answer in the names of `others`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The user's own identifier, in whatever form the calling system has.
    #[serde(rename = "_id")]
    pub id: String,
    /// The name to log in with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The name to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What kind of user this is.
    #[serde(rename = "type")]
    pub kind: UserType,
    /// Further string members, such as `admin`, `rep` and `client`, by name.
    #[serde(flatten, with = "attribute_names")]
    pub others: BTreeMap<String, String>,
}

/// A user as an answer shows it.
struct UserJson<'a>(&'a User);

impl Serialize for UserJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let User { id, username, name, kind, others } = self.0;
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("_id", id)?;
        for (member, text) in [("username", username), ("name", name)] {
            if let Some(text) = text {
                object.serialize_entry(member, text)?;
            }
        }
        object.serialize_entry("type", kind)?;
        others.iter().try_for_each(|(member, text)| object.serialize_entry(member, text))?;
        object.end()
    }
}

/// Further members of a user as attributes of a DynamoDB map, which takes every name but the empty one. That is kept as one NUL, and a
/// name of NULs alone as one more of them.
mod attribute_names {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serializer};

    const ESCAPE: char = '\0';

    fn is_escaped(name: &str) -> bool {
        name.chars().all(|letter| letter == ESCAPE)
    }

    pub fn serialize<S: Serializer>(members: &BTreeMap<String, String>, serializer: S) -> Result<S::Ok, S::Error> {
        let attribute = |name: &str| if is_escaped(name) { format!("{ESCAPE}{name}") } else { name.to_owned() };
        serializer.collect_map(members.iter().map(|(name, text)| (attribute(name), text)))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
        let attributes = BTreeMap::<String, String>::deserialize(deserializer)?;
        let member = |name: String| match name.strip_prefix(ESCAPE) {
            Some(rest) if is_escaped(rest) => rest.to_owned(),
            _ => name,
        };
        Ok(attributes.into_iter().map(|(name, text)| (member(name), text)).collect())
    }
}

/// The kinds of user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the contract names them so")]
pub enum UserType {
    Admin,
    Rep,
    Client,
}

impl UserType {
    /// Every kind with its name on the wire.
    pub const ALL: [(&'static str, Self); 3] = [("admin", Self::Admin), ("rep", Self::Rep), ("client", Self::Client)];
}

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

    #[test]
    fn a_user_is_kept_with_members_of_any_name() {
        let user: User = serde_json::from_str(r#"{"_id":"1","type":"rep"}"#).unwrap();
        let others: BTreeMap<_, _> = ["", "\0", "\0\0", "a\0", "\0a"].map(|name| (name.to_owned(), format!("of {name}"))).into();
        let user = User { others, ..user };

        let attributes = serde_json::to_value(&user).unwrap();

        assert!(attributes.as_object().unwrap().keys().all(|name| !name.is_empty()));
        assert_eq!(serde_json::from_value::<User>(attributes).unwrap(), user);
        assert_eq!(serde_json::to_value(UserJson(&user)).unwrap()[""], "of ");
    }
}
