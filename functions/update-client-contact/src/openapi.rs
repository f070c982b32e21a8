//! What the OpenAPI document says of the call.

use shared::body::MAXIMUM_BYTES;
use shared::envelope::openapi::{answers, of_contact};
use shared::error::Error;
use shared::openapi::Answers;
use utoipa::IntoResponses;

/// The call, for its users.
pub const DESCRIPTION: &str = "\
Changes the fields that the body has and leaves the others. `null` clears an optional field.

`integration_meta` replaces the whole object; `integration_meta.<key>` sets one member, so that two systems that set different members both succeed. Two updates of \
different fields at the same time both take effect. A successful update is a change, also when it sets what is there. With `Idempotency-Key`, the same request \
again answers the contact as it is now, with `Idempotency-Replayed: true`.";

/// What the call answers.
pub struct UpdateAnswers;

impl IntoResponses for UpdateAnswers {
    fn responses() -> Answers {
        let contact = of_contact("The contact as it is after the change.", &["X-Ignored-Members", "Idempotency-Replayed"]);
        answers(
            [(200, contact.build())],
            [
                Error::invalid_field("name", "must not be null: every contact has one"),
                Error::MalformedJson("must be a JSON object, and is empty".to_owned()),
                Error::NamespaceNotAllowed { namespace: "company2".to_owned() },
                Error::ContactNotFound,
                Error::VersionConflict { current: 4 },
                Error::BodyTooLarge { maximum: MAXIMUM_BYTES },
                Error::IdempotencyKeyReused,
                Error::OutcomeUnknown("".into()),
            ],
        )
    }
}
