//! `PUT /client-contact/{id}`: changes the fields that the body has and leaves the others, at most once for an `Idempotency-Key`.

#[cfg(feature = "openapi")]
pub mod openapi;

use shared::body::ContactBody;
use shared::call::Call;
use shared::envelope::{self, Response};
use shared::error::Error;
use shared::store::{IdempotencyKey, Store};
use shared::writes::Writer;

/// Answers with the contact as it is after the change.
///
/// # Errors
///
/// [`Error::InvalidField`] and [`Error::MalformedJson`] about the body, [`Error::InvalidParameter`] about `If-Match` and the
/// `Idempotency-Key`, and those of [`shared::writes::Writer::update`].
#[cfg_attr(
    feature = "openapi",
    utoipa::path(
        put,
        path = "/client-contact/{id}",
        operation_id = "updateClientContact",
        tag = "Contacts",
        summary = "Change a contact",
        description = openapi::DESCRIPTION,
        params(shared::openapi::ContactId, shared::IfMatchHeader, shared::IdempotencyKeyHeader, shared::PreferHeader),
        request_body = shared::body::ContactChange,
        responses(openapi::UpdateAnswers),
    )
)]
pub async fn handle(store: Store, call: Call) -> Result<Response, Error> {
    call.takes_no_parameters()?;
    let id = call.contact_id()?;
    let body = ContactBody::for_update(&call.body, &call.handling)?;
    let precondition = shared::if_match(&call.headers)?;
    let key = IdempotencyKey::of_request(&call.headers)?;
    let once = key.map(|key| Writer::update_once(key, id, &call.query, &call.body));
    let written = call.writer(&store).update(id, &body, &precondition, once.as_ref()).await?;
    envelope::written(&call.path, &written)
}
