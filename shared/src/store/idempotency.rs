//! Creation that happens once: the contact and a record of its `Idempotency-Key`, in one transaction.

use aws_sdk_dynamodb::types::{Put, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use lambda_http::http::HeaderMap;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::item::{self, Item};
use super::sdk_error::{self, Backoff, classify};
use super::write::refuse_above_the_maximum;
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
    /// [`Error::Invalid`] when it is not 1 to 255 printable ASCII characters.
    pub fn of_request(headers: &HeaderMap) -> Result<Option<Self>, Error> {
        headers.get("idempotency-key").map(|value| Self::parse(value.as_bytes())).transpose()
    }

    /// The key that a client sent.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when it is not 1 to 255 printable ASCII characters.
    fn parse(text: &[u8]) -> Result<Self, Error> {
        let printable = text.iter().all(|byte| (b' '..=b'~').contains(byte));
        match std::str::from_utf8(text) {
            Ok(key) if printable && (1..=255).contains(&key.len()) => Ok(Self(key.to_owned())),
            _ => Err(Error::invalid("Idempotency-Key", "must be 1 to 255 printable ASCII characters")),
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

impl Store {
    /// Writes a new contact unless `key` created one for `tenant` in the last 24 hours. It is one transaction, so of many such
    /// requests at once exactly one creates.
    ///
    /// # Errors
    ///
    /// [`Error::IdempotencyKeyReused`] when the key came with another contact; [`Error::Invalid`] when the contact is above
    /// DynamoDB's 400 KB, [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn create_once(
        &self,
        meter: &Meter,
        tenant: &str,
        contact: Contact,
        key: &IdempotencyKey,
    ) -> Result<Creation, Error> {
        let now_seconds = contact.created_at.millis() / 1_000;
        let record = Record {
            fingerprint: fingerprint(&contact)?,
            contact: contact.id,
            created_at: contact.created_at,
            expires_at: now_seconds + LIFE_SECONDS,
        };
        let contact_item = item::of_contact(tenant, &contact)?;
        refuse_above_the_maximum(&contact_item)?;
        let mut record_item: Item = serde_dynamo::to_item(&record).map_err(|error| Error::Internal(error.into()))?;
        record_item.extend(item::key_of_text(tenant, key.sort_key()));

        let put = || Put::builder().table_name(&self.table).expression_attribute_names("#id", "_id");
        let put_contact = put().set_item(Some(contact_item)).condition_expression("attribute_not_exists(#id)").build();
        let put_record = put()
            .set_item(Some(record_item))
            // An expired record may still be there: the TTL takes its time.
            .condition_expression("attribute_not_exists(#id) OR #expiresAt <= :now")
            .expression_attribute_names("#expiresAt", "expiresAt")
            .expression_attribute_values(":now", number(now_seconds))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build();
        let (put_record, put_contact) =
            put_record.and_then(|record| Ok((record, put_contact?))).map_err(|error| Error::Internal(error.into()))?;

        let mut backoff = Backoff::default();
        loop {
            let request = self
                .client
                .transact_write_items()
                .transact_items(TransactWriteItem::builder().put(put_record.clone()).build())
                .transact_items(TransactWriteItem::builder().put(put_contact.clone()).build())
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .customize()
                .interceptor(meter.request_counter())
                .send();
            let failure = match meter.database(request).await {
                Ok(output) => {
                    meter.consumed(output.consumed_capacity());
                    return Ok(Creation::Created(contact));
                }
                Err(failure) => failure,
            };
            let reasons = sdk_error::cancellation_reasons(&failure).unwrap_or_default();
            if let Some(reason) = reasons.first().filter(|reason| sdk_error::is_failed_condition(reason)) {
                let there: Record = serde_dynamo::from_item(reason.item.clone().unwrap_or_default())
                    .map_err(|error| Error::Internal(error.into()))?;
                return replay(contact, &record, &there);
            }
            if !reasons.iter().any(sdk_error::is_passing) {
                return Err(classify(failure));
            }
            // Another request for the same key is under way: the next try sees how it ended.
            backoff.wait().await?;
        }
    }
}

/// The answer of the request that made `there`, if this one asks for the same.
fn replay(contact: Contact, record: &Record, there: &Record) -> Result<Creation, Error> {
    if record.fingerprint != there.fingerprint {
        return Err(Error::IdempotencyKeyReused);
    }
    let first = Contact { id: there.contact, created_at: there.created_at, updated_at: there.created_at, ..contact };
    Ok(if there.contact == record.contact { Creation::Created(first) } else { Creation::Replayed(first) })
}

/// The SHA-256 of all of a new contact that its request decides: the body, and the caller where the body leaves it open.
fn fingerprint(contact: &Contact) -> Result<String, Error> {
    let nobody = ObjectId::from_bytes([0; 12]);
    let start = Timestamp::from_millis(0);
    let decided = Contact { id: nobody, created_at: start, updated_at: start, ..contact.clone() };
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
