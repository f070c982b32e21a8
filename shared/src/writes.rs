//! What the calls that write do with a contact, over the parts of a request: the one meaning of a create, an update and a delete, to which a single
//! call and an operation of a batch are two ways.

use crate::body::{ContactBody, UpsertBody};
use crate::caller::Caller;
use crate::clock;
use crate::contact::Contact;
use crate::error::Error;
use crate::external_id::ExternalId;
use crate::handling::Handling;
use crate::meter::Meter;
use crate::object_id::{self, ObjectId};
use crate::store::{Answered, Creation, IdempotencyKey, Once, Operation, Precondition, Store, Upserted};

/// What every write needs besides its own input.
#[derive(Clone, Copy, Debug)]
pub struct Writer<'a> {
    /// The contacts.
    pub store: &'a Store,
    /// What the write costs.
    pub meter: &'a Meter,
    /// Who writes.
    pub caller: &'a Caller,
    /// How to treat members of the body that are unknown.
    pub handling: &'a Handling,
}

/// A write that succeeded.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// What happened to the contact.
    pub kind: WrittenKind,
    /// The contact as it is afterwards, or as it was before it was deleted. Nothing when a request is repeated and the contact is gone meanwhile.
    pub contact: Option<Contact>,
    /// The same request did it before.
    pub replayed: bool,
}

/// What a write did to its contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrittenKind {
    /// It came into being.
    Created,
    /// It was changed, or deleted.
    Changed,
}

impl Written {
    /// A write that was done now.
    pub fn now(kind: WrittenKind, contact: Contact) -> Self {
        Self { kind, contact: Some(contact), replayed: false }
    }

    /// A write that the same request did before.
    pub fn before(kind: WrittenKind, contact: Option<Contact>) -> Self {
        Self { kind, contact, replayed: true }
    }
}

impl Writer<'_> {
    /// Creates the contact that `body` describes, at most once with `key`.
    ///
    /// # Errors
    ///
    /// Those of [`Writer::new_contact`], [`Store::create`] and [`Store::create_once`].
    pub async fn create(&self, body: &[u8], key: Option<&IdempotencyKey>) -> Result<Written, Error> {
        let contact = self.new_contact(body)?;
        let tenant = &self.caller.tenant;
        let creation = match key {
            Some(key) => self.store.create_once(self.meter, tenant, contact, key).await?,
            None => self.store.create(self.meter, tenant, contact).await.map(Creation::Created)?,
        };
        Ok(match creation {
            Creation::Created(contact) => Written::now(WrittenKind::Created, contact),
            Creation::Replayed(contact) => Written::before(WrittenKind::Created, Some(contact)),
        })
    }

    /// The contact that a create with this body makes, but for its times.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidField`], [`Error::MalformedJson`] and [`Error::BodyTooLarge`] about the body, and [`Error::NamespaceNotAllowed`].
    pub fn new_contact(&self, body: &[u8]) -> Result<Contact, Error> {
        let body = ContactBody::for_create(body, self.handling)?;
        let now = clock::now();
        body.into_contact(self.caller, object_id::generate(now), now)
    }

    /// Changes the fields of contact `id` that `body` gives. With `once`, whose key came with the request, at most once.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidField`], [`Error::MalformedJson`] and [`Error::BodyTooLarge`] about the body, and those of [`Store::update`] and
    /// [`Store::write_all`].
    pub async fn update(
        &self,
        id: ObjectId,
        body: &ContactBody,
        precondition: &Precondition,
        once: Option<&Once>,
    ) -> Result<Written, Error> {
        if once.is_none() && body.meta_members.is_empty() {
            let contact = self.store.update(self.meter, self.caller, id, body, precondition).await?;
            return Ok(Written::now(WrittenKind::Changed, contact));
        }
        let update =
            Operation::Update { id, body: Box::new(body.clone()), precondition: precondition.clone(), external_id: None };
        let answered = self.store.write_all(self.meter, self.caller, &[update], once).await?;
        let no_contact = || Error::Internal("the update of one contact answers for none".into());
        match answered {
            Answered::Done(contacts) => {
                let contact = contacts.into_iter().next().ok_or_else(no_contact)?;
                Ok(Written::now(WrittenKind::Changed, contact))
            }
            Answered::Replayed(contacts) => {
                Ok(Written::before(WrittenKind::Changed, contacts.into_iter().next().ok_or_else(no_contact)?))
            }
            Answered::Refused(errors) => Err(errors.into_iter().flatten().next().unwrap_or_else(no_contact)),
        }
    }

    /// What an update by id asks for, when it came with `key`: the same contact, query and body again are the same request.
    pub fn update_once(key: IdempotencyKey, id: ObjectId, query: &str, body: &[u8]) -> Once {
        Once::new(key, &[b"PUT", id.to_string().as_bytes(), query.as_bytes(), body])
    }

    /// Changes the one contact with `external_id` that the caller sees as `body` says, or creates it; with `once` at most once. With `if_match` it
    /// must be there.
    ///
    /// # Errors
    ///
    /// Those of [`UpsertBody::read`] and [`Store::upsert`].
    pub async fn upsert(
        &self,
        external_id: &ExternalId,
        body: &[u8],
        if_match: Option<&Precondition>,
        once: Option<&Once>,
    ) -> Result<Written, Error> {
        let mut body = UpsertBody::read(body, self.handling)?;
        let upserted = self.store.upsert(self.meter, self.caller, external_id, &mut body, if_match, once).await?;
        Ok(match upserted {
            Upserted::Created(contact) => Written::now(WrittenKind::Created, contact),
            Upserted::Updated(contact) => Written::now(WrittenKind::Changed, contact),
            Upserted::Replayed { was_created: true, contact } => Written::before(WrittenKind::Created, contact),
            Upserted::Replayed { was_created: false, contact } => Written::before(WrittenKind::Changed, contact),
        })
    }

    /// What an upsert asks for, when it came with `key`: the same external id, query and body again are the same request.
    pub fn upsert_once(key: IdempotencyKey, external_id: &ExternalId, query: &str, body: &[u8]) -> Once {
        Once::new(key, &[b"PUT by external id", external_id.as_str().as_bytes(), query.as_bytes(), body])
    }

    /// Deletes contact `id`.
    ///
    /// # Errors
    ///
    /// Those of [`Store::delete`].
    pub async fn delete(&self, id: ObjectId, precondition: &Precondition) -> Result<Written, Error> {
        let contact = self.store.delete(self.meter, self.caller, id, precondition).await?;
        Ok(Written::now(WrittenKind::Changed, contact))
    }
}
