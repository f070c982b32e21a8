//! What the OpenAPI document says of the call.

use shared::envelope::openapi::{answers, of_contact};
use shared::error::Error;
use shared::openapi::Answers;
use utoipa::IntoResponses;

/// The call, for its users.
pub const DESCRIPTION: &str = "Deletes a contact. After it, every call answers as if the contact had never existed; the change feed shows the deletion for 30 days.";

/// What the call answers.
pub struct DeleteAnswers;

impl IntoResponses for DeleteAnswers {
    fn responses() -> Answers {
        answers(
            [(200, of_contact("The contact as it was before.", &[]).build())],
            [Error::ContactNotFound, Error::VersionConflict { current: 4 }, Error::OutcomeUnknown("".into())],
        )
    }
}
