//! What the OpenAPI document says of the change feed's parameters.

use serde_json::json;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

use super::{DEFAULT_LIMIT, MAXIMUM_LIMIT};
use crate::openapi::{integer, moment, query, text};

/// The parameters of the change feed.
pub struct ChangesParameters;

impl IntoParams for ChangesParameters {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let cursor = "The `cursor` of the previous answer. Without it the feed starts from the beginning, with every contact. A cursor is opaque and belongs to the \
                      tenant and the namespaces of its key.";
        let after = "Instead of a cursor: only what changed strictly after this time, at most 29 days ago.";
        let limit = integer(1, MAXIMUM_LIMIT as u64).default(Some(json!(DEFAULT_LIMIT)));
        vec![
            query("cursor", cursor, text()).build(),
            moment("from_updatedAt", after),
            query("limit", "The most changes to answer; an answer can have fewer.", limit).build(),
        ]
    }
}
