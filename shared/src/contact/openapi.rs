//! What the OpenAPI document says of a contact and of a change in answers.

use std::borrow::Cow;

use serde_json::{Value, json};
use utoipa::openapi::schema::{AnyOfBuilder, ObjectBuilder};
use utoipa::openapi::{RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::ChangeJson;
use crate::openapi::{boolean, constant, date_time, integer, named, object, object_id, text};
use crate::text_field::{Rule, TextField};

/// A contact as the documentation shows it.
pub(crate) fn example() -> Value {
    json!({
        "_id": "60f1b2b3c9e9a12345678901",
        "creator": {"_id": "60f1b2b3c9e9a12345678901", "username": "admin_user", "name": "Admin User", "type": "admin"},
        "editor": {"_id": "60f1b2b3c9e9a12345678901", "username": "admin_user", "name": "Admin User", "type": "admin"},
        "name": "John Smith",
        "local_name": "جون سميث",
        "phone1": "+1234567890",
        "phone2": "+1234567891",
        "email": "john.smith@example.com",
        "title": "Sales Manager",
        "extra_info": "Primary contact for technical issues",
        "disabled": false,
        "media": ["https://example.com/media/badge.png"],
        "cover_photo": "https://example.com/media/john.jpg",
        "integration_meta": {"external_id": "contact_123", "sync_status": "active"},
        "company_namespace": ["company1"],
        "createdAt": "2023-01-15T10:30:00.000Z",
        "updatedAt": "2023-01-15T10:30:00.000Z",
        "__v": 0
    })
}

/// What an optional text is for. A field without an entry here has none in the document.
fn meaning(field: TextField) -> Option<&'static str> {
    match field.name() {
        "local_name" => Some("The name in the local language or script."),
        "phone1" => Some("The primary phone number, in any form."),
        "phone2" => Some("The secondary phone number, in any form."),
        "email" => Some("The e-mail address: a `Mailbox` of RFC 5321, in ASCII, without comments; or empty, as forms send it."),
        "title" => Some("The job title or position."),
        "extra_info" => Some("Anything else worth knowing."),
        _ => None,
    }
}

/// An optional text by its rule, as bodies and answers have it.
pub(crate) fn text_field(field: TextField) -> RefOr<Schema> {
    let example = example()[field.name()].take();
    let examples = (!example.is_null()).then_some(example);
    match field.rule() {
        Rule::AtMost(maximum) => text().description(meaning(field)).max_length(Some(maximum)).examples(examples).into(),
        Rule::Mailbox => AnyOfBuilder::new()
            .description(meaning(field))
            .item(crate::email::openapi::mailbox().title(Some("Address")))
            .item(text().title(Some("Empty")).max_length(Some(0)))
            .examples(examples)
            .into(),
    }
}

/// A contact's version.
pub(crate) fn version() -> ObjectBuilder {
    integer(0, u64::MAX)
        .description(Some("The contact's version: 0 when created, one more with every change."))
        .examples([json!(0)])
}

impl ToSchema for ChangeJson<'_> {
    fn name() -> Cow<'static, str> {
        "Change".into()
    }
}

impl PartialSchema for ChangeJson<'_> {
    fn schema() -> RefOr<Schema> {
        let change = |deleted: bool| {
            [
                ("_id", object_id().description(Some("The contact's id.")).into()),
                ("__v", version().into()),
                ("updatedAt", date_time().description(Some("When the change was made, in UTC.")).into()),
                ("deleted", constant(Type::Boolean, deleted).description(Some("Whether the contact is gone.")).into()),
            ]
        };
        let [id, v, at, is_there] = change(false);
        let there = object(5, [id, v, at, is_there, ("contact", named("Contact"))]).title(Some("Contact as it is now"));
        let gone = object(4, change(true)).title(Some("Deletion"));
        AnyOfBuilder::new()
            .description(Some(
                "The last change of a contact: the whole contact, or that it is gone. A contact that leaves the key's namespaces is gone too, for \
                 this key.",
            ))
            .item(there)
            .item(gone)
            .into()
    }
}

/// What says whether something was there.
pub(crate) fn success(value: bool) -> RefOr<Schema> {
    constant(Type::Boolean, value).into()
}

/// Whether all of it went well.
pub(crate) fn all_succeeded() -> RefOr<Schema> {
    boolean().description(Some("Whether every operation succeeded.")).into()
}
