//! Writes over contacts that were read before: one operation, or several that all happen or none.
//!
//! A contact is written on the condition that it still has the version that was read. So what it is afterwards is known without another read, which a
//! transaction could not return; members of `integration_meta` are set over what is really there; and of several tries with one version at most
//! one is applied. When a version has moved, everything is read and decided again.
//!
//! A try whose answer was lost can be applied only as long as every version that it was conditional on is there. What is read next tells:
//!
//! - The record of the `Idempotency-Key`, or the id of the write in a contact's register, or a contact that it creates: it was applied.
//! - Another version without that, of a contact that still remembers all writes since: it was not, and never will be.
//! - The same versions: it can still come. The next try has the same condition, so one of both is applied.
//!
//! DynamoDB's own `ClientRequestToken` would not do: it is forgotten after ten minutes, and belongs to one unchanged request, while every try
//! here has a stamp of its own.

#[cfg(test)]
mod simulation;

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::{CancellationReason, Put, TransactWriteItem, Update};
use tokio::time::{Instant, sleep, timeout_at};

use super::change::{self, Change, Kind, Precondition, UpdateRequest};
use super::idempotency::{Known, Once, Record, put_new_contact};
use super::item::{self, Item};
use super::left_namespaces::LeftNamespaces;
use super::register::{self, WriteId};
use super::tries::{Outcome, Step, Tries, Write as _};
use super::write::{drawn_from_upper_half_of, refuse_above_the_maximum};
use super::{Store, Stored, number, sdk_error, upsert};
use crate::body::ContactBody;
use crate::bounds;
use crate::caller::Caller;
use crate::contact::Contact;
use crate::error::Error;
use crate::external_id::ExternalId;
use crate::meter::Meter;
use crate::object_id::ObjectId;
use crate::timestamp::Timestamp;

/// The largest sum of items that DynamoDB takes in one transaction, in bytes, less some for a record.
/// Source: <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>.
const MAXIMUM_TRANSACTION_BYTES: usize = 4 * 1024 * 1024 - 4 * 1024;

/// What is done to one contact.
#[derive(Clone, Debug)]
pub enum Operation {
    /// The contact comes into being, with the time of the write.
    Create(Box<Contact>),
    /// The contact's fields that the body gives are changed.
    Update {
        /// The contact.
        id: ObjectId,
        /// The fields.
        body: Box<ContactBody>,
        /// What it must be before.
        precondition: Precondition,
        /// The external id that it must carry before: one that does not is not found.
        external_id: Option<ExternalId>,
    },
    /// The contact leaves a tombstone.
    Delete {
        /// The contact.
        id: ObjectId,
        /// What it must be before.
        precondition: Precondition,
    },
}

impl Operation {
    /// The contact that it is about.
    pub fn id(&self) -> ObjectId {
        match self {
            Self::Create(contact) => contact.id,
            Self::Update { id, .. } | Self::Delete { id, .. } => *id,
        }
    }
}

/// How operations ended of which nothing is unknown.
#[derive(Debug)]
pub enum Answered {
    /// All were done. Each contact as it is afterwards, or was before it was deleted.
    Done(Vec<Contact>),
    /// The same request had done all of them before. Each contact as it was created, or as it is now if the caller sees it.
    Replayed(Vec<Option<Contact>>),
    /// None was done, and nothing was changed. Those that could not be done have their error.
    Refused(Vec<Option<Error>>),
}

/// The claim of the external id for which an operation creates its contact.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The external id.
    pub external_id: ExternalId,
    /// What the claim named when nobody carried the external id; nothing when there was none.
    pub replaces: Option<ObjectId>,
}

/// What one try sends.
#[derive(Debug)]
struct Request {
    stamp: Timestamp,
    writes: Vec<ItemWrite>,
}

/// The write of one contact.
#[derive(Debug)]
enum ItemWrite {
    Put(Item),
    Update(ObjectId, UpdateRequest),
    /// A claim over the one that names this contact, or over none.
    Claim(Item, Option<ObjectId>),
}

/// A contact as it was read.
#[derive(Debug)]
struct Read {
    contact: Contact,
    left: LeftNamespaces,
}

/// Operations that are tried until their outcome is known: the part that decides, without clock, randomness and I/O.
#[derive(Debug)]
pub(super) struct Versioned<'a> {
    caller: &'a Caller,
    operations: &'a [Operation],
    /// The claims that come with the contacts that are created for an external id, by operation.
    claims: &'a [Option<Claim>],
    once: Option<&'a Once>,
    id: WriteId,
    tries: Tries,
    /// Each operation's contact as it was last read; nothing for one that is created.
    read: Vec<Option<Read>>,
    /// The body of each update as it is for the contact that was read.
    bodies: Vec<Option<ContactBody>>,
    /// The last read showed another version of a contact, which does not remember enough to tell whether a try was applied.
    has_moved: bool,
    /// Another upsert has claimed an external id since it was looked for: nothing was done, and it has to be looked for again.
    is_outdated: bool,
}

impl<'a> Versioned<'a> {
    pub(super) fn new(caller: &'a Caller, operations: &'a [Operation], once: Option<&'a Once>, id: WriteId) -> Self {
        Self {
            caller,
            operations,
            claims: &[],
            once,
            id,
            tries: Tries::default(),
            read: Vec::new(),
            bodies: Vec::new(),
            has_moved: false,
            is_outdated: false,
        }
    }

    /// The same write with these claims, one place for each operation.
    pub(super) fn claiming(self, claims: &'a [Option<Claim>]) -> Self {
        Self { claims, ..self }
    }

    /// Whether it ended without an answer, because an external id was claimed by another upsert since.
    pub(super) fn is_outdated(&self) -> bool {
        self.is_outdated
    }

    /// The keys of all that a try has to know. Nobody knows a new contact, unless a try may have made it.
    fn keys(&self) -> Vec<Item> {
        let may_be_there = self.tries.has_begun();
        let known = self.operations.iter().filter(|operation| may_be_there || !matches!(operation, Operation::Create(_)));
        let keys = known.map(|operation| item::key(&self.caller.tenant, operation.id()));
        let claims = self.claims.iter().flatten().filter(|_| may_be_there);
        let keys = keys.chain(claims.map(|claim| upsert::claim_key(&self.caller.tenant, &claim.external_id)));
        keys.chain(self.once.map(|once| once.record_key(&self.caller.tenant))).collect()
    }

    /// Decides by the items with all keys, as they are at `now`: nothing when the write is to be tried.
    fn decide(&mut self, items: Vec<Item>, now: Timestamp) -> Option<Step<Answered>> {
        let mut items: HashMap<String, Item> = items.into_iter().filter_map(|item| Some((sort_key(&item)?, item))).collect();
        if let Some(once) = self.once {
            let record = sort_key(&once.record_key(&self.caller.tenant)).and_then(|key| items.remove(&key));
            match once.known(record.as_ref(), now, &self.id) {
                Ok(Known::Own(record)) => return Some(Step::Answer(self.done(record.stamp))),
                Ok(Known::Before(record)) => return Some(Step::Answer(self.replayed(&record, &mut items))),
                // As long as it is there, no try of this request is applied.
                Err(Error::IdempotencyKeyReused) => return Some(Step::Answer(Err(Error::IdempotencyKeyReused))),
                Err(error) => return Some(Step::Answer(Err(self.tries.failed(error)))),
                Ok(Known::Nothing) => {}
            }
        }
        if let Some(stamp) = self.stamp_of_applied_try(&items) {
            return Some(Step::Answer(self.done(stamp)));
        }
        if self.tries.has_begun() && !self.claims_are_as_read(&items) {
            // Claims only ever name new contacts. So what was read never comes back, and no try is applied any more.
            self.tries.none_is_open();
            self.is_outdated = true;
            return Some(Step::Answer(Ok(Answered::Refused(Vec::new()))));
        }
        if let Some(first) = self.tries.first_open()
            && let Some(step) = self.fate_of_open_tries(&items, first)
        {
            return Some(step);
        }
        self.judge(&mut items)
    }

    /// The stamp of the try that was applied, if an item shows that one was. Even a refused one can have been: when its request arrived twice, and only
    /// the second was answered.
    fn stamp_of_applied_try(&self, items: &HashMap<String, Item>) -> Option<Timestamp> {
        if !self.tries.has_begun() {
            return None;
        }
        // A claim can show it where the contact, read a moment earlier, did not.
        let of_claim = self.operations.iter().zip(self.claims).find_map(|(operation, claim)| {
            let key = sort_key(&upsert::claim_key(&self.caller.tenant, &claim.as_ref()?.external_id))?;
            let item = items.get(&key).filter(|item| upsert::claimed(item) == Some(operation.id()))?;
            Some(item::moment(item, "createdAt").unwrap_or(self.tries.last_stamp()))
        });
        let of_contact = || {
            self.operations.iter().find_map(|operation| {
                let item = items.get(&operation.id().to_string())?;
                match operation {
                    // Nobody else makes a contact with this id.
                    Operation::Create(_) => {
                        let created_at = item::moment(item, "createdAt").or_else(|| register::stamp_of(item, &self.id));
                        Some(created_at.unwrap_or(self.tries.last_stamp()))
                    }
                    Operation::Update { .. } | Operation::Delete { .. } => register::stamp_of(item, &self.id),
                }
            })
        };
        of_claim.or_else(of_contact)
    }

    fn claims_are_as_read(&self, items: &HashMap<String, Item>) -> bool {
        self.claims.iter().flatten().all(|claim| {
            let key = sort_key(&upsert::claim_key(&self.caller.tenant, &claim.external_id));
            key.and_then(|key| items.get(&key)).and_then(upsert::claimed) == claim.replaces
        })
    }

    /// What comes next when the items tell that the tries whose answers were lost, the first of which was stamped `first`, cannot be applied any
    /// more, or when nothing can tell it.
    fn fate_of_open_tries(&mut self, items: &HashMap<String, Item>, first: Timestamp) -> Option<Step<Answered>> {
        let (mut has_moved, mut is_over) = (false, false);
        for (operation, read) in self.operations.iter().zip(&self.read) {
            let Some(read) = read else { continue };
            let item = items.get(&operation.id().to_string());
            if item.and_then(|item| item::digits(item, "__v")) != Some(read.contact.version) {
                has_moved = true;
                is_over |= item.is_some_and(|item| register::reaches_back_to(item, first));
            }
        }
        // Since then there is time enough for the record of a try that was applied to be read.
        let was_seen_moved = std::mem::replace(&mut self.has_moved, has_moved);
        if is_over || (has_moved && was_seen_moved && self.once.is_some()) {
            self.tries.none_is_open();
            return None;
        }
        if !has_moved {
            return None;
        }
        Some(match self.once {
            Some(_) => self.tries.again_after_conflict(),
            None => Step::Answer(Err(Error::OutcomeUnknown("more writes came since than the contact remembers".into()))),
        })
    }

    /// Whether each operation can be done to the contacts as they are, and what it is then.
    fn judge(&mut self, items: &mut HashMap<String, Item>) -> Option<Step<Answered>> {
        let (mut read, mut bodies, mut errors) = (Vec::new(), Vec::new(), Vec::new());
        let mut bytes = 0;
        for operation in self.operations {
            let judged = self.judge_one(operation, items.remove(&operation.id().to_string()));
            errors.push(judged.map(|(found, body, size)| {
                bytes += size;
                read.push(found);
                bodies.push(body);
            }));
        }
        if errors.iter().any(Result::is_err) {
            return Some(if self.tries.first_open().is_none() {
                Step::Answer(Ok(Answered::Refused(errors.into_iter().map(Result::err).collect())))
            } else {
                // A try that is under way could still be applied.
                self.tries.again_after_failure("an operation cannot be done any more".into())
            });
        }
        read.iter().flatten().for_each(|read| self.tries.item_shows(read.contact.updated_at));
        (self.read, self.bodies) = (read, bodies);
        (self.operations.len() > 1 && bytes > MAXIMUM_TRANSACTION_BYTES)
            .then(|| Step::Answer(Err(self.tries.failed(Error::TransactionTooLarge))))
    }

    /// The contact that an operation finds, the body that it sets, and how much its item counts in a transaction.
    fn judge_one(&self, operation: &Operation, item: Option<Item>) -> Result<(Option<Read>, Option<ContactBody>, usize), Error> {
        let (kind, precondition, external_id) = match operation {
            Operation::Create(contact) => {
                let item = item::of_new_contact(&self.caller.tenant, contact, &self.id)?;
                refuse_above_the_maximum(&item)?;
                return Ok((None, None, item::size(&item)));
            }
            Operation::Update { body, precondition, external_id, .. } => (Kind::Update(body), precondition, external_id.as_ref()),
            Operation::Delete { precondition, .. } => (Kind::Delete, precondition, None),
        };
        let item = item.ok_or(Error::ContactNotFound)?;
        let size = item::size(&item);
        let left = LeftNamespaces::of(&item);
        let contact = match item::stored(item)? {
            Stored::Contact(contact) => *contact,
            Stored::Tombstone { .. } => return Err(Error::ContactNotFound),
        };
        let change = Change::new(self.caller, kind, precondition, self.id.clone());
        let change = external_id.into_iter().fold(change, Change::of_carrier);
        if let Some(refusal) = change.refusal(&contact) {
            return Err(refusal);
        }
        let Kind::Update(body) = kind else { return Ok((Some(Read { contact, left }), None, size)) };
        let body = body.with_meta_of(contact.integration_meta.as_ref()).map(Cow::into_owned)?;
        let after = change::item_after(&self.caller.tenant, &contact, self.caller, &body)?;
        refuse_above_the_maximum(&after)?;
        Ok((Some(Read { contact, left }), Some(body), size.max(item::size(&after))))
    }

    /// The request of the try that begins at `now`.
    fn next_try(&mut self, now: Timestamp) -> Result<Request, Error> {
        let stamp = self.tries.stamp(now);
        self.request(stamp).map_err(|error| self.tries.failed(error))
    }

    fn request(&self, stamp: Timestamp) -> Result<Request, Error> {
        let mut writes = Vec::with_capacity(self.operations.len());
        for ((operation, read), body) in self.operations.iter().zip(&self.read).zip(&self.bodies) {
            writes.push(match (operation, read) {
                (Operation::Create(contact), _) => {
                    let contact = contact.as_ref().clone().created(stamp);
                    ItemWrite::Put(item::of_new_contact(&self.caller.tenant, &contact, &self.id)?)
                }
                (Operation::Update { .. } | Operation::Delete { .. }, Some(Read { contact, left })) => {
                    let kind = body.as_ref().map_or(Kind::Delete, Kind::Update);
                    let version = Precondition::Versions(vec![contact.version]);
                    let change = Change::of_read(self.caller, kind, &version, self.id.clone(), contact, left.clone());
                    ItemWrite::Update(contact.id, change.request(stamp)?)
                }
                (Operation::Update { .. } | Operation::Delete { .. }, None) => {
                    return Err(Error::Internal("a contact is written that was not read".into()));
                }
            });
        }
        for (operation, claim) in self.operations.iter().zip(self.claims) {
            let Some(Claim { external_id, replaces }) = claim else { continue };
            let item = upsert::claim_item(&self.caller.tenant, external_id, operation.id(), stamp);
            writes.push(ItemWrite::Claim(item, *replaces));
        }
        Ok(Request { stamp, writes })
    }

    /// The put of the record of the key, in the try with this stamp, if the write is to happen once.
    fn record(&self, table: &str, stamp: Timestamp) -> Result<Option<Put>, Error> {
        let Some(once) = self.once else { return Ok(None) };
        let contacts = self.operations.iter().map(Operation::id).collect();
        let is_new = |operation: &&Operation| matches!(operation, Operation::Create(_));
        let created = self.operations.iter().filter(is_new).map(Operation::id).collect();
        once.put(&self.caller.tenant, table, contacts, created, stamp, &self.id).map(Some)
    }

    /// What comes after a try with this outcome.
    fn step(&mut self, outcome: Outcome) -> Step<Answered> {
        match outcome {
            Outcome::Applied(_) => {
                let stamp = self.tries.last_stamp();
                Step::Answer(self.done(stamp))
            }
            Outcome::Refused(_) => self.tries.again_after_conflict(),
            Outcome::Busy(source) => self.tries.again_after_failure(source),
            Outcome::Failed(error) => Step::Answer(Err(self.tries.failed(error))),
            Outcome::Lost(source) => {
                self.tries.is_open();
                self.tries.again_after_failure(source)
            }
        }
    }

    /// The answer of a write whose try with this stamp was applied.
    fn done(&self, stamp: Timestamp) -> Result<Answered, Error> {
        let mut contacts = Vec::with_capacity(self.operations.len());
        for ((operation, read), body) in self.operations.iter().zip(&self.read).zip(&self.bodies) {
            contacts.push(match (operation, read, body) {
                (Operation::Create(contact), ..) => contact.as_ref().clone().created(stamp),
                (_, Some(read), None) => read.contact.clone(),
                (_, Some(read), Some(body)) => self.after(&read.contact, body, stamp)?,
                (_, None, _) => return Err(Error::OutcomeUnknown("a contact was written that was not read".into())),
            });
        }
        Ok(Answered::Done(contacts))
    }

    /// The contact as an update with this stamp leaves it.
    fn after(&self, before: &Contact, body: &ContactBody, stamp: Timestamp) -> Result<Contact, Error> {
        let mut item = change::item_after(&self.caller.tenant, before, self.caller, body)?;
        item.insert("__v".to_owned(), number(before.version + 1));
        item.insert("updatedAt".to_owned(), number(stamp.millis()));
        match item::stored(item)? {
            Stored::Contact(contact) => Ok(*contact),
            Stored::Tombstone { .. } => Err(Error::Internal("the change of a contact makes a tombstone".into())),
        }
    }

    /// The answer of a request that did the same before.
    fn replayed(&self, record: &Record, items: &mut HashMap<String, Item>) -> Result<Answered, Error> {
        let mut created = record.created.iter();
        let mut contacts = Vec::with_capacity(self.operations.len());
        for operation in self.operations {
            contacts.push(match operation {
                Operation::Create(contact) => {
                    created.next().map(|&id| Contact { id, ..contact.as_ref().clone() }.created(record.stamp))
                }
                Operation::Update { id, .. } | Operation::Delete { id, .. } => {
                    match items.remove(&id.to_string()).map(item::stored).transpose()? {
                        Some(Stored::Contact(contact)) => Some(*contact).filter(|contact| self.caller.sees(contact)),
                        Some(Stored::Tombstone { .. }) | None => None,
                    }
                }
            });
        }
        Ok(Answered::Replayed(contacts))
    }
}

fn sort_key(item: &Item) -> Option<String> {
    item::sort_key(item).map(str::to_owned)
}

impl Store {
    /// Does all of `operations`, which are at least one and on different contacts, or none of them; with `once` at most once in 24 hours. In the
    /// ordinary case it is one read of all that is there, unless everything is new, and one write: a transaction when there are several
    /// operations, or when it is to happen once.
    ///
    /// # Errors
    ///
    /// [`Error::IdempotencyKeyReused`], [`Error::TransactionTooLarge`], [`Error::Unavailable`] and [`Error::Internal`]: nothing is changed then.
    /// [`Error::OutcomeUnknown`].
    pub async fn write_all(
        &self,
        meter: &Meter,
        caller: &Caller,
        operations: &[Operation],
        once: Option<&Once>,
    ) -> Result<Answered, Error> {
        self.write_over_read(meter, &mut Versioned::new(caller, operations, once, WriteId::generate())).await
    }

    /// Tries `write` until its outcome is known, or until it is outdated.
    pub(super) async fn write_over_read(&self, meter: &Meter, write: &mut Versioned<'_>) -> Result<Answered, Error> {
        let deadline = self.deadline();
        loop {
            let keys = write.keys();
            let read = timeout_at(deadline, async {
                if keys.is_empty() { Ok(Vec::new()) } else { self.get_by_keys(meter, keys, true).await }
            });
            let step = match read.await {
                Ok(Ok(items)) => write.decide(items, (self.clock)()),
                Ok(Err(error)) => return Err(write.tries.failed(error)),
                Err(_) => return Err(write.tries.give_up("there was no time to read what is written".into())),
            };
            let step = match step {
                Some(step) => step,
                None => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left < bounds::LEAST_WRITE_TRY {
                        return Err(write.tries.give_up("there was no time for another try".into()));
                    }
                    let request = write.next_try((self.clock)())?;
                    let outcome = self.send_versioned(meter, write, request, left.min(bounds::WRITE_TRY)).await;
                    write.step(outcome)
                }
            };
            match step {
                Step::Answer(answer) => return answer,
                Step::TryAgain(pause) if Instant::now() + pause < deadline => sleep(drawn_from_upper_half_of(pause)).await,
                Step::TryAgain(_) => return Err(write.tries.give_up("there was no time for another try".into())),
            }
        }
    }

    /// Why each of `operations` cannot be done to the contacts as they are, if it cannot. Nothing is changed.
    ///
    /// # Errors
    ///
    /// [`Error::TransactionTooLarge`], [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn refusals(&self, meter: &Meter, caller: &Caller, operations: &[Operation]) -> Result<Vec<Option<Error>>, Error> {
        let mut write = Versioned::new(caller, operations, None, WriteId::generate());
        let items = match write.keys() {
            keys if keys.is_empty() => Vec::new(),
            keys => self.get_by_keys(meter, keys, true).await?,
        };
        match write.decide(items, (self.clock)()) {
            Some(Step::Answer(Ok(Answered::Refused(errors)))) => Ok(errors),
            Some(Step::Answer(Err(error))) => Err(error),
            Some(Step::Answer(Ok(_)) | Step::TryAgain(_)) | None => Ok(operations.iter().map(|_| None).collect()),
        }
    }

    async fn send_versioned(&self, meter: &Meter, write: &Versioned<'_>, request: Request, time: Duration) -> Outcome {
        let Request { stamp, mut writes } = request;
        if let (1, None) = (writes.len(), write.once) {
            return match writes.pop() {
                Some(ItemWrite::Update(id, request)) => {
                    sdk_error::outcome_of_update(self.update_item(meter, &write.caller.tenant, id, request, time).await)
                }
                Some(ItemWrite::Put(item)) => self.put_new(meter, item, time).await,
                Some(ItemWrite::Claim(..)) | None => Outcome::Failed(Error::Internal("nothing is to be written".into())),
            };
        }
        match self.transaction(write, stamp, writes) {
            Ok(items) => {
                let refused = |reasons: &[CancellationReason]| reasons.iter().any(sdk_error::is_failed_condition).then(Item::new);
                self.transact(meter, items, time, refused).await
            }
            Err(error) => Outcome::Failed(error),
        }
    }

    fn transaction(
        &self,
        write: &Versioned<'_>,
        stamp: Timestamp,
        writes: Vec<ItemWrite>,
    ) -> Result<Vec<TransactWriteItem>, Error> {
        let mut items = Vec::with_capacity(writes.len() + 1);
        items.extend(write.record(&self.table, stamp)?.map(put));
        let tenant = &write.caller.tenant;
        for write in writes {
            items.push(match write {
                ItemWrite::Put(item) => put(put_new_contact(&self.table, item)?),
                ItemWrite::Claim(item, replaces) => put(upsert::put_claim(&self.table, item, replaces)?),
                ItemWrite::Update(id, request) => {
                    let update = Update::builder()
                        .table_name(&self.table)
                        .set_key(Some(item::key(tenant, id)))
                        .update_expression(request.update)
                        .condition_expression(request.condition)
                        .set_expression_attribute_names(Some(request.names))
                        .set_expression_attribute_values(Some(request.values))
                        .build()
                        .map_err(|error| Error::Internal(error.into()))?;
                    TransactWriteItem::builder().update(update).build()
                }
            });
        }
        Ok(items)
    }
}

fn put(put: Put) -> TransactWriteItem {
    TransactWriteItem::builder().put(put).build()
}
