//! The resource: a contact person, and how it looks in an answer.

#[cfg(feature = "openapi")]
pub(crate) mod openapi;

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

use crate::json_object::JsonObject;
use crate::object_id::ObjectId;
use crate::text_field::{TextField, Texts};
use crate::timestamp::Timestamp;
use crate::user::{User, UserJson};

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
    /// The optional texts, such as `title`.
    #[serde(flatten)]
    pub texts: Texts<Option<String>>,
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
    /// The contact as it is when it was created at `now`.
    #[must_use]
    pub fn created(self, now: Timestamp) -> Self {
        Self { created_at: now, updated_at: now, ..self }
    }

    /// About how many bytes the contact takes in memory.
    pub fn memory_bytes(&self) -> usize {
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let user = |user: &User| {
            let others: usize = user.others.iter().map(|(name, value)| 64 + name.len() + value.len()).sum();
            user.id.len() + text(&user.username) + text(&user.name) + others
        };
        let list = |texts: &[String]| texts.iter().map(|text| size_of::<String>() + text.len()).sum::<usize>();
        size_of::<Self>()
            + user(&self.creator)
            + self.editor.as_ref().map_or(0, user)
            + self.name.len()
            + self.texts.iter().map(|(_, value)| text(value)).sum::<usize>()
            + text(&self.cover_photo)
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
            texts,
            disabled,
            media,
            cover_photo,
            integration_meta,
            company_namespace,
            created_at,
            updated_at,
            version,
        } = self.0;
        let mut object = serializer.serialize_struct("Contact", 12 + TextField::ALL.len())?;
        object.serialize_field("_id", id)?;
        object.serialize_field("creator", &UserJson(creator))?;
        optional(&mut object, "editor", &editor.as_ref().map(UserJson))?;
        object.serialize_field("name", name)?;
        texts.iter().try_for_each(|(field, text)| optional(&mut object, field.name(), text))?;
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

/// A change as the change feed shows it: the whole contact, or that it is gone.
#[derive(Serialize)]
pub struct ChangeJson<'a> {
    #[serde(rename = "_id")]
    id: ObjectId,
    #[serde(rename = "__v")]
    version: u64,
    #[serde(rename = "updatedAt")]
    updated_at: String,
    deleted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    contact: Option<ContactJson<'a>>,
}

impl<'a> ChangeJson<'a> {
    /// The contact as it is since its last change.
    pub fn of_contact(contact: &'a Contact) -> Self {
        let Contact { id, version, updated_at, .. } = contact;
        Self {
            id: *id,
            version: *version,
            updated_at: updated_at.to_string(),
            deleted: false,
            contact: Some(ContactJson(contact)),
        }
    }

    /// The contact `id` is gone since its change to `version` at `updated_at`.
    pub fn of_deletion(id: ObjectId, version: u64, updated_at: Timestamp) -> Self {
        Self { id, version, updated_at: updated_at.to_string(), deleted: true, contact: None }
    }
}

fn optional<S: SerializeStruct>(object: &mut S, name: &'static str, value: &Option<impl Serialize>) -> Result<(), S::Error> {
    match value {
        Some(value) => object.serialize_field(name, value),
        None => object.skip_field(name),
    }
}

#[cfg(test)]
impl Contact {
    /// A contact that has every field.
    pub fn full() -> Self {
        let user = |id: &str| User {
            id: id.to_owned(),
            username: Some("john".to_owned()),
            name: Some("John".to_owned()),
            kind: crate::user::UserType::Rep,
            others: [("rep".to_owned(), "r".to_owned())].into(),
        };
        let meta = serde_json::value::to_raw_value(&serde_json::json!({"erp": 1, "external_id": "C-1"})).unwrap();
        Self {
            id: ObjectId::from_bytes([1; 12]),
            creator: user("1"),
            editor: Some(user("2")),
            name: "John Smith".to_owned(),
            texts: Texts::from_fn(|field| Some(field.name().to_owned())),
            disabled: true,
            media: Some(vec!["m".to_owned()]),
            cover_photo: Some("c".to_owned()),
            integration_meta: Some(JsonObject::parse(&meta).unwrap()),
            company_namespace: vec!["a".to_owned()],
            created_at: Timestamp::from_millis(5),
            updated_at: Timestamp::from_millis(7),
            version: 3,
        }
    }
}
