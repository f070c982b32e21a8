//! What the OpenAPI document says of the call.

use shared::envelope::openapi::{answers, of_changes};
use shared::error::Error;
use shared::openapi::Answers;
use utoipa::IntoResponses;

/// The call, for its users.
pub const DESCRIPTION: &str = "\
Answers what a copy elsewhere needs to be and stay equal to this API: first every contact that the key can see, then every change of them, deletions included.

Apply the changes in their order, and skip one whose `__v` your copy has or surpasses. Store `cursor` together with the changes and send it with the next call: at once \
while `more` is true, later when it is false. A change can come twice. Deletions stay for 30 days, so a cursor that is older than 29 days is a 410.";

/// What the call answers.
pub struct ChangesAnswers;

impl IntoResponses for ChangesAnswers {
    fn responses() -> Answers {
        let limit = Error::invalid_parameter("limit", "must be an integer from 1 to 500");
        answers([(200, of_changes())], [limit, Error::CursorInvalid, Error::CursorExpired])
    }
}
