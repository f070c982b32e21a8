//! What the OpenAPI document says of bodies, and of contacts, which have the fields of bodies.

use std::borrow::Cow;

use serde_json::{Value, json};
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder};
use utoipa::openapi::{RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::members::{MAXIMUM_KEY, MAXIMUM_MEDIA, MAXIMUM_NAME, MAXIMUM_NAMESPACES, MAXIMUM_URL};
use super::{MAXIMUM_BYTES, MAXIMUM_META_BYTES, Purpose};
use crate::contact::Contact;
use crate::contact::openapi::{example, text_field, version};
use crate::json_object::MAXIMUM_LEVELS;
use crate::openapi::{NOT_BLANK, array, boolean, date_time, described, keyword, named, nullable, object_id, text};
use crate::text_field::TextField;

/// A member of an object with its schema, and whether it is required.
type Member = (&'static str, RefOr<Schema>, bool);

/// The fields that a body can set, as an answer shows them, and whether every contact has them.
pub(crate) fn fields() -> Vec<Member> {
    let user = |description| described("User", description);
    let url = || text().max_length(Some(MAXIMUM_URL));
    let name = text()
        .description(Some("The contact's name, kept as sent. It must not be blank."))
        .min_length(Some(1))
        .max_length(Some(MAXIMUM_NAME))
        .pattern(Some(NOT_BLANK))
        .examples([json!("John Smith")]);
    let namespaces = array(text().min_length(Some(1)))
        .description(Some(
            "The company namespaces that the contact belongs to: callers see the contacts that share a namespace with their key.",
        ))
        .min_items(Some(1))
        .max_items(Some(MAXIMUM_NAMESPACES))
        .unique_items(true)
        .examples([json!(["company1"])]);
    let media = array(url()).description(Some("URLs of media files.")).max_items(Some(MAXIMUM_MEDIA));
    let mut fields = vec![
        ("creator", user("The user who created the contact."), true),
        ("editor", user("The user who last edited the contact. Absent on a contact that was created without one."), false),
        ("name", name.into(), true),
    ];
    fields.extend(TextField::ALL.map(|field| (field.name(), text_field(field), false)));
    fields.extend([
        ("disabled", boolean().description(Some("Whether the contact is disabled.")).into(), true),
        ("media", media.examples([json!(["https://example.com/media/badge.png"])]).into(), false),
        (
            "cover_photo",
            url().description(Some("The URL of a photo.")).examples([json!("https://example.com/media/john.jpg")]).into(),
            false,
        ),
        ("integration_meta", named("IntegrationMeta"), false),
        ("company_namespace", namespaces.into(), true),
    ]);
    fields
}

impl ToSchema for Contact {
    fn name() -> Cow<'static, str> {
        "Contact".into()
    }
}

impl PartialSchema for Contact {
    fn schema() -> RefOr<Schema> {
        let mut contact = ObjectBuilder::new()
            .schema_type(Type::Object)
            .description(Some(
                "A contact person, as answers show it. A field that was never set is absent, not `null`. With all its fields it fits into 400 KB, \
                 DynamoDB's limit for an item: a write that would exceed it is a 400. Further members can be added; \
                 ignore those that you do not know.",
            ))
            .property("_id", object_id().description(Some("The contact's id, a MongoDB ObjectId: its first 4 bytes are the creation second.")))
            .required("_id");
        for (name, schema, is_required) in fields() {
            contact = contact.property(name, schema);
            if is_required {
                contact = contact.required(name);
            }
        }
        contact
            .property("createdAt", date_time().description(Some("When the contact was created, in UTC.")))
            .property(
                "updatedAt",
                date_time().description(Some("When it was last changed, in UTC. It increases with every change.")),
            )
            .property("__v", version())
            .required("createdAt")
            .required("updatedAt")
            .required("__v")
            .examples([example()])
            .into()
    }
}

/// `integration_meta`, in bodies and answers.
pub struct IntegrationMeta;

impl ToSchema for IntegrationMeta {
    fn name() -> Cow<'static, str> {
        "IntegrationMeta".into()
    }
}

impl PartialSchema for IntegrationMeta {
    fn schema() -> RefOr<Schema> {
        let description = format!(
            "Data of other systems: any JSON object of at most {} KiB, white space between tokens not counted, and {MAXIMUM_LEVELS} levels, without \
             numbers beyond the range of a double and without lone surrogates. It comes back as it was sent.\n\nIts member `external_id` is the \
             contact's **external id**, the name by which another system knows it, if it is a string of 1 to 255 characters or an integer \
             without fraction and exponent. Anything else there is kept and is not an external id.",
            MAXIMUM_META_BYTES / 1024
        );
        ObjectBuilder::new()
            .schema_type(Type::Object)
            .description(Some(description))
            .additional_properties(Some(AdditionalProperties::FreeForm(true)))
            .examples([example()["integration_meta"].take()])
            .into()
    }
}

/// The body of a create.
pub struct ContactCreate;

/// The body of an update and of an upsert.
pub struct ContactChange;

impl ToSchema for ContactCreate {
    fn name() -> Cow<'static, str> {
        "ContactCreate".into()
    }
}

impl PartialSchema for ContactCreate {
    fn schema() -> RefOr<Schema> {
        let (mut whole, plain) = (example(), json!({"name": "John Smith", "email": "john.smith@example.com"}));
        without_what_the_server_sets(&mut whole);
        let members =
            json!({"name": "John Smith", "integration_meta.external_id": "contact_123", "integration_meta.sync_status": "new"});
        let body = input(Purpose::Create, |field, schema| if field == "name" { schema } else { nullable(schema) });
        body.required("name")
            .description(Some(format!(
                "The fields of a new contact, at most {} KiB. `null` means not given. Absent fields have defaults: `creator` is the key's user, \
                 `company_namespace` the key's default namespace, `disabled` `false`.\n\n{UNKNOWN}",
                MAXIMUM_BYTES / 1024
            )))
            .examples([plain, whole, members])
            .into()
    }
}

impl ToSchema for ContactChange {
    fn name() -> Cow<'static, str> {
        "ContactChange".into()
    }
}

impl PartialSchema for ContactChange {
    fn schema() -> RefOr<Schema> {
        let body = input(Purpose::Update, |field, schema| {
            let is_of_every_contact = matches!(field, "creator" | "name" | "company_namespace");
            if is_of_every_contact { schema } else { nullable(schema) }
        });
        body.description(Some(format!(
            "The fields to change, at most {} KiB. Absent fields stay as they are; `null` clears an optional one (`disabled` becomes `false`). A whole \
             document can be sent back.\n\n{UNKNOWN}",
            MAXIMUM_BYTES / 1024
        )))
        .examples([
            json!({"title": "Senior Sales Manager", "phone2": null}),
            json!({"integration_meta.sync_status": "updated", "integration_meta.old": null}),
            example(),
        ])
        .into()
    }
}

const UNKNOWN: &str = "A member `integration_meta.<key>` sets one member of `integration_meta` and leaves the others; `null` removes it. Unknown \
                       members are ignored and named in `X-Ignored-Members`, or refused under `Prefer: handling=strict`.";

/// A body with every field that it can set, as `of_field` has it, and those that whole documents have besides.
fn input(purpose: Purpose, of_field: impl Fn(&str, RefOr<Schema>) -> RefOr<Schema>) -> ObjectBuilder {
    let ignored = |kind: ObjectBuilder| nullable(kind.description(Some("Ignored: the server sets it.")).into());
    let mut body = ObjectBuilder::new().schema_type(Type::Object).property("_id", ignored(text()));
    for (name, schema, _) in fields() {
        let schema = match name {
            "creator" => described("UserInput", "The user who created the contact. By default the key's user, on create."),
            "editor" => described("UserInput", "The user who last edited the contact. By default the key's user, on update."),
            _ => schema,
        };
        body = body.property(name, of_field(name, schema));
    }
    body.property("createdAt", ignored(text()))
        .property("updatedAt", ignored(text()))
        .property("__v", ignored(ObjectBuilder::new().schema_type(Type::Integer)))
        .extensions(Some(keyword("allOf", members_of_meta(purpose))))
}

/// The rules for members `integration_meta.<key>`, which JSON Schema has keywords for and `utoipa` has not.
fn members_of_meta(purpose: Purpose) -> Value {
    let key = format!("^integration_meta\\.[^.]{{1,{MAXIMUM_KEY}}}$");
    let no_key = format!("^integration_meta\\.($|[^.]*\\.|[^.]{{{}}})", MAXIMUM_KEY + 1);
    let no_member = json!({"propertyNames": {"not": {"pattern": "^integration_meta\\."}}});
    let without_members = match purpose {
        // There `null` means not given.
        Purpose::Create => json!({"anyOf": [no_member, {"properties": {"integration_meta": {"type": "null"}}}]}),
        Purpose::Update => no_member,
    };
    json!([{
        "patternProperties": {
            key: {"description": "One member of `integration_meta`: any JSON value; `null` removes it."},
            no_key: false,
        },
        "dependentSchemas": {"integration_meta": without_members},
    }])
}

fn without_what_the_server_sets(contact: &mut Value) {
    for member in ["_id", "createdAt", "updatedAt", "__v"] {
        if let Some(members) = contact.as_object_mut() {
            members.remove(member);
        }
    }
}
