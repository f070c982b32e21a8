//! Creation: the item that each try puts, and what a refusal means.

use aws_sdk_dynamodb::types::AttributeValue;

use super::item::{self, Item};
use super::register::{self, WriteId};
use super::tries::{Step, Tries, Write};
use crate::contact::Contact;
use crate::error::Error;
use crate::timestamp::Timestamp;

/// A creation that is tried until its outcome is known. Nobody else makes a contact with its id, so any item under it comes from one of its tries.
#[derive(Debug)]
pub struct Create<'a> {
    tenant: &'a str,
    contact: Contact,
    id: WriteId,
    tries: Tries,
}

impl<'a> Create<'a> {
    /// The creation of `contact`, whose times become those of the try that is applied; `id` is a new one.
    pub fn new(tenant: &'a str, contact: Contact, id: WriteId) -> Self {
        Self { tenant, contact, id, tries: Tries::default() }
    }
}

impl Write for Create<'_> {
    type Request = Item;
    type Answer = Contact;

    fn tries(&mut self) -> &mut Tries {
        &mut self.tries
    }

    fn request(&self, stamp: Timestamp) -> Result<Item, Error> {
        item::of_new_contact(self.tenant, &self.contact.clone().created(stamp), &self.id)
    }

    fn applied(&mut self, _: Item) -> Result<Contact, Error> {
        Ok(self.contact.clone().created(self.tries.last_stamp()))
    }

    fn refused(&mut self, item: Item) -> Step<Contact> {
        let Some(first) = self.tries.first_open() else {
            return Step::Answer(Err(Error::Internal("another contact has the id that was made for a new one".into())));
        };
        // What has become of the contact since does not matter; only which of the tries made it. When it was deleted and changed eight times
        // besides, nothing shows that any more.
        let stamp = created_at(&item).or_else(|| register::stamp_of(&item, &self.id)).unwrap_or(first);
        Step::Answer(Ok(self.contact.clone().created(stamp)))
    }
}

fn created_at(item: &Item) -> Option<Timestamp> {
    let AttributeValue::N(millis) = item.get("createdAt")? else { return None };
    millis.parse().ok().map(Timestamp::from_millis)
}
