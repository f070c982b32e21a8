//! `PUT /client-contact?integration_meta.external_id=…`: changes the contact that another system knows by this name, or creates it; at most once for an
//! `Idempotency-Key`.

#[cfg(feature = "openapi")]
pub mod openapi;

use shared::call::Call;
use shared::envelope::{self, Response};
use shared::error::Error;
use shared::external_id::ExternalId;
use shared::store::{IdempotencyKey, Store};
use shared::writes::Writer;

/// Answers with the contact as it is after the change, or with the new one.
///
/// # Errors
///
/// [`Error::InvalidParameter`] about the external id, `If-Match` and the `Idempotency-Key`, and those of [`shared::writes::Writer::upsert`].
#[cfg_attr(
    feature = "openapi",
    utoipa::path(
        put,
        path = "/client-contact",
        operation_id = "upsertClientContact",
        tag = "Other systems",
        summary = "Change or create a contact by its external id",
        description = openapi::DESCRIPTION,
        params(shared::external_id::ExternalIdParameter, shared::IfMatchHeader, shared::IdempotencyKeyHeader, shared::PreferHeader),
        request_body(content = shared::body::ContactChange, example = json!({"name": "John Smith", "title": "Sales Manager"})),
        responses(openapi::UpsertAnswers),
    )
)]
pub async fn handle(store: Store, call: Call) -> Result<Response, Error> {
    let external_id = ExternalId::of_query(&call.query, &call.handling)?;
    let if_match = shared::if_match_if_sent(&call.headers)?;
    let key = IdempotencyKey::of_request(&call.headers)?;
    let once = key.map(|key| Writer::upsert_once(key, &external_id, &call.query, &call.body));
    let written = call.writer(&store).upsert(&external_id, &call.body, if_match.as_ref(), once.as_ref()).await?;
    envelope::written(&call.path, &written)
}
