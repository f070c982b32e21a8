//! Create, update and delete: each one conditional request in the ordinary case.

use std::collections::HashMap;

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{
    AttributeValue, PutRequest, ReturnConsumedCapacity, ReturnValue, ReturnValuesOnConditionCheckFailure, WriteRequest,
};
use serde::Serialize;

use super::expression::UpdateExpression;
use super::item::{self, CONTACT_ATTRIBUTES, Item, LAST_WRITE};
use super::sdk_error::{self, Backoff, classify};
use super::{Store, Stored, number};
use crate::body::{ContactBody, Given};
use crate::caller::Caller;
use crate::contact::Contact;
use crate::error::Error;
use crate::hex::hex;
use crate::meter::Meter;
use crate::object_id::ObjectId;
use crate::timestamp::Timestamp;

/// The largest item that DynamoDB takes, in bytes.
/// Source: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>.
const MAXIMUM_ITEM_BYTES: usize = 400 * 1024;

/// The most items that one BatchWriteItem takes.
/// Source: <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html>.
pub const BATCH_ITEMS: usize = 25;

/// How long a tombstone is kept for the lists' sake.
pub const TOMBSTONE_LIFE_SECONDS: i64 = 24 * 60 * 60;

/// How often a write is tried when other writes of the same contact keep coming between.
const MAXIMUM_TRIES: u32 = 20;

/// What `If-Match` asks of the contact before it is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// Nothing: the last writer wins.
    None,
    /// One of these versions, at most 100.
    Versions(Vec<u64>),
}

impl Precondition {
    fn holds_for(&self, version: u64) -> bool {
        match self {
            Self::None => true,
            Self::Versions(versions) => versions.contains(&version),
        }
    }
}

/// What a write does to the contact's item.
enum Change<'a> {
    Update(&'a ContactBody),
    Delete,
}

/// How a write moves `updatedAt`, which strictly increases with every change of a contact.
#[derive(Clone, Copy)]
enum Clock {
    /// To now, if that is later than it is. The first try.
    Now,
    /// To a millisecond later than it is, once that is known to be now or later: it never falls back, so this never fails.
    AfterLast,
}

impl Store {
    /// Writes a new contact.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when the contact is above DynamoDB's 400 KB, [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn create(&self, meter: &Meter, tenant: &str, contact: &Contact) -> Result<(), Error> {
        let item = item::of_contact(tenant, contact)?;
        refuse_above_the_maximum(&item)?;
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            // An id that is taken is never overwritten.
            .condition_expression("attribute_not_exists(#id)")
            .expression_attribute_names("#id", "_id")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .customize()
            .interceptor(meter.request_counter())
            .send();
        match meter.database(request).await {
            Ok(output) => {
                meter.consumed(&output.consumed_capacity);
                Ok(())
            }
            // The SDK tries again when an answer is lost. The contact is there then, put by the first try.
            Err(failure) => match sdk_error::failed_put_condition(&failure).map(item::stored).transpose()? {
                Some(Stored::Contact(there)) if *there == *contact => Ok(()),
                _ => Err(classify(failure)),
            },
        }
    }

    /// Writes `contacts` over whatever is there under their ids. Their `updatedAt` becomes the time, by `clock`, of the request that
    /// writes them: lists ask the change log for what is new, and would not see what was written long after its time. One request
    /// for each [`BATCH_ITEMS`] contacts, and another for items that DynamoDB left unprocessed.
    ///
    /// For operators: it checks nothing, and no function has the permission.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`], also when DynamoDB keeps leaving items unprocessed, and [`Error::Internal`]. Some of the contacts can
    /// be written then; the same call may be made again.
    pub async fn import(&self, tenant: &str, contacts: &[Contact], clock: impl Fn() -> Timestamp) -> Result<(), Error> {
        for batch in contacts.chunks(BATCH_ITEMS) {
            let mut items = batch.iter().map(|contact| item::of_contact(tenant, contact)).collect::<Result<Vec<_>, _>>()?;
            let mut backoff = Backoff::default();
            loop {
                let now = number(clock().millis());
                let put = |mut item: Item| {
                    item.insert("updatedAt".to_owned(), now.clone());
                    let put = PutRequest::builder().set_item(Some(item)).build()?;
                    Ok(WriteRequest::builder().put_request(put).build())
                };
                let puts = items.into_iter().map(put).collect::<Result<_, BuildError>>();
                let puts = puts.map_err(|error| Error::Internal(error.into()))?;
                let output = self.client.batch_write_item().request_items(&self.table, puts).send().await.map_err(classify)?;
                let left = output.unprocessed_items.into_iter().flat_map(HashMap::into_values).flatten();
                items = left.filter_map(|write| write.put_request).map(|put| put.item).collect();
                if items.is_empty() {
                    break;
                }
                backoff.wait().await?;
            }
        }
        Ok(())
    }

    /// Changes the fields of contact `id` that `body` gives, leaves the others, and returns the contact as it is then. `now` is the
    /// caller's time; the contact's `updatedAt` becomes that, or a millisecond more than it was when that is later.
    ///
    /// # Errors
    ///
    /// [`Error::ContactNotFound`], [`Error::VersionConflict`], [`Error::NamespaceNotAllowed`], [`Error::Invalid`] when the contact
    /// would be above DynamoDB's 400 KB, [`Error::Unavailable`] and [`Error::Internal`]. Nothing is changed then.
    pub async fn update(
        &self,
        meter: &Meter,
        caller: &Caller,
        id: ObjectId,
        body: &ContactBody,
        precondition: &Precondition,
        now: Timestamp,
    ) -> Result<Contact, Error> {
        self.write(meter, caller, id, &Change::Update(body), precondition, now).await
    }

    /// Replaces contact `id` by a tombstone, which holds nothing of the person, and returns the contact as it was before.
    ///
    /// # Errors
    ///
    /// [`Error::ContactNotFound`], [`Error::VersionConflict`], [`Error::Unavailable`] and [`Error::Internal`]. Nothing is changed then.
    pub async fn delete(
        &self,
        meter: &Meter,
        caller: &Caller,
        id: ObjectId,
        precondition: &Precondition,
        now: Timestamp,
    ) -> Result<Contact, Error> {
        self.write(meter, caller, id, &Change::Delete, precondition, now).await
    }

    async fn write(
        &self,
        meter: &Meter,
        caller: &Caller,
        id: ObjectId,
        change: &Change<'_>,
        precondition: &Precondition,
        now: Timestamp,
    ) -> Result<Contact, Error> {
        let new_namespaces = match change {
            Change::Update(ContactBody { company_namespace: Given::Value(namespaces), .. }) => Some(namespaces),
            Change::Update(_) | Change::Delete => None,
        };
        // A whole document that comes back leaves the namespaces as they were. If they turn out to be others, the next try expects
        // those, after it is clear that the caller may make the change.
        let mut expected_namespaces = new_namespaces.cloned();
        let mut clock = Clock::Now;
        let last_write = hex(&random_bytes());

        for _ in 0..MAXIMUM_TRIES {
            let mut expression = expression(caller, change, precondition, expected_namespaces.as_deref(), clock, now)?;
            if let Change::Update(_) = change {
                expression.set(LAST_WRITE, &last_write)?;
            }
            let update = expression.update();
            let (condition, names, values) = expression.into_condition();
            let request = self
                .client
                .update_item()
                .table_name(&self.table)
                .set_key(Some(item::key(&caller.tenant, id)))
                .update_expression(update)
                .condition_expression(condition)
                .set_expression_attribute_names(Some(names))
                .set_expression_attribute_values(Some(values))
                .return_values(match change {
                    Change::Update(_) => ReturnValue::AllNew,
                    Change::Delete => ReturnValue::AllOld,
                })
                // The item tells which part of the condition did not hold, without another request.
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .customize()
                .interceptor(meter.request_counter())
                .send();
            let failure = match meter.database(request).await {
                Ok(output) => {
                    meter.consumed(&output.consumed_capacity);
                    return match output.attributes.map(item::stored).transpose()? {
                        Some(Stored::Contact(contact)) => Ok(*contact),
                        _ => Err(Error::Internal("the update returned no contact".into())),
                    };
                }
                Err(failure) => failure,
            };

            let Some(item) = sdk_error::failed_update_condition(&failure) else {
                return Err(self.explain(meter, caller, id, change, sdk_error::is_validation(&failure), classify(failure)).await);
            };
            // The SDK tries again when an answer is lost. The change is made then, by the first try.
            let is_own = item.get(LAST_WRITE).is_some_and(|value| value.as_s() == Ok(&last_write));
            let contact = match (!item.is_empty()).then(|| item::stored(item)).transpose()? {
                Some(Stored::Contact(contact)) if is_own => return Ok(*contact),
                Some(Stored::Contact(contact)) if caller.sees(&contact) => contact,
                _ => return Err(Error::ContactNotFound),
            };
            if !precondition.holds_for(contact.version) {
                return Err(Error::VersionConflict { current: contact.version });
            }
            if let Some(after) = new_namespaces {
                caller.may_change_namespaces(&contact.company_namespace, after)?;
                expected_namespaces = Some(contact.company_namespace);
            }
            if contact.updated_at >= now {
                clock = Clock::AfterLast;
            }
        }
        Err(Error::Unavailable("other writes of the contact kept coming between".into()))
    }

    /// Finds out whether an update was refused because the contact would be too large, which the error alone does not say.
    async fn explain(
        &self,
        meter: &Meter,
        caller: &Caller,
        id: ObjectId,
        change: &Change<'_>,
        refused: bool,
        error: Error,
    ) -> Error {
        let (true, Change::Update(body)) = (refused, change) else { return error };
        match self.get(meter, &caller.tenant, id).await {
            Ok(Some(contact)) => item_after(&caller.tenant, &contact, caller, body)
                .and_then(|item| refuse_above_the_maximum(&item))
                .err()
                .unwrap_or(error),
            Ok(None) => Error::ContactNotFound,
            Err(error) => error,
        }
    }
}

fn random_bytes() -> [u8; 8] {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("the operating system has random bytes");
    bytes
}

pub fn refuse_above_the_maximum(item: &Item) -> Result<(), Error> {
    if item::size(item) <= MAXIMUM_ITEM_BYTES {
        Ok(())
    } else {
        Err(Error::invalid("The request body", "would make the contact larger than 400 KB"))
    }
}

fn expression(
    caller: &Caller,
    change: &Change<'_>,
    precondition: &Precondition,
    expected_namespaces: Option<&[String]>,
    clock: Clock,
    now: Timestamp,
) -> Result<UpdateExpression, Error> {
    let mut expression = UpdateExpression::default();
    match change {
        Change::Update(body) => each_field(caller, body, |attribute, value| match value {
            Some(value) => expression.set(attribute, &value),
            None => {
                expression.remove(attribute);
                Ok(())
            }
        })?,
        Change::Delete => {
            CONTACT_ATTRIBUTES.iter().for_each(|attribute| expression.remove(attribute));
            expression.set("deleted", &true)?;
            expression.set("expiresAt", &(now.millis() / 1_000 + TOMBSTONE_LIFE_SECONDS))?;
        }
    }

    // An update must not bring to life what never was or is deleted.
    let id = expression.name("_id");
    expression.only_if(format!("attribute_exists({id})"));
    let deleted = expression.name("deleted");
    expression.only_if(format!("attribute_not_exists({deleted})"));

    let namespaces = expression.name("company_namespace");
    let visible: Vec<String> = caller
        .namespaces
        .iter()
        .map(|namespace| format!("contains({namespaces},{})", expression.value(AttributeValue::S(namespace.clone()))))
        .collect();
    expression.only_if(format!("({})", visible.join(" OR ")));
    if let Some(expected) = expected_namespaces {
        let expected = expected.iter().cloned().map(AttributeValue::S).collect();
        let expected = expression.value(AttributeValue::L(expected));
        expression.only_if(format!("{namespaces} = {expected}"));
    }

    expression.increment("__v");
    if let Precondition::Versions(versions) = precondition {
        let version = expression.name("__v");
        let versions: Vec<String> = versions.iter().map(|version| expression.value(number(version))).collect();
        expression.only_if(if versions.is_empty() {
            // None of the tags is a version: this never holds, and the item that comes back tells a 404 from a 412.
            format!("attribute_not_exists({version})")
        } else {
            format!("{version} IN ({})", versions.join(","))
        });
    }

    let updated_at = expression.name("updatedAt");
    let now_value = expression.value(number(now.millis()));
    match clock {
        Clock::Now => {
            expression.set("updatedAt", &now)?;
            expression.only_if(format!("{updated_at} < {now_value}"));
        }
        Clock::AfterLast => {
            expression.increment("updatedAt");
            expression.only_if(format!("{updated_at} >= {now_value}"));
        }
    }
    Ok(expression)
}

/// One value of a contact's item, whatever its type.
#[derive(Serialize)]
#[serde(untagged)]
enum FieldValue<'a> {
    Text(&'a str),
    Flag(bool),
    Texts(&'a [String]),
    User(&'a crate::contact::User),
    Json(&'a crate::contact::JsonObject),
}

/// Calls `visit` with every attribute that `body` changes: with its value, or with nothing when it is cleared.
fn each_field(
    caller: &Caller,
    body: &ContactBody,
    mut visit: impl FnMut(&'static str, Option<FieldValue<'_>>) -> Result<(), Error>,
) -> Result<(), Error> {
    let ContactBody {
        creator,
        editor,
        name,
        local_name,
        phone1,
        phone2,
        email,
        title,
        extra_info,
        disabled,
        media,
        cover_photo,
        integration_meta,
        company_namespace,
    } = body;
    let mut field = |attribute, given: Given<FieldValue<'_>>| match given {
        Given::Nothing => Ok(()),
        Given::Null => visit(attribute, None),
        Given::Value(value) => visit(attribute, Some(value)),
    };
    field("creator", creator.as_ref().map(FieldValue::User))?;
    field(
        "editor",
        match editor {
            Given::Nothing => Given::Value(FieldValue::User(&caller.user)),
            given => given.as_ref().map(FieldValue::User),
        },
    )?;
    for (attribute, text) in [
        ("name", name),
        ("local_name", local_name),
        ("phone1", phone1),
        ("phone2", phone2),
        ("email", email),
        ("title", title),
        ("extra_info", extra_info),
        ("cover_photo", cover_photo),
    ] {
        field(attribute, text.as_ref().map(|text| FieldValue::Text(text)))?;
    }
    field(
        "disabled",
        match disabled {
            Given::Nothing => Given::Nothing,
            // Cleared is not disabled, as when it was never given.
            Given::Null => Given::Value(FieldValue::Flag(false)),
            Given::Value(disabled) => Given::Value(FieldValue::Flag(*disabled)),
        },
    )?;
    field("media", media.as_ref().map(|media| FieldValue::Texts(media)))?;
    field("integration_meta", integration_meta.as_ref().map(FieldValue::Json))?;
    field("company_namespace", company_namespace.as_ref().map(|namespaces| FieldValue::Texts(namespaces)))
}

/// The item that the update of `contact` by `body` would have made.
fn item_after(tenant: &str, contact: &Contact, caller: &Caller, body: &ContactBody) -> Result<Item, Error> {
    let mut item = item::of_contact(tenant, contact)?;
    each_field(caller, body, |attribute, value| {
        match value {
            Some(value) => {
                let value = serde_dynamo::to_attribute_value(value).map_err(|error| Error::Internal(error.into()))?;
                item.insert(attribute.to_owned(), value);
            }
            None => {
                item.remove(attribute);
            }
        }
        Ok(())
    })?;
    Ok(item)
}
