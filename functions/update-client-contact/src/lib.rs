//! `PUT /client-contact/{id}`: changes the fields that the body has and leaves the others.

use lambda_http::http::StatusCode;
use shared::body::ContactBody;
use shared::call::Call;
use shared::envelope::{self, Response};
use shared::error::Error;
use shared::store::Store;

/// Answers with the contact as it is after the change.
///
/// # Errors
///
/// [`Error::InvalidField`] and [`Error::MalformedJson`] about the body, [`Error::InvalidParameter`] about `If-Match`, and those of
/// [`shared::store::Store::update`].
pub async fn handle(store: Store, call: Call) -> Result<Response, Error> {
    call.takes_no_parameters()?;
    let id = call.contact_id()?;
    let body = ContactBody::for_update(&call.body, &call.handling)?;
    let precondition = shared::if_match(&call.headers)?;
    let contact = store.update(&call.meter, &call.caller, id, &body, &precondition).await?;
    envelope::contact(StatusCode::OK, &contact)
}
