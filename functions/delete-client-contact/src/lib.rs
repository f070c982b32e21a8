//! `DELETE /client-contact/{id}`: leaves nothing of the contact but a tombstone.

use lambda_http::http::StatusCode;
use shared::call::Call;
use shared::envelope::{self, Response};
use shared::error::Error;
use shared::store::Store;

/// Answers with the contact as it was before.
///
/// # Errors
///
/// [`Error::InvalidParameter`] about `If-Match`, and those of [`shared::store::Store::delete`].
pub async fn handle(store: Store, call: Call) -> Result<Response, Error> {
    call.takes_no_parameters()?;
    let id = call.contact_id()?;
    let precondition = shared::if_match(&call.headers)?;
    let contact = store.delete(&call.meter, &call.caller, id, &precondition).await?;
    envelope::contact(StatusCode::OK, &contact)
}
