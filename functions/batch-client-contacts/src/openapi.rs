//! What the OpenAPI document says of the call.

use shared::batch::MAXIMUM_BYTES;
use shared::envelope::openapi::{answers, of_batch};
use shared::error::Error;
use shared::openapi::Answers;
use utoipa::IntoResponses;

/// The call, for its users.
pub const DESCRIPTION: &str = "\
Creates, changes and deletes many contacts in one request, each as its single call does. With `atomic`, all operations happen or none.

The status is 200 whatever the operations end with: look at `success`, and at each result. Operations that name the same `_id`, or the same external id, run in their \
order, the others beside each other. With `Idempotency-Key`, each operation, or an atomic batch as a whole, takes effect once: repeat a batch unchanged.";

/// What the call answers.
pub struct BatchAnswers;

impl IntoResponses for BatchAnswers {
    fn responses() -> Answers {
        answers(
            [(200, of_batch())],
            [
                Error::invalid_field("operations", "must be an array of 1 to 100 operations"),
                Error::MalformedJson("must be a JSON object, and is empty".to_owned()),
                Error::TransactionTooLarge,
                Error::BodyTooLarge { maximum: MAXIMUM_BYTES },
                Error::IdempotencyKeyReused,
                Error::OutcomeUnknown("".into()),
            ],
        )
    }
}
