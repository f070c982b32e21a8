//! Changes of a contact that is there, update and delete: the request of each try, and what a refusal means.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use serde::Serialize;

use super::expression::UpdateExpression;
use super::item::{self, Item};
use super::left_namespaces::{self, Leaving, LeftNamespaces};
use super::register::{self, WriteId};
use super::tries::{Step, Tries, Write};
use super::{Stored, number};
use crate::body::{ContactBody, Given};
use crate::caller::Caller;
use crate::contact::Contact;
use crate::error::Error;
use crate::external_id::ExternalId;
use crate::json_object::JsonObject;
use crate::timestamp::Timestamp;
use crate::user::User;

/// How long a tombstone is kept for the lists' sake.
pub const TOMBSTONE_LIFE_SECONDS: i64 = 30 * 24 * 60 * 60;

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

    /// Whether it holds neither now, at `version`, nor after any later change.
    fn never_holds_from(&self, version: u64) -> bool {
        match self {
            Self::None => false,
            Self::Versions(versions) => versions.iter().all(|&wanted| wanted < version),
        }
    }
}

/// What a change does to the contact's item.
#[derive(Clone, Copy, Debug)]
pub enum Kind<'a> {
    /// It changes the fields that the body gives.
    Update(&'a ContactBody),
    /// It leaves a tombstone.
    Delete,
}

/// An UpdateItem request, but for the key.
#[derive(Clone, Debug)]
pub struct UpdateRequest {
    /// The update expression.
    pub update: String,
    /// The condition expression.
    pub condition: String,
    /// What the placeholders of names stand for.
    pub names: HashMap<String, String>,
    /// What the placeholders of values stand for.
    pub values: HashMap<String, AttributeValue>,
    /// What it returns of the item when it is applied.
    pub returns: ReturnValue,
}

/// What of the contact's namespaces a try depends on.
#[derive(Debug)]
enum Basis {
    /// Nothing: the body has none.
    Nothing,
    /// That they are these, which the body leaves as they are.
    Namespaces(Vec<String>),
    /// That the contact has this version, whose namespaces are others than the body's.
    Version { version: u64, namespaces: Vec<String>, left: LeftNamespaces },
}

/// An update or a delete that is tried until its outcome is known.
#[derive(Debug)]
pub struct Change<'a> {
    caller: &'a Caller,
    kind: Kind<'a>,
    precondition: &'a Precondition,
    id: WriteId,
    tries: Tries,
    /// The external id that the contact must carry, if it was found by one.
    external_id: Option<&'a ExternalId>,
    /// The state of the contact's namespaces against which the body's were checked.
    basis: Basis,
    /// The contact as the last refusal showed it.
    shown: Option<Box<Contact>>,
}

impl<'a> Change<'a> {
    /// The change of a contact by `caller`; `id` is a new one.
    pub fn new(caller: &'a Caller, kind: Kind<'a>, precondition: &'a Precondition, id: WriteId) -> Self {
        let mut change = Self {
            caller,
            kind,
            precondition,
            id,
            tries: Tries::default(),
            external_id: None,
            basis: Basis::Nothing,
            shown: None,
        };
        // A whole document that comes back leaves the namespaces as they were. If they turn out to be others, the next try expects
        // those, after it is clear that the caller may make the change.
        change.basis = change.new_namespaces().cloned().map_or(Basis::Nothing, Basis::Namespaces);
        change
    }

    /// The change of `contact` as it was read, which `precondition` names the version of, with the namespaces that it had `left`. Its one request is
    /// that of [`Write::request`].
    pub fn of_read(
        caller: &'a Caller,
        kind: Kind<'a>,
        precondition: &'a Precondition,
        id: WriteId,
        contact: &Contact,
        left: LeftNamespaces,
    ) -> Self {
        let mut change = Self::new(caller, kind, precondition, id);
        if let Some(after) = change.new_namespaces() {
            change.basis = Basis::of(contact, left, after);
        }
        change
    }

    /// The same change of a contact that must carry `external_id`: one that does not is not found.
    #[must_use]
    pub fn of_carrier(self, external_id: &'a ExternalId) -> Self {
        Self { external_id: Some(external_id), ..self }
    }

    fn new_namespaces(&self) -> Option<&'a Vec<String>> {
        match self.kind {
            Kind::Update(ContactBody { company_namespace: Given::Value(namespaces), .. }) => Some(namespaces),
            Kind::Update(_) | Kind::Delete => None,
        }
    }

    /// Why the contact, as it is, is not changed: what the caller did wrong, if anything.
    pub fn refusal(&self, contact: &Contact) -> Option<Error> {
        if !self.caller.sees(contact) || !self.carries_the_external_id(contact) {
            return Some(Error::ContactNotFound);
        }
        if !self.precondition.holds_for(contact.version) {
            return Some(Error::VersionConflict { current: contact.version });
        }
        let after = self.new_namespaces()?;
        self.caller.may_change_namespaces(&contact.company_namespace, after).err()
    }

    fn carries_the_external_id(&self, contact: &Contact) -> bool {
        self.external_id.is_none_or(|wanted| {
            let own = contact.integration_meta.as_ref().and_then(JsonObject::external_id);
            own.is_some_and(|own| own == wanted.as_str())
        })
    }

    /// The answer of a change that an earlier try made, `later` writes ago.
    fn applied_before(&mut self, item: Item, later: usize) -> Result<Contact, Error> {
        let unknown = |why: &str| Error::OutcomeUnknown(format!("the change was made, and {why}").into());
        match (self.kind, item::stored(item), self.shown.take()) {
            // With what others have changed since: a state of the contact that this change is a part of.
            (Kind::Update(_), Ok(Stored::Contact(contact)), _) if later == 0 || self.caller.sees(&contact) => Ok(*contact),
            (Kind::Update(_), ..) => Err(unknown("the contact is out of the caller's reach since")),
            (Kind::Delete, Ok(Stored::Tombstone { version, .. }), Some(before)) if before.version + 1 == version => Ok(*before),
            (Kind::Delete, ..) => Err(unknown("the contact as it was before is lost with the answer")),
        }
    }
}

impl Write for Change<'_> {
    type Request = UpdateRequest;
    type Answer = Contact;

    fn tries(&mut self) -> &mut Tries {
        &mut self.tries
    }

    fn request(&self, stamp: Timestamp) -> Result<UpdateRequest, Error> {
        let mut expression = UpdateExpression::default();
        match self.kind {
            Kind::Update(body) => each_field(self.caller, body, |attribute, value| match value {
                Some(value) => expression.set(attribute, &value),
                None => {
                    expression.remove(attribute);
                    Ok(())
                }
            })?,
            Kind::Delete => {
                item::attributes_of_contacts_only().for_each(|attribute| expression.remove(attribute));
                expression.set("deleted", &true)?;
                expression.set("expiresAt", &(stamp.millis() / 1_000 + TOMBSTONE_LIFE_SECONDS))?;
            }
        }
        self.remember_left_namespaces(&mut expression, stamp);
        expression.increment("__v");
        expression.set("updatedAt", &stamp)?;
        expression.shift(&register::ATTRIBUTES, &register::entry(stamp, &self.id), register::NONE)?;

        // An update must not bring to life what never was or is deleted.
        let id = expression.name("_id");
        expression.only_if(format!("attribute_exists({id})"));
        let deleted = expression.name("deleted");
        expression.only_if(format!("attribute_not_exists({deleted})"));
        // An item that is not a contact could not be shown, neither before nor after.
        item::only_if_well_formed(&mut expression);
        self.only_if_visible(&mut expression);
        if let Some(external_id) = self.external_id {
            let attribute = expression.name(item::EXTERNAL_ID);
            let value = expression.value(AttributeValue::S(external_id.as_str().to_owned()));
            expression.only_if(format!("{attribute} = {value}"));
        }
        self.only_at_the_wanted_versions(&mut expression);
        // So a try that comes late undoes nothing, and comes into effect once: what is applied makes `updatedAt` its stamp.
        let (updated_at, stamp) = (expression.name("updatedAt"), expression.value(number(stamp.millis())));
        expression.only_if(format!("{updated_at} < {stamp}"));
        if let Some(first) = self.tries.first_open() {
            self.only_if_not_applied_before(&mut expression, first);
        }

        let update = expression.update();
        let (condition, names, values) = expression.into_condition();
        let returns = match self.kind {
            Kind::Update(_) => ReturnValue::AllNew,
            Kind::Delete => ReturnValue::AllOld,
        };
        Ok(UpdateRequest { update, condition, names, values, returns })
    }

    fn applied(&mut self, item: Item) -> Result<Contact, Error> {
        match item::stored(item)? {
            Stored::Contact(contact) => Ok(*contact),
            Stored::Tombstone { .. } => Err(Error::Internal("the change of a contact returned a tombstone".into())),
        }
    }

    fn refused(&mut self, item: Item) -> Step<Contact> {
        if let Some(later) = register::position(&item, &self.id) {
            return Step::Answer(self.applied_before(item, later));
        }
        // Nobody knows an id before its contact is there.
        if item.is_empty() {
            self.tries.none_is_open();
            return Step::Answer(Err(Error::ContactNotFound));
        }
        if self.tries.first_open().is_some_and(|first| !register::reaches_back_to(&item, first)) {
            let why = "more writes came since than the contact remembers";
            return Step::Answer(Err(Error::OutcomeUnknown(why.into())));
        }
        let left = LeftNamespaces::of(&item);
        let contact = match item::stored(item) {
            Ok(Stored::Contact(contact)) => contact,
            // What is deleted stays so.
            Ok(Stored::Tombstone { .. }) => {
                self.tries.none_is_open();
                return Step::Answer(Err(Error::ContactNotFound));
            }
            Err(malformed) => return Step::Answer(Err(self.tries.failed(malformed.into()))),
        };
        self.tries.item_shows(contact.updated_at);
        if self.precondition.never_holds_from(contact.version) {
            self.tries.none_is_open();
        }
        let refusal = self.refusal(&contact);
        if refusal.is_none()
            && let Some(after) = self.new_namespaces()
        {
            self.basis = Basis::of(&contact, left, after);
        }
        self.shown = Some(contact);
        match refusal {
            Some(refusal) if self.tries.first_open().is_none() => Step::Answer(Err(refusal)),
            // A try that is under way could still be applied, once the contact is again as the caller wants it.
            Some(refusal) => self.tries.again_after_failure(refusal.into()),
            None => self.tries.again_after_refusal(),
        }
    }
}

impl Basis {
    /// That of a body with the namespaces `after`, over `contact` as it was shown.
    fn of(contact: &Contact, left: LeftNamespaces, after: &[String]) -> Self {
        let namespaces = contact.company_namespace.clone();
        let is_same_set = namespaces.len() == after.len() && namespaces.iter().all(|namespace| after.contains(namespace));
        if is_same_set { Self::Namespaces(namespaces) } else { Self::Version { version: contact.version, namespaces, left } }
    }
}

impl Change<'_> {
    /// Writes down which namespaces the contact leaves, with the version and the stamp of this try.
    fn remember_left_namespaces(&self, expression: &mut UpdateExpression, stamp: Timestamp) {
        let (Basis::Version { version, namespaces, left }, Some(after)) = (&self.basis, self.new_namespaces()) else { return };
        let left = left.after(namespaces, after, Leaving { version: version.saturating_add(1), updated_at: stamp });
        match left.value() {
            Some(left) => expression.set_value(left_namespaces::ATTRIBUTE, left),
            None => expression.remove(left_namespaces::ATTRIBUTE),
        }
    }

    fn only_if_visible(&self, expression: &mut UpdateExpression) {
        let namespaces = expression.name("company_namespace");
        let visible: Vec<String> = self
            .caller
            .namespaces
            .iter()
            .map(|namespace| format!("contains({namespaces},{})", expression.value(AttributeValue::S(namespace.clone()))))
            .collect();
        expression.only_if(format!("({})", visible.join(" OR ")));
        match &self.basis {
            Basis::Nothing => {}
            Basis::Namespaces(expected) => {
                let expected = expected.iter().cloned().map(AttributeValue::S).collect();
                let expected = expression.value(AttributeValue::L(expected));
                expression.only_if(format!("{namespaces} = {expected}"));
            }
            Basis::Version { version, .. } => {
                let (attribute, version) = (expression.name("__v"), expression.value(number(version)));
                expression.only_if(format!("{attribute} = {version}"));
            }
        }
    }

    fn only_at_the_wanted_versions(&self, expression: &mut UpdateExpression) {
        let Precondition::Versions(versions) = self.precondition else { return };
        let version = expression.name("__v");
        let versions: Vec<String> = versions.iter().map(|version| expression.value(number(version))).collect();
        expression.only_if(if versions.is_empty() {
            // None of the tags is a version: this never holds, and the item that comes back tells a 404 from a 412.
            format!("attribute_not_exists({version})")
        } else {
            format!("{version} IN ({})", versions.join(","))
        });
    }

    /// The item shows every write since the try that was stamped `first`, and none of them is this one.
    fn only_if_not_applied_before(&self, expression: &mut UpdateExpression, first: Timestamp) {
        let id = expression.value(AttributeValue::S(self.id.as_str().to_owned()));
        let entries = register::ATTRIBUTES.map(|attribute| expression.name(attribute));
        let own = entries.iter().map(|entry| format!("contains({entry},{id})")).collect::<Vec<_>>().join(" OR ");
        expression.only_if(format!("NOT ({own})"));
        let (oldest, first) = (&entries[entries.len() - 1], expression.value(AttributeValue::S(register::stamp_text(first))));
        expression.only_if(format!("(attribute_not_exists({oldest}) OR {oldest} < {first})"));
    }
}

/// One value of a contact's item, whatever its type.
#[derive(Serialize)]
#[serde(untagged)]
enum FieldValue<'a> {
    Text(&'a str),
    Flag(bool),
    Texts(&'a [String]),
    User(&'a User),
    Json(&'a JsonObject),
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
        texts,
        disabled,
        media,
        cover_photo,
        integration_meta,
        meta_members,
        company_namespace,
    } = body;
    if !meta_members.is_empty() {
        return Err(Error::Internal("members of integration_meta are set over what is there, which was not read".into()));
    }
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
    let texts = texts.iter().map(|(field, text)| (field.name(), text));
    for (attribute, text) in texts.chain([("name", name), ("cover_photo", cover_photo)]) {
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
    let external_id = match integration_meta {
        Given::Nothing => Given::Nothing,
        Given::Null => Given::Null,
        Given::Value(meta) => meta.external_id().map_or(Given::Null, Given::Value),
    };
    field(item::EXTERNAL_ID, external_id.as_ref().map(|id| FieldValue::Text(id)))?;
    field("company_namespace", company_namespace.as_ref().map(|namespaces| FieldValue::Texts(namespaces)))
}

/// An item of the size that the update of `contact` by `body` would have made, with a full register.
pub fn item_after(tenant: &str, contact: &Contact, caller: &Caller, body: &ContactBody) -> Result<Item, Error> {
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
    let entry = AttributeValue::S("-".repeat(register::ENTRY_BYTES));
    item.extend(register::ATTRIBUTES.map(|attribute| (attribute.to_owned(), entry.clone())));
    Ok(item)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handling::Handling;
    use crate::store::tries::Outcome;

    #[test]
    fn the_largest_condition_is_within_the_bounds_of_dynamodb() {
        let caller = Caller {
            tenant: "t".to_owned(),
            namespaces: (0..100).map(|number| number.to_string()).collect(),
            user: serde_json::from_str(r#"{"_id":"1","type":"rep"}"#).expect("a user"),
        };
        let body = ContactBody::for_update(br#"{"company_namespace":["1"]}"#, &Handling::default()).expect("a body");
        let precondition = Precondition::Versions((0..100).collect());
        for kind in [Kind::Update(&body), Kind::Delete] {
            let external_id = ExternalId::parse("C-1").expect("an external id");
            let mut change = Change::new(&caller, kind, &precondition, WriteId::generate()).of_carrier(&external_id);
            change.next_try(Timestamp::from_millis(1)).expect("a request");
            change.step(Outcome::Lost("an answer".into()));

            let UpdateRequest { update, condition, .. } = change.next_try(Timestamp::from_millis(2)).expect("a request");

            let signs = ["exists(", "type(", "contains(", " AND ", " OR ", "NOT ", " = ", " < ", " IN ", " BETWEEN "];
            let operators: usize = signs.iter().map(|sign| condition.matches(sign).count()).sum();
            assert!(condition.len() <= 4_096 && update.len() <= 4_096, "{} {}", condition.len(), update.len());
            assert!(operators <= 300, "{operators} operators and functions");
        }
    }
}
