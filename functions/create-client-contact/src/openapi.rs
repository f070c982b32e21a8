//! What the OpenAPI document says of the call.

use shared::body::MAXIMUM_BYTES;
use shared::envelope::openapi::{answers, of_new_contact};
use shared::error::Error;
use shared::openapi::Answers;
use utoipa::IntoResponses;

/// The call, for its users.
pub const DESCRIPTION: &str = "\
Creates a contact. Only `name` is required.

With `Idempotency-Key`, the same request again answers the contact that it made, with `Idempotency-Replayed: true`. The body is read as JSON, whatever its \
`Content-Type` says.";

/// What the call answers.
pub struct CreateAnswers;

impl IntoResponses for CreateAnswers {
    fn responses() -> Answers {
        answers(
            [(201, of_new_contact("The new contact."))],
            [
                Error::invalid_field("name", "is required"),
                Error::MalformedJson("must be a JSON object, and is empty".to_owned()),
                Error::NamespaceNotAllowed { namespace: "company2".to_owned() },
                Error::BodyTooLarge { maximum: MAXIMUM_BYTES },
                Error::IdempotencyKeyReused,
                Error::OutcomeUnknown("".into()),
            ],
        )
    }
}
