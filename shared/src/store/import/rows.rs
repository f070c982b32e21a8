//! Rows of a file that become contacts: how each is known, what becomes of it, and its one conditional write.
//!
//! A row is known by its `_id`, else by its external id, else by what is in it. The last two give an id that is the same in every
//! run, so a run that was interrupted goes on, and one that is repeated finds everything there. What is there is left alone
//! unless [`ImportRules`] say otherwise, and nothing is written but over what was read: an absent item, or the version that was
//! seen. See `docs/adr/0035-imports.md`.

use std::collections::HashMap;

use futures::future::try_join_all;
use futures::{StreamExt, TryStreamExt, stream};
use sha2::{Digest, Sha256};

use super::{Ended, Import, Insistence};
use crate::body::{ContactBody, Given};
use crate::caller::Caller;
use crate::contact::{Contact, ContactJson};
use crate::error::Error;
use crate::external_id::ExternalId;
use crate::meter::Meter;
use crate::object_id::ObjectId;
use crate::store::item::{self, Item};
use crate::store::register::{self, WriteId};
use crate::store::sdk_error::Backoff;
use crate::store::upsert::{self, Found};
use crate::store::{BATCH_KEYS, Store, Stored};
use crate::timestamp::Timestamp;
use crate::user::{User, UserType};

/// Contacts that are written at the same time. One partition takes about 1,000 writes a second, and each takes some milliseconds.
const WRITES_AT_ONCE: usize = 16;

/// External ids that are looked for at the same time.
const QUERIES_AT_ONCE: usize = 16;

/// A row of a file: a contact as another system has it.
#[derive(Clone, Debug)]
pub struct ImportRow {
    id: ObjectId,
    known_by: KnownBy,
    body: ContactBody,
    created_at: Option<Timestamp>,
    version: Option<u64>,
}

/// How far a row has come.
#[derive(Debug, Default)]
pub enum RowState {
    /// Nothing was written.
    #[default]
    Open,
    /// It may have been written.
    Tried(RowTry),
    /// This became of it.
    Done(RowOutcome),
}

/// A write of a row whose fate is not known.
#[derive(Debug)]
pub struct RowTry {
    /// The same in all tries, so that a contact shows whether it was this row that wrote it.
    write: WriteId,
    /// What became of the row if it was.
    outcome: RowOutcome,
}

impl RowState {
    /// What became of it, if that is known.
    pub fn outcome(self) -> Option<RowOutcome> {
        match self {
            Self::Done(outcome) => Some(outcome),
            Self::Open | Self::Tried(_) => None,
        }
    }

    fn is_done(&self) -> bool {
        matches!(self, Self::Done(_))
    }

    /// It was written, if it was tried at all.
    fn was_applied(&mut self) {
        match std::mem::take(self) {
            Self::Tried(RowTry { outcome, .. }) | Self::Done(outcome) => *self = Self::Done(outcome),
            Self::Open => {}
        }
    }

    /// Whether the item is one that it wrote.
    fn shows_in(&self, item: Option<&Item>) -> bool {
        match (self, item) {
            (Self::Tried(RowTry { write, .. }), Some(item)) => register::position(item, write).is_some(),
            _ => false,
        }
    }

    /// It is tried, again with the same id if it was before, and would become this.
    fn is_tried(&mut self, outcome: RowOutcome) -> WriteId {
        let write = match std::mem::take(self) {
            Self::Tried(RowTry { write, .. }) => write,
            Self::Open | Self::Done(_) => WriteId::generate(),
        };
        *self = Self::Tried(RowTry { write: write.clone(), outcome });
        write
    }
}

/// How a row is known again.
#[derive(Clone, Debug, PartialEq)]
enum KnownBy {
    /// By its `_id`.
    Id,
    /// By its external id: it is the contact that carries it.
    ExternalId(ExternalId),
    /// By what is in it.
    Content,
}

/// What an import does where something is there already, and when it writes at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportRules {
    /// A contact that is there becomes what the row says.
    pub replace: bool,
    /// A contact that was deleted here comes back.
    pub restore: bool,
    /// No row after one that is refused is written.
    pub strict: bool,
    /// Nothing is written at all.
    pub dry_run: bool,
}

/// What became of a row.
#[derive(Debug)]
pub enum RowOutcome {
    /// It is a new contact.
    Added,
    /// The contact that was there became what the row says.
    Replaced,
    /// The contact that had been deleted is there again.
    Restored,
    /// The contact that was there is what the row says already.
    Unchanged,
    /// A contact is there, and was left alone.
    There,
    /// Its contact was deleted here, and stays so.
    Deleted,
    /// It breaks a rule.
    Refused(Error),
}

impl ImportRow {
    /// The row with this body, and with what a body cannot set: `_id`, `createdAt` and `__v`, as far as the row has them.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidField`] when the body is not that of a create.
    pub fn new(
        tenant: &str,
        id: Option<ObjectId>,
        body: ContactBody,
        created_at: Option<Timestamp>,
        version: Option<u64>,
    ) -> Result<Self, Error> {
        let external_id = external_id(&body);
        let (id, known_by) = match (id, external_id) {
            (Some(id), _) => (id, KnownBy::Id),
            (None, Some(external_id)) => {
                (derived_id(b"external id", tenant, external_id.as_str().as_bytes()), KnownBy::ExternalId(external_id))
            }
            (None, None) => (derived_id(b"content", tenant, &content(&body, created_at)?), KnownBy::Content),
        };
        Ok(Self { id, known_by, body, created_at, version })
    }

    /// The contact's id, unless another contact carries the row's external id.
    pub fn id(&self) -> ObjectId {
        self.id
    }

    /// Whether the row itself has an `_id`.
    pub fn has_own_id(&self) -> bool {
        self.known_by == KnownBy::Id
    }

    /// The external id that the contact gets.
    pub fn external_id(&self) -> Option<ExternalId> {
        external_id(&self.body)
    }

    /// The contact `id` as it is after the import at `now`, over the contact that is there, if one is.
    fn contact(&self, caller: &Caller, id: ObjectId, over: Option<&Contact>, now: Timestamp) -> Result<Contact, Error> {
        let mut body = self.body.clone();
        if let Some(over) = over {
            // Every contact has these, so a row without them does not clear them.
            body.creator = given_or(body.creator, &over.creator);
            body.company_namespace = given_or(body.company_namespace, &over.company_namespace);
        }
        // Which namespaces may come and go depends on those that the contact has already.
        let own =
            caller.namespaces.iter().chain(body.company_namespace.as_ref().value().into_iter().flatten()).cloned().collect();
        let mut contact = body.into_contact(&Caller { namespaces: own, ..caller.clone() }, id, now)?;
        caller.may_change_namespaces(over.map_or(&[], |over| &over.company_namespace), &contact.company_namespace)?;
        contact.created_at = self.created_at.or(over.map(|over| over.created_at)).unwrap_or(now);
        match over {
            Some(_) => contact.editor = contact.editor.or_else(|| Some(caller.user.clone())),
            // An import is a change of the contact that the other system has.
            None => contact.version = self.version.map_or(0, |version| version.saturating_add(1)),
        }
        Ok(contact)
    }

    /// Whether `there` is what the row says, so that there is nothing to replace. `contact` is what it would become.
    fn is_the_same(&self, contact: &Contact, there: &Contact) -> bool {
        let editor = if self.body.editor.as_ref().value().is_some() { contact.editor.clone() } else { there.editor.clone() };
        let after = Contact { editor, updated_at: there.updated_at, version: there.version, ..contact.clone() };
        after == *there
    }
}

fn given_or<T: Clone>(given: Given<T>, there: &T) -> Given<T> {
    match given {
        Given::Value(value) => Given::Value(value),
        Given::Nothing | Given::Null => Given::Value(there.clone()),
    }
}

fn external_id(body: &ContactBody) -> Option<ExternalId> {
    body.integration_meta.as_ref().value().and_then(|meta| meta.external_id()).and_then(|id| ExternalId::parse(&id))
}

/// An id that is the same in every run. It begins with zeros where another one has the second of its creation, which is not known
/// here.
fn derived_id(kind: &[u8], tenant: &str, what: &[u8]) -> ObjectId {
    let mut hash = Sha256::new();
    for part in [kind, tenant.as_bytes(), what] {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    let mut bytes = [0; 12];
    bytes[4..].copy_from_slice(&hash.finalize()[..8]);
    ObjectId::from_bytes(bytes)
}

/// What is in a row, whatever file it stands in and whoever imports it.
fn content(body: &ContactBody, created_at: Option<Timestamp>) -> Result<Vec<u8>, Error> {
    let nobody = User { id: String::new(), username: None, name: None, kind: UserType::Admin, others: Default::default() };
    let namespaces = body.company_namespace.as_ref().value().cloned().unwrap_or_else(|| vec![String::new()]);
    let caller = Caller { tenant: String::new(), namespaces, user: nobody };
    let created_at = created_at.unwrap_or(Timestamp::from_millis(0));
    let contact = body.clone().into_contact(&caller, ObjectId::from_bytes([0; 12]), created_at)?;
    serde_json::to_vec(&ContactJson(&contact)).map_err(|error| Error::Internal(error.into()))
}

/// What a row is about, as it was read.
#[derive(Clone, Debug, PartialEq)]
struct Target {
    id: ObjectId,
    /// What the table holds there.
    item: Option<Item>,
    /// The row comes into being for an external id that nobody carries, whose claim named this contact.
    claim: Option<Option<ObjectId>>,
}

/// What is to be done with a row.
#[derive(Debug)]
enum Decision {
    Done(RowOutcome),
    Write { contact: Box<Contact>, there: Item, claim: Option<Option<ObjectId>>, outcome: RowOutcome },
}

/// Decides what becomes of a row whose target was read.
fn decide(row: &ImportRow, target: Result<Target, Error>, caller: &Caller, rules: ImportRules, now: Timestamp) -> Decision {
    judge(row, target, caller, rules, now).unwrap_or_else(|error| Decision::Done(RowOutcome::Refused(error)))
}

fn judge(
    row: &ImportRow,
    target: Result<Target, Error>,
    caller: &Caller,
    rules: ImportRules,
    now: Timestamp,
) -> Result<Decision, Error> {
    let Target { id, item, claim } = match target {
        Ok(target) => target,
        // Somebody carries the external id, and that is all that a row needs that leaves it alone.
        Err(Error::ExternalIdAmbiguous { .. } | Error::ExternalIdOfOthers) if !rules.replace => {
            return Ok(Decision::Done(RowOutcome::There));
        }
        Err(error) => return Err(error),
    };
    let Some(item) = item else {
        let contact = Box::new(row.contact(caller, id, None, now)?);
        return Ok(Decision::Write { contact, there: Item::new(), claim, outcome: RowOutcome::Added });
    };
    let stored =
        item::stored(item.clone()).map_err(|_| Error::invalid_field("_id", "is that of a malformed item of the table"))?;
    Ok(match stored {
        Stored::Contact(_) if !rules.replace => Decision::Done(RowOutcome::There),
        Stored::Contact(there) if !caller.sees(&there) => {
            return Err(Error::invalid_field("_id", "is that of a contact that the API key cannot see"));
        }
        Stored::Contact(there) => {
            let contact = Box::new(row.contact(caller, id, Some(&there), now)?);
            if row.is_the_same(&contact, &there) {
                Decision::Done(RowOutcome::Unchanged)
            } else {
                Decision::Write { contact, there: item, claim: None, outcome: RowOutcome::Replaced }
            }
        }
        Stored::Tombstone { .. } if !rules.restore => Decision::Done(RowOutcome::Deleted),
        Stored::Tombstone { .. } => {
            let contact = Box::new(row.contact(caller, id, None, now)?);
            Decision::Write { contact, there: item, claim, outcome: RowOutcome::Restored }
        }
    })
}

impl Store {
    /// Imports rows, no two of them with one id or external id, for `caller`: each that is new is written by a put on the
    /// condition that nothing is there, each other as `rules` say. `states` has a place for each row; those that are done are
    /// left out, so that the same call goes on after an error. With strict rules nothing behind the first refused row is done.
    ///
    /// For operators: no function has the permission.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`], [`Error::OutcomeUnknown`] and [`Error::Internal`]. What was done has its outcome.
    pub async fn import_rows(
        &self,
        caller: &Caller,
        rows: &[ImportRow],
        rules: ImportRules,
        states: &mut [RowState],
    ) -> Result<(), Error> {
        let meter = Meter::default();
        let mut backoff = Backoff::default();
        // A call that goes on must not pass the row at which the one before has stopped.
        let refused = states.iter().position(|state| matches!(state, RowState::Done(RowOutcome::Refused(_))));
        let mut end = refused.filter(|_| rules.strict).unwrap_or(rows.len());
        loop {
            let open: Vec<usize> = (0..end).filter(|&place| !states[place].is_done()).collect();
            if open.is_empty() {
                return Ok(());
            }
            let targets = self.targets(&meter, caller, &open.iter().map(|&place| &rows[place]).collect::<Vec<_>>()).await?;
            let mut writes = Vec::new();
            for (place, target) in open.into_iter().zip(targets) {
                let row = &rows[place];
                if target.as_ref().is_ok_and(|target| states[place].shows_in(target.item.as_ref())) {
                    states[place].was_applied();
                    continue;
                }
                match decide(row, target, caller, rules, (self.clock)()) {
                    Decision::Done(outcome) => {
                        let is_refused = matches!(outcome, RowOutcome::Refused(_));
                        states[place] = RowState::Done(outcome);
                        if rules.strict && is_refused {
                            end = place;
                            break;
                        }
                    }
                    Decision::Write { outcome, .. } if rules.dry_run => states[place] = RowState::Done(outcome),
                    Decision::Write { contact, there, claim, outcome } => {
                        let write = states[place].is_tried(outcome);
                        writes.push(self.write_row(&meter, caller, place, row, contact, there, claim, write));
                    }
                }
            }
            let mut failure = None;
            let mut written = stream::iter(writes).buffer_unordered(WRITES_AT_ONCE);
            while let Some((place, ended)) = written.next().await {
                match ended {
                    Ok(Ended::Applied) => states[place].was_applied(),
                    // Others wrote first: what there is now is looked at again.
                    Ok(Ended::Overtaken) => states[place] = RowState::Open,
                    Err(error) => failure = failure.or(Some(error)),
                }
            }
            drop(written);
            if let Some(error) = failure {
                return Err(error);
            }
            if !states[..end].iter().all(RowState::is_done) {
                backoff.wait().await?;
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "each is a part of the one call that makes this one")]
    async fn write_row(
        &self,
        meter: &Meter,
        caller: &Caller,
        place: usize,
        row: &ImportRow,
        contact: Box<Contact>,
        there: Item,
        claim: Option<Option<ObjectId>>,
        write: WriteId,
    ) -> (usize, Result<Ended, Error>) {
        let claim = match (&row.known_by, claim) {
            (KnownBy::ExternalId(external_id), Some(claimed)) => Some((external_id, claimed)),
            _ => None,
        };
        let mut import = Import::new(&caller.tenant, &contact, Insistence::OverWhatWasRead { claim });
        import.id = write;
        import.replaces(there);
        // A contact is never changed before it was created, whatever the clock says that told when.
        import.tries.item_shows(contact.created_at.plus_millis(-1));
        (place, self.carry_out(&mut import, self.deadline(), |put, time| self.put_over(meter, put, time)).await)
    }

    /// What each row is about: a request for each [`BATCH_KEYS`] items, and one for each external id that no contact with the id
    /// made from it carries.
    async fn targets(&self, meter: &Meter, caller: &Caller, rows: &[&ImportRow]) -> Result<Vec<Result<Target, Error>>, Error> {
        let tenant = &caller.tenant;
        let mut keys = Vec::with_capacity(rows.len());
        for row in rows {
            keys.push(item::key(tenant, row.id));
            if let KnownBy::ExternalId(external_id) = &row.known_by {
                keys.push(upsert::claim_key(tenant, external_id));
            }
        }
        let items = self.items_by_sort_key(meter, keys).await?;
        let items = &items;
        let targets = rows.iter().map(async |row| {
            let there = items.get(&row.id.to_string());
            match &row.known_by {
                KnownBy::Id | KnownBy::Content => Ok(Ok(Target { id: row.id, item: there.cloned(), claim: None })),
                KnownBy::ExternalId(external_id) => {
                    let claim = item::sort_key(&upsert::claim_key(tenant, external_id)).and_then(|key| items.get(key));
                    self.target_by_external_id(meter, caller, row.id, there, external_id, claim.and_then(upsert::claimed)).await
                }
            }
        });
        stream::iter(targets.collect::<Vec<_>>()).buffered(QUERIES_AT_ONCE).try_collect().await
    }

    /// The contact that carries an external id; else the one that an earlier import or upsert made for it, deleted or changed
    /// since; else a new one.
    async fn target_by_external_id(
        &self,
        meter: &Meter,
        caller: &Caller,
        id: ObjectId,
        there: Option<&Item>,
        external_id: &ExternalId,
        claimed: Option<ObjectId>,
    ) -> Result<Result<Target, Error>, Error> {
        let own = there.cloned().map(item::stored).and_then(Result::ok);
        if let Some(Stored::Contact(contact)) = &own
            && carries(contact, external_id)
        {
            return Ok(Ok(Target { id, item: there.cloned(), claim: None }));
        }
        let shown = self.find_by_external_ids(meter, &caller.tenant, &[external_id.as_str().to_owned()], usize::MAX).await?;
        let mut candidates = shown.unwrap_or_default();
        candidates.extend(claimed);
        candidates.retain(|&candidate| candidate != id);
        candidates.sort_unstable();
        candidates.dedup();
        let keys = candidates.iter().map(|&candidate| item::key(&caller.tenant, candidate)).collect();
        let mut items = self.items_by_sort_key(meter, keys).await?;
        let stored = items.values().cloned().filter_map(|item| item::stored(item).ok());
        match Found::among(own.clone().into_iter().chain(stored), external_id, caller) {
            Found::One(contact) => {
                let item = items.remove(&contact.id.to_string());
                return Ok(Ok(Target { id: contact.id, item, claim: None }));
            }
            Found::Several(ids) => return Ok(Err(Error::ExternalIdAmbiguous { ids })),
            Found::OfOthers => return Ok(Err(Error::ExternalIdOfOthers)),
            Found::Nobody => {}
        }
        if there.is_some() {
            let claim = matches!(own, Some(Stored::Tombstone { .. })).then_some(claimed);
            return Ok(Ok(Target { id, item: there.cloned(), claim }));
        }
        let deleted = claimed.and_then(|claimed| Some((claimed, items.remove(&claimed.to_string())?)));
        let is_tombstone = |item: &Item| matches!(item::stored(item.clone()), Ok(Stored::Tombstone { .. }));
        Ok(Ok(match deleted.filter(|(_, item)| is_tombstone(item)) {
            Some((id, item)) => Target { id, item: Some(item), claim: Some(claimed) },
            None => Target { id, item: None, claim: Some(claimed) },
        }))
    }

    /// The items with these keys, strongly consistent, by their sort keys.
    async fn items_by_sort_key(&self, meter: &Meter, keys: Vec<Item>) -> Result<HashMap<String, Item>, Error> {
        let batches = keys.chunks(BATCH_KEYS).map(|keys| self.get_by_keys(meter, keys.to_vec(), true));
        let items = try_join_all(batches).await?.into_iter().flatten();
        Ok(items.filter_map(|item| Some((item::sort_key(&item)?.to_owned(), item))).collect())
    }
}

fn carries(contact: &Contact, external_id: &ExternalId) -> bool {
    contact.integration_meta.as_ref().and_then(|meta| meta.external_id()).as_deref() == Some(external_id.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handling::Handling;
    use crate::text_field::TextField;

    const NOW: Timestamp = Timestamp::from_millis(1_760_000_000_000);
    const EARLIER: Timestamp = Timestamp::from_millis(1_600_000_000_000);

    fn body(json: &str) -> ContactBody {
        ContactBody::for_create(json.as_bytes(), &Handling::default()).unwrap()
    }

    fn row(json: &str) -> ImportRow {
        ImportRow::new("t", None, body(json), None, None).unwrap()
    }

    fn caller(namespaces: &[&str]) -> Caller {
        let user = User { id: "u".to_owned(), ..Contact::full().creator };
        Caller { tenant: "t".to_owned(), namespaces: namespaces.iter().map(ToString::to_string).collect(), user }
    }

    fn decision(row: &ImportRow, item: Option<Item>, caller: &Caller, rules: ImportRules) -> Decision {
        decide(row, Ok(Target { id: row.id, item, claim: None }), caller, rules, NOW)
    }

    #[test]
    fn a_row_without_ids_is_known_by_what_is_in_it_and_nothing_else() {
        let plain = row(r#"{"name":"Jane","title":"CEO"}"#);
        assert_eq!(plain.id.bytes()[..4], [0; 4]);
        assert_eq!(row(r#"{ "title" : "CEO", "phone1": null, "name" : "Jane", "unknown": 1 }"#).id, plain.id);
        for other in [
            r#"{"name":"Jane","title":"CEO","phone1":""}"#,
            r#"{"name":"Jane","title":"CFO"}"#,
            r#"{"name":"JaneC","title":"EO"}"#,
            r#"{"name":"Jane","title":"CEO","company_namespace":["company1"]}"#,
        ] {
            assert_ne!(row(other).id, plain.id, "{other}");
        }
        let of = |tenant, created_at| ImportRow::new(tenant, None, body(r#"{"name":"Jane","title":"CEO"}"#), created_at, None);
        assert_ne!(of("other", None).unwrap().id, plain.id);
        assert_ne!(of("t", Some(EARLIER)).unwrap().id, plain.id);

        let external = row(r#"{"name":"Jane","integration_meta":{"external_id":7}}"#);
        assert_eq!(row(r#"{"name":"Joan","integration_meta.external_id":"7"}"#).id, external.id);
        assert!(!external.has_own_id() && external.external_id() == ExternalId::parse("7"));
    }

    #[test]
    fn what_is_there_decides_with_the_rules() {
        let row = row(r#"{"name":"Jane"}"#);
        let there = Contact { id: row.id, ..Contact::full() };
        let contact = item::of_contact("t", &there).unwrap();
        let tombstone = Item::from([
            ("_id".to_owned(), contact["_id"].clone()),
            ("deleted".to_owned(), aws_sdk_dynamodb::types::AttributeValue::Bool(true)),
            ("updatedAt".to_owned(), contact["updatedAt"].clone()),
            ("__v".to_owned(), contact["__v"].clone()),
        ]);
        let me = caller(&["a", "b"]);
        let (leave, replace) = (ImportRules::default(), ImportRules { replace: true, ..ImportRules::default() });
        let restore = ImportRules { restore: true, ..ImportRules::default() };
        let is_written = |decision, expected: &str| match decision {
            Decision::Write { outcome, .. } => format!("{outcome:?}") == expected,
            Decision::Done(_) => false,
        };

        assert!(is_written(decision(&row, None, &me, leave), "Added"));
        for rules in [leave, restore] {
            assert!(matches!(decision(&row, Some(contact.clone()), &me, rules), Decision::Done(RowOutcome::There)));
        }
        assert!(is_written(decision(&row, Some(contact.clone()), &me, replace), "Replaced"));
        for rules in [leave, replace] {
            assert!(matches!(decision(&row, Some(tombstone.clone()), &me, rules), Decision::Done(RowOutcome::Deleted)));
        }
        assert!(is_written(decision(&row, Some(tombstone), &me, restore), "Restored"));
        // Another key does not see the contact, so that it must not overwrite it.
        let refused = decision(&row, Some(contact), &caller(&["z"]), replace);
        assert!(matches!(refused, Decision::Done(RowOutcome::Refused(Error::InvalidField(_)))), "{refused:?}");
    }

    #[test]
    fn a_replaced_contact_keeps_what_every_contact_has_and_one_that_is_the_same_is_not_written() {
        let me = caller(&["a", "b"]);
        let mut there = Contact::full();
        there.texts[TextField::Email] = Some("john@example.com".to_owned());
        let row = ImportRow::new("t", Some(there.id), body(r#"{"name":"Jane"}"#), None, Some(7)).unwrap();
        let contact = row.contact(&me, there.id, Some(&there), NOW).unwrap();
        assert_eq!((&contact.creator, contact.created_at), (&there.creator, there.created_at));
        assert_eq!(contact.company_namespace, there.company_namespace);
        assert_eq!((contact.editor.as_ref(), contact.texts.iter().any(|(_, text)| text.is_some())), (Some(&me.user), false));

        let whole = serde_json::to_string(&ContactJson(&there)).unwrap();
        let same = ImportRow::new("t", Some(there.id), body(&whole), Some(there.created_at), None).unwrap();
        let item = item::of_contact("t", &there).unwrap();
        let rules = ImportRules { replace: true, ..ImportRules::default() };
        assert!(matches!(decision(&same, Some(item), &me, rules), Decision::Done(RowOutcome::Unchanged)));
    }

    #[test]
    fn a_new_contact_continues_the_version_and_keeps_when_it_was_created() {
        let me = caller(&["a"]);
        let row = |created_at, version| ImportRow::new("t", None, body(r#"{"name":"Jane"}"#), created_at, version).unwrap();
        let new = |row: ImportRow| row.contact(&me, row.id, None, NOW).unwrap();

        let kept = new(row(Some(EARLIER), Some(7)));
        assert_eq!((kept.created_at, kept.version, kept.editor), (EARLIER, 8, None));
        let fresh = new(row(None, None));
        assert_eq!((fresh.created_at, fresh.version, fresh.company_namespace), (NOW, 0, vec!["a".to_owned()]));
        let foreign = ImportRow::new("t", None, body(r#"{"name":"Jane","company_namespace":["z"]}"#), None, None).unwrap();
        assert!(matches!(foreign.contact(&me, foreign.id, None, NOW), Err(Error::NamespaceNotAllowed { .. })));
    }
}
