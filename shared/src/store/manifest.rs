//! Manifests: which snapshot a tenant has. Each is an item of the contacts table, so that a restored table comes with those that fit it.
//!
//! All have the same partition key, which no tenant can have. One Query lists them in the order of the tenants. They have no `updatedAt`, so no
//! change log shows them. See `docs/adr/0026-manifests-and-retention.md`.

use std::collections::HashMap;
use std::str::FromStr;

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity, ReturnValue, ReturnValuesOnConditionCheckFailure};
use index::log::LogRange;
use index::timestamp::Timestamp;

use super::item::{self, Item};
use super::sdk_error::{self, classify};
use super::{Store, number};
use crate::error::Error;
use crate::meter::Meter;

/// The partition of the manifests. A tenant's name has no control character.
const PARTITION: &str = "\tsnapshots";

/// What the sort key of a manifest begins with, before the tenant's name. No contact's id begins so.
const PREFIX: &str = "tenant#";

/// What is known of a tenant's snapshots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// The tenant.
    pub tenant: String,
    /// The snapshot that readers use.
    pub current: Option<Current>,
    /// The one before it, which readers may still be reading.
    pub predecessor: Option<Predecessor>,
    /// Changes that were seen in the table's stream and are not in the snapshot. Some may be counted twice.
    pub changes: u64,
    /// When the tenant was found too small for a snapshot.
    pub small_at: Option<Timestamp>,
    /// Who builds the next snapshot.
    pub lease: Option<Lease>,
}

/// The snapshot that readers use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Current {
    /// The object's name.
    pub object: String,
    /// The object's length.
    pub bytes: u64,
    /// The moment up to which the snapshot has what the change log showed: that of the object, or a later one up to which nothing has changed.
    pub moment: Timestamp,
    /// The moment that the object itself names.
    pub written_at: Timestamp,
    /// When the reading of the whole log began that it goes back to.
    pub log_read_at: Timestamp,
    /// The generation of the newest reset mark that it knows.
    pub generation: Option<String>,
    /// How many contacts it has.
    pub contacts: u64,
    /// What a program must read to read it: format and Unicode tables.
    pub format: String,
}

/// A snapshot that was replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Predecessor {
    /// The object's name.
    pub object: String,
    /// When another took its place.
    pub replaced_at: Timestamp,
}

/// The right to build a tenant's next snapshot, until it is swapped in or the time is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The name of the object that is being written. If its writer ends before the swap, the next one deletes it.
    pub object: String,
    /// When it ends.
    pub until: Timestamp,
}

/// What became of a swap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swap {
    /// The manifest names the new snapshot. The object that was the predecessor before, if there was one, is nobody's any more.
    Done {
        /// Its name.
        unreferenced: Option<String>,
    },
    /// Another writer was further.
    Behind,
}

impl Store {
    /// The manifest of `tenant`.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn manifest(&self, meter: &Meter, tenant: &str, consistent: bool) -> Result<Option<Manifest>, Error> {
        let request = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key(tenant)))
            .consistent_read(consistent)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .customize()
            .interceptor(meter.request_counter())
            .send();
        let output = meter.database(request).await.map_err(classify)?;
        meter.consumed(&output.consumed_capacity);
        Ok(output.item.as_ref().and_then(manifest))
    }

    /// The manifests after that of the tenant `after`, in the order of the tenants; an empty answer is the end.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn manifests(&self, meter: &Meter, after: Option<&str>) -> Result<Vec<Manifest>, Error> {
        let mut position = after.map(key);
        // A page can hold nothing but items that are no manifests.
        loop {
            let request = self
                .client
                .query()
                .table_name(&self.table)
                .key_condition_expression("#tenant = :partition")
                .expression_attribute_names("#tenant", "tenant")
                .expression_attribute_values(":partition", AttributeValue::S(PARTITION.to_owned()))
                .set_exclusive_start_key(position)
                .limit(1_000)
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .customize()
                .interceptor(meter.request_counter())
                .send();
            let output = meter.database(request).await.map_err(classify)?;
            meter.consumed(&output.consumed_capacity);
            let found: Vec<Manifest> = output.items().iter().filter_map(manifest).collect();
            position = output.last_evaluated_key;
            if !found.is_empty() || position.is_none() {
                return Ok(found);
            }
        }
    }

    /// Adds to the number of changes that are not in the tenant's snapshot, and returns the manifest as it is then.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn count_changes(&self, meter: &Meter, tenant: &str, changes: u64) -> Result<Manifest, Error> {
        let update = Update::of("ADD #changes :changes").number(":changes", changes).returning(ReturnValue::AllNew);
        let item = self.update_manifest(meter, tenant, update).await?;
        item.as_ref().ok().and_then(manifest).ok_or_else(|| malformed(tenant))
    }

    /// Takes the lease to build a snapshot into the object `lease.object`. Returns the manifest as it was before, or nothing when another has the
    /// lease. A lease in it has ended, and its object is nobody's.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn lease_manifest(
        &self,
        meter: &Meter,
        tenant: &str,
        lease: &Lease,
        now: Timestamp,
    ) -> Result<Option<Manifest>, Error> {
        let update = Update::of("SET #lease = :lease, #leaseUntil = :until")
            // The SDK repeats a request whose answer was lost.
            .on("attribute_not_exists(#lease) OR #leaseUntil < :now OR #lease = :lease")
            .text(":lease", &lease.object)
            .number(":until", lease.until.millis())
            .number(":now", now.millis())
            .returning(ReturnValue::AllOld);
        let before = self.update_manifest(meter, tenant, update).await?;
        Ok(before
            .ok()
            .map(|item| manifest(&item).unwrap_or_else(|| Manifest { tenant: tenant.to_owned(), ..Manifest::default() })))
    }

    /// Gives a lease back without a snapshot.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn release_manifest(&self, meter: &Meter, tenant: &str, object: &str) -> Result<(), Error> {
        let update = Update::of("REMOVE #lease, #leaseUntil").on("#lease = :lease").text(":lease", object);
        // Somebody else has it by now.
        let _is_another = self.update_manifest(meter, tenant, update).await?;
        Ok(())
    }

    /// Makes `new` the tenant's snapshot, if it is further than the one that is there by then, and gives back the lease of its object. `before` is the
    /// manifest as it was when the lease was taken: its changes are in `new`.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn swap_manifest(&self, meter: &Meter, before: &Manifest, new: &Current, now: Timestamp) -> Result<Swap, Error> {
        // The right-hand sides are the item before.
        let update = Update::of(
            "SET #object = :object, #bytes = :bytes, #moment = :moment, #writtenAt = :writtenAt, #logReadAt = :logReadAt, \
             #contacts = :contacts, #format = :format, #generation = :generation, #predecessor = if_not_exists(#object, :none), \
             #replacedAt = :now ADD #changes :counted REMOVE #lease, #leaseUntil, #smallAt",
        )
        .on("attribute_not_exists(#moment) OR #moment < :moment")
        .text(":object", &new.object)
        .number(":bytes", new.bytes)
        .number(":moment", new.moment.millis())
        .number(":writtenAt", new.written_at.millis())
        .number(":logReadAt", new.log_read_at.millis())
        .number(":contacts", new.contacts)
        .text(":format", &new.format)
        .text(":generation", new.generation.as_deref().unwrap_or_default())
        .text(":none", "")
        .number(":now", now.millis())
        .number(":counted", -i128::from(before.changes))
        .returning(ReturnValue::AllOld);
        match self.update_manifest(meter, &before.tenant, update).await? {
            Ok(old) => Ok(Swap::Done { unreferenced: manifest(&old).and_then(|old| old.predecessor).map(|old| old.object) }),
            // A try whose answer was lost did it.
            Err(found) if text(&found, "object").is_some_and(|object| object == new.object) => {
                Ok(Swap::Done { unreferenced: before.predecessor.as_ref().map(|old| old.object.clone()) })
            }
            Err(_) => Ok(Swap::Behind),
        }
    }

    /// Moves on the moment of a snapshot after which nothing has changed; false when it is not the tenant's snapshot any more.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn move_manifest_on(&self, meter: &Meter, tenant: &str, object: &str, moment: Timestamp) -> Result<bool, Error> {
        let update = Update::of("SET #moment = :moment, #changes = :zero")
            .on("#object = :object AND #moment <= :moment")
            .text(":object", object)
            .number(":moment", moment.millis())
            .number(":zero", 0);
        Ok(self.update_manifest(meter, tenant, update).await?.is_ok())
    }

    /// Takes the snapshot away: readers load the change log from now on, and the object is the predecessor. `is_small` says that the tenant needs
    /// none. Returns the object that was the predecessor before.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn retire_snapshot(
        &self,
        meter: &Meter,
        before: &Manifest,
        is_small: bool,
        now: Timestamp,
    ) -> Result<Option<String>, Error> {
        let mut set = vec!["#predecessor = if_not_exists(#object, :none), #replacedAt = :now"];
        set.extend(is_small.then_some("#smallAt = :now"));
        let update = format!(
            "SET {} ADD #changes :counted REMOVE #object, #bytes, #moment, #writtenAt, #logReadAt, #contacts, #format, #generation, \
             #lease, #leaseUntil",
            set.join(", ")
        );
        let mut update = Update::of(update)
            .text(":none", "")
            .number(":now", now.millis())
            .number(":counted", -i128::from(before.changes))
            .returning(ReturnValue::AllOld);
        // Not one that came since.
        update = match &before.current {
            Some(current) => update.on("#object = :object").text(":object", &current.object),
            None => update.on("attribute_not_exists(#object)"),
        };
        let old = self.update_manifest(meter, &before.tenant, update).await?;
        Ok(old.ok().as_ref().and_then(manifest).and_then(|old| old.predecessor).map(|old| old.object))
    }

    /// Forgets a predecessor, whose object is gone.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn forget_predecessor(&self, meter: &Meter, tenant: &str, object: &str) -> Result<(), Error> {
        let update = Update::of("REMOVE #predecessor, #replacedAt").on("#predecessor = :object").text(":object", object);
        let _is_another = self.update_manifest(meter, tenant, update).await?;
        Ok(())
    }

    /// Whether the tenant's change log shows an entry with this stamp or a later one.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn has_changes_since(&self, meter: &Meter, tenant: &str, since: Timestamp) -> Result<bool, Error> {
        let page = self.change_log(meter, tenant, LogRange::since(since), None, 1).await?;
        Ok(!page.entries.is_empty() || page.reset.is_some() || page.next.is_some())
    }

    /// Changes a manifest. The inner error is the item as it was when the condition did not hold.
    async fn update_manifest(&self, meter: &Meter, tenant: &str, update: Update) -> Result<Result<Item, Item>, Error> {
        let request = update.request(self.client.update_item().table_name(&self.table).set_key(Some(key(tenant))));
        let request = request.customize().interceptor(meter.request_counter()).send();
        match meter.database(request).await {
            Ok(output) => {
                meter.consumed(&output.consumed_capacity);
                Ok(Ok(output.attributes.unwrap_or_default()))
            }
            Err(failure) => match sdk_error::failed_update_condition(&failure) {
                Some(found) => Ok(Err(found)),
                None => Err(classify(failure)),
            },
        }
    }
}

/// The parts of one UpdateItem.
struct Update {
    expression: String,
    condition: Option<&'static str>,
    values: HashMap<String, AttributeValue>,
    returns: ReturnValue,
}

impl Update {
    fn of(expression: impl Into<String>) -> Self {
        Self { expression: expression.into(), condition: None, values: HashMap::new(), returns: ReturnValue::None }
    }

    fn on(mut self, condition: &'static str) -> Self {
        self.condition = Some(condition);
        self
    }

    fn text(mut self, name: &str, value: &str) -> Self {
        self.values.insert(name.to_owned(), AttributeValue::S(value.to_owned()));
        self
    }

    fn number(mut self, name: &str, value: impl ToString) -> Self {
        self.values.insert(name.to_owned(), number(value));
        self
    }

    fn returning(self, returns: ReturnValue) -> Self {
        Self { returns, ..self }
    }

    fn request(self, request: UpdateItemFluentBuilder) -> UpdateItemFluentBuilder {
        let Self { expression, condition, values, returns } = self;
        // Some of the attributes' names are DynamoDB's own words.
        let words = [expression.as_str(), condition.unwrap_or_default()].join(" ");
        let names = words.split(|c: char| c != '#' && !c.is_alphanumeric()).filter_map(|word| word.strip_prefix('#'));
        let names = names.map(|name| (format!("#{name}"), name.to_owned())).collect();
        request
            .update_expression(expression)
            .set_condition_expression(condition.map(str::to_owned))
            .set_expression_attribute_names(Some(names))
            .set_expression_attribute_values(Some(values).filter(|values| !values.is_empty()))
            .return_values(returns)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
    }
}

fn key(tenant: &str) -> Item {
    item::key_of_text(PARTITION, format!("{PREFIX}{tenant}"))
}

fn malformed(tenant: &str) -> Error {
    Error::Internal(format!("the manifest of tenant {tenant:?} has no key").into())
}

/// The manifest in an item. What is malformed in it is left out, so that the next snapshot makes it good.
fn manifest(item: &Item) -> Option<Manifest> {
    let tenant = text(item, "_id")?.strip_prefix(PREFIX)?.to_owned();
    let moment = |name| integer(item, name).map(Timestamp::from_millis);
    let current = || {
        Some(Current {
            object: text(item, "object")?.to_owned(),
            bytes: integer(item, "bytes")?,
            moment: moment("moment")?,
            written_at: moment("writtenAt")?,
            log_read_at: moment("logReadAt")?,
            generation: text(item, "generation").map(str::to_owned),
            contacts: integer(item, "contacts")?,
            format: text(item, "format")?.to_owned(),
        })
    };
    let predecessor = || Some(Predecessor { object: text(item, "predecessor")?.to_owned(), replaced_at: moment("replacedAt")? });
    let lease = || Some(Lease { object: text(item, "lease")?.to_owned(), until: moment("leaseUntil")? });
    Some(Manifest {
        tenant,
        current: current(),
        predecessor: predecessor(),
        // Below zero when changes were taken off that were counted by a manifest that is gone.
        changes: integer::<i64>(item, "changes").and_then(|changes| changes.try_into().ok()).unwrap_or_default(),
        small_at: moment("smallAt"),
        lease: lease(),
    })
}

/// A text that is not empty.
fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str).filter(|text| !text.is_empty())
}

fn integer<T: FromStr>(item: &Item, name: &str) -> Option<T> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api_key::is_tenant;

    #[test]
    fn no_tenant_and_no_contact_has_a_key_of_manifests() {
        assert!(!is_tenant(PARTITION));
        assert!(PREFIX.parse::<crate::object_id::ObjectId>().is_err());
        assert!(!PREFIX.starts_with(|letter: char| letter.is_ascii_hexdigit()), "the stream's filter takes contacts' ids");
    }

    #[test]
    fn what_is_malformed_in_a_manifest_is_left_out() {
        let mut item = key("acme");
        item.insert("object".to_owned(), AttributeValue::S("o".to_owned()));
        item.insert("moment".to_owned(), AttributeValue::S("yesterday".to_owned()));
        item.insert("changes".to_owned(), number(-3));

        let expected = Manifest { tenant: "acme".to_owned(), ..Manifest::default() };
        assert_eq!(manifest(&item), Some(expected));
        assert_eq!(manifest(&item::key_of_text(PARTITION, "x".to_owned())), None);
    }
}
