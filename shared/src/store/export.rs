//! Export: every contact of a tenant, page by page, in the order of the ids.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};

use super::item::{self, Item};
use super::sdk_error::classify;
use super::{Store, Stored};
use crate::contact::Contact;
use crate::error::Error;
use crate::meter::Meter;

/// Items that one request reads: with few large ones among them less than a page of 1 MB.
const PAGE_ITEMS: i32 = 1_000;

/// Where an export goes on.
#[derive(Clone, Debug)]
pub struct ExportPosition(Item);

/// A part of a tenant's contacts.
#[derive(Clone, Debug)]
pub struct ExportPage {
    /// Contacts, in the order of their ids.
    pub contacts: Vec<Contact>,
    /// How many malformed items were left out.
    pub malformed: u64,
    /// Where to go on, unless this was the last page.
    pub next: Option<ExportPosition>,
}

impl Store {
    /// The first page of `tenant`'s contacts, or the one after `position`, strongly consistent. An id never changes, so whoever
    /// reads all pages meets every contact that is there throughout exactly once, each as it was when its page was read. Deleted
    /// contacts and malformed items are left out.
    ///
    /// For operators: it knows no namespaces, and no function has the permission.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn export_page(&self, meter: &Meter, tenant: &str, position: Option<ExportPosition>) -> Result<ExportPage, Error> {
        let request = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("#tenant = :tenant")
            .expression_attribute_names("#tenant", "tenant")
            .expression_attribute_values(":tenant", AttributeValue::S(tenant.to_owned()))
            .set_exclusive_start_key(position.map(|ExportPosition(key)| key))
            .limit(PAGE_ITEMS)
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .customize()
            .interceptor(meter.request_counter())
            .send();
        let output = meter.database(request).await.map_err(classify)?;
        meter.consumed(&output.consumed_capacity);
        let (mut contacts, mut malformed) = (Vec::new(), Vec::new());
        // Claims, records of idempotency keys and reset marks have other sort keys.
        for item in output.items.unwrap_or_default().into_iter().filter(|item| item::id(item).is_some()) {
            match item::stored(item) {
                Ok(Stored::Contact(contact)) => contacts.push(*contact),
                Ok(Stored::Tombstone { .. }) => {}
                Err(error) => malformed.push(error),
            }
        }
        item::log_left_out(tenant, &malformed);
        Ok(ExportPage { contacts, malformed: malformed.len() as u64, next: output.last_evaluated_key.map(ExportPosition) })
    }
}
