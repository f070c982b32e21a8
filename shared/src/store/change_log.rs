//! A tenant's change log: an index, read page by page in the order of `updatedAt`.

use aws_sdk_dynamodb::operation::query::QueryOutput;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use index::log::{LogPage, LogPosition, LogRange, ResetMark};
use index::timestamp::Timestamp;

use super::item::{self, Item};
use super::sdk_error::{self, classify};
use super::{Store, number};
use crate::error::Error;
use crate::hex::hex;
use crate::meter::Meter;

/// What the sort keys of reset marks start with. The rest is the generation, and the suffix if cursors are void. All of a mark is in
/// its keys, which every index shows.
const RESET_PREFIX: &str = "reset-mark#";

/// What the sort key of a reset mark that voids cursors ends with.
const VOIDS_CURSORS: &str = "#cursors";

/// How often writing a reset mark is tried when others write one at the same moment.
const MAXIMUM_TRIES: u32 = 5;

impl Store {
    /// One page of `tenant`'s change log in ascending order, at most `limit` entries and at most 1 MB: the first of `range`, or the one
    /// after `position`. A malformed item shows as deleted, or not at all. Eventually consistent, as every read of a global secondary index.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn change_log(
        &self,
        meter: &Meter,
        tenant: &str,
        range: LogRange,
        position: Option<LogPosition>,
        limit: u32,
    ) -> Result<LogPage, Error> {
        let output = self.log_page(meter, tenant, range, position, limit, None).await?;
        let mut page = LogPage::default();
        let mut malformed = Vec::new();
        for item in output.items.unwrap_or_default() {
            // Marks come in the order of their stamps.
            if let Some(mark) = reset_mark(&item) {
                page.reset = Some(mark);
                continue;
            }
            match item::entry(item) {
                Ok(entry) => page.entries.push(entry),
                Err(error) => {
                    page.entries.extend(error.entry());
                    malformed.push(error);
                }
            }
        }
        item::log_left_out(tenant, &malformed);
        // DynamoDB may hand out a position though nothing follows; the next page is empty then.
        page.next = output.last_evaluated_key.and_then(|key| position_of(&key));
        Ok(page)
    }

    /// One page of the log as DynamoDB answers it: see [`Store::change_log`]. With `attributes`, entries have only these, which saves time but
    /// no capacity units.
    pub(super) async fn log_page(
        &self,
        meter: &Meter,
        tenant: &str,
        range: LogRange,
        position: Option<LogPosition>,
        limit: u32,
        attributes: Option<&[&str]>,
    ) -> Result<QueryOutput, Error> {
        let names: Option<Vec<String>> = attributes.map(|names| (0..names.len()).map(|number| format!("#a{number}")).collect());
        let attribute_names = names.iter().flatten().cloned().zip(attributes.into_iter().flatten().map(|&name| name.to_owned()));
        let request = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(&self.change_log_index)
            .key_condition_expression("#tenant = :tenant AND #updatedAt BETWEEN :from AND :to")
            .set_projection_expression(names.as_ref().map(|names| names.join(", ")))
            .set_expression_attribute_names(Some(attribute_names.collect()))
            .expression_attribute_names("#tenant", "tenant")
            .expression_attribute_names("#updatedAt", "updatedAt")
            .expression_attribute_values(":tenant", AttributeValue::S(tenant.to_owned()))
            .expression_attribute_values(":from", number(range.from.millis()))
            .expression_attribute_values(":to", number(range.to.millis()))
            .set_exclusive_start_key(position.map(|position| key_of(tenant, position)))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .customize()
            .interceptor(meter.request_counter())
            .send();
        let output = meter.database(request).await.map_err(classify)?;
        meter.consumed(&output.consumed_capacity);
        Ok(output)
    }

    /// Writes the tenant's reset mark at `now`: from then on whoever has an index of the tenant loads it anew. `voids_cursors` makes
    /// readers of the change feed start again too, as they must after a restore.
    ///
    /// For whoever changes contacts without stamping them, at the end and after the change log has caught up.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn write_reset_mark(&self, meter: &Meter, tenant: &str, voids_cursors: bool, now: Timestamp) -> Result<(), Error> {
        let mut generation = [0; 8];
        getrandom::fill(&mut generation).map_err(|error| Error::Internal(error.to_string().into()))?;
        let suffix = if voids_cursors { VOIDS_CURSORS } else { "" };
        let mut now = now;
        for _ in 0..MAXIMUM_TRIES {
            // Of two marks the later stamp counts, so a clock that is behind must not hide this one.
            if let Some(last) = self.last_reset_mark(meter, tenant).await? {
                now = now.max(last.updated_at.plus_millis(1));
            }
            let sort_key = format!("{RESET_PREFIX}{}{suffix}", hex(&generation));
            let mut item = item::key_of_text(tenant, sort_key);
            item.insert("updatedAt".to_owned(), number(now.millis()));
            let put = self
                .client
                .put_item()
                .table_name(&self.table)
                .set_item(Some(item))
                .condition_expression("attribute_not_exists(#id)")
                .expression_attribute_names("#id", "_id")
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .customize()
                .interceptor(meter.request_counter())
                .send();
            match meter.database(put).await {
                Ok(output) => {
                    meter.consumed(&output.consumed_capacity);
                    return Ok(());
                }
                // A try whose answer was lost did it.
                Err(failure) if sdk_error::is_failed_put_condition(&failure) => return Ok(()),
                Err(failure) => match classify(failure) {
                    Error::Unavailable(_) => {}
                    error => return Err(error),
                },
            }
        }
        Err(Error::Unavailable("the reset mark could not be written".into()))
    }

    /// The tenant's last reset mark, strongly consistent.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn last_reset_mark(&self, meter: &Meter, tenant: &str) -> Result<Option<ResetMark>, Error> {
        let marks = self.reset_marks(meter, tenant).await?;
        Ok(marks.into_iter().max_by_key(|mark| mark.updated_at))
    }

    /// The tenant's last reset mark that voids cursors, strongly consistent.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn last_mark_that_voids_cursors(&self, meter: &Meter, tenant: &str) -> Result<Option<ResetMark>, Error> {
        let marks = self.reset_marks(meter, tenant).await?;
        Ok(marks.into_iter().filter(|mark| mark.voids_cursors).max_by_key(|mark| mark.updated_at))
    }

    /// The tenant's reset marks, strongly consistent.
    async fn reset_marks(&self, meter: &Meter, tenant: &str) -> Result<Vec<ResetMark>, Error> {
        let request = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("#tenant = :tenant AND begins_with(#id, :prefix)")
            .expression_attribute_names("#tenant", "tenant")
            .expression_attribute_names("#id", "_id")
            .expression_attribute_values(":tenant", AttributeValue::S(tenant.to_owned()))
            .expression_attribute_values(":prefix", AttributeValue::S(RESET_PREFIX.to_owned()))
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .customize()
            .interceptor(meter.request_counter())
            .send();
        let output = meter.database(request).await.map_err(classify)?;
        meter.consumed(&output.consumed_capacity);
        Ok(output.items().iter().filter_map(reset_mark).collect())
    }
}

fn key_of(tenant: &str, position: LogPosition) -> Item {
    let mut key = item::key_of_text(tenant, position.sort_key);
    key.insert("updatedAt".to_owned(), number(position.updated_at.millis()));
    key
}

pub(super) fn position_of(key: &Item) -> Option<LogPosition> {
    if let Some(updated_at) = stamp(key) {
        return Some(LogPosition { updated_at, sort_key: key.get("_id")?.as_s().ok()?.clone() });
    }
    // A malformed item whose stamp has a fraction: reading goes on before the first entry of the next millisecond.
    let millis: f64 = key.get("updatedAt")?.as_n().ok()?.parse().ok()?;
    Some(LogPosition { updated_at: Timestamp::from_millis(millis.ceil() as i64), sort_key: "\0".to_owned() })
}

fn stamp(item: &Item) -> Option<Timestamp> {
    item.get("updatedAt")?.as_n().ok()?.parse().ok().map(Timestamp::from_millis)
}

pub(super) fn reset_mark(item: &Item) -> Option<ResetMark> {
    let generation = item.get("_id")?.as_s().ok()?.strip_prefix(RESET_PREFIX)?;
    let (generation, voids_cursors) = match generation.strip_suffix(VOIDS_CURSORS) {
        Some(generation) => (generation, true),
        None => (generation, false),
    };
    Some(ResetMark { updated_at: stamp(item)?, generation: generation.to_owned(), voids_cursors })
}
