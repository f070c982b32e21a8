//! `DELETE /client-contact/{id}`: leaves nothing of the contact but a tombstone.

use shared::call::Call;
use shared::envelope::{self, Response};
use shared::error::Error;
use shared::store::Store;

/// Answers with the contact as it was before.
///
/// # Errors
///
/// [`Error::InvalidParameter`] about `If-Match`, and those of [`shared::writes::Writer::delete`].
pub async fn handle(store: Store, call: Call) -> Result<Response, Error> {
    call.takes_no_parameters()?;
    let id = call.contact_id()?;
    let precondition = shared::if_match(&call.headers)?;
    let written = call.writer(&store).delete(id, &precondition).await?;
    envelope::written(&call.path, &written)
}
