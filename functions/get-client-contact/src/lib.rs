//! `GET /client-contact/{id}`: one contact, as the last acknowledged write left it.

#[cfg(feature = "openapi")]
pub mod openapi;

use lambda_http::http::StatusCode;
use shared::call::Call;
use shared::envelope::{self, Response};
use shared::error::Error;
use shared::store::Store;

/// Answers with the contact, or with 304 when `If-None-Match` names its version.
///
/// # Errors
///
/// [`Error::ContactNotFound`], [`Error::InvalidParameter`] about a parameter under strict handling, and those of [`shared::store::Store::get`].
#[cfg_attr(
    feature = "openapi",
    utoipa::path(
        get,
        path = "/client-contact/{id}",
        operation_id = "getClientContact",
        tag = "Contacts",
        summary = "Read a contact",
        description = openapi::DESCRIPTION,
        params(shared::openapi::ContactId, shared::IfNoneMatchHeader, shared::PreferHeader),
        responses(openapi::GetAnswers),
    )
)]
pub async fn handle(store: Store, call: Call) -> Result<Response, Error> {
    call.takes_no_parameters()?;
    let found = store.get(&call.meter, &call.caller.tenant, call.contact_id()?).await?;
    let contact = found.filter(|contact| call.caller.sees(contact)).ok_or(Error::ContactNotFound)?;
    if shared::if_none_match(&call.headers, contact.version) {
        return Ok(envelope::not_modified(contact.version));
    }
    envelope::contact(StatusCode::OK, &contact)
}
