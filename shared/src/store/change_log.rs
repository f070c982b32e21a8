//! A tenant's change log: the index `updatedAt-index`, read page by page in the order of `updatedAt`.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};

use super::item::{self, Item};
use super::sdk_error::classify;
use super::{Store, number};
use crate::error::Error;
use crate::meter::Meter;
use crate::timestamp::Timestamp;
use index::entry::IndexEntry;

/// The index that is the change log.
const INDEX: &str = "updatedAt-index";

/// A range of the change log; both ends belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogRange {
    /// The first moment.
    pub from: Timestamp,
    /// The last moment.
    pub to: Timestamp,
}

/// Where a page of the change log ended, for the next to go on.
#[derive(Clone, Debug, PartialEq)]
pub struct LogPosition(Item);

impl LogPosition {
    /// The moment of the entry at which the page ended.
    pub fn updated_at(&self) -> Option<Timestamp> {
        let digits = self.0.get("updatedAt")?.as_n().ok()?;
        digits.parse().ok().map(Timestamp::from_millis)
    }
}

/// One page of the change log.
#[derive(Clone, Debug, PartialEq)]
pub struct LogPage {
    /// Its entries, in the order of the walk.
    pub entries: Vec<IndexEntry>,
    /// Where the walk goes on; nothing at its end.
    pub next: Option<LogPosition>,
}

impl Store {
    /// One page of `tenant`'s change log, at most `limit` entries and at most 1 MB: the first of `range`, or the one after `position`.
    /// `descending` walks from the newest to the oldest. Eventually consistent, as every read of a global secondary index.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn change_log(
        &self,
        meter: &Meter,
        tenant: &str,
        range: LogRange,
        descending: bool,
        position: Option<LogPosition>,
        limit: u32,
    ) -> Result<LogPage, Error> {
        let request = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(INDEX)
            .key_condition_expression("#tenant = :tenant AND #updatedAt BETWEEN :from AND :to")
            .expression_attribute_names("#tenant", "tenant")
            .expression_attribute_names("#updatedAt", "updatedAt")
            .expression_attribute_values(":tenant", AttributeValue::S(tenant.to_owned()))
            .expression_attribute_values(":from", number(range.from.millis()))
            .expression_attribute_values(":to", number(range.to.millis()))
            .scan_index_forward(!descending)
            .set_exclusive_start_key(position.map(|LogPosition(key)| key))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .customize()
            .interceptor(meter.request_counter())
            .send();
        let output = meter.database(request).await.map_err(classify)?;
        meter.consumed(&output.consumed_capacity);
        let entries = output.items.unwrap_or_default().into_iter().map(item::entry).collect::<Result<_, _>>()?;
        // DynamoDB may hand out a position though nothing follows; the next page is empty then.
        Ok(LogPage { entries, next: output.last_evaluated_key.filter(|key| !key.is_empty()).map(LogPosition) })
    }
    /// Follows `tenant`'s change log from the oldest entry of `range` to its newest, and gives `take` the entries page by page.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] and [`Error::Internal`], when any of the requests failed; `take` has had the pages before.
    pub async fn each_change(
        &self,
        meter: &Meter,
        tenant: &str,
        range: LogRange,
        limit: u32,
        mut take: impl FnMut(&[IndexEntry]),
    ) -> Result<(), Error> {
        let mut position = None;
        loop {
            let page = self.change_log(meter, tenant, range, false, position, limit).await?;
            take(&page.entries);
            position = page.next;
            if position.is_none() {
                return Ok(());
            }
        }
    }
}
