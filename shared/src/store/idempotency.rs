//! Creation that happens once: the contact and a record of its `Idempotency-Key`, in one transaction.

use std::time::Duration;

use aws_sdk_dynamodb::types::{Put, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use lambda_http::http::HeaderMap;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::item::{self, Item};
use super::register::WriteId;
use super::sdk_error;
use super::tries::{Outcome, Step, Tries, Write};
use super::write::{deadline, one_try, refuse_above_the_maximum};
use super::{Store, number};
use crate::contact::Contact;
use crate::error::Error;
use crate::hex::hex;
use crate::meter::Meter;
use crate::object_id::ObjectId;
use crate::timestamp::Timestamp;

/// How long an `Idempotency-Key` is remembered.
const LIFE_SECONDS: i64 = 24 * 60 * 60;

/// An `Idempotency-Key` of 1 to 255 printable ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The key in a request's `Idempotency-Key` header, if it has one.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidParameter`] when it is not 1 to 255 printable ASCII characters.
    pub fn of_request(headers: &HeaderMap) -> Result<Option<Self>, Error> {
        headers.get("idempotency-key").map(|value| Self::parse(value.as_bytes())).transpose()
    }

    /// The key that a client sent.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidParameter`] when it is not 1 to 255 printable ASCII characters.
    fn parse(text: &[u8]) -> Result<Self, Error> {
        let printable = text.iter().all(|byte| (b' '..=b'~').contains(byte));
        match std::str::from_utf8(text) {
            Ok(key) if printable && (1..=255).contains(&key.len()) => Ok(Self(key.to_owned())),
            _ => Err(Error::invalid_parameter("Idempotency-Key", "must be 1 to 255 printable ASCII characters")),
        }
    }

    /// The sort key of the record: no ObjectId, so no contact has it. A hash, because what clients put into the key can be personal.
    fn sort_key(&self) -> String {
        format!("idempotency-key#{}", hex(&Sha256::digest(self.0.as_bytes())))
    }
}

/// How a creation with an `Idempotency-Key` ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Creation {
    /// The contact was created now.
    Created(Contact),
    /// The same request had created this contact before.
    Replayed(Contact),
}

/// What is remembered of a creation. Together with the request that comes again it is the whole answer of the first.
#[derive(Serialize, Deserialize)]
struct Record {
    /// The SHA-256 of what the request asked for.
    fingerprint: String,
    contact: ObjectId,
    #[serde(rename = "createdAt")]
    created_at: Timestamp,
    /// Seconds since 1970; DynamoDB's TTL takes the record away some time after.
    #[serde(rename = "expiresAt")]
    expires_at: i64,
}

/// The two items that one try puts together.
struct Puts {
    record: Item,
    contact: Item,
    /// When a record that is there must have expired.
    now_seconds: i64,
}

/// A creation with an `Idempotency-Key` that is tried until its outcome is known.
struct CreateOnce<'a> {
    tenant: &'a str,
    contact: Contact,
    fingerprint: String,
    key: &'a IdempotencyKey,
    id: WriteId,
    tries: Tries,
}

impl Write for CreateOnce<'_> {
    type Request = Puts;
    type Answer = Creation;

    fn tries(&mut self) -> &mut Tries {
        &mut self.tries
    }

    fn request(&self, stamp: Timestamp) -> Result<Puts, Error> {
        let now_seconds = stamp.millis() / 1_000;
        let record = Record {
            fingerprint: self.fingerprint.clone(),
            contact: self.contact.id,
            created_at: stamp,
            expires_at: now_seconds + LIFE_SECONDS,
        };
        let mut record: Item = serde_dynamo::to_item(&record).map_err(|error| Error::Internal(error.into()))?;
        record.extend(item::key_of_text(self.tenant, self.key.sort_key()));
        let contact = item::of_new_contact(self.tenant, &self.contact.clone().created(stamp), &self.id)?;
        Ok(Puts { record, contact, now_seconds })
    }

    fn applied(&mut self, _: Item) -> Result<Creation, Error> {
        Ok(Creation::Created(self.contact.clone().created(self.tries.last_stamp())))
    }

    /// The answer of the request that left `record`, if this one asks for the same. As long as it is there, no try of this one is applied.
    fn refused(&mut self, record: Item) -> Step<Creation> {
        let there: Record = match serde_dynamo::from_item(record) {
            Ok(there) => there,
            Err(error) => return Step::Answer(Err(self.tries.failed(Error::Internal(error.into())))),
        };
        if self.fingerprint != there.fingerprint {
            return Step::Answer(Err(Error::IdempotencyKeyReused));
        }
        let is_own = there.contact == self.contact.id;
        let first = Contact { id: there.contact, ..self.contact.clone() }.created(there.created_at);
        Step::Answer(Ok(if is_own { Creation::Created(first) } else { Creation::Replayed(first) }))
    }
}

impl Store {
    /// Writes a new contact, with the time of the request that writes it, unless `key` created one for `tenant` in the last 24 hours. It is
    /// one transaction, so of many such requests at once exactly one creates.
    ///
    /// # Errors
    ///
    /// [`Error::IdempotencyKeyReused`] when the key came with another contact; [`Error::InvalidField`] when the contact is above
    /// DynamoDB's 400 KB, [`Error::Unavailable`] and [`Error::Internal`]: nothing is written then. [`Error::OutcomeUnknown`].
    pub async fn create_once(
        &self,
        meter: &Meter,
        tenant: &str,
        contact: Contact,
        key: &IdempotencyKey,
    ) -> Result<Creation, Error> {
        let id = WriteId::generate();
        refuse_above_the_maximum(&item::of_new_contact(tenant, &contact, &id)?)?;
        let fingerprint = fingerprint(&contact)?;
        let mut create = CreateOnce { tenant, contact, fingerprint, key, id, tries: Tries::default() };
        self.carry_out(&mut create, deadline(), |puts, time| self.put_both(meter, puts, time)).await
    }

    async fn put_both(&self, meter: &Meter, puts: Puts, time: Duration) -> Outcome {
        let put = || Put::builder().table_name(&self.table).expression_attribute_names("#id", "_id");
        let put_contact = put().set_item(Some(puts.contact)).condition_expression("attribute_not_exists(#id)").build();
        let put_record = put()
            .set_item(Some(puts.record))
            // An expired record may still be there: the TTL takes its time.
            .condition_expression("attribute_not_exists(#id) OR #expiresAt <= :now")
            .expression_attribute_names("#expiresAt", "expiresAt")
            .expression_attribute_values(":now", number(puts.now_seconds))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build();
        let (put_record, put_contact) = match put_record.and_then(|record| Ok((record, put_contact?))) {
            Ok(puts) => puts,
            Err(error) => return Outcome::Failed(Error::Internal(error.into())),
        };
        let request = self
            .client
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().put(put_record).build())
            .transact_items(TransactWriteItem::builder().put(put_contact).build())
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
        if let Some(record) = reasons.first().filter(|reason| sdk_error::is_failed_condition(reason)) {
            return Outcome::Refused(record.item.clone().unwrap_or_default());
        }
        // Another request for the same key is under way: the next try sees how it ended.
        if reasons.iter().any(sdk_error::is_passing) { Outcome::Busy(failure.into()) } else { sdk_error::outcome(failure) }
    }
}

/// The SHA-256 of all of a new contact that its request decides: the body, and the caller where the body leaves it open.
fn fingerprint(contact: &Contact) -> Result<String, Error> {
    let nobody = ObjectId::from_bytes([0; 12]);
    let decided = Contact { id: nobody, ..contact.clone() }.created(Timestamp::from_millis(0));
    let text = serde_json::to_vec(&decided).map_err(|error| Error::Internal(error.into()))?;
    Ok(hex(&Sha256::digest(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_1_to_255_printable_characters() {
        for key in ["a", "8e03978e-40d5-43e8-bc93-6894a57f9324", "with space ~", &"x".repeat(255)] {
            assert!(IdempotencyKey::parse(key.as_bytes()).is_ok(), "{key}");
        }
        for key in ["", "tab\t", "é", "\u{7f}", &"x".repeat(256)] {
            let refusal = IdempotencyKey::parse(key.as_bytes()).unwrap_err().to_string();
            assert_eq!(refusal, "Idempotency-Key must be 1 to 255 printable ASCII characters", "{key}");
        }
    }
}
