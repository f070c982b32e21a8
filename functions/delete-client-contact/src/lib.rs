//! `DELETE /client-contact/{id}`: leaves nothing of the contact but a tombstone.

#[cfg(feature = "openapi")]
pub mod openapi;

use shared::call::Call;
use shared::envelope::{self, Response};
use shared::error::Error;
use shared::store::Store;

/// Answers with the contact as it was before.
///
/// # Errors
///
/// [`Error::InvalidParameter`] about `If-Match`, and those of [`shared::writes::Writer::delete`].
#[cfg_attr(
    feature = "openapi",
    utoipa::path(
        delete,
        path = "/client-contact/{id}",
        operation_id = "deleteClientContact",
        tag = "Contacts",
        summary = "Delete a contact",
        description = openapi::DESCRIPTION,
        params(shared::openapi::ContactId, shared::IfMatchHeader, shared::PreferHeader),
        responses(openapi::DeleteAnswers),
    )
)]
pub async fn handle(store: Store, call: Call) -> Result<Response, Error> {
    call.takes_no_parameters()?;
    let id = call.contact_id()?;
    let precondition = shared::if_match(&call.headers)?;
    let written = call.writer(&store).delete(id, &precondition).await?;
    envelope::written(&call.path, &written)
}
