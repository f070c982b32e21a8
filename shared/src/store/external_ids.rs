//! The contacts that carry an external id, found by the index `external-id-index`: sparse, because only contacts with one are in it, and with
//! nothing but keys, so that an update that leaves the external id alone costs nothing there.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use futures::{StreamExt, TryStreamExt, stream};

use super::item;
use super::sdk_error::classify;
use super::{EXTERNAL_ID_INDEX, FORMER_CHANGE_LOG_INDEX, Store};
use crate::error::Error;
use crate::external_id::MAXIMUM_BYTES;
use crate::meter::Meter;
use crate::object_id::ObjectId;

/// Queries that run at the same time when many external ids are asked for.
const QUERIES_AT_ONCE: usize = 10;

impl Store {
    /// Refuses what needs external ids or left namespaces while the functions of a stack whose update has begun still read the change log of the
    /// first version, which shows neither.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`].
    pub fn needs_full_change_log(&self) -> Result<(), Error> {
        if self.change_log_index == FORMER_CHANGE_LOG_INDEX {
            return Err(Error::Unavailable(
                format!("{FORMER_CHANGE_LOG_INDEX} does not show that: the stack's update has another deployment").into(),
            ));
        }
        Ok(())
    }

    /// The contacts of `tenant` that the index shows with one of `external_ids`, in any order; nothing when they are more than `most`. One request
    /// for each external id, ten at a time. Eventually consistent: whether a contact still carries the id, its item tells.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn find_by_external_ids(
        &self,
        meter: &Meter,
        tenant: &str,
        external_ids: &[String],
        most: usize,
    ) -> Result<Option<Vec<ObjectId>>, Error> {
        let queries = external_ids.iter().map(|external_id| self.find_by_external_id(meter, tenant, external_id, most));
        let queries: Vec<_> = queries.collect();
        let mut results = stream::iter(queries).buffer_unordered(QUERIES_AT_ONCE);
        let mut found = Vec::new();
        while let Some(ids) = results.try_next().await? {
            found.extend(ids);
            if found.len() > most {
                return Ok(None);
            }
        }
        Ok(Some(found))
    }

    /// At most one more than `most`.
    async fn find_by_external_id(
        &self,
        meter: &Meter,
        tenant: &str,
        external_id: &str,
        most: usize,
    ) -> Result<Vec<ObjectId>, Error> {
        let mut found = Vec::new();
        // DynamoDB refuses a key that no contact can have.
        if external_id.is_empty() || external_id.len() > MAXIMUM_BYTES {
            return Ok(found);
        }
        let mut start = None;
        loop {
            let left = most.saturating_add(1).saturating_sub(found.len());
            let request = self
                .client
                .query()
                .table_name(&self.table)
                .index_name(EXTERNAL_ID_INDEX)
                .key_condition_expression("#tenant = :tenant AND #externalId = :externalId")
                .expression_attribute_names("#tenant", "tenant")
                .expression_attribute_names("#externalId", item::EXTERNAL_ID)
                .expression_attribute_values(":tenant", AttributeValue::S(tenant.to_owned()))
                .expression_attribute_values(":externalId", AttributeValue::S(external_id.to_owned()))
                .set_exclusive_start_key(start)
                .limit(i32::try_from(left).unwrap_or(i32::MAX))
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .customize()
                .interceptor(meter.request_counter())
                .send();
            let output = meter.database(request).await.map_err(classify)?;
            meter.consumed(&output.consumed_capacity);
            found.extend(output.items().iter().filter_map(item::id));
            start = output.last_evaluated_key;
            if start.is_none() || found.len() > most {
                return Ok(found);
            }
        }
    }
}
