//! What the OpenAPI document says of the call.

use shared::envelope::openapi::{answers, of_contact, of_nothing_new};
use shared::error::Error;
use shared::openapi::Answers;
use utoipa::IntoResponses;

/// The call, for its users.
pub const DESCRIPTION: &str = "Answers one contact, as the last acknowledged write left it.";

/// What the call answers.
pub struct GetAnswers;

impl IntoResponses for GetAnswers {
    fn responses() -> Answers {
        answers([(200, of_contact("The contact.", &[]).build()), (304, of_nothing_new())], [Error::ContactNotFound])
    }
}
