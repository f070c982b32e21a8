//! What the OpenAPI document says of a batch's body.

use std::borrow::Cow;

use serde_json::{Value, json};
use utoipa::openapi::schema::{Discriminator, OneOfBuilder};
use utoipa::openapi::{RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::{MAXIMUM_ATOMIC_OPERATIONS, MAXIMUM_BYTES, MAXIMUM_OPERATIONS};
use crate::external_id::openapi::external_id;
use crate::headers::openapi::entity_tags;
use crate::openapi::{array, boolean, constant, keyword, named, nullable, object, text};

/// The body of a batch.
pub struct BatchInput;

/// An operation that creates a contact.
pub struct BatchCreate;

/// An operation that changes a contact.
pub struct BatchUpdate;

/// An operation that changes or creates the contact with an external id.
pub struct BatchUpsert;

/// An operation that deletes a contact.
pub struct BatchDelete;

fn action(name: &str) -> (&'static str, RefOr<Schema>) {
    ("action", constant(Type::String, name).description(Some("What the operation does.")).into())
}

fn id() -> (&'static str, RefOr<Schema>) {
    ("_id", text().description(Some("The contact's id. One that no contact has is the operation's 404.")).into())
}

fn if_match() -> (&'static str, RefOr<Schema>) {
    let tags = entity_tags().description(Some("What the header `If-Match` of the single call would be."));
    ("if_match", nullable(tags.into()))
}

macro_rules! operations {
    ($($type:ident: $required:literal, [$($member:expr),*], $description:literal;)*) => {
        $(
            impl ToSchema for $type {
                fn name() -> Cow<'static, str> {
                    stringify!($type).into()
                }
            }

            impl PartialSchema for $type {
                fn schema() -> RefOr<Schema> {
                    object($required, [$($member),*]).description(Some($description)).into()
                }
            }
        )*
    };
}

operations! {
    BatchCreate: 2, [action("create"), ("data", named("ContactCreate"))], "Creates a contact.";
    BatchUpdate: 3, [action("update"), id(), ("data", named("ContactChange")), if_match()], "Changes fields of a contact.";
    BatchUpsert: 3, [action("upsert"), ("external_id", external_id().into()), ("data", named("ContactChange"))],
        "Changes the contact with this external id, or creates it.";
    BatchDelete: 2, [action("delete"), id(), if_match()], "Deletes a contact.";
}

impl ToSchema for BatchInput {
    fn name() -> Cow<'static, str> {
        "BatchInput".into()
    }
}

impl PartialSchema for BatchInput {
    fn schema() -> RefOr<Schema> {
        let actions =
            [("create", "BatchCreate"), ("update", "BatchUpdate"), ("upsert", "BatchUpsert"), ("delete", "BatchDelete")];
        let operation = actions.iter().fold(OneOfBuilder::new(), |operation, (_, name)| operation.item(named(name)));
        let mapping = actions.map(|(action, name)| (action.to_owned(), format!("#/components/schemas/{name}")));
        let operation = operation.discriminator(Some(Discriminator::with_mapping("action", mapping)));
        let operations = array(operation)
            .min_items(Some(1))
            .max_items(Some(MAXIMUM_OPERATIONS))
            .description(Some(format!(
                "The operations: 1 to {MAXIMUM_OPERATIONS}, or 1 to {MAXIMUM_ATOMIC_OPERATIONS} if `atomic` is `true`. A malformed operation is that \
                 operation's 400 in the answer."
            )));
        let atomic =
            boolean().description(Some("Whether all operations happen or none. Two operations on one contact are then a 400."));
        object(1, [("operations", operations.into()), ("atomic", nullable(atomic.into()))])
            .description(Some(format!("Many writes in one request, at most {} MB.", MAXIMUM_BYTES / 1024 / 1024)))
            .extensions(Some(keyword("allOf", bound_of_atomic())))
            .examples([example()])
            .into()
    }
}

/// An atomic batch has a bound of its own.
fn bound_of_atomic() -> Value {
    json!([{
        "if": {"properties": {"atomic": {"const": true}}, "required": ["atomic"]},
        "then": {"properties": {"operations": {"maxItems": MAXIMUM_ATOMIC_OPERATIONS}}},
    }])
}

fn example() -> Value {
    json!({
        "operations": [
            {"action": "create", "data": {"name": "Jane Smith"}},
            {"action": "update", "_id": "60f1b2b3c9e9a12345678901", "data": {"title": "Director"}, "if_match": "\"3\""},
            {"action": "upsert", "external_id": "crm-7", "data": {"name": "John Smith"}},
            {"action": "delete", "_id": "60f1b2b3c9e9a12345678902"}
        ],
        "atomic": false
    })
}
