//! Migration: gives contacts that an earlier version wrote the attribute `external_id`, which every write derives today.
//!
//! It changes no contact: `__v` and `updatedAt` stay, and each item is written on the condition that it still has the version that was read. It can be
//! interrupted and run again, beside calls of this version. Instances that have a tenant's index follow stamps and would not notice, so a tenant
//! ends with a reset mark.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure};
use futures::{StreamExt, TryStreamExt, stream};
use index::log::LogRange;
use tokio::time::{Instant, sleep};

use super::Store;
use super::expression::UpdateExpression;
use super::item::{self, Item};
use super::sdk_error::{self, Backoff, classify};
use crate::error::Error;
use crate::external_id;
use crate::meter::Meter;
use crate::object_id::ObjectId;
use crate::timestamp::Timestamp;

/// Items that one request reads: with few large ones among them less than a page of 1 MB.
const PAGE_ITEMS: i32 = 1_000;

/// Items that are written at the same time.
const WRITES_AT_ONCE: usize = 16;

/// How long the change log may take to show what was written last, before the tenant's reset mark is written.
const LOG_PATIENCE: Duration = Duration::from_secs(60);

/// The pause between two looks at the change log.
const LOG_PAUSE: Duration = Duration::from_millis(100);

/// What a migration has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Migrated {
    /// Items that were read.
    pub read: u64,
    /// Contacts that got the attribute, or got the right one.
    pub changed: u64,
    /// Tenants of which some contact has an external id: each was reset.
    pub tenants: u64,
}

/// A tenant whose items are being read.
#[derive(Debug)]
struct Tenant {
    name: String,
    has_external_ids: bool,
    /// The contact that was written last, and what the change log shows of it then.
    last: Option<(ObjectId, Timestamp, Option<String>)>,
}

impl Store {
    /// Gives every contact of `tenant`, or of all tenants, the attribute that its `integration_meta` asks for. `progress` is told what is done after
    /// each page of items.
    ///
    /// For operators: it reads the whole table, and no function has the permission.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`], also when the change log does not show within a minute what was written, and [`Error::Internal`]. The same call can be
    /// made again, and goes on.
    pub async fn migrate(&self, tenant: Option<&str>, mut progress: impl FnMut(Migrated)) -> Result<Migrated, Error> {
        let meter = Meter::default();
        let mut done = Migrated::default();
        let mut current: Option<Tenant> = None;
        let mut start = None;
        loop {
            let (items, next) = self.page_of_items(&meter, tenant, start).await?;
            done.read += items.len() as u64;
            // The items of a tenant follow one another.
            for items in items.chunk_by(|one, other| one.get("tenant") == other.get("tenant")) {
                let Some(name) = items.first().and_then(|item| item.get("tenant")?.as_s().ok()) else { continue };
                if current.as_ref().is_none_or(|current| current.name != *name) {
                    done.tenants += self.end(&meter, current.take()).await?;
                }
                let current = current.get_or_insert_with(|| Tenant { name: name.clone(), has_external_ids: false, last: None });
                current.has_external_ids |= items.iter().any(|item| wanted(item).is_some());
                let outdated = items.iter().filter(|item| is_outdated(item)).cloned();
                let writes: Vec<_> = outdated.map(|item| self.set_external_id(&meter, item)).collect();
                let written: Vec<Option<Item>> = stream::iter(writes).buffered(WRITES_AT_ONCE).try_collect().await?;
                for item in written.iter().flatten() {
                    done.changed += 1;
                    current.has_external_ids = true;
                    let shown = item::id(item).zip(item::moment(item, "updatedAt"));
                    current.last = shown.map(|(id, updated_at)| (id, updated_at, wanted(item))).or(current.last.take());
                }
            }
            progress(done);
            match next {
                Some(next) => start = Some(next),
                None => break,
            }
        }
        done.tenants += self.end(&meter, current).await?;
        Ok(done)
    }

    /// A page of a tenant's items, or of all items, and where the next one begins.
    async fn page_of_items(
        &self,
        meter: &Meter,
        tenant: Option<&str>,
        start: Option<Item>,
    ) -> Result<(Vec<Item>, Option<Item>), Error> {
        const ATTRIBUTES: [&str; 7] = ["tenant", "_id", "__v", "updatedAt", "deleted", "integration_meta", item::EXTERNAL_ID];
        let names = ATTRIBUTES.iter().enumerate().map(|(number, name)| (format!("#{number}"), (*name).to_owned()));
        let names: HashMap<String, String> = names.collect();
        let projection = (0..ATTRIBUTES.len()).map(|number| format!("#{number}")).collect::<Vec<_>>().join(", ");
        // Strongly consistent: what an earlier version wrote a moment ago must not be missed.
        if let Some(tenant) = tenant {
            let request = self
                .client
                .query()
                .table_name(&self.table)
                .key_condition_expression("#0 = :tenant")
                .expression_attribute_values(":tenant", AttributeValue::S(tenant.to_owned()))
                .set_expression_attribute_names(Some(names))
                .projection_expression(projection)
                .set_exclusive_start_key(start)
                .limit(PAGE_ITEMS)
                .consistent_read(true);
            let output = meter.database(request.send()).await.map_err(classify)?;
            return Ok((output.items.unwrap_or_default(), output.last_evaluated_key));
        }
        let request = self
            .client
            .scan()
            .table_name(&self.table)
            .set_expression_attribute_names(Some(names))
            .projection_expression(projection)
            .set_exclusive_start_key(start)
            .limit(PAGE_ITEMS)
            .consistent_read(true);
        let output = meter.database(request.send()).await.map_err(classify)?;
        Ok((output.items.unwrap_or_default(), output.last_evaluated_key))
    }

    /// Gives a contact the attribute that it should have, and returns its item as it was written; nothing when it turns out to have it. When others
    /// change the contact meanwhile, it starts from what they have made of it.
    async fn set_external_id(&self, meter: &Meter, mut item: Item) -> Result<Option<Item>, Error> {
        let mut backoff = Backoff::default();
        while is_outdated(&item) {
            let key = |name: &str| item.get(name).map(|value| (name.to_owned(), value.clone()));
            let key: Item = key("tenant").into_iter().chain(key("_id")).collect();
            let Some(version) = item.get("__v").cloned() else { return Ok(None) };
            let mut expression = UpdateExpression::default();
            match wanted(&item) {
                Some(id) => expression.set_value(item::EXTERNAL_ID, AttributeValue::S(id)),
                None => expression.remove(item::EXTERNAL_ID),
            }
            let (attribute, version) = (expression.name("__v"), expression.value(version));
            expression.only_if(format!("{attribute} = {version}"));
            let update = expression.update();
            let (condition, names, values) = expression.into_condition();
            let request = self
                .client
                .update_item()
                .table_name(&self.table)
                .set_key(Some(key))
                .update_expression(update)
                .condition_expression(condition)
                .set_expression_attribute_names(Some(names))
                .set_expression_attribute_values(Some(values))
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
                .return_consumed_capacity(ReturnConsumedCapacity::Total);
            match meter.database(request.send()).await {
                Ok(_) => return Ok(Some(item)),
                Err(failure) => match sdk_error::failed_update_condition(&failure) {
                    Some(changed) => item = changed,
                    None => match classify(failure) {
                        Error::Unavailable(_) => backoff.wait().await?,
                        error => return Err(error),
                    },
                },
            }
        }
        Ok(None)
    }

    /// Ends a tenant: every instance that has its index loads it anew. Returns how many tenants were reset.
    async fn end(&self, meter: &Meter, tenant: Option<Tenant>) -> Result<u64, Error> {
        let Some(Tenant { name, has_external_ids: true, last }) = tenant else { return Ok(0) };
        if let Some((id, updated_at, external_id)) = last {
            self.wait_for_change_log(meter, &name, id, updated_at, external_id).await?;
        }
        // Also when an interrupted run has written everything: nobody knows whether it came so far.
        self.write_reset_mark(meter, &name, false, (self.clock)()).await?;
        Ok(1)
    }

    /// Waits until the change log shows the contact with this external id, or somewhere else because it was changed since.
    async fn wait_for_change_log(
        &self,
        meter: &Meter,
        tenant: &str,
        id: ObjectId,
        updated_at: Timestamp,
        external_id: Option<String>,
    ) -> Result<(), Error> {
        let began = Instant::now();
        let range = LogRange { from: updated_at, to: updated_at };
        loop {
            let mut position = None;
            let shown = loop {
                let page = self.change_log(meter, tenant, range, position, PAGE_ITEMS.unsigned_abs()).await?;
                if let Some(entry) = page.entries.into_iter().find(|entry| entry.id == id) {
                    break Some(entry.fields.and_then(|fields| fields.external_id));
                }
                position = page.next;
                if position.is_none() {
                    break None;
                }
            };
            if shown.is_none_or(|shown| shown == external_id) {
                return Ok(());
            }
            if began.elapsed() >= LOG_PATIENCE {
                return Err(Error::Unavailable("the change log does not show yet what was written a minute ago".into()));
            }
            sleep(LOG_PAUSE).await;
        }
    }
}

/// The external id that an item should have.
fn wanted(item: &Item) -> Option<String> {
    if item.contains_key("deleted") {
        return None;
    }
    external_id::of_meta(item.get("integration_meta")?.as_s().ok()?)
}

fn is_outdated(item: &Item) -> bool {
    let has = item.get(item::EXTERNAL_ID);
    match wanted(item) {
        None => has.is_some(),
        Some(wanted) => has.is_none_or(|has| has.as_s().ok() != Some(&wanted)),
    }
}
