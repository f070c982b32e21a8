//! The contacts table: the one place that speaks of contacts to DynamoDB.
//!
//! A contact is one item, and every write is one conditional request on that item, so that nothing is ever half written
//! and a lost race is noticed. See `docs/adr/` for why each is the request that it is.
//!
//! A write is tried again after a lost answer, and is applied once all the same: `change`, `create` and `idempotency` decide what comes after each
//! try, by the rules of `tries` and what the `register` in an item shows. They are pure; `write` does the I/O.

mod change;
mod change_log;
mod create;
mod export;
mod expression;
mod external_ids;
mod feed_log;
mod idempotency;
mod import;
mod item;
mod left_namespaces;
mod manifest;
mod migration;
mod register;
mod sdk_error;
#[cfg(test)]
mod simulation;
mod together;
mod tries;
mod upsert;
mod versioned;
mod write;

pub use change::Precondition;
pub use export::{ExportPage, ExportPosition};
pub use feed_log::{ContactState, FeedEntry, FeedPage};
pub use idempotency::{Creation, IdempotencyKey, MAXIMUM_IDEMPOTENCY_KEY, Once};
pub use import::{ImportRow, ImportRules, RowOutcome, RowState, RowTry};
pub use left_namespaces::{Leaving, LeftNamespaces};
pub use manifest::{Current, Lease, Manifest, Predecessor, Swap};
pub use migration::Migrated;
pub use sdk_error::{SdkFailure, classify};
pub use together::{Done, Together, Wanted};
pub use upsert::Upserted;
pub use versioned::{Answered, Operation};

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, ReturnConsumedCapacity};
use futures::future::try_join_all;
use tokio::time::Instant;

use crate::bounds;
use crate::clock;
use crate::contact::Contact;
use crate::error::Error;
use crate::meter::Meter;
use crate::object_id::ObjectId;
use crate::timestamp::Timestamp;
use item::Item;

/// The most keys that one BatchGetItem takes.
/// Source: <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html>.
pub const BATCH_KEYS: usize = 100;

/// The index that is the change log.
pub const CHANGE_LOG_INDEX: &str = "change-log-index";

/// The index that was the change log in the first version, and still is in a stack whose update has only begun. It does not show external ids.
pub const FORMER_CHANGE_LOG_INDEX: &str = "updatedAt-index";

/// The index that finds contacts by their external ids.
pub const EXTERNAL_ID_INDEX: &str = "external-id-index";

/// The contacts of every tenant.
#[derive(Clone, Debug)]
pub struct Store {
    client: Client,
    table: String,
    change_log_index: String,
    clock: fn() -> Timestamp,
    /// When every write has to have given up, if its caller has no more time than that.
    until: Option<Instant>,
}

/// What the table holds under a contact's key.
#[derive(Clone, Debug, PartialEq)]
pub enum Stored {
    /// A contact.
    Contact(Box<Contact>),
    /// What a deleted contact leaves for 30 days.
    Tombstone {
        /// The contact that was deleted.
        id: ObjectId,
        /// Its last version: that of the deletion.
        version: u64,
        /// When it was deleted.
        updated_at: Timestamp,
    },
}

impl Store {
    /// The contacts in `table`, which has the keys and the indexes that `template.yaml` declares.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into(), change_log_index: CHANGE_LOG_INDEX.to_owned(), clock: clock::now, until: None }
    }

    /// The same contacts, whose change log is read from another index.
    #[must_use]
    pub fn with_change_log_index(self, index: impl Into<String>) -> Self {
        Self { change_log_index: index.into(), ..self }
    }

    /// The same contacts, written to with the time that `clock` tells.
    #[must_use]
    pub fn with_clock(self, clock: fn() -> Timestamp) -> Self {
        Self { clock, ..self }
    }

    /// The same contacts, for somebody who has time until `until`: a write that is not done by then gives up, and says what is known of it.
    #[must_use]
    pub fn until(self, until: Instant) -> Self {
        Self { until: Some(until), ..self }
    }

    /// When a write that begins now gives up.
    fn deadline(&self) -> Instant {
        self.deadline_after(bounds::WRITE)
    }

    /// When something gives up that begins now and may take `time`.
    fn deadline_after(&self, time: Duration) -> Instant {
        let usual = Instant::now() + time;
        self.until.map_or(usual, |until| until.min(usual))
    }

    /// The contact `id` of `tenant`, as the last acknowledged write left it.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`], and [`Error::Internal`], also when the item is malformed.
    pub async fn get(&self, meter: &Meter, tenant: &str, id: ObjectId) -> Result<Option<Contact>, Error> {
        let request = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(item::key(tenant, id)))
            // Strongly consistent: a caller reads its own writes, and finds what it deleted gone at once.
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .customize()
            .interceptor(meter.request_counter())
            .send();
        let output = meter.database(request).await.map_err(classify)?;
        meter.consumed(&output.consumed_capacity);
        match output.item.map(item::stored).transpose()? {
            Some(Stored::Contact(contact)) => Ok(Some(*contact)),
            Some(Stored::Tombstone { .. }) | None => Ok(None),
        }
    }

    /// What the table holds for each of `ids`, in any order; an id without an item, or with a malformed one, has no entry. One request per
    /// [`BATCH_KEYS`] ids, and another for keys that DynamoDB left unprocessed.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`], also when DynamoDB keeps leaving keys unprocessed, and [`Error::Internal`].
    pub async fn get_many(&self, meter: &Meter, tenant: &str, ids: &[ObjectId], consistent: bool) -> Result<Vec<Stored>, Error> {
        let batches = ids.chunks(BATCH_KEYS).map(|batch| self.get_batch(meter, tenant, batch, consistent));
        Ok(try_join_all(batches).await?.into_iter().flatten().collect())
    }

    async fn get_batch(&self, meter: &Meter, tenant: &str, ids: &[ObjectId], consistent: bool) -> Result<Vec<Stored>, Error> {
        let mut found = Vec::with_capacity(ids.len());
        let mut malformed = Vec::new();
        for item in self.get_items(meter, tenant, ids, consistent).await? {
            match item::stored(item) {
                Ok(stored) => found.push(stored),
                Err(error) => malformed.push(error),
            }
        }
        item::log_left_out(tenant, &malformed);
        Ok(found)
    }

    /// The items of at most [`BATCH_KEYS`] ids, in any order.
    async fn get_items(&self, meter: &Meter, tenant: &str, ids: &[ObjectId], consistent: bool) -> Result<Vec<Item>, Error> {
        self.get_by_keys(meter, ids.iter().map(|&id| item::key(tenant, id)).collect(), consistent).await
    }

    /// The items with at most [`BATCH_KEYS`] primary keys, in any order.
    async fn get_by_keys(&self, meter: &Meter, mut keys: Vec<Item>, consistent: bool) -> Result<Vec<Item>, Error> {
        let mut found = Vec::with_capacity(keys.len());
        let mut backoff = sdk_error::Backoff::default();
        while !keys.is_empty() {
            let wanted = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(consistent).build();
            let request = self
                .client
                .batch_get_item()
                .request_items(&self.table, wanted.map_err(|error| Error::Internal(error.into()))?)
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .customize()
                .interceptor(meter.request_counter())
                .send();
            let output = meter.database(request).await.map_err(classify)?;
            meter.consumed(output.consumed_capacity());
            found.extend(output.responses.into_iter().flat_map(HashMap::into_values).flatten());
            keys = output.unprocessed_keys.into_iter().flat_map(HashMap::into_values).flat_map(|left| left.keys).collect();
            if !keys.is_empty() {
                backoff.wait().await?;
            }
        }
        Ok(found)
    }
}

fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}
