//! Atomic batches: operations that all happen or none, upserts among them.
//!
//! What an upsert is, an update or a create, turns out when its external id is looked for. Then all operations are one write over what is read of their
//! contacts. When an external id has another carrier or claim by then, nothing was done, and it is looked for again.

use futures::{StreamExt, TryStreamExt, stream};
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep, timeout_at};

use super::idempotency::{Known, Once, Record};
use super::register::WriteId;
use super::tries::{Step, Tries};
use super::upsert::{Found, Read};
use super::versioned::{Answered, Claim, Operation, Versioned};
use super::write::drawn_from_upper_half_of;
use super::{Precondition, Store, Stored};
use crate::body::UpsertBody;
use crate::caller::Caller;
use crate::contact::Contact;
use crate::error::Error;
use crate::external_id::ExternalId;
use crate::handling::Handling;
use crate::meter::Meter;
use crate::object_id;

/// External ids that are looked for at the same time.
const LOOKED_FOR_AT_ONCE: usize = 8;

/// One operation of an atomic batch.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// What is done to a contact that is known.
    Known(Operation),
    /// The one contact with this external id is updated, or created.
    Upsert {
        /// The external id.
        external_id: ExternalId,
        /// The body.
        data: Box<RawValue>,
    },
}

/// What was done to one contact.
#[derive(Clone, Debug, PartialEq)]
pub struct Done {
    /// It came into being.
    pub was_created: bool,
    /// The contact as it is afterwards, or was before it was deleted. Nothing when the request is repeated and the contact is gone meanwhile.
    pub contact: Option<Contact>,
}

/// How an atomic batch ended of which nothing is unknown.
#[derive(Debug)]
pub enum Together {
    /// All was done.
    Done(Vec<Done>),
    /// The same batch had done all of it before.
    Replayed(Vec<Done>),
    /// Nothing was done. Those that could not be done have their error.
    Refused(Vec<Option<Error>>),
}

/// An operation on a contact that is known, with the claim that comes with it.
type Resolved = (Operation, Option<Claim>);

impl Store {
    /// Does all that is wanted or none of it; with `once` at most once in 24 hours. An operation that broke a rule is its error already.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidField`] when two operations are about one contact, [`Error::IdempotencyKeyReused`], [`Error::TransactionTooLarge`],
    /// [`Error::Unavailable`] and [`Error::Internal`]: nothing is changed then. [`Error::OutcomeUnknown`].
    pub async fn write_together(
        &self,
        meter: &Meter,
        caller: &Caller,
        handling: &Handling,
        mut wanted: Vec<Result<Wanted, Error>>,
        once: Option<&Once>,
    ) -> Result<Together, Error> {
        let deadline = self.deadline();
        let has_upserts = wanted.iter().any(|wanted| matches!(wanted, Ok(Wanted::Upsert { .. })));
        if has_upserts {
            self.needs_full_change_log()?;
        }
        let mut rounds = Tries::default();
        loop {
            // What an upsert did then, its contact does not show now.
            if let Some(once) = once.filter(|_| has_upserts)
                && let Some(record) = self.record(meter, caller, once).await?
            {
                return self.done_before(meter, caller, &wanted, &record).await;
            }
            let found = timeout_at(deadline, self.find_all(meter, caller, handling, wanted)).await;
            let found = found.map_err(|_| Error::Unavailable("there was no time to find the contacts".into()))??;
            if found.iter().any(|(_, found)| found.is_err()) {
                let (errors, operations): (Vec<_>, Vec<_>) = found
                    .into_iter()
                    .map(|(_, found)| match found {
                        Ok((operation, _)) => (None, Some(operation)),
                        Err(error) => (Some(error), None),
                    })
                    .unzip();
                // Nothing will be done, but whoever corrects the batch learns of all that is wrong with it.
                let operations: Vec<Operation> = operations.into_iter().flatten().collect();
                let mut others = self.refusals(meter, caller, &operations).await.unwrap_or_default().into_iter();
                let errors = errors.into_iter().map(|error| error.or_else(|| others.next().flatten()));
                return Ok(Together::Refused(errors.collect()));
            }
            let (again, found): (Vec<_>, Vec<_>) = found.into_iter().unzip();
            wanted = again;
            let (operations, claims): (Vec<Operation>, Vec<Option<Claim>>) = found.into_iter().flatten().unzip();
            refuse_a_contact_twice(&operations)?;

            let mut write = Versioned::new(caller, &operations, once, WriteId::generate()).claiming(&claims);
            let answered = self.clone().until(deadline).write_over_read(meter, &mut write).await?;
            let is_outdated = write.is_outdated();
            let was_created = operations.iter().map(|operation| matches!(operation, Operation::Create(_)));
            match answered {
                Answered::Done(contacts) => {
                    let done =
                        was_created.zip(contacts).map(|(was_created, contact)| Done { was_created, contact: Some(contact) });
                    return Ok(Together::Done(done.collect()));
                }
                Answered::Replayed(contacts) if !has_upserts => {
                    let done = was_created.zip(contacts).map(|(was_created, contact)| Done { was_created, contact });
                    return Ok(Together::Replayed(done.collect()));
                }
                // The record is there by now.
                Answered::Replayed(_) => {}
                Answered::Refused(errors) if !is_outdated && !has_lost_a_carrier(&operations, &errors) => {
                    return Ok(Together::Refused(errors));
                }
                Answered::Refused(_) => {}
            }
            // Others were first. Those who want the same external ids get out of each other's way.
            match rounds.again_after_conflict::<()>() {
                Step::TryAgain(pause) if Instant::now() + pause < deadline => sleep(drawn_from_upper_half_of(pause)).await,
                _ => return Err(Error::Unavailable("other writes of the contacts kept coming first".into())),
            }
        }
    }

    /// The record of a request with the key that did the same before.
    async fn record(&self, meter: &Meter, caller: &Caller, once: &Once) -> Result<Option<Record>, Error> {
        let items = self.get_by_keys(meter, vec![once.record_key(&caller.tenant)], true).await?;
        match once.known(items.first(), (self.clock)(), &WriteId::generate())? {
            Known::Nothing => Ok(None),
            Known::Own(record) | Known::Before(record) => Ok(Some(record)),
        }
    }

    /// What each operation is about, beside what was wanted.
    async fn find_all(
        &self,
        meter: &Meter,
        caller: &Caller,
        handling: &Handling,
        wanted: Vec<Result<Wanted, Error>>,
    ) -> Result<Vec<(Result<Wanted, Error>, Result<Resolved, Error>)>, Error> {
        let each = stream::iter(wanted).map(async |wanted| match wanted {
            Ok(Wanted::Known(operation)) => Ok((Ok(Wanted::Known(operation.clone())), Ok((operation, None)))),
            Ok(Wanted::Upsert { external_id, data }) => {
                let read = self.find(meter, caller, &external_id, None).await?;
                let found = self.operation_of(caller, handling, &external_id, &data, read);
                Ok((Ok(Wanted::Upsert { external_id, data }), found))
            }
            // Not looked at again: the batch ends with it.
            Err(error) => Ok((Err(Error::NotApplied), Err(error))),
        });
        each.buffered(LOOKED_FOR_AT_ONCE).try_collect().await
    }

    /// What an upsert is for those whom it found.
    fn operation_of(
        &self,
        caller: &Caller,
        handling: &Handling,
        external_id: &ExternalId,
        data: &RawValue,
        read: Read,
    ) -> Result<Resolved, Error> {
        let mut body = UpsertBody::read(data.get().as_bytes(), handling)?;
        match read.found {
            Found::One(contact) => {
                let body = Box::new(body.for_update(external_id, &contact)?);
                let (precondition, external_id) = (Precondition::None, Some(external_id.clone()));
                Ok((Operation::Update { id: contact.id, body, precondition, external_id }, None))
            }
            Found::Nobody => {
                let now = (self.clock)();
                let contact = body.for_create(external_id)?.into_contact(caller, object_id::generate(now), now)?;
                let claim = Claim { external_id: external_id.clone(), replaces: read.claim };
                Ok((Operation::Create(Box::new(contact)), Some(claim)))
            }
            Found::Several(ids) => Err(Error::ExternalIdAmbiguous { ids }),
            Found::OfOthers => Err(Error::ExternalIdOfOthers),
        }
    }

    /// The answer of a batch that did the same before.
    async fn done_before(
        &self,
        meter: &Meter,
        caller: &Caller,
        wanted: &[Result<Wanted, Error>],
        record: &Record,
    ) -> Result<Together, Error> {
        let ids = record.contacts();
        let there = self.get_many(meter, &caller.tenant, ids, true).await?;
        let now = |id| {
            there.iter().find_map(|stored| match stored {
                Stored::Contact(contact) if contact.id == id && caller.sees(contact) => Some(contact.as_ref().clone()),
                Stored::Contact(_) | Stored::Tombstone { .. } => None,
            })
        };
        let done = wanted.iter().zip(ids).map(|(wanted, &id)| {
            let was_created = record.created.contains(&id);
            let contact = match wanted {
                Ok(Wanted::Known(Operation::Create(contact))) => {
                    Some(Contact { id, ..contact.as_ref().clone() }.created(record.stamp))
                }
                _ => now(id),
            };
            Done { was_created, contact }
        });
        Ok(Together::Replayed(done.collect()))
    }
}

/// Whether the carrier of an external id carries another one by now, or is gone.
fn has_lost_a_carrier(operations: &[Operation], errors: &[Option<Error>]) -> bool {
    operations.iter().zip(errors).any(|(operation, error)| {
        matches!(operation, Operation::Update { external_id: Some(_), .. }) && matches!(error, Some(Error::ContactNotFound))
    })
}

fn refuse_a_contact_twice(operations: &[Operation]) -> Result<(), Error> {
    let mut ids: Vec<_> = operations.iter().map(Operation::id).collect();
    ids.sort_unstable();
    if ids.is_sorted_by(|one, next| one < next) {
        Ok(())
    } else {
        Err(Error::invalid_field("operations", "must name a contact only once when atomic is true"))
    }
}
