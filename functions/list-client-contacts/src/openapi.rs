//! What the OpenAPI document says of the call.

use shared::envelope::openapi::{answers, of_list};
use shared::error::Error;
use shared::openapi::Answers;
use utoipa::IntoResponses;

/// The call, for its users.
pub const DESCRIPTION: &str = "\
Answers a page of the contacts that the key can see, filtered and sorted, with exact totals.

Filters combine with AND, the values of one filter with OR. A parameter with an empty value is treated as absent. Unknown parameters are ignored and named in \
`X-Ignored-Parameters`. Repeating a single-valued parameter, a wrong form and a value out of range are a 400.

Pages are numbered over what matches when the request comes. To see every contact while others write, page with `sort=_id&from__id=<the last _id seen>`, or use \
the change feed.";

/// What the call answers.
pub struct ListAnswers;

impl IntoResponses for ListAnswers {
    fn responses() -> Answers {
        answers(
            [(200, of_list())],
            [Error::invalid_parameter("per_page", "must be an integer from 1 to 100"), Error::AnswerTooLarge],
        )
    }
}
