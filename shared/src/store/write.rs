//! Create, update and delete: each one conditional request in the ordinary case, and tried again until its outcome is known.

use std::time::Duration;

use aws_sdk_dynamodb::Config;
use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    CancellationReason, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use tokio::time::{Instant, sleep};

use super::Store;
use super::change::{self, Change, Kind, Precondition, UpdateRequest};
use super::create::Create;
use super::item::{self, Item};
use super::register::WriteId;
use super::sdk_error::{self, SdkFailure, classify};
use super::tries::{Outcome, Step, Write};
use crate::body::ContactBody;
use crate::bounds;
use crate::caller::Caller;
use crate::contact::Contact;
use crate::error::Error;
use crate::meter::Meter;
use crate::object_id::ObjectId;

/// The largest item that DynamoDB takes, in bytes.
/// Source: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>.
const MAXIMUM_ITEM_BYTES: usize = 400 * 1024;

impl Store {
    /// Sends one try of a transaction. `refused` is given the reasons of a cancelled one, and answers what they show when a condition does
    /// not hold. A conflict with another transaction, or with a write, only means that it comes too early.
    pub(super) async fn transact(
        &self,
        meter: &Meter,
        items: Vec<TransactWriteItem>,
        time: Duration,
        refused: impl FnOnce(&[CancellationReason]) -> Option<Item>,
    ) -> Outcome {
        let request = self
            .client
            .transact_write_items()
            .set_transact_items(Some(items))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .customize()
            .config_override(one_try(time))
            .interceptor(meter.request_counter())
            .send();
        meter.write_begins();
        let failure = match meter.database(request).await {
            Ok(output) => {
                meter.consumed(output.consumed_capacity());
                return Outcome::Applied(Item::new());
            }
            Err(failure) => failure,
        };
        let reasons = sdk_error::cancellation_reasons(&failure).unwrap_or_default();
        if let Some(shown) = refused(reasons) {
            return Outcome::Refused(shown);
        }
        if reasons.iter().any(sdk_error::is_passing) { Outcome::Busy(failure.into()) } else { sdk_error::outcome(failure) }
    }

    /// Writes a new contact, with the time of the request that writes it, and returns it.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidField`] when the contact is above DynamoDB's 400 KB, [`Error::Unavailable`] and [`Error::Internal`]: nothing is written
    /// then. [`Error::OutcomeUnknown`].
    pub async fn create(&self, meter: &Meter, tenant: &str, contact: Contact) -> Result<Contact, Error> {
        let id = WriteId::generate();
        refuse_above_the_maximum(&item::of_new_contact(tenant, &contact, &id)?)?;
        let mut create = Create::new(tenant, contact, id);
        self.carry_out(&mut create, self.deadline(), |item, time| self.put_new(meter, item, time)).await
    }

    pub(super) async fn put_new(&self, meter: &Meter, item: Item, time: Duration) -> Outcome {
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            // An id that is taken is never overwritten.
            .condition_expression("attribute_not_exists(#id)")
            .expression_attribute_names("#id", "_id")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .customize()
            .config_override(one_try(time))
            .interceptor(meter.request_counter())
            .send();
        meter.write_begins();
        match meter.database(request).await {
            Ok(output) => {
                meter.consumed(&output.consumed_capacity);
                Outcome::Applied(Item::new())
            }
            Err(failure) => match sdk_error::failed_put_condition(&failure) {
                Some(item) => Outcome::Refused(item),
                None => sdk_error::outcome(failure),
            },
        }
    }

    /// Changes the fields of contact `id` that `body` gives, leaves the others, and returns the contact as it is then. Its `updatedAt` becomes
    /// the time of the request that changes it, or a millisecond more than it was when that is later.
    ///
    /// When an answer is lost and others changed the contact before the request could be repeated, their changes are in what is returned.
    ///
    /// # Errors
    ///
    /// [`Error::ContactNotFound`], [`Error::VersionConflict`], [`Error::NamespaceNotAllowed`], [`Error::InvalidField`] when the contact
    /// would be above DynamoDB's 400 KB, [`Error::Unavailable`] and [`Error::Internal`]: nothing is changed then.
    /// [`Error::OutcomeUnknown`], also when the change was made and others deleted the contact, or moved it out of the caller's reach.
    pub async fn update(
        &self,
        meter: &Meter,
        caller: &Caller,
        id: ObjectId,
        body: &ContactBody,
        precondition: &Precondition,
    ) -> Result<Contact, Error> {
        self.change(meter, caller, id, Kind::Update(body), precondition).await
    }

    /// Replaces contact `id` by a tombstone, which holds nothing of the person, and returns the contact as it was before.
    ///
    /// # Errors
    ///
    /// [`Error::ContactNotFound`], [`Error::VersionConflict`], [`Error::Unavailable`] and [`Error::Internal`]: nothing is changed then.
    /// [`Error::OutcomeUnknown`], also when the contact was deleted and no answer showed it before.
    pub async fn delete(
        &self,
        meter: &Meter,
        caller: &Caller,
        id: ObjectId,
        precondition: &Precondition,
    ) -> Result<Contact, Error> {
        self.change(meter, caller, id, Kind::Delete, precondition).await
    }

    async fn change(
        &self,
        meter: &Meter,
        caller: &Caller,
        id: ObjectId,
        kind: Kind<'_>,
        precondition: &Precondition,
    ) -> Result<Contact, Error> {
        let change = Change::new(caller, kind, precondition, WriteId::generate());
        self.carry_out_change(meter, caller, id, change, kind, self.deadline()).await
    }

    /// Tries the change of contact `id` until its outcome is known, or `deadline` is near.
    pub(super) async fn carry_out_change(
        &self,
        meter: &Meter,
        caller: &Caller,
        id: ObjectId,
        mut change: Change<'_>,
        kind: Kind<'_>,
        deadline: Instant,
    ) -> Result<Contact, Error> {
        let send = async |request, time| match (kind, self.update_item(meter, &caller.tenant, id, request, time).await) {
            (Kind::Update(body), Err(failure)) if sdk_error::is_validation(&failure) => {
                Outcome::Failed(self.explain(meter, caller, id, body, classify(failure)).await)
            }
            (_, result) => sdk_error::outcome_of_update(result),
        };
        self.carry_out(&mut change, deadline, send).await
    }

    /// Sends one UpdateItem, and returns of the item what it asks for.
    pub(super) async fn update_item(
        &self,
        meter: &Meter,
        tenant: &str,
        id: ObjectId,
        request: UpdateRequest,
        time: Duration,
    ) -> Result<Item, SdkFailure<UpdateItemError>> {
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(item::key(tenant, id)))
            .update_expression(request.update)
            .condition_expression(request.condition)
            .set_expression_attribute_names(Some(request.names))
            .set_expression_attribute_values(Some(request.values))
            .return_values(request.returns)
            // The item tells which part of the condition did not hold, without another request.
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .customize()
            .config_override(one_try(time))
            .interceptor(meter.request_counter())
            .send();
        meter.write_begins();
        let output = meter.database(request).await?;
        meter.consumed(&output.consumed_capacity);
        Ok(output.attributes.unwrap_or_default())
    }

    /// Finds out whether an update was refused because the contact would be too large, which the error alone does not say.
    async fn explain(&self, meter: &Meter, caller: &Caller, id: ObjectId, body: &ContactBody, error: Error) -> Error {
        match self.get(meter, &caller.tenant, id).await {
            Ok(Some(contact)) => change::item_after(&caller.tenant, &contact, caller, body)
                .and_then(|item| refuse_above_the_maximum(&item))
                .err()
                .unwrap_or(error),
            Ok(None) => Error::ContactNotFound,
            Err(error) => error,
        }
    }

    /// Tries `write` until its outcome is known or `deadline` is near. Each try is stamped immediately before `send` gets its request, with
    /// the time that it may take.
    pub(super) async fn carry_out<W, S, F>(&self, write: &mut W, deadline: Instant, send: S) -> Result<W::Answer, Error>
    where
        W: Write,
        S: Fn(W::Request, Duration) -> F,
        F: Future<Output = Outcome>,
    {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left < bounds::LEAST_WRITE_TRY {
                return Err(write.give_up());
            }
            let request = write.next_try((self.clock)())?;
            match write.step(send(request, left.min(bounds::WRITE_TRY)).await) {
                Step::Answer(answer) => return answer,
                Step::TryAgain(pause) if Instant::now() + pause < deadline => sleep(drawn_from_upper_half_of(pause)).await,
                Step::TryAgain(_) => return Err(write.give_up()),
            }
        }
    }
}

/// The client's configuration for one try of a write. The SDK does not repeat it: that would be the same request, with the same stamp.
pub(super) fn one_try(time: Duration) -> Builder {
    let times = TimeoutConfig::builder().operation_attempt_timeout(time).operation_timeout(time).build();
    Config::builder().retry_config(RetryConfig::disabled()).timeout_config(times)
}

/// A pause that differs from that of others who were refused at the same moment.
pub(super) fn drawn_from_upper_half_of(pause: Duration) -> Duration {
    let mut random = [0];
    getrandom::fill(&mut random).ok();
    pause / 2 + pause * u32::from(random[0]) / 512
}

pub(super) fn refuse_above_the_maximum(item: &Item) -> Result<(), Error> {
    if item::size(item) <= MAXIMUM_ITEM_BYTES {
        Ok(())
    } else {
        Err(Error::invalid_field("The request body", "would make the contact larger than 400 KB"))
    }
}
