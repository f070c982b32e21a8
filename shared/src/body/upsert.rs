//! The body of an upsert: that of an update if a contact carries the external id, else that of a create. Which of them it is turns out later, and
//! `null` does not mean the same in both.

use serde_json::value::RawValue;

use super::{ContactBody, Given, MAXIMUM_META_BYTES};
use crate::contact::Contact;
use crate::error::Error;
use crate::external_id::{self, ExternalId};
use crate::handling::Handling;
use crate::json_object::JsonObject;

/// What a body must say of the external id, if anything.
const SAME: &str = "must be the same as the parameter integration_meta.external_id, or be left out";

/// A body in both of its meanings, each with what is wrong with it.
#[derive(Debug)]
pub struct UpsertBody {
    create: Result<ContactBody, Error>,
    update: Result<ContactBody, Error>,
}

impl UpsertBody {
    /// Reads a body. Unknown members are treated as `handling` says.
    ///
    /// # Errors
    ///
    /// What is wrong with it in both meanings, before anything is read: [`Error::InvalidField`], [`Error::MalformedJson`] and
    /// [`Error::BodyTooLarge`].
    pub fn read(body: &[u8], handling: &Handling) -> Result<Self, Error> {
        let (create, update) = (ContactBody::for_create(body, handling), ContactBody::for_update(body, handling));
        match (create, update) {
            (Err(create), Err(update)) if create.to_string() == update.to_string() => Err(update),
            (create, update) => Ok(Self { create, update }),
        }
    }

    /// The body of the create of a contact that carries `external_id`.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidField`], also when it says something else of the external id.
    pub fn for_create(&mut self, external_id: &ExternalId) -> Result<ContactBody, Error> {
        // The members that it sets one by one are a whole object in a create, where `null` does not show any more.
        if let Ok(update) = &self.update {
            check_member(update, external_id)?;
        }
        carrying(taken(&mut self.create)?, external_id, None)
    }

    /// Checks the body as one of an update, where no contact carries `external_id`.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidField`] when no contact could be updated with it.
    pub fn check_for_update(&mut self, external_id: &ExternalId) -> Result<(), Error> {
        carrying(taken(&mut self.update)?, external_id, None).map(drop)
    }

    /// The body of the update of `carrier`, which carries `external_id` and will go on doing so, written as it is.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidField`], also when it says something else of the external id.
    pub fn for_update(&mut self, external_id: &ExternalId, carrier: &Contact) -> Result<ContactBody, Error> {
        let written = carrier.integration_meta.as_ref().and_then(|meta| external_id::member(meta.raw().get()));
        carrying(taken(&mut self.update)?, external_id, written)
    }
}

/// The body, or what is wrong with it, which ends the upsert.
fn taken(body: &mut Result<ContactBody, Error>) -> Result<ContactBody, Error> {
    match body {
        Ok(body) => Ok(body.clone()),
        Err(_) => std::mem::replace(body, Err(Error::Internal("a body that was refused is used".into()))),
    }
}

/// Refuses a body that sets the member to something else than `external_id`, or removes it.
fn check_member(body: &ContactBody, external_id: &ExternalId) -> Result<(), Error> {
    match body.meta_members.get(external_id::MEMBER) {
        None => Ok(()),
        Some(Some(value)) if value.external_id().as_deref() == Some(external_id.as_str()) => Ok(()),
        Some(_) => Err(Error::invalid_field("integration_meta.external_id", SAME)),
    }
}

/// The body that leaves the contact with `external_id`, `written` as it is there now.
fn carrying(body: ContactBody, external_id: &ExternalId, written: Option<&RawValue>) -> Result<ContactBody, Error> {
    check_member(&body, external_id)?;
    let meta = match &body.integration_meta {
        // An update that does not touch it.
        Given::Nothing if written.is_some() => return Ok(body),
        Given::Nothing | Given::Null => None,
        Given::Value(meta) => Some(meta),
    };
    if let Some(meta) = meta
        && external_id::member(meta.raw().get()).is_some()
    {
        return match meta.external_id() {
            Some(own) if own == external_id.as_str() => Ok(body),
            _ => Err(Error::invalid_field("integration_meta.external_id", SAME)),
        };
    }
    let value = written.map_or_else(|| external_id.to_json(), |written| written.get().to_owned());
    let meta =
        JsonObject::with_external_id(meta, &value).map_err(|why| Error::invalid_field("integration_meta", why.to_string()))?;
    if meta.raw().get().len() > MAXIMUM_META_BYTES {
        return Err(Error::invalid_field("integration_meta", "must be at most 64 KiB of JSON with the external id"));
    }
    Ok(ContactBody { integration_meta: Given::Value(meta), ..body })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn body(json: &str) -> UpsertBody {
        UpsertBody::read(json.as_bytes(), &Handling::default()).unwrap()
    }

    fn id() -> ExternalId {
        ExternalId::parse("7").unwrap()
    }

    fn carrier(meta: &str) -> Contact {
        let raw: Box<RawValue> = serde_json::from_str(meta).unwrap();
        Contact { integration_meta: Some(JsonObject::parse(&raw).unwrap()), ..Contact::full() }
    }

    fn meta(body: &ContactBody) -> Option<&str> {
        match &body.integration_meta {
            Given::Value(meta) => Some(meta.raw().get()),
            Given::Nothing | Given::Null => None,
        }
    }

    #[test]
    fn a_new_contact_gets_the_external_id_and_keeps_what_the_body_has() {
        for (given, made) in [
            (r#"{"name":"x"}"#, r#"{"external_id":"7"}"#),
            (r#"{"name":"x","integration_meta":null}"#, r#"{"external_id":"7"}"#),
            (r#"{"name":"x","integration_meta":{}}"#, r#"{"external_id":"7"}"#),
            (r#"{"name":"x","integration_meta":{"a":1.50}}"#, r#"{"a":1.50,"external_id":"7"}"#),
            (r#"{"name":"x","integration_meta":{"external_id":7,"a":1}}"#, r#"{"external_id":7,"a":1}"#),
        ] {
            assert_eq!(meta(&body(given).for_create(&id()).unwrap()), Some(made), "{given}");
        }
        let quoted = ExternalId::parse("a\"\\\u{1}").unwrap();
        let made = body(r#"{"name":"x"}"#).for_create(&quoted).unwrap();
        assert_eq!(external_id::of_meta(meta(&made).unwrap()).as_deref(), Some("a\"\\\u{1}"));
    }

    #[test]
    fn an_update_keeps_the_external_id_as_it_is_written() {
        let carrier = carrier(r#"{"external_id":7,"old":1}"#);
        for (given, made) in [
            (r#"{"title":"x"}"#, None),
            (r#"{"integration_meta":null}"#, Some(r#"{"external_id":7}"#)),
            (r#"{"integration_meta":{"a":1}}"#, Some(r#"{"a":1,"external_id":7}"#)),
            (r#"{"integration_meta":{"external_id":"7"}}"#, Some(r#"{"external_id":"7"}"#)),
        ] {
            assert_eq!(meta(&body(given).for_update(&id(), &carrier).unwrap()), made, "{given}");
        }
    }

    #[test]
    fn a_body_that_says_something_else_is_refused() {
        for value in [json!("8"), json!(8), json!(null), json!({}), json!("")] {
            let whole = json!({"name": "x", "integration_meta": {"external_id": value}}).to_string();
            let member = json!({"name": "x", "integration_meta.a": 1, "integration_meta.external_id": value}).to_string();
            let sentence = format!("integration_meta.external_id {SAME}");
            for given in [whole, member] {
                assert_eq!(body(&given).for_create(&id()).unwrap_err().to_string(), sentence, "{given}");
                let refused = body(&given).for_update(&id(), &carrier(r#"{"external_id":7}"#)).unwrap_err();
                assert_eq!(refused.to_string(), sentence, "{given}");
            }
        }
        let same = r#"{"name":"x","integration_meta.external_id":7,"integration_meta.a":1}"#;
        assert_eq!(meta(&body(same).for_create(&id()).unwrap()), Some(r#"{"a":1,"external_id":7}"#));
        assert_eq!(body(same).for_update(&id(), &carrier(r#"{"external_id":7}"#)).unwrap().meta_members.len(), 2);
        let large = json!({"name": "x", "integration_meta": {"a": "x".repeat(65_520)}}).to_string();
        let sentence = "integration_meta must be at most 64 KiB of JSON with the external id";
        assert_eq!(body(&large).for_create(&id()).unwrap_err().to_string(), sentence);
    }

    #[test]
    fn what_is_wrong_in_only_one_meaning_is_said_when_it_is_that() {
        let mut nameless = body(r#"{"title":"x"}"#);
        assert!(nameless.for_update(&id(), &carrier(r#"{"external_id":7}"#)).is_ok());
        assert_eq!(nameless.for_create(&id()).unwrap_err().to_string(), "name is required");
        let mut cleared = body(r#"{"name":"x","creator":null}"#);
        assert!(cleared.for_create(&id()).is_ok());
        let refused = cleared.for_update(&id(), &carrier(r#"{"external_id":7}"#)).unwrap_err().to_string();
        assert_eq!(refused, "creator must not be null: every contact has one");

        let wrong = UpsertBody::read(br#"{"name":"x","title":7}"#, &Handling::default()).unwrap_err().to_string();
        assert_eq!(wrong, "title must be a string");
        assert!(UpsertBody::read(b"[]", &Handling::default()).is_err());
    }
}
