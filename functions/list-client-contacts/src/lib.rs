//! `GET /client-contact`: a page of the contacts that the caller sees, filtered and sorted, with exact totals.

#[cfg(feature = "openapi")]
pub mod openapi;

use std::sync::Arc;

use shared::call::Call;
use shared::envelope::{self, Response};
use shared::error::Error;
use shared::listing::{Lists, params};

/// Answers with the page that the query string asks for.
///
/// # Errors
///
/// [`Error::InvalidParameter`] about each parameter that is wrong, and those of [`shared::listing::Lists::list`].
#[cfg_attr(
    feature = "openapi",
    utoipa::path(
        get,
        path = "/client-contact",
        operation_id = "listClientContacts",
        tag = "Contacts",
        summary = "List contacts",
        description = openapi::DESCRIPTION,
        params(shared::listing::params::ListParameters, shared::PreferHeader),
        responses(openapi::ListAnswers),
    )
)]
pub async fn handle(lists: Arc<Lists>, call: Call) -> Result<Response, Error> {
    let query = params::parse(&call.query, &call.handling)?;
    let page = lists.list(&call.meter, &call.caller, &query, call.now).await?;
    envelope::list(page.contacts.iter().map(AsRef::as_ref), &query, &call.query, page.total)
}
