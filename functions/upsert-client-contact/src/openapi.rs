//! What the OpenAPI document says of the call.

use shared::body::MAXIMUM_BYTES;
use shared::envelope::openapi::{answers, of_contact, of_new_contact};
use shared::error::Error;
use shared::openapi::Answers;
use utoipa::IntoResponses;

/// The call, for its users.
pub const DESCRIPTION: &str = "\
Changes the one contact with this external id, as an update by id does, or creates it, as a create does. Several such calls at the same moment make one contact.

A new contact needs a `name`, and `null` means not given for it. The result always has the external id: a body whose `integration_meta` says something else there is \
a 400. `If-Match` needs a contact. A contact that got its external id from another call is found as soon as a list shows it.";

/// What the call answers.
pub struct UpsertAnswers;

impl IntoResponses for UpsertAnswers {
    fn responses() -> Answers {
        let changed = of_contact("The contact as it is after the change.", &["X-Ignored-Members", "Idempotency-Replayed"]);
        let ids = ["60f1b2b3c9e9a12345678901", "60f1b2b3c9e9a12345678902"];
        answers(
            [(200, changed.build()), (201, of_new_contact("The new contact."))],
            [
                Error::invalid_field("name", "is required"),
                Error::MalformedJson("must be a JSON object, and is empty".to_owned()),
                Error::ExternalIdOfOthers,
                Error::ContactNotFound,
                Error::ExternalIdAmbiguous { ids: ids.iter().filter_map(|id| id.parse().ok()).collect() },
                Error::NothingToMatch,
                Error::BodyTooLarge { maximum: MAXIMUM_BYTES },
                Error::IdempotencyKeyReused,
                Error::OutcomeUnknown("".into()),
            ],
        )
    }
}
