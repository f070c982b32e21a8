//! API keys: what a request carries to say who calls, and the table that knows them.
//!
//! Only the SHA-256 of a key is stored. A key has 256 random bits, so a plain hash cannot be guessed back.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use futures::future::{Either, select};
use lambda_http::http::HeaderMap;
use lambda_http::http::header::AUTHORIZATION;
use quick_cache::sync::Cache;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::time::timeout;

use crate::caller::Caller;
use crate::error::Error;
use crate::hex::hex;
use crate::meter::Meter;
use crate::store::classify;
use crate::timestamp::Timestamp;
use crate::user::User;

/// How long a key's record is believed, in milliseconds: a revocation takes effect within that.
const KNOWN_MILLIS: i64 = 60_000;

/// After how long a key in use is looked up again beside the calls, in milliseconds, so that none of them has to wait for it.
const REFRESH_MILLIS: i64 = 30_000;

/// How long a call that is answered waits for its key to be looked up again. Nothing is left running: the instance may be frozen next.
const REFRESH_GRACE: Duration = Duration::from_millis(20);

/// How long a key is believed not to exist, in milliseconds: a new key works after that at the latest.
const UNKNOWN_MILLIS: i64 = 5_000;

/// How many keys an instance remembers.
const CACHED_KEYS: usize = 10_000;

/// The header that carries a key without a scheme.
const API_KEY_HEADER: &str = "api-key";

/// A key itself, as a client holds it. It is shown once and stored nowhere.
#[derive(Clone)]
pub struct ApiKey(String);

impl ApiKey {
    /// A new key of 256 random bits.
    ///
    /// # Panics
    ///
    /// When the operating system has no random bytes.
    pub fn generate() -> Self {
        let mut bits = [0; 32];
        getrandom::fill(&mut bits).expect("the operating system has random bytes");
        Self(format!("cc_{}", BASE64_URL_SAFE_NO_PAD.encode(bits)))
    }

    /// The key that a client presents.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The key's text.
    pub fn secret(&self) -> &str {
        &self.0
    }

    /// The SHA-256 of the key's text, in hex: all that is stored of it.
    pub fn hash(&self) -> String {
        hex(&Sha256::digest(self.0.as_bytes()))
    }

    /// The key of a request: after `Authorization: Bearer`, the scheme in any case, or else in `api-key`.
    fn of_request(headers: &HeaderMap) -> Option<Self> {
        let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| {
            let (scheme, key) = value.trim().split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
        });
        let plain = || headers.get(API_KEY_HEADER).map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned());
        bearer.map(str::to_owned).or_else(plain).filter(|key| !key.is_empty()).map(Self)
    }
}

/// Whether a request carries credentials of any kind, valid or not.
pub fn has_credentials(headers: &HeaderMap) -> bool {
    headers.contains_key(AUTHORIZATION) || headers.contains_key(API_KEY_HEADER)
}

/// What is stored of a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// The key's SHA-256 in hex, the table's partition key.
    #[serde(rename = "keyHash")]
    pub hash: String,
    /// The tenant that the key belongs to.
    pub tenant: String,
    /// The company namespaces that it may use, at least one; the first is its default.
    pub namespaces: Vec<String>,
    /// The user that it acts as.
    pub user: User,
    /// When it was made.
    #[serde(rename = "createdAt")]
    pub created_at: Timestamp,
    /// From when on it is not valid any more, if ever.
    #[serde(rename = "expiresAt", default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When it was revoked, if it was.
    #[serde(rename = "revokedAt", default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
}

impl KeyRecord {
    /// A name for the key that gives nothing away: the first 16 digits of its hash.
    pub fn id(&self) -> &str {
        id_of(&self.hash)
    }

    /// Whether the key is valid at `now`.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|expiry| now < expiry)
    }
}

/// A key that is in use and is to be looked up again.
#[derive(Debug)]
pub struct Again {
    hash: String,
    now: Timestamp,
}

/// The keys as a function sees them: read only, each remembered for a while.
#[derive(Clone, Debug)]
pub struct KeyRing {
    client: Client,
    table: String,
    cache: Arc<Cache<String, Remembered>>,
}

#[derive(Clone, Debug)]
struct Remembered {
    record: Option<Arc<KeyRecord>>,
    since: Timestamp,
    /// Whether the key is being looked up again, or was in vain.
    refreshing: Arc<AtomicBool>,
}

impl Remembered {
    fn new(record: Option<KeyRecord>, since: Timestamp) -> Self {
        Self { record: record.map(Arc::new), since, refreshing: Arc::default() }
    }

    /// Whether it is time to look the key up again, and nobody does so yet.
    fn wants_refresh(&self, now: Timestamp) -> bool {
        self.record.is_some() && now >= self.since.plus_millis(REFRESH_MILLIS) && !self.refreshing.swap(true, Ordering::AcqRel)
    }

    fn holds(&self, now: Timestamp) -> bool {
        let life = if self.record.is_some() { KNOWN_MILLIS } else { UNKNOWN_MILLIS };
        (self.since..self.since.plus_millis(life)).contains(&now)
    }
}

impl KeyRing {
    /// The keys in `table`, which `template.yaml` declares.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into(), cache: Arc::new(Cache::new(CACHED_KEYS)) }
    }

    /// Who makes the request with these headers at `now`, and the key that is to be looked up again beside the call, if any. No DynamoDB
    /// request when the key was seen in the last minute.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`], [`Error::InvalidApiKey`], [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn authenticate(
        &self,
        meter: &Meter,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<(Caller, Option<Again>), Error> {
        let hash = ApiKey::of_request(headers).ok_or(Error::Unauthenticated)?.hash();
        let (remembered, again) = match self.cache.get(&hash).filter(|remembered| remembered.holds(now)) {
            Some(remembered) => {
                let again = remembered.wants_refresh(now).then(|| Again { hash: hash.clone(), now });
                (remembered, again)
            }
            None => {
                let remembered = Remembered::new(self.find(meter, &hash).await?, now);
                self.cache.insert(hash, remembered.clone());
                (remembered, None)
            }
        };
        match remembered.record {
            Some(record) if record.is_valid(now) => {
                let caller =
                    Caller { tenant: record.tenant.clone(), namespaces: record.namespaces.clone(), user: record.user.clone() };
                Ok((caller, again))
            }
            _ => Err(Error::InvalidApiKey),
        }
    }

    /// Answers `call`, and looks a key up again meanwhile. The call waits for that only for a short grace; when it comes to
    /// nothing, what is remembered holds for its minute, and the first call after that waits.
    pub async fn beside<T>(&self, again: Option<Again>, call: impl Future<Output = T>) -> T {
        let Some(Again { hash, now }) = again else { return call.await };
        let lookup = pin!(async {
            match self.find(&Meter::default(), &hash).await {
                Ok(record) => self.cache.insert(hash, Remembered::new(record, now)),
                Err(error) => tracing::warn!("an API key could not be looked up again: {error}"),
            }
        });
        match select(pin!(call), lookup).await {
            Either::Left((answer, lookup)) => {
                let _is_late = timeout(REFRESH_GRACE, lookup).await.is_err();
                answer
            }
            Either::Right(((), call)) => call.await,
        }
    }

    /// Opens a connection to DynamoDB, by looking up a key that nobody has. A failure is the first call's to meet.
    pub async fn connect(&self) {
        let request = self.client.get_item().table_name(&self.table).key("keyHash", AttributeValue::S("connect".to_owned()));
        let _nothing = request.send().await.is_ok();
    }

    async fn find(&self, meter: &Meter, hash: &str) -> Result<Option<KeyRecord>, Error> {
        let request = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("keyHash", AttributeValue::S(hash.to_owned()))
            // Strongly consistent: a key works from the moment that its creation was acknowledged.
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .customize()
            .interceptor(meter.request_counter())
            .send();
        let output = meter.database(request).await.map_err(classify)?;
        meter.consumed(&output.consumed_capacity);
        output.item.map(record).transpose().map_err(|malformed| Error::Internal(malformed.into()))
    }
}

/// What a tenant's name must be, as the rest of a sentence about it.
pub const TENANT_RULE: &str = "must be 1 to 128 printable characters";

/// Whether a text can be a tenant's name: 1 to 128 characters, none of which is a control character or ends a line, and not only white
/// space. It is the partition key of all of the tenant's contacts, and stands in logs.
pub fn is_tenant(text: &str) -> bool {
    let is_printable = |letter: char| !letter.is_control() && !matches!(letter, '\u{2028}' | '\u{2029}');
    (1..=128).contains(&text.chars().count()) && text.chars().all(is_printable) && !text.trim().is_empty()
}

/// Every key of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyList {
    /// The records, the newest first.
    pub records: Vec<KeyRecord>,
    /// The ids of keys whose records are malformed, so that they open nothing.
    pub malformed: Vec<String>,
}

/// The keys as an operator sees them.
#[derive(Clone, Debug)]
pub struct KeyAdmin {
    client: Client,
    table: String,
}

impl KeyAdmin {
    /// The keys in `table`, which `template.yaml` declares.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    /// Stores a key's record.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidParameter`] when the tenant's name is not [printable](is_tenant), [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn put(&self, record: &KeyRecord) -> Result<(), Error> {
        if !is_tenant(&record.tenant) {
            return Err(Error::invalid_parameter("tenant", TENANT_RULE));
        }
        let item = serde_dynamo::to_item(record).map_err(|error| Error::Internal(error.into()))?;
        self.client.put_item().table_name(&self.table).set_item(Some(item)).send().await.map_err(classify)?;
        Ok(())
    }

    /// The record of the key with this hash.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn find(&self, hash: &str) -> Result<Option<KeyRecord>, Error> {
        let request = self.client.get_item().table_name(&self.table).set_key(Some(key(hash))).consistent_read(true);
        request.send().await.map_err(classify)?.item.map(record).transpose().map_err(|error| Error::Internal(error.into()))
    }

    /// Makes the key with this hash expire at another time. A key that is revoked or gone stays so.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn extend(&self, hash: &str, expiry: Timestamp) -> Result<(), Error> {
        let extended = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(hash)))
            .update_expression("SET expiresAt = :expiry")
            .condition_expression("attribute_exists(keyHash) AND attribute_not_exists(revokedAt)")
            .expression_attribute_values(":expiry", AttributeValue::N(expiry.millis().to_string()))
            .send()
            .await;
        match extended {
            Err(failure) if !matches!(failure.as_service_error(), Some(UpdateItemError::ConditionalCheckFailedException(_))) => {
                Err(classify(failure))
            }
            _ => Ok(()),
        }
    }

    /// Removes the key with this hash, and its record with it.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn remove(&self, hash: &str) -> Result<(), Error> {
        self.client.delete_item().table_name(&self.table).set_key(Some(key(hash))).send().await.map_err(classify)?;
        Ok(())
    }

    /// Every key's record.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn list(&self) -> Result<KeyList, Error> {
        let (mut records, mut malformed) = (Vec::new(), Vec::new());
        let mut pages = self.client.scan().table_name(&self.table).consistent_read(true).into_paginator().items().send();
        while let Some(item) = pages.next().await {
            match record(item.map_err(classify)?) {
                Ok(record) => records.push(record),
                Err(MalformedRecord { id }) => malformed.push(id),
            }
        }
        records.sort_by(|a: &KeyRecord, b| b.created_at.cmp(&a.created_at).then_with(|| a.hash.cmp(&b.hash)));
        malformed.sort();
        Ok(KeyList { records, malformed })
    }

    /// Revokes the key whose [`KeyRecord::id`] or hash is `id`, at `now`, and returns its record; nothing when there is none. A key
    /// that is revoked already stays as it is.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn revoke(&self, id: &str, now: Timestamp) -> Result<Option<KeyRecord>, Error> {
        let found = self.list().await?.records.into_iter().find(|record| record.id() == id || record.hash == id);
        let Some(mut found) = found.filter(|record| record.revoked_at.is_none()) else {
            return Ok(None);
        };
        let revoked = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("keyHash", AttributeValue::S(found.hash.clone()))
            .update_expression("SET revokedAt = if_not_exists(revokedAt, :now)")
            // A key that somebody else removed in between must not come back as half a record.
            .condition_expression("attribute_exists(keyHash)")
            .expression_attribute_values(":now", AttributeValue::N(now.millis().to_string()))
            .send()
            .await;
        match revoked {
            Ok(_) => {
                found.revoked_at = Some(now);
                Ok(Some(found))
            }
            Err(failure) => match failure.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(None),
                _ => Err(classify(failure)),
            },
        }
    }
}

/// The primary key of a key's record.
fn key(hash: &str) -> HashMap<String, AttributeValue> {
    HashMap::from([("keyHash".to_owned(), AttributeValue::S(hash.to_owned()))])
}

/// The item of a key is not what a record of one must be. It tells nothing of what is in it.
#[derive(Debug, thiserror::Error)]
#[error("the record of the API key {id} is malformed")]
struct MalformedRecord {
    id: String,
}

fn record(item: HashMap<String, AttributeValue>) -> Result<KeyRecord, MalformedRecord> {
    let hash = item.get("keyHash").and_then(|hash| hash.as_s().ok()).cloned().unwrap_or_default();
    let malformed = || MalformedRecord { id: id_of(&hash).to_owned() };
    let record: KeyRecord = serde_dynamo::from_item(item).map_err(|_| malformed())?;
    let moments = [Some(record.created_at), record.expires_at, record.revoked_at];
    if moments.into_iter().flatten().all(Timestamp::has_text) { Ok(record) } else { Err(malformed()) }
}

/// A name for a key that gives nothing away: the first 16 digits of its hash.
fn id_of(hash: &str) -> &str {
    hash.get(..16).unwrap_or(hash)
}

#[cfg(test)]
mod tests {
    use lambda_http::http::{HeaderName, HeaderValue};

    use super::*;

    fn key_of(headers: &[(&'static str, &'static str)]) -> Option<String> {
        let headers = headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        ApiKey::of_request(&headers.collect()).map(|key| key.0)
    }

    #[test]
    fn a_key_has_256_bits_and_is_unlike_the_last() {
        let key = ApiKey::generate();

        assert_eq!(BASE64_URL_SAFE_NO_PAD.decode(&key.secret()[3..]).unwrap().len(), 32);
        assert_ne!(key.secret(), ApiKey::generate().secret());
        assert_eq!(key.hash().len(), 64);
    }

    #[test]
    fn a_key_is_read_from_either_header() {
        assert_eq!(key_of(&[("authorization", "Bearer k")]).unwrap(), "k");
        assert_eq!(key_of(&[("authorization", "bEaReR  k")]).unwrap(), "k");
        assert_eq!(key_of(&[("api-key", " k ")]).unwrap(), "k");
        assert_eq!(key_of(&[("authorization", "Basic dTpw"), ("api-key", "k")]).unwrap(), "k");
        assert_eq!(key_of(&[("authorization", "Bearer a"), ("api-key", "b")]).unwrap(), "a");
    }

    #[test]
    fn other_headers_carry_no_key() {
        for headers in [&[][..], &[("authorization", "Basic dTpw")], &[("authorization", "Bearer")], &[("api-key", "")]] {
            assert_eq!(key_of(headers), None);
        }
    }

    #[test]
    fn a_tenant_is_1_to_128_printable_characters() {
        for name in ["a", "acme & sons", "شركة", &"é".repeat(128)] {
            assert!(is_tenant(name), "{name}");
        }
        for name in ["", " ", "\u{3000}", "a\n", "\0", "a\u{85}b", "a\u{2028}b", &"é".repeat(129)] {
            assert!(!is_tenant(name), "{name:?}");
        }
    }

    #[test]
    fn a_remembered_key_is_believed_for_a_minute_and_an_unknown_one_for_seconds() {
        let start = Timestamp::from_millis(1_000_000);
        let record = KeyRecord {
            hash: "00".repeat(32),
            tenant: "t".to_owned(),
            namespaces: vec!["n".to_owned()],
            user: serde_json::from_str(r#"{"_id":"1","type":"rep"}"#).unwrap(),
            created_at: start,
            expires_at: Some(start.plus_millis(10)),
            revoked_at: None,
        };
        assert!(record.is_valid(start.plus_millis(9)) && !record.is_valid(start.plus_millis(10)));

        let known = Remembered::new(Some(record), start);
        assert!(known.holds(start.plus_millis(59_999)) && !known.holds(start.plus_millis(60_000)));
        let unknown = Remembered::new(None, start);
        assert!(unknown.holds(start.plus_millis(4_999)) && !unknown.holds(start.plus_millis(5_000)));
        // In the second half of its minute a key in use is looked up again, by one call.
        assert!(!known.wants_refresh(start.plus_millis(29_999)));
        assert!(known.wants_refresh(start.plus_millis(30_000)) && !known.wants_refresh(start.plus_millis(30_000)));
        assert!(!unknown.wants_refresh(start.plus_millis(30_000)));
        // A clock that went back says nothing about how long ago it was.
        assert!(!unknown.holds(start.plus_millis(-1)));
    }
}
