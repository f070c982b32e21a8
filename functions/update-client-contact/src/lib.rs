//! `PUT /client-contact/{id}`: changes the fields that the body has and leaves the others.

use std::sync::Arc;

use lambda_http::http::StatusCode;
use shared::app::App;
use shared::body::ContactBody;
use shared::call::Call;
use shared::envelope::{self, Response};
use shared::error::Error;

/// Answers with the contact as it is after the change.
///
/// # Errors
///
/// [`Error::InvalidField`] and [`Error::MalformedJson`] about the body, [`Error::InvalidParameter`] about `If-Match`, and those of
/// [`shared::store::Store::update`].
pub async fn handle(app: Arc<App>, call: Call) -> Result<Response, Error> {
    call.takes_no_parameters()?;
    let id = call.contact_id()?;
    let body = ContactBody::for_update(&call.body, &call.handling)?;
    let precondition = shared::if_match(&call.headers)?;
    let contact = app.store.update(&call.meter, &call.caller, id, &body, &precondition).await?;
    envelope::contact(StatusCode::OK, &contact)
}
