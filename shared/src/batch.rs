//! Batches: many writes in one request, each with the meaning of its single call.
//!
//! Operations on one contact run in their order, the others beside each other, a bounded number at a time. Each ends with a result of its own before
//! the call's time is over: what was not done says so, and what may have been done says that. An atomic batch is one write of the store.

#[cfg(feature = "openapi")]
mod openapi;

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use futures::{FutureExt, StreamExt, stream};
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::body::{ContactBody, Given, Members};
use crate::error::Error;
use crate::external_id::ExternalId;
use crate::handling::Handling;
use crate::headers;
use crate::object_id::ObjectId;
use crate::store::{self, Done, IdempotencyKey, Once, Precondition, Together, Wanted};
use crate::writes::{Writer, Written, WrittenKind};

#[cfg(feature = "openapi")]
pub use openapi::{BatchCreate, BatchDelete, BatchInput, BatchUpdate, BatchUpsert};

/// The largest request body, in bytes. Lambda takes events of 6 MB, in which the body is a string.
pub const MAXIMUM_BYTES: usize = 4 * 1024 * 1024;

/// The most operations of a batch.
const MAXIMUM_OPERATIONS: usize = 100;

/// The most operations of an atomic batch: each of its results must be true for the same moment, and DynamoDB holds up other writes meanwhile.
const MAXIMUM_ATOMIC_OPERATIONS: usize = 25;

/// Operations under way at the same time. One partition takes 1,000 writes a second, a few milliseconds each: more would be throttled.
const AT_ONCE: usize = 16;

/// How long before a call's last moment no write is under way any more. What is left is for the answer.
const FOR_THE_ANSWER: Duration = Duration::from_secs(1);

/// How long an operation may take beyond that until it is given up from outside: only what does not keep the bounds of writes needs it.
const GRACE: Duration = Duration::from_millis(250);

/// A batch, of which each operation was read, or broke a rule.
#[derive(Debug)]
pub struct Batch {
    operations: Vec<Result<Operation, Error>>,
    atomic: bool,
}

/// How an operation ended.
pub type OperationResult = Result<Written, Error>;

/// What one operation asks for.
#[derive(Debug)]
enum Operation {
    Create { data: Box<RawValue> },
    Update { id: Result<ObjectId, Error>, data: Box<RawValue>, precondition: Precondition },
    Upsert { external_id: ExternalId, data: Box<RawValue> },
    Delete { id: Result<ObjectId, Error>, precondition: Precondition },
}

/// What operations have in common that must run in their order.
#[derive(Debug, PartialEq, Eq)]
enum Named {
    Contact(ObjectId),
    ExternalId(ExternalId),
}

impl Operation {
    /// The contact that it names, if there can be one.
    fn named(&self) -> Option<Named> {
        match self {
            Self::Create { .. } => None,
            Self::Update { id, .. } | Self::Delete { id, .. } => id.as_ref().ok().copied().map(Named::Contact),
            Self::Upsert { external_id, .. } => Some(Named::ExternalId(external_id.clone())),
        }
    }

    /// Reads one operation; a member that no operation has is treated as `handling` says.
    fn read(json: &RawValue, handling: &Handling) -> Result<Self, Error> {
        let object = Some(json.get()).filter(|json| json.starts_with('{'));
        let object = object.ok_or_else(|| Error::invalid_field("operation", "must be a JSON object"))?;
        let mut members = Members::of(object.as_bytes(), MAXIMUM_BYTES)?;
        let action = members.string("action");
        let operation = match required(&mut members, "action", action).as_deref() {
            Some("create") => data(&mut members).map(|data| Self::Create { data }),
            Some("update") => {
                let (id, data, precondition) = (id(&mut members), data(&mut members), precondition(&mut members));
                id.zip(data).zip(precondition).map(|((id, data), precondition)| Self::Update { id, data, precondition })
            }
            Some("upsert") => {
                let (external_id, data) = (external_id(&mut members), data(&mut members));
                external_id.zip(data).map(|(external_id, data)| Self::Upsert { external_id, data })
            }
            Some("delete") => {
                let (id, precondition) = (id(&mut members), precondition(&mut members));
                id.zip(precondition).map(|(id, precondition)| Self::Delete { id, precondition })
            }
            Some(_) => members.refused("action", "must be create, update, upsert or delete").value(),
            None => None,
        };
        members.finish(handling, "is not a member of this operation")?;
        operation.ok_or_else(|| Error::Internal("an operation was neither read nor refused".into()))
    }

    /// Does what it asks for, as its single call does.
    async fn carry_out(self, writer: &Writer<'_>, key: Option<IdempotencyKey>) -> OperationResult {
        match self {
            Self::Create { data } => writer.create(data.get().as_bytes(), key.as_ref()).await,
            Self::Update { id, data, precondition } => {
                let id = id?;
                let body = ContactBody::for_update(data.get().as_bytes(), writer.handling)?;
                let once = key.map(|key| Writer::update_once(key, id, "", data.get().as_bytes()));
                writer.update(id, &body, &precondition, once.as_ref()).await
            }
            Self::Upsert { external_id, data } => {
                let body = data.get().as_bytes();
                let once = key.map(|key| Writer::upsert_once(key, &external_id, "", body));
                writer.upsert(&external_id, body, None, once.as_ref()).await
            }
            Self::Delete { id, precondition } => writer.delete(id?, &precondition).await,
        }
    }

    /// What it asks the store for in a transaction.
    fn of_transaction(self, writer: &Writer<'_>) -> Result<Wanted, Error> {
        Ok(Wanted::Known(match self {
            Self::Create { data } => store::Operation::Create(Box::new(writer.new_contact(data.get().as_bytes())?)),
            Self::Update { id, data, precondition } => {
                let id = id?;
                let body = Box::new(ContactBody::for_update(data.get().as_bytes(), writer.handling)?);
                store::Operation::Update { id, body, precondition, external_id: None }
            }
            Self::Upsert { external_id, data } => return Ok(Wanted::Upsert { external_id, data }),
            Self::Delete { id, precondition } => store::Operation::Delete { id: id?, precondition },
        }))
    }
}

fn required<T>(members: &mut Members, name: &str, given: Given<T>) -> Option<T> {
    match given {
        Given::Value(value) => Some(value),
        Given::Null | Given::Nothing => members.refused(name, "is required").value(),
    }
}

/// The contact that an operation names. No contact has an id that is not an ObjectId.
fn id(members: &mut Members) -> Option<Result<ObjectId, Error>> {
    let id = members.string("_id");
    required(members, "_id", id).map(|id| id.parse().map_err(|_| Error::ContactNotFound))
}

fn external_id(members: &mut Members) -> Option<ExternalId> {
    let text = members.string("external_id");
    let text = required(members, "external_id", text)?;
    ExternalId::parse(&text).or_else(|| members.refused("external_id", "must have 1 to 255 characters").value())
}

fn data(members: &mut Members) -> Option<Box<RawValue>> {
    let data = members.typed::<Box<RawValue>>("data", "must be a JSON object");
    let data = required(members, "data", data)?;
    if data.get().starts_with('{') { Some(data) } else { members.refused("data", "must be a JSON object").value() }
}

fn precondition(members: &mut Members) -> Option<Precondition> {
    match members.string("if_match") {
        Given::Value(tags) => match headers::precondition(&tags) {
            Some(precondition) => Some(precondition),
            None => members.refused("if_match", headers::PRECONDITION_RULE).value(),
        },
        Given::Null | Given::Nothing => Some(Precondition::None),
    }
}

impl Batch {
    /// Reads the body of a batch. A malformed operation is that operation's error.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidField`] about the batch as a whole, [`Error::MalformedJson`] and [`Error::BodyTooLarge`].
    pub fn read(body: &[u8], handling: &Handling) -> Result<Self, Error> {
        let mut members = Members::of(body, MAXIMUM_BYTES)?;
        let rule = format!("must be an array of 1 to {MAXIMUM_OPERATIONS} operations");
        let listed = members.typed::<Listed>("operations", &rule);
        let listed = required(&mut members, "operations", listed).map(|Listed(listed)| listed).unwrap_or_default();
        let atomic = members.typed("atomic", "must be true or false").value().unwrap_or(false);
        if !(1..=MAXIMUM_OPERATIONS).contains(&listed.len()) {
            members.refused::<()>("operations", rule);
        } else if atomic && listed.len() > MAXIMUM_ATOMIC_OPERATIONS {
            let rule = format!("must be an array of 1 to {MAXIMUM_ATOMIC_OPERATIONS} operations when atomic is true");
            members.refused::<()>("operations", rule);
        }
        members.finish(handling, "is not a member of a batch")?;
        let operations: Vec<_> = listed.iter().map(|json| Operation::read(json, handling)).collect();
        let batch = Self { operations, atomic };
        let chains = batch.chains();
        if atomic && chains.len() < batch.operations.len() {
            return Err(Error::invalid_field("operations", "must name a contact only once when atomic is true"));
        }
        Ok(batch)
    }

    /// The operations' indexes, those that name the same contact or external id together, in their order.
    fn chains(&self) -> Vec<Vec<usize>> {
        let mut chains: Vec<(Option<Named>, Vec<usize>)> = Vec::new();
        for (index, operation) in self.operations.iter().enumerate() {
            let named = operation.as_ref().ok().and_then(Operation::named);
            match chains.iter_mut().find(|(known, _)| named.is_some() && *known == named) {
                Some((_, chain)) => chain.push(index),
                None => chains.push((named, vec![index])),
            }
        }
        chains.into_iter().map(|(_, chain)| chain).collect()
    }

    /// Carries out the batch that came with this query and `body`, and returns the result of each operation in its order, before `last_moment`.
    /// With `key` each operation, or all of an atomic batch, takes effect at most once in 24 hours.
    ///
    /// # Errors
    ///
    /// Of an atomic batch [`Error::InvalidField`] when it names a contact twice, [`Error::IdempotencyKeyReused`] and [`Error::TransactionTooLarge`]: nothing
    /// was changed then.
    pub async fn carry_out(
        self,
        writer: &Writer<'_>,
        key: Option<IdempotencyKey>,
        query: &str,
        body: &[u8],
        last_moment: Instant,
    ) -> Result<Vec<OperationResult>, Error> {
        let until = last_moment.checked_sub(FOR_THE_ANSWER).unwrap_or(last_moment);
        let store = writer.store.clone().until(until.into());
        let writer = Writer { store: &store, ..*writer };
        if self.atomic {
            let once = key.map(|key| Once::new(key, &[b"POST batch", query.as_bytes(), body]));
            self.carry_out_together(&writer, once.as_ref()).await
        } else {
            Ok(self.carry_out_each(&writer, key.as_ref(), until).await)
        }
    }

    async fn carry_out_each(self, writer: &Writer<'_>, key: Option<&IdempotencyKey>, until: Instant) -> Vec<OperationResult> {
        let chains = self.chains();
        let mut operations: Vec<Option<_>> = self.operations.into_iter().map(Some).collect();
        let chains: Vec<Vec<_>> = chains
            .into_iter()
            .map(|chain| chain.into_iter().filter_map(|index| Some((index, operations.get_mut(index)?.take()?))).collect())
            .collect();
        let chains = chains.into_iter().map(|chain| async move {
            let mut results = Vec::with_capacity(chain.len());
            for (index, operation) in chain {
                let key = key.map(|key| key.of_operation(index));
                results.push((index, carry_out_within(operation, writer, key, until).await));
            }
            results
        });
        let results: Vec<Vec<_>> = stream::iter(chains).buffer_unordered(AT_ONCE).collect().await;
        let mut results: Vec<_> = results.into_iter().flatten().collect();
        results.sort_by_key(|(index, _)| *index);
        results.into_iter().map(|(_, result)| result.inspect_err(Error::log)).collect()
    }

    async fn carry_out_together(self, writer: &Writer<'_>, once: Option<&Once>) -> Result<Vec<OperationResult>, Error> {
        let wanted: Vec<_> = self
            .operations
            .into_iter()
            .map(|operation| operation.and_then(|operation| operation.of_transaction(writer)))
            .collect();
        let count = wanted.len();
        let written = |done: Vec<Done>, replayed| -> Vec<OperationResult> {
            let kind = |was_created| if was_created { WrittenKind::Created } else { WrittenKind::Changed };
            let written = |Done { was_created, contact }| Written { kind: kind(was_created), contact, replayed };
            done.into_iter().map(|done| Ok(written(done))).collect()
        };
        match writer.store.write_together(writer.meter, writer.caller, writer.handling, wanted, once).await {
            Ok(Together::Done(done)) => Ok(written(done, false)),
            Ok(Together::Replayed(done)) => Ok(written(done, true)),
            Ok(Together::Refused(errors)) => Ok(refused(errors)),
            // The batch as a whole breaks a rule.
            Err(error @ (Error::InvalidField(_) | Error::IdempotencyKeyReused | Error::TransactionTooLarge)) => Err(error),
            Err(error) => {
                // One cause, which the log has once, and the same result for each.
                error.log();
                Ok((0..count).map(|_| Err(alike(&error))).collect())
            }
        }
    }
}

/// The results of an atomic batch of which nothing was done: an operation without an error is not at fault.
fn refused(errors: impl IntoIterator<Item = Option<Error>>) -> Vec<OperationResult> {
    errors.into_iter().map(|error| Err(error.unwrap_or(Error::NotApplied)).inspect_err(Error::log)).collect()
}

/// The same case of an error once more.
fn alike(error: &Error) -> Error {
    let source = "as the other operations of its batch".into();
    match error {
        Error::Unavailable(_) => Error::Unavailable(source),
        Error::OutcomeUnknown(_) => Error::OutcomeUnknown(source),
        _ => Error::Internal(source),
    }
}

/// Carries out one operation if there is time for it, and says what is known of it when its time is over.
async fn carry_out_within(
    operation: Result<Operation, Error>,
    writer: &Writer<'_>,
    key: Option<IdempotencyKey>,
    until: Instant,
) -> OperationResult {
    let operation = operation?;
    if Instant::now() >= until {
        return Err(Error::Unavailable("the function's time was over before the operation began".into()));
    }
    let meter = writer.meter.part();
    let writer = Writer { meter: &meter, ..*writer };
    // A defect is one operation's 500; those beside it go on.
    let carried_out = AssertUnwindSafe(operation.carry_out(&writer, key)).catch_unwind();
    match tokio::time::timeout_at((until + GRACE).into(), carried_out).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(Error::Internal("an operation panicked".into())),
        Err(_) if meter.has_written() => Err(Error::OutcomeUnknown("the function's time is over".into())),
        Err(_) => Err(Error::Unavailable("the function's time is over".into())),
    }
}

/// The operations as they are written, and one more than there may be when there are more: the rest of the array is not kept.
struct Listed(Vec<Box<RawValue>>);

impl<'de> Deserialize<'de> for Listed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Operations;

        impl<'de> Visitor<'de> for Operations {
            type Value = Listed;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an array of operations")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Listed, A::Error> {
                let mut listed = Vec::new();
                while listed.len() <= MAXIMUM_OPERATIONS {
                    match array.next_element()? {
                        Some(operation) => listed.push(operation),
                        None => return Ok(Listed(listed)),
                    }
                }
                while array.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Listed(listed))
            }
        }

        deserializer.deserialize_seq(Operations)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(body: &str) -> Result<Batch, Error> {
        Batch::read(body.as_bytes(), &Handling::default())
    }

    #[test]
    fn operations_on_one_contact_are_one_chain() {
        let (one, other) = ("60f1b2b3c9e9a12345678901", "60f1b2b3c9e9a12345678902");
        let body = format!(
            r#"{{"operations":[{{"action":"update","_id":"{one}","data":{{}}}},{{"action":"create","data":{{}}}},{{"action":"delete","_id":"{other}"}},
            {{"action":"delete","_id":"{one}"}},{{"action":"create","data":{{}}}},{{"action":"delete","_id":"x"}},{{"action":"delete","_id":"x"}},7]}}"#
        );

        assert_eq!(read(&body).unwrap().chains(), [&[0, 3][..], &[1], &[2], &[4], &[5], &[6], &[7]].map(<[usize]>::to_vec));
        let atomic = body.replace(r#"{"operations""#, r#"{"atomic":true,"operations""#);
        let refusal = read(&atomic).unwrap_err().to_string();
        assert_eq!(refusal, "operations must name a contact only once when atomic is true");
    }

    proptest! {
        #[test]
        fn junk_never_panics(
            operations in proptest::collection::vec(
                "(7|\\[\\]|\\{(\"(action|_id|external_id|data|if_match|x)\":(null|7|\\{\\}|\"(create|update|upsert|delete|x|\\\\\"3\\\\\")\"),?){0,4}\\})",
                0..4,
            ),
            atomic in "(,\"atomic\":(true|null|7))?",
        ) {
            let _either = read(&format!("{{\"operations\":[{}]{atomic}}}", operations.join(",")));
        }
    }
}
