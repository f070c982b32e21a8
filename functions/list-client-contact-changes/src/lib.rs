//! `GET /client-contact/changes`: every contact that the caller sees, and then every change of them, deletions included.

#[cfg(feature = "openapi")]
pub mod openapi;

use shared::call::Call;
use shared::changes::{self, params};
use shared::envelope::{self, Response};
use shared::error::Error;
use shared::store::Store;

/// Answers with the changes from the cursor on, and with the next cursor.
///
/// # Errors
///
/// [`Error::InvalidParameter`] about each parameter that is wrong, and those of [`shared::changes::changes`].
#[cfg_attr(
    feature = "openapi",
    utoipa::path(
        get,
        path = "/client-contact/changes",
        operation_id = "listClientContactChanges",
        tag = "Other systems",
        summary = "Read the change feed",
        description = openapi::DESCRIPTION,
        params(shared::changes::params::ChangesParameters, shared::PreferHeader),
        responses(openapi::ChangesAnswers),
    )
)]
pub async fn handle(store: Store, call: Call) -> Result<Response, Error> {
    let query = params::parse(&call.query, &call.handling)?;
    envelope::changes(&changes::changes(&store, &call.meter, &call.caller, &query, call.now).await?)
}
