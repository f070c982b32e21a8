//! What the OpenAPI document says of request headers.

use serde_json::json;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::schema::ObjectBuilder;

use super::MAXIMUM_TAGS;
use crate::openapi::{request_header, text};
use crate::store::MAXIMUM_IDEMPOTENCY_KEY;

/// `Prefer`, which every call takes.
pub struct PreferHeader;

/// `If-Match`, which calls take that change one contact.
pub struct IfMatchHeader;

/// `If-None-Match`.
pub struct IfNoneMatchHeader;

/// `Idempotency-Key`.
pub struct IdempotencyKeyHeader;

impl IntoParams for PreferHeader {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let description = "`handling=strict` (RFC 7240) refuses unknown parameters, unknown members of the body and parameters with empty values with a 400 \
                           that names them. Other preferences are ignored.";
        vec![request_header("Prefer", description, text().examples([json!("handling=strict")]))]
    }
}

/// What `If-Match` takes: `*`, or entity tags.
pub(crate) fn entity_tags() -> ObjectBuilder {
    let tag = "(W/)?\"[^\"]*\"";
    let pattern = format!("^(\\*|{tag}( *, *{tag}){{0,{}}})$", MAXIMUM_TAGS - 1);
    text().pattern(Some(pattern)).examples([json!("\"3\"")])
}

impl IntoParams for IfMatchHeader {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let description = format!(
            "The version that the contact must have, in quotes, as its `ETag` has it; `*`, or up to {MAXIMUM_TAGS} versions separated by commas. \
             Another version is a 412, and nothing is changed. Without this header the last writer wins, field by field."
        );
        vec![request_header("If-Match", &description, entity_tags())]
    }
}

impl IntoParams for IfNoneMatchHeader {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let description = "Versions in quotes, separated by commas, or `*`. If the contact has one of them, the answer is 304 without a body. What is not a \
                           version is ignored.";
        vec![request_header("If-None-Match", description, text().examples([json!("\"3\"")]))]
    }
}

impl IntoParams for IdempotencyKeyHeader {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let description = format!(
            "1 to {MAXIMUM_IDEMPOTENCY_KEY} printable ASCII characters. The same request with the same key takes effect at most once in 24 hours, and its \
             repetition answers with `Idempotency-Replayed: true`. Another request with the key is a 422. A request that failed leaves its key free. \
             Use random keys."
        );
        // White space around a header's value is not part of it.
        let pattern = format!("^[!-~]([ -~]{{0,{}}}[!-~])?$", MAXIMUM_IDEMPOTENCY_KEY - 2);
        let key = text().min_length(Some(1)).max_length(Some(MAXIMUM_IDEMPOTENCY_KEY)).pattern(Some(pattern));
        vec![request_header("Idempotency-Key", &description, key.examples([json!("7f1e6c1a-2a0b-4c5e-9d55-0c9a8f0e1b2c")]))]
    }
}
