//! Upserts: the one contact with an external id is updated, or it is created.
//!
//! The index of external ids lags behind the table. What it does not show yet, a claim does: an item under a hash of the external id that names the
//! contact which the last upsert created for it. A contact and its claim come into being in one transaction, on the condition that the claim is
//! the one that was read, so of several upserts that find no contact at most one creates it, and the others find its claim. A claim decides nothing: what
//! it names is one more candidate, whose item is read like those of the index. So one that is outdated blocks nothing, and it need not live longer than the
//! index can lag.
//!
//! `find` and the writes are I/O; what to do with what was read is decided by [`Found::among`] and [`Claiming`], which are pure.

#[cfg(test)]
mod simulation;

use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use futures::future::try_join;
use sha2::{Digest, Sha256};
use tokio::time::{Instant, sleep, timeout_at};

use super::change::{Change, Kind, Precondition};
use super::idempotency::{Known, Once, Record};
use super::item::{self, Item};
use super::register::{self, WriteId};
use super::sdk_error;
use super::tries::{Outcome, Step, Tries, Write};
use super::versioned::{Answered, Operation};
use super::write::{drawn_from_upper_half_of, refuse_above_the_maximum};
use super::{BATCH_KEYS, Store, Stored, number};
use crate::body::{ContactBody, UpsertBody};
use crate::bounds::{FIRST_PAUSE, UPSERT};
use crate::caller::Caller;
use crate::contact::Contact;
use crate::error::Error;
use crate::external_id::ExternalId;
use crate::hex::hex;
use crate::meter::Meter;
use crate::object_id::{self, ObjectId};
use crate::timestamp::Timestamp;

/// How long a claim lives: longer than any index lags, and than any request can be under way.
const CLAIM_LIFE_SECONDS: i64 = 24 * 60 * 60;

/// What an upsert did.
#[derive(Clone, Debug, PartialEq)]
pub enum Upserted {
    /// No contact carried the external id. This one does now.
    Created(Contact),
    /// The contact that carries the external id, as it is after the change.
    Updated(Contact),
    /// The same request had done it before.
    Replayed {
        /// It created the contact.
        was_created: bool,
        /// The contact as it is now, if the caller sees it.
        contact: Option<Contact>,
    },
}

/// The contacts that carry an external id, as one upsert finds them.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// None.
    Nobody,
    /// One that the caller sees.
    One(Box<Contact>),
    /// Several that the caller sees.
    Several(Vec<ObjectId>),
    /// Only such that the caller does not see.
    OfOthers,
}

impl Found {
    /// What `caller` finds among candidates: some of them carry the external id, and those that the caller sees decide.
    pub fn among(candidates: impl IntoIterator<Item = Stored>, external_id: &ExternalId, caller: &Caller) -> Self {
        let (mut seen, mut of_others): (Vec<Box<Contact>>, bool) = (Vec::new(), false);
        for candidate in candidates {
            let Stored::Contact(contact) = candidate else { continue };
            let own = contact.integration_meta.as_ref().and_then(|meta| meta.external_id());
            if own.as_deref() != Some(external_id.as_str()) {
                continue;
            }
            if caller.sees(&contact) { seen.push(contact) } else { of_others = true }
        }
        match (seen.len(), seen.pop()) {
            (1, Some(only)) => Self::One(only),
            (_, Some(last)) => Self::Several(seen.iter().chain([&last]).map(|contact| contact.id).collect()),
            (_, None) if of_others => Self::OfOthers,
            (_, None) => Self::Nobody,
        }
    }
}

/// The primary key of the claim of an external id. A hash, because an external id can be personal and longer than a key may be.
pub fn claim_key(tenant: &str, external_id: &ExternalId) -> Item {
    item::key_of_text(tenant, format!("external#{}", hex(&Sha256::digest(external_id.as_str().as_bytes()))))
}

/// The contact that a claim names.
pub fn claimed(claim: &Item) -> Option<ObjectId> {
    claim.get("contact")?.as_s().ok()?.parse().ok()
}

/// The claim that names `contact`, which a try stamped `stamp` creates.
pub fn claim_item(tenant: &str, external_id: &ExternalId, contact: ObjectId, stamp: Timestamp) -> Item {
    let mut claim = claim_key(tenant, external_id);
    claim.insert("contact".to_owned(), AttributeValue::S(contact.to_string()));
    claim.insert("createdAt".to_owned(), number(stamp.millis()));
    claim.insert("expiresAt".to_owned(), number(stamp.millis() / 1_000 + CLAIM_LIFE_SECONDS));
    claim
}

/// The put of a claim over the one that names the contact `replaces`, or where there is none.
pub fn put_claim(table: &str, claim: Item, replaces: Option<ObjectId>) -> Result<Put, Error> {
    let put = Put::builder()
        .table_name(table)
        .set_item(Some(claim))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    let put = match replaces {
        None => put.condition_expression("attribute_not_exists(#id)").expression_attribute_names("#id", "_id"),
        Some(contact) => put
            .condition_expression("#contact = :contact")
            .expression_attribute_names("#contact", "contact")
            .expression_attribute_values(":contact", AttributeValue::S(contact.to_string())),
    };
    put.build().map_err(|error| Error::Internal(error.into()))
}

/// The creation of a contact for an external id that nobody carries, tried until its outcome is known.
#[derive(Debug)]
pub struct Claiming<'a> {
    tenant: &'a str,
    external_id: &'a ExternalId,
    contact: Contact,
    /// The contact that the claim named when nobody carried the external id; nothing when there was no claim.
    read: Option<ObjectId>,
    id: WriteId,
    tries: Tries,
}

/// The two items that one try puts together.
#[derive(Clone, Debug)]
pub struct ClaimAndContact {
    /// The claim.
    pub claim: Item,
    /// The contact.
    pub contact: Item,
    /// What the claim must name that is replaced; nothing when there must be none.
    pub replaces: Option<ObjectId>,
    /// The stamp of the try.
    pub stamp: Timestamp,
}

/// What an upsert has read.
pub struct Read {
    /// The contact that the claim names.
    pub claim: Option<ObjectId>,
    /// The record of the request's `Idempotency-Key`.
    pub record: Option<Item>,
    /// Who carries the external id.
    pub found: Found,
}

impl<'a> Claiming<'a> {
    /// The creation of `contact`, which carries `external_id`, over the claim that was read. `id` is a new one.
    pub fn new(tenant: &'a str, external_id: &'a ExternalId, contact: Contact, read: Option<ObjectId>, id: WriteId) -> Self {
        Self { tenant, external_id, contact, read, id, tries: Tries::default() }
    }
}

impl Write for Claiming<'_> {
    type Request = ClaimAndContact;
    /// The contact; nothing when another upsert has claimed the external id since.
    type Answer = Option<Contact>;

    fn tries(&mut self) -> &mut Tries {
        &mut self.tries
    }

    fn request(&self, stamp: Timestamp) -> Result<ClaimAndContact, Error> {
        let claim = claim_item(self.tenant, self.external_id, self.contact.id, stamp);
        let contact = item::of_new_contact(self.tenant, &self.contact.clone().created(stamp), &self.id)?;
        Ok(ClaimAndContact { claim, contact, replaces: self.read, stamp })
    }

    fn applied(&mut self, _: Item) -> Result<Option<Contact>, Error> {
        Ok(Some(self.contact.clone().created(self.tries.last_stamp())))
    }

    /// The item is the claim as it is now, the record of the `Idempotency-Key`, or what the table has under the id that was generated for the
    /// contact.
    fn refused(&mut self, item: Item) -> Step<Option<Contact>> {
        let is_own = item::id(&item) == Some(self.contact.id) || claimed(&item) == Some(self.contact.id);
        if is_own {
            // An earlier try was applied, whatever has become of the contact since.
            let stamp = item::moment(&item, "createdAt").or_else(|| register::stamp_of(&item, &self.id));
            let stamp = stamp.or(self.tries.first_open()).unwrap_or(self.tries.last_stamp());
            return Step::Answer(Ok(Some(self.contact.clone().created(stamp))));
        }
        // Claims only ever name new contacts. So the one that was read never comes back, and no try of this write is applied any more; nor is
        // one as long as there is another's record.
        self.tries.none_is_open();
        Step::Answer(Ok(None))
    }
}

impl Store {
    /// Updates the one contact with `external_id` that `caller` sees by `body`, as an update by id does, or creates it when no contact carries the
    /// external id. The result carries it. With `if_match` the contact must be there and fulfil it; with `once` it happens at most once in 24 hours.
    ///
    /// In the ordinary case it is three reads, two of them at the same time, and one write; a transaction when it creates, or is to happen once.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidField`] about the body, [`Error::ExternalIdAmbiguous`], [`Error::ExternalIdOfOthers`], [`Error::VersionConflict`],
    /// [`Error::NothingToMatch`], [`Error::NamespaceNotAllowed`], [`Error::IdempotencyKeyReused`], [`Error::Unavailable`] and
    /// [`Error::Internal`]: nothing is changed then. [`Error::OutcomeUnknown`].
    pub async fn upsert(
        &self,
        meter: &Meter,
        caller: &Caller,
        external_id: &ExternalId,
        body: &mut UpsertBody,
        if_match: Option<&Precondition>,
        once: Option<&Once>,
    ) -> Result<Upserted, Error> {
        self.needs_full_change_log()?;
        let deadline = self.deadline_after(UPSERT);
        let mut rounds = 0;
        loop {
            let read = timeout_at(deadline, self.find(meter, caller, external_id, once)).await;
            let Read { claim, record, found } =
                read.map_err(|_| Error::Unavailable("there was no time to find the contact".into()))??;
            let id = WriteId::generate();
            if let Some(once) = once {
                // A write of this very call that was applied has answered already.
                match once.known(record.as_ref(), (self.clock)(), &id)? {
                    Known::Nothing => {}
                    Known::Own(record) | Known::Before(record) => return self.replayed(meter, caller, &record).await,
                }
            }
            let done = match found {
                Found::One(contact) => {
                    let body = body.for_update(external_id, &contact)?;
                    let precondition = if_match.unwrap_or(&Precondition::None);
                    let deadline = deadline.min(self.deadline());
                    self.update_carrier(meter, caller, contact.id, external_id, body, precondition, once, deadline).await?
                }
                Found::Nobody if if_match.is_some() => {
                    body.check_for_update(external_id)?;
                    return Err(Error::NothingToMatch);
                }
                Found::Nobody => {
                    let now = (self.clock)();
                    let contact = body.for_create(external_id)?.into_contact(caller, object_id::generate(now), now)?;
                    refuse_above_the_maximum(&item::of_new_contact(&caller.tenant, &contact, &id)?)?;
                    let new = contact.id;
                    let mut create = Claiming::new(&caller.tenant, external_id, contact, claim, id.clone());
                    let send = async |puts: ClaimAndContact, time| {
                        let record = once
                            .map(|once| once.put(&caller.tenant, &self.table, vec![new], vec![new], puts.stamp, &id))
                            .transpose();
                        match record {
                            Ok(record) => self.put_claim_and_contact(meter, puts, record, time).await,
                            Err(error) => Outcome::Failed(error),
                        }
                    };
                    self.carry_out(&mut create, deadline.min(self.deadline()), send).await?.map(Upserted::Created)
                }
                Found::Several(ids) => return Err(Error::ExternalIdAmbiguous { ids }),
                Found::OfOthers => return Err(Error::ExternalIdOfOthers),
            };
            if let Some(done) = done {
                return Ok(done);
            }
            // Others were first. Those who want the same external id get out of each other's way.
            let pause = FIRST_PAUSE / 8 * (1 << rounds.min(6));
            rounds += 1;
            if Instant::now() + pause >= deadline {
                return Err(Error::Unavailable("other writes of the contact kept coming first".into()));
            }
            sleep(drawn_from_upper_half_of(pause)).await;
        }
    }

    /// Updates the contact that carries `external_id`; nothing when it turns out to be gone, to carry another one, or to have been written by the
    /// same request before.
    #[expect(clippy::too_many_arguments, reason = "each is a part of the one call that makes this one")]
    async fn update_carrier(
        &self,
        meter: &Meter,
        caller: &Caller,
        id: ObjectId,
        external_id: &ExternalId,
        body: ContactBody,
        precondition: &Precondition,
        once: Option<&Once>,
        deadline: Instant,
    ) -> Result<Option<Upserted>, Error> {
        let updated = if once.is_none() && body.meta_members.is_empty() {
            let kind = Kind::Update(&body);
            let change = Change::new(caller, kind, precondition, WriteId::generate()).of_carrier(external_id);
            self.carry_out_change(meter, caller, id, change, kind, deadline).await
        } else {
            let (precondition, external_id) = (precondition.clone(), Some(external_id.clone()));
            let operation = Operation::Update { id, body: Box::new(body), precondition, external_id };
            match self.clone().until(deadline).write_all(meter, caller, &[operation], once).await? {
                Answered::Done(contacts) => contacts.into_iter().next().ok_or(Error::ContactNotFound),
                Answered::Replayed(_) => return Ok(None),
                Answered::Refused(errors) => Err(errors.into_iter().flatten().next().unwrap_or(Error::ContactNotFound)),
            }
        };
        match updated {
            Ok(contact) => Ok(Some(Upserted::Updated(contact))),
            Err(Error::ContactNotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The answer of a request that did the same before.
    async fn replayed(&self, meter: &Meter, caller: &Caller, record: &Record) -> Result<Upserted, Error> {
        let contact = self.get(meter, &caller.tenant, record.contact).await?;
        let was_created = record.created.contains(&record.contact);
        Ok(Upserted::Replayed { was_created, contact: contact.filter(|contact| caller.sees(contact)) })
    }

    /// Reads the claim, the record of the `Idempotency-Key`, and who carries the external id.
    pub(super) async fn find(
        &self,
        meter: &Meter,
        caller: &Caller,
        external_id: &ExternalId,
        once: Option<&Once>,
    ) -> Result<Read, Error> {
        let tenant = &caller.tenant;
        let claim_key = claim_key(tenant, external_id);
        let keys = std::iter::once(claim_key.clone()).chain(once.map(|once| once.record_key(tenant))).collect();
        let values = [external_id.as_str().to_owned()];
        let shown = self.find_by_external_ids(meter, tenant, &values, usize::MAX);
        let (items, shown) = try_join(self.get_by_keys(meter, keys, true), shown).await?;
        let (claims, records): (Vec<Item>, Vec<Item>) =
            items.into_iter().partition(|item| item.get("_id") == claim_key.get("_id"));
        let no_contact = || Error::Internal("the claim of an external id names no contact".into());
        let claim = claims.first().map(|claim| claimed(claim).ok_or_else(no_contact)).transpose()?;
        let mut candidates = shown.unwrap_or_default();
        candidates.extend(claim);
        candidates.sort_unstable();
        candidates.dedup();
        let (mut carriers, mut found) = (Vec::new(), Found::Nobody);
        for ids in candidates.chunks(BATCH_KEYS) {
            carriers.extend(self.get_many(meter, tenant, ids, true).await?);
            found = Found::among(carriers.iter().cloned(), external_id, caller);
            // Whatever else carries it, there is no answer but one.
            if let Found::Several(_) = found {
                break;
            }
        }
        Ok(Read { claim, record: records.into_iter().next(), found })
    }

    async fn put_claim_and_contact(&self, meter: &Meter, puts: ClaimAndContact, record: Option<Put>, time: Duration) -> Outcome {
        let ClaimAndContact { claim, contact, replaces, .. } = puts;
        let put_contact = Put::builder()
            .table_name(&self.table)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            // An id that is taken is never overwritten.
            .condition_expression("attribute_not_exists(#id)")
            .expression_attribute_names("#id", "_id")
            .set_item(Some(contact))
            .build()
            .map_err(|error| Error::Internal(error.into()));
        let puts = put_claim(&self.table, claim, replaces).and_then(|claim| Ok((claim, put_contact?)));
        let (put_claim, put_contact) = match puts {
            Ok(puts) => puts,
            Err(error) => return Outcome::Failed(error),
        };
        let puts = record.into_iter().chain([put_claim, put_contact]);
        let items = puts.map(|put| TransactWriteItem::builder().put(put).build()).collect();
        self.transact(meter, items, time, |reasons| {
            // The contact's item comes last, and says more: an earlier try was applied.
            let failed = reasons.iter().rev().find(|reason| sdk_error::is_failed_condition(reason));
            failed.map(|reason| reason.item.clone().unwrap_or_default())
        })
        .await
    }
}
