//! What an error of the SDK means. Every question about one is asked here and by its code, never by its message, which
//! differs between engines.

use std::error::Error as _;
use std::time::Duration;

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ConnectorError, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::CancellationReason;

use super::item::Item;
use super::tries::Outcome;
use crate::error::Error;

/// An SDK error whose operation can be any.
pub type SdkFailure<E> = SdkError<E, HttpResponse>;

/// Error codes after which the same request can succeed a moment later.
/// Source: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html>.
const PASSING_CODES: [&str; 9] = [
    "InternalServerError",
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "ReplicatedWriteConflictException",
    "RequestLimitExceeded",
    "ServiceUnavailable",
    "ThrottlingException",
    "TransactionConflictException",
    "TransactionInProgressException",
];

/// The case of an error that no question of its operation has explained: DynamoDB is busy, or this is a defect.
pub fn classify<E>(failure: SdkFailure<E>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let passing = match &failure {
        SdkError::TimeoutError(_) => true,
        SdkError::DispatchFailure(failure) => !failure.is_user(),
        SdkError::ResponseError(_) => true,
        SdkError::ServiceError(error) => {
            error.raw().status().as_u16() >= 500 || error.err().code().is_some_and(|code| PASSING_CODES.contains(&code))
        }
        _ => false,
    };
    if passing { Error::Unavailable(failure.into()) } else { Error::Internal(failure.into()) }
}

/// Error codes that say that a write was not made, and that it can be a moment later. The SDK itself does not repeat all of these.
const BUSY_CODES: [&str; 5] = [
    "ProvisionedThroughputExceededException",
    "ReplicatedWriteConflictException",
    "RequestLimitExceeded",
    "ThrottlingException",
    "TransactionConflictException",
];

/// Error codes of a write that may have been made, or is being made.
const LOST_CODES: [&str; 3] = ["InternalServerError", "ServiceUnavailable", "TransactionInProgressException"];

/// What a failure that no question of its operation has explained says about a write's try.
pub fn outcome<E>(failure: SdkFailure<E>) -> Outcome
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    match &failure {
        SdkError::DispatchFailure(dispatch) if dispatch.is_user() => Outcome::Failed(Error::Internal(failure.into())),
        SdkError::DispatchFailure(dispatch) if dispatch.as_connector_error().is_some_and(never_connected) => {
            Outcome::Busy(failure.into())
        }
        SdkError::ConstructionFailure(_) => Outcome::Failed(Error::Internal(failure.into())),
        SdkError::ServiceError(error) => match error.err().code() {
            Some(code) if BUSY_CODES.contains(&code) => Outcome::Busy(failure.into()),
            Some(code) if error.raw().status().as_u16() < 500 && !LOST_CODES.contains(&code) => {
                Outcome::Failed(Error::Internal(failure.into()))
            }
            _ => Outcome::Lost(failure.into()),
        },
        // Timed out, cut off, or an answer that is not DynamoDB's.
        _ => Outcome::Lost(failure.into()),
    }
}

/// Whether no connection was made, so that no byte of the request can have been sent.
fn never_connected(error: &ConnectorError) -> bool {
    let chain = std::iter::successors(error.source(), |&error| error.source());
    chain
        .filter_map(|error| error.downcast_ref::<hyper_util::client::legacy::Error>())
        .any(hyper_util::client::legacy::Error::is_connect)
}

/// Whether the request broke a rule of DynamoDB; of a request of ours, that the item would be above 400 KB.
pub fn is_validation<E: ProvideErrorMetadata>(failure: &SdkFailure<E>) -> bool {
    failure.code() == Some("ValidationException")
}

/// How a try of an update ended that sent one request.
pub fn outcome_of_update(result: Result<Item, SdkFailure<UpdateItemError>>) -> Outcome {
    match result {
        Ok(item) => Outcome::Applied(item),
        Err(failure) => match failed_update_condition(&failure) {
            Some(item) => Outcome::Refused(item),
            None => outcome(failure),
        },
    }
}

/// Whether a condition did not hold, and the item as it is then; an empty one when there is none.
pub fn failed_update_condition(failure: &SdkFailure<UpdateItemError>) -> Option<Item> {
    match failure.as_service_error() {
        Some(UpdateItemError::ConditionalCheckFailedException(failed)) => Some(failed.item.clone().unwrap_or_default()),
        _ => None,
    }
}

/// Whether a put found an item where none may be, and that item.
pub fn failed_put_condition(failure: &SdkFailure<PutItemError>) -> Option<Item> {
    match failure.as_service_error() {
        Some(PutItemError::ConditionalCheckFailedException(failed)) => failed.item.clone(),
        _ => None,
    }
}

/// Whether a put found an item where none may be.
pub fn is_failed_put_condition(failure: &SdkFailure<PutItemError>) -> bool {
    matches!(failure.as_service_error(), Some(PutItemError::ConditionalCheckFailedException(_)))
}

/// Why DynamoDB cancelled a transaction: one reason for each of its items.
pub fn cancellation_reasons(failure: &SdkFailure<TransactWriteItemsError>) -> Option<&[CancellationReason]> {
    match failure.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => Some(cancelled.cancellation_reasons()),
        _ => None,
    }
}

/// Whether this item's condition cancelled its transaction.
pub fn is_failed_condition(reason: &CancellationReason) -> bool {
    reason.code() == Some("ConditionalCheckFailed")
}

/// Whether another request on this item, or too many requests, cancelled its transaction.
pub fn is_passing(reason: &CancellationReason) -> bool {
    matches!(
        reason.code(),
        Some("TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded" | "InternalServerError")
    )
}

/// The waiting between tries of what the SDK does not try again by itself: 25 ms, doubled each time, eight times.
#[derive(Debug, Default)]
pub struct Backoff {
    waited: u32,
}

impl Backoff {
    /// Waits for the next try.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when all tries are used up, after six seconds.
    pub async fn wait(&mut self) -> Result<(), Error> {
        if self.waited == 8 {
            return Err(Error::Unavailable("DynamoDB left a part of the request undone eight times".into()));
        }
        tokio::time::sleep(Duration::from_millis(25 << self.waited)).await;
        self.waited += 1;
        Ok(())
    }
}
