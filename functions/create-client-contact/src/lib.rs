//! `POST /client-contact`: creates a contact, at most once for an `Idempotency-Key`.

#[cfg(feature = "openapi")]
pub mod openapi;

use shared::call::Call;
use shared::envelope::{self, Response};
use shared::error::Error;
use shared::store::{IdempotencyKey, Store};

/// Answers with the new contact, or with the one that the same request made before.
///
/// # Errors
///
/// [`Error::InvalidParameter`] about the `Idempotency-Key`, and those of [`shared::writes::Writer::create`].
#[cfg_attr(
    feature = "openapi",
    utoipa::path(
        post,
        path = "/client-contact",
        operation_id = "createClientContact",
        tag = "Contacts",
        summary = "Create a contact",
        description = openapi::DESCRIPTION,
        params(shared::IdempotencyKeyHeader, shared::PreferHeader),
        request_body = shared::body::ContactCreate,
        responses(openapi::CreateAnswers),
    )
)]
pub async fn handle(store: Store, call: Call) -> Result<Response, Error> {
    call.takes_no_parameters()?;
    let key = IdempotencyKey::of_request(&call.headers)?;
    let written = call.writer(&store).create(&call.body, key.as_ref()).await?;
    envelope::written(&call.path, &written)
}
