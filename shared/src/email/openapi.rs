//! What the OpenAPI document says of an address.

use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat};

use super::MAXIMUM_LENGTH;
use crate::openapi::text;

/// An address. The format `email` of JSON Schema is the `Mailbox` of RFC 5321 too.
pub(crate) fn mailbox() -> ObjectBuilder {
    text().format(Some(SchemaFormat::KnownFormat(KnownFormat::Email))).max_length(Some(MAXIMUM_LENGTH))
}
