//! What the OpenAPI document says of users.

use std::borrow::Cow;

use serde_json::json;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::User;
use crate::openapi::{named, nullable, object, text};

/// A user in a body.
pub struct UserInput;

impl ToSchema for User {
    fn name() -> Cow<'static, str> {
        "User".into()
    }
}

impl PartialSchema for User {
    fn schema() -> RefOr<Schema> {
        user(|optional| optional.into())
            .description(Some("A user, as answers show one. Further members are strings, such as `admin`, `rep` and `client`."))
            .additional_properties(Some(AdditionalProperties::RefOr(text().into())))
            .into()
    }
}

impl ToSchema for UserInput {
    fn name() -> Cow<'static, str> {
        "UserInput".into()
    }
}

impl PartialSchema for UserInput {
    fn schema() -> RefOr<Schema> {
        user(|optional| nullable(optional.into()))
            .description(Some(
                "A user, as bodies have one. Further members that are strings are kept, such as `admin`, `rep` and `client`; others are ignored and named \
                 in `X-Ignored-Members`.",
            ))
            .additional_properties(Some(AdditionalProperties::FreeForm(true)))
            .into()
    }
}

fn user(optional: impl Fn(ObjectBuilder) -> RefOr<Schema>) -> ObjectBuilder {
    let example = json!({"_id": "60f1b2b3c9e9a12345678901", "username": "admin_user", "name": "Admin User", "type": "admin"});
    let members = [
        ("_id", text().description(Some("The user's id, in whatever form the calling system has.")).into()),
        ("type", named("UserType")),
        ("username", optional(text().description(Some("The name to log in with.")))),
        ("name", optional(text().description(Some("The name to show.")))),
    ];
    object(2, members).examples([example])
}
