//! Writes that happen once: what is written and a record of its `Idempotency-Key`, in one transaction.
//!
//! A record is put only where there is none, or an expired one. So of several requests with one key exactly one takes effect, and a request that
//! failed leaves no record. `create_once` needs no read for that; whoever reads contacts first, as an update does, reads the record along
//! with them ([`Once::known`]).

use std::time::Duration;

use aws_sdk_dynamodb::types::{Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use lambda_http::http::HeaderMap;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::item::{self, Item};
use super::register::WriteId;
use super::sdk_error;
use super::tries::{Outcome, Step, Tries, Write};
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

/// The most characters of an `Idempotency-Key`.
pub const MAXIMUM_IDEMPOTENCY_KEY: usize = 255;

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
    pub(super) fn parse(text: &[u8]) -> Result<Self, Error> {
        let printable = text.iter().all(|byte| (b' '..=b'~').contains(byte));
        match std::str::from_utf8(text) {
            Ok(key) if printable && (1..=MAXIMUM_IDEMPOTENCY_KEY).contains(&key.len()) => Ok(Self(key.to_owned())),
            _ => Err(Error::invalid_parameter("Idempotency-Key", "must be 1 to 255 printable ASCII characters")),
        }
    }

    /// The key of operation `index` of a batch that came with this key. No client can send it, because a NUL is not printable.
    #[must_use]
    pub fn of_operation(&self, index: usize) -> Self {
        Self(format!("{}\0{index}", self.0))
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

/// What is remembered of a request that took effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The SHA-256 of what the request asked for.
    fingerprint: String,
    /// The contact that was written; of several the first.
    pub contact: ObjectId,
    /// The contacts of a batch's operations, in their order, when there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    contacts: Vec<ObjectId>,
    /// Those of them, or of an upsert, that were created.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub created: Vec<ObjectId>,
    /// The stamp of the write. Together with the request that comes again it is the whole answer of a create.
    #[serde(rename = "createdAt")]
    pub stamp: Timestamp,
    /// The id of the write, by which it knows its own record again. Records of creates need none: nobody else makes a contact with that id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    write: Option<String>,
    /// Seconds since 1970; DynamoDB's TTL takes the record away some time after.
    #[serde(rename = "expiresAt")]
    expires_at: i64,
}

impl Record {
    /// The contacts that were written, in the order of the operations.
    pub fn contacts(&self) -> &[ObjectId] {
        if self.contacts.is_empty() { std::slice::from_ref(&self.contact) } else { &self.contacts }
    }
}

/// A request that takes effect once: its `Idempotency-Key`, and what it asks for.
#[derive(Clone, Debug)]
pub struct Once {
    key: IdempotencyKey,
    fingerprint: String,
}

/// What a record says about a request with its key.
#[derive(Debug)]
pub enum Known {
    /// There is none, or it has expired: the request has not taken effect.
    Nothing,
    /// This very write took effect, in an earlier try.
    Own(Record),
    /// The same request took effect before.
    Before(Record),
}

impl Once {
    /// The request with `key` that asks for what `parts` say, such as its method, path, query and body.
    pub fn new(key: IdempotencyKey, parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            // With its length, so that no two lists of parts look alike.
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Self { key, fingerprint: hex(&hash.finalize()) }
    }

    /// The primary key of the record.
    pub fn record_key(&self, tenant: &str) -> Item {
        item::key_of_text(tenant, self.key.sort_key())
    }

    /// What `record`, as it was read at `now`, says about this request, whose write is `id`.
    ///
    /// # Errors
    ///
    /// [`Error::IdempotencyKeyReused`] when it is another request's, and [`Error::Internal`].
    pub fn known(&self, record: Option<&Item>, now: Timestamp, id: &WriteId) -> Result<Known, Error> {
        let Some(record) = record else { return Ok(Known::Nothing) };
        let record: Record = serde_dynamo::from_item(record.clone()).map_err(|error| Error::Internal(error.into()))?;
        if record.expires_at <= now.millis() / 1_000 {
            return Ok(Known::Nothing);
        }
        if record.fingerprint != self.fingerprint {
            return Err(Error::IdempotencyKeyReused);
        }
        Ok(if record.write.as_deref() == Some(id.as_str()) { Known::Own(record) } else { Known::Before(record) })
    }

    /// The put of the record of the write `id`, stamped `stamp`, of `contacts`, those of each operation in their order, of which it `created` some. It
    /// belongs into the transaction of the write, and fails where another request's record is.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`], also when there is no contact.
    pub fn put(
        &self,
        tenant: &str,
        table: &str,
        contacts: Vec<ObjectId>,
        created: Vec<ObjectId>,
        stamp: Timestamp,
        id: &WriteId,
    ) -> Result<Put, Error> {
        let contact = contacts.first().copied().ok_or_else(|| Error::Internal("a record is of a contact".into()))?;
        let now_seconds = stamp.millis() / 1_000;
        let record = Record {
            fingerprint: self.fingerprint.clone(),
            contact,
            contacts: if contacts.len() > 1 { contacts } else { Vec::new() },
            created,
            stamp,
            write: Some(id.as_str().to_owned()),
            expires_at: now_seconds + LIFE_SECONDS,
        };
        let mut record: Item = serde_dynamo::to_item(&record).map_err(|error| Error::Internal(error.into()))?;
        record.extend(self.record_key(tenant));
        put_record(table, record, now_seconds)
    }
}

/// The put of a record where there is none but an expired one: the TTL takes its time.
fn put_record(table: &str, record: Item, now_seconds: i64) -> Result<Put, Error> {
    Put::builder()
        .table_name(table)
        .set_item(Some(record))
        .condition_expression("attribute_not_exists(#id) OR #expiresAt <= :now")
        .expression_attribute_names("#id", "_id")
        .expression_attribute_names("#expiresAt", "expiresAt")
        .expression_attribute_values(":now", number(now_seconds))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .build()
        .map_err(|error| Error::Internal(error.into()))
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
            contacts: Vec::new(),
            created: Vec::new(),
            stamp,
            write: None,
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
        let first = Contact { id: there.contact, ..self.contact.clone() }.created(there.stamp);
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
        self.carry_out(&mut create, self.deadline(), |puts, time| self.put_both(meter, puts, time)).await
    }

    async fn put_both(&self, meter: &Meter, puts: Puts, time: Duration) -> Outcome {
        let put_contact = put_new_contact(&self.table, puts.contact);
        let puts = put_record(&self.table, puts.record, puts.now_seconds).and_then(|record| Ok((record, put_contact?)));
        let (put_record, put_contact) = match puts {
            Ok(puts) => puts,
            Err(error) => return Outcome::Failed(error),
        };
        let items = [put_record, put_contact].map(|put| TransactWriteItem::builder().put(put).build()).into();
        // When nothing is refused, another request for the same key can be under way: the next try sees how it ended.
        self.transact(meter, items, time, |reasons| {
            let record = reasons.first().filter(|reason| sdk_error::is_failed_condition(reason))?;
            Some(record.item.clone().unwrap_or_default())
        })
        .await
    }
}

/// The put of a new contact's item. An id that is taken is never overwritten.
pub fn put_new_contact(table: &str, contact: Item) -> Result<Put, Error> {
    Put::builder()
        .table_name(table)
        .set_item(Some(contact))
        .condition_expression("attribute_not_exists(#id)")
        .expression_attribute_names("#id", "_id")
        .build()
        .map_err(|error| Error::Internal(error.into()))
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
    fn a_request_is_known_by_its_parts_and_their_bounds() {
        let key = IdempotencyKey::parse(b"key").unwrap();
        let fingerprint = |parts: &[&[u8]]| Once::new(key.clone(), parts).fingerprint;

        assert_eq!(fingerprint(&[b"PUT", b"a"]), fingerprint(&[b"PUT", b"a"]));
        for parts in [&[&b"PUTa"[..]][..], &[b"PUT", b"", b"a"], &[b"PU", b"Ta"], &[b"PUT", b"b"]] {
            assert_ne!(fingerprint(parts), fingerprint(&[b"PUT", b"a"]));
        }
        assert_ne!(key.of_operation(1).sort_key(), key.of_operation(11).sort_key());
    }

    #[test]
    fn a_record_tells_this_write_from_the_same_request_before_and_from_another() {
        let now = Timestamp::from_millis(1_764_016_016_123);
        let (own, other) = (WriteId::from_bytes([1; 8]), WriteId::from_bytes([2; 8]));
        let once = |body: &[u8]| Once::new(IdempotencyKey::parse(b"key").unwrap(), &[body]);
        let put = once(b"a").put("t", "table", vec![ObjectId::from_bytes([7; 12])], Vec::new(), now, &own).unwrap();
        let record = put.item();
        let known = |body, now, id| once(body).known(Some(record), now, id);

        assert!(matches!(known(b"a", now, &own), Ok(Known::Own(record)) if record.stamp == now));
        assert!(matches!(known(b"a", now, &other), Ok(Known::Before(_))));
        assert!(matches!(known(b"b", now, &own), Err(Error::IdempotencyKeyReused)));
        let tomorrow = now.plus_millis(LIFE_SECONDS * 1_000);
        assert!(matches!(known(b"b", tomorrow, &other), Ok(Known::Nothing)));
        assert!(matches!(once(b"a").known(None, now, &own), Ok(Known::Nothing)));
    }

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
