//! What the OpenAPI document says of the parameter that names one external id.

use serde_json::json;
use utoipa::IntoParams;
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::schema::ObjectBuilder;

use super::{MAXIMUM_CHARACTERS, PARAMETER};
use crate::openapi::{query, text};

/// The parameter of an upsert.
pub struct ExternalIdParameter;

impl IntoParams for ExternalIdParameter {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let description =
            "The external id that names the contact: what its `integration_meta.external_id` holds. Exactly one value.";
        vec![query(PARAMETER, description, external_id()).required(Required::True).extensions(None).build()]
    }
}

/// An external id as callers name it.
pub(crate) fn external_id() -> ObjectBuilder {
    text().min_length(Some(1)).max_length(Some(MAXIMUM_CHARACTERS)).examples([json!("contact_123")])
}
