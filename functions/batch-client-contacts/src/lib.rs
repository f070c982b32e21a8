//! `POST /client-contact/batch`: creates, updates and deletes many contacts in one request, each as its single call does, or all or none.

#[cfg(feature = "openapi")]
pub mod openapi;

use shared::batch::Batch;
use shared::call::Call;
use shared::envelope::{self, Response};
use shared::error::Error;
use shared::store::{IdempotencyKey, Store};

/// Answers with the result of each operation in its order.
///
/// # Errors
///
/// [`Error::InvalidParameter`] about the `Idempotency-Key`, and those of [`Batch::read`] and [`Batch::carry_out`]: nothing was done then.
#[cfg_attr(
    feature = "openapi",
    utoipa::path(
        post,
        path = "/client-contact/batch",
        operation_id = "batchClientContacts",
        tag = "Other systems",
        summary = "Do many writes",
        description = openapi::DESCRIPTION,
        params(shared::IdempotencyKeyHeader, shared::PreferHeader),
        request_body = shared::batch::BatchInput,
        responses(openapi::BatchAnswers),
    )
)]
pub async fn handle(store: Store, call: Call) -> Result<Response, Error> {
    call.takes_no_parameters()?;
    let key = IdempotencyKey::of_request(&call.headers)?;
    let batch = Batch::read(&call.body, &call.handling)?;
    let results = batch.carry_out(&call.writer(&store), key, &call.query, &call.body, call.last_moment).await?;
    envelope::batch(&results)
}
