//! Contacts to send, and contacts as they come back.

use std::ops::Index;

use serde::Serialize;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The members that a contact can have in an answer.
const MEMBERS: &[&str] = &[
    "_id",
    "creator",
    "editor",
    "name",
    "local_name",
    "phone1",
    "phone2",
    "email",
    "title",
    "extra_info",
    "disabled",
    "media",
    "cover_photo",
    "integration_meta",
    "company_namespace",
    "createdAt",
    "updatedAt",
    "__v",
];

/// Those that every contact has.
const REQUIRED: [&str; 8] = ["_id", "creator", "name", "disabled", "company_namespace", "createdAt", "updatedAt", "__v"];

/// The smallest body of a create: a name.
pub fn contact() -> ContactBody {
    ContactBody(Map::new()).name("John Smith")
}

/// A body for create or update.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ContactBody(Map<String, Value>);

impl ContactBody {
    /// With this name.
    #[must_use]
    pub fn name(self, name: &str) -> Self {
        self.with("name", name)
    }

    /// With this value of a field, valid or not.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.0.insert(field.to_owned(), value.into());
        self
    }

    /// Without a field.
    #[must_use]
    pub fn without(mut self, field: &str) -> Self {
        self.0.remove(field);
        self
    }
}

impl From<ContactBody> for Value {
    fn from(body: ContactBody) -> Value {
        Value::Object(body.0)
    }
}

/// A contact of an answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Contact(Map<String, Value>);

impl Contact {
    /// The contact in an answer's `data`, after a check of its form: only members of the contract, none `null`, the required ones
    /// present, and the server's fields in their format.
    #[track_caller]
    pub fn of(data: Value) -> Contact {
        let Value::Object(members) = data else { panic!("a contact is an object, not {data}") };
        for (name, value) in &members {
            assert!(MEMBERS.contains(&name.as_str()), "{name} is no member of a contact");
            assert!(!value.is_null(), "{name} is null instead of absent");
        }
        for name in REQUIRED {
            assert!(members.contains_key(name), "{name} is absent");
        }
        let contact = Contact(members);
        assert!(is_object_id(&contact.id()), "{}", contact.id());
        assert!(contact.millis("createdAt") <= contact.millis("updatedAt"), "{:?}", contact.0);
        assert!(contact.0["__v"].is_u64(), "{}", contact.0["__v"]);
        contact
    }

    /// Its `_id`.
    pub fn id(&self) -> String {
        self.text("_id")
    }

    /// A text member, which it has.
    #[track_caller]
    pub fn text(&self, member: &str) -> String {
        self[member].as_str().unwrap_or_else(|| panic!("{member} is {}", self[member])).to_owned()
    }

    /// A time, in milliseconds since 1970.
    #[track_caller]
    pub fn millis(&self, member: &str) -> i64 {
        millis(&self.text(member))
    }

    /// Its `__v`.
    pub fn version(&self) -> u64 {
        self["__v"].as_u64().expect("__v is a number")
    }

    /// The entity tag of this version.
    pub fn etag(&self) -> String {
        format!("\"{}\"", self.version())
    }

    /// Whether it has this member.
    pub fn has(&self, member: &str) -> bool {
        self.0.contains_key(member)
    }

    /// All its members.
    pub fn members(&self) -> &Map<String, Value> {
        &self.0
    }

    /// The members that clients set.
    pub fn fields(&self) -> Value {
        let server = ["_id", "createdAt", "updatedAt", "__v"];
        self.0
            .iter()
            .filter(|(name, _)| !server.contains(&name.as_str()))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// The contact for a snapshot: unchanged except for the id and the times, whose form is checked elsewhere.
    pub fn shown(&self) -> String {
        let mut shown = self.0.clone();
        for (member, instead) in [("_id", "<id>"), ("createdAt", "<time>"), ("updatedAt", "<time>")] {
            shown[member] = instead.into();
        }
        serde_json::to_string_pretty(&shown).expect("JSON can be written")
    }
}

impl Index<&str> for Contact {
    type Output = Value;

    /// A member, `null` when it is absent.
    fn index(&self, member: &str) -> &Value {
        self.0.get(member).unwrap_or(&Value::Null)
    }
}

/// Whether a text is an ObjectId as the API writes it.
pub fn is_object_id(text: &str) -> bool {
    text.len() == 24 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The milliseconds since 1970 of a time such as `2023-01-15T10:30:00.000Z`, the one form in which the API writes them.
#[track_caller]
pub fn millis(time: &str) -> i64 {
    assert!(time.len() == 24 && time.ends_with('Z') && time.as_bytes()[19] == b'.', "{time}");
    let moment = OffsetDateTime::parse(time, &Rfc3339).unwrap_or_else(|error| panic!("{time}: {error}"));
    i64::try_from(moment.unix_timestamp_nanos() / 1_000_000).expect("times of contacts are of our age")
}
