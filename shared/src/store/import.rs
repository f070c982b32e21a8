//! Import: contacts as another system has them, written over what is there as one more change of it.
//!
//! Ids that are new are written in batches, which know no conditions. What is there already is replaced as an update would change
//! it: on the condition that it is what was read, with the next version, a later stamp and a register that goes on. So lists see
//! an import as any other change.
//!
//! Rows of a file are more careful: [`rows`] decides what becomes of each, and writes nothing over what it has not read.

mod rows;

pub use rows::{ImportRow, ImportRules, RowOutcome, RowState, RowTry};

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{
    AttributeValue, Put, PutRequest, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure, TransactWriteItem, WriteRequest,
};
use futures::future::try_join_all;

use super::item::{self, Item};
use super::left_namespaces::{self, Leaving, LeftNamespaces};
use super::register::{self, WriteId};
use super::sdk_error::{self, Backoff, classify};
use super::tries::{Outcome, Step, Tries, Write};
use super::write::one_try;
use super::{BATCH_KEYS, Store, number, upsert};
use crate::bounds;
use crate::contact::Contact;
use crate::error::Error;
use crate::external_id::ExternalId;
use crate::meter::Meter;
use crate::object_id::ObjectId;
use crate::timestamp::Timestamp;

/// The most items that one BatchWriteItem takes.
/// Source: <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html>.
const BATCH_ITEMS: usize = 25;

/// One contact that is imported.
#[derive(Debug)]
struct Import<'a> {
    tenant: &'a str,
    contact: &'a Contact,
    id: WriteId,
    /// The item that it replaces, as it was last read; empty when there is none.
    there: Item,
    insistence: Insistence<'a>,
    tries: Tries,
}

/// What an import does when it finds another item than the one that was read.
#[derive(Clone, Copy, Debug)]
enum Insistence<'a> {
    /// It replaces that one too.
    OverAnything,
    /// It ends without having written anything.
    OverWhatWasRead {
        /// The external id for which the contact comes into being, and the contact that the claim of it named when it was read.
        claim: Option<(&'a ExternalId, Option<ObjectId>)>,
    },
}

/// How an import ended of which nothing is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// It was applied.
    Applied,
    /// Others wrote first, and it was not applied.
    Overtaken,
}

/// One try: the item to put, and the `__v` of the item that it replaces.
struct ItemPut {
    item: Item,
    replaces: Option<AttributeValue>,
    is_new: bool,
    /// The claim that comes with it, and the contact that the claim must name until then.
    claim: Option<(Item, Option<ObjectId>)>,
}

impl<'a> Import<'a> {
    fn new(tenant: &'a str, contact: &'a Contact, insistence: Insistence<'a>) -> Self {
        Self { tenant, contact, id: WriteId::generate(), there: Item::new(), insistence, tries: Tries::default() }
    }

    /// It replaces this item.
    fn replaces(&mut self, there: Item) {
        if let Some(updated_at) = item::moment(&there, "updatedAt") {
            self.tries.item_shows(updated_at);
        }
        self.there = there;
    }
}

impl Write for Import<'_> {
    type Request = ItemPut;
    type Answer = Ended;

    fn tries(&mut self) -> &mut Tries {
        &mut self.tries
    }

    fn request(&self, stamp: Timestamp) -> Result<ItemPut, Error> {
        let mut item = item::of_contact(self.tenant, self.contact)?;
        item.insert("updatedAt".to_owned(), number(stamp.millis()));
        if let Some(version) = item::digits::<u64>(&self.there, "__v") {
            let version = version.saturating_add(1);
            item.insert("__v".to_owned(), number(version));
            let left = LeftNamespaces::of(&self.there);
            let (before, change) = (item::namespaces(&self.there), Leaving { version, updated_at: stamp });
            let left = left.after(&before, &self.contact.company_namespace, change);
            item.extend(left.value().map(|left| (left_namespaces::ATTRIBUTE.to_owned(), left)));
        }
        if self.there.is_empty() {
            register::forget_before(&mut item, stamp);
        }
        register::shift(&mut item, &self.there, stamp, &self.id);
        let claim = match self.insistence {
            Insistence::OverWhatWasRead { claim: Some((external_id, replaces)) } => {
                Some((upsert::claim_item(self.tenant, external_id, self.contact.id, stamp), replaces))
            }
            Insistence::OverWhatWasRead { claim: None } | Insistence::OverAnything => None,
        };
        Ok(ItemPut { item, replaces: self.there.get("__v").cloned(), is_new: self.there.is_empty(), claim })
    }

    fn applied(&mut self, _: Item) -> Result<Ended, Error> {
        Ok(Ended::Applied)
    }

    fn refused(&mut self, item: Item) -> Step<Ended> {
        if register::position(&item, &self.id).is_some() {
            return Step::Answer(Ok(Ended::Applied));
        }
        if self.tries.first_open().is_some_and(|first| !register::reaches_back_to(&item, first)) {
            return Step::Answer(Err(Error::OutcomeUnknown("more writes came since than the contact remembers".into())));
        }
        // Each try was for a version that is past, or a claim, so none of them can be applied any more.
        self.tries.none_is_open();
        match self.insistence {
            Insistence::OverAnything => {
                self.replaces(item);
                self.tries.again_after_refusal()
            }
            Insistence::OverWhatWasRead { .. } => Step::Answer(Ok(Ended::Overtaken)),
        }
    }
}

/// The condition that an item is still the one that a put replaces, and its values.
fn condition(put: &ItemPut) -> (&'static str, Option<HashMap<String, AttributeValue>>) {
    match (put.is_new, &put.replaces) {
        (true, _) => ("attribute_not_exists(#id)", None),
        (false, Some(version)) => {
            ("attribute_exists(#id) AND #v = :v", Some(HashMap::from([(":v".to_owned(), version.clone())])))
        }
        (false, None) => ("attribute_exists(#id) AND attribute_not_exists(#v)", None),
    }
}

/// The names in that condition.
fn condition_names(put: &ItemPut) -> HashMap<String, String> {
    let version = (!put.is_new).then(|| ("#v".to_owned(), "__v".to_owned()));
    [("#id".to_owned(), "_id".to_owned())].into_iter().chain(version).collect()
}

impl Store {
    /// Writes `contacts` over whatever is there under their ids, of two with the same id the last. Each is stamped immediately
    /// before the request that writes it; one that was there before, deleted or not, gets its next version. A request for each 25
    /// contacts that are new, one for each other, and one for each [`BATCH_KEYS`] to see which is which.
    ///
    /// For operators: it checks no caller, and no function has the permission. Two imports of the same new contacts must not run
    /// at once.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`], [`Error::OutcomeUnknown`] and [`Error::Internal`]. Some of the contacts can be written then; the same call may
    /// be made again.
    pub async fn import(&self, tenant: &str, contacts: &[Contact]) -> Result<(), Error> {
        let meter = Meter::default();
        for contacts in contacts.chunks(BATCH_KEYS) {
            let imports = contacts.iter().map(|contact| (contact.id, Import::new(tenant, contact, Insistence::OverAnything)));
            let mut left: BTreeMap<ObjectId, Import<'_>> = imports.collect();
            let mut backoff = Backoff::default();
            loop {
                self.replace_those_that_are_there(&meter, tenant, &mut left).await?;
                self.put_those_that_are_new(&meter, &mut left).await?;
                if left.is_empty() {
                    break;
                }
                // Whether a batch whose answer was lost has written them, the items themselves tell.
                backoff.wait().await?;
            }
        }
        Ok(())
    }

    async fn replace_those_that_are_there(
        &self,
        meter: &Meter,
        tenant: &str,
        left: &mut BTreeMap<ObjectId, Import<'_>>,
    ) -> Result<(), Error> {
        let ids: Vec<ObjectId> = left.keys().copied().collect();
        let mut there = Vec::new();
        for item in self.get_items(meter, tenant, &ids, true).await? {
            let Some(mut import) = item::id(&item).and_then(|id| left.remove(&id)) else { continue };
            if register::position(&item, &import.id).is_none() {
                import.replaces(item);
                there.push(import);
            }
        }
        let put = |mut import| async move {
            self.carry_out(&mut import, self.deadline(), |put, time| self.put_over(meter, put, time)).await
        };
        try_join_all(there.into_iter().map(put)).await?;
        Ok(())
    }

    async fn put_over(&self, meter: &Meter, put: ItemPut, time: Duration) -> Outcome {
        if let Some((claim, replaces)) = put.claim.clone() {
            return self.put_over_with_claim(meter, put, (claim, replaces), time).await;
        }
        let (condition, values) = condition(&put);
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_expression_attribute_names(Some(condition_names(&put)))
            .set_item(Some(put.item))
            .condition_expression(condition)
            .set_expression_attribute_values(values)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .customize()
            .config_override(one_try(time))
            .interceptor(meter.request_counter())
            .send();
        match meter.database(request).await {
            Ok(_) => Outcome::Applied(Item::new()),
            Err(failure) if sdk_error::is_failed_put_condition(&failure) => {
                Outcome::Refused(sdk_error::failed_put_condition(&failure).unwrap_or_default())
            }
            Err(failure) => sdk_error::outcome(failure),
        }
    }

    /// Puts a contact and the claim of its external id together.
    async fn put_over_with_claim(
        &self,
        meter: &Meter,
        put: ItemPut,
        (claim, replaces): (Item, Option<ObjectId>),
        time: Duration,
    ) -> Outcome {
        let (condition, values) = condition(&put);
        let contact = Put::builder()
            .table_name(&self.table)
            .set_expression_attribute_names(Some(condition_names(&put)))
            .set_item(Some(put.item))
            .condition_expression(condition)
            .set_expression_attribute_values(values)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(|error| Error::Internal(error.into()));
        let puts = upsert::put_claim(&self.table, claim, replaces).and_then(|claim| Ok([claim, contact?]));
        let puts = match puts {
            Ok(puts) => puts,
            Err(error) => return Outcome::Failed(error),
        };
        let items = puts.map(|put| TransactWriteItem::builder().put(put).build()).into();
        self.transact(meter, items, time, |reasons| {
            // The contact's item comes last, and says more: whether an earlier try was applied.
            let contact = reasons.last().filter(|reason| sdk_error::is_failed_condition(reason));
            let is_refused = reasons.iter().any(sdk_error::is_failed_condition);
            is_refused.then(|| contact.and_then(|reason| reason.item.clone()).unwrap_or_default())
        })
        .await
    }

    /// Leaves those of which it is not known whether they were written.
    async fn put_those_that_are_new(&self, meter: &Meter, left: &mut BTreeMap<ObjectId, Import<'_>>) -> Result<(), Error> {
        let ids: Vec<ObjectId> = left.keys().copied().collect();
        for batch in ids.chunks(BATCH_ITEMS) {
            let now = (self.clock)();
            let imports = left.iter_mut().filter(|(id, _)| batch.contains(id)).map(|(_, import)| import);
            let items = imports.map(|import| Ok(import.next_try(now)?.item)).collect::<Result<Vec<_>, Error>>()?;
            let put = |item| Ok(WriteRequest::builder().put_request(PutRequest::builder().set_item(Some(item)).build()?).build());
            let puts: Result<_, BuildError> = items.into_iter().map(put).collect();
            let request = self
                .client
                .batch_write_item()
                .request_items(&self.table, puts.map_err(|error| Error::Internal(error.into()))?)
                .customize()
                // The SDK would write again over what others have changed since the first of its tries.
                .config_override(one_try(bounds::WRITE_TRY))
                .interceptor(meter.request_counter())
                .send();
            match meter.database(request).await.map_err(classify) {
                Ok(output) => {
                    let unprocessed = output.unprocessed_items.into_iter().flat_map(HashMap::into_values).flatten();
                    let unprocessed = unprocessed.filter_map(|write| item::id(&write.put_request?.item));
                    let unprocessed: Vec<ObjectId> = unprocessed.collect();
                    left.retain(|id, _| !batch.contains(id) || unprocessed.contains(id));
                }
                Err(Error::Unavailable(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
