//! Random histories of calls, whose answers a [`Model`] predicts.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use reqwest::Method;
use serde_json::{Map, Value, json};
use shared::clock;
use shared::object_id;

use crate::answer::Answer;
use crate::app::App;
use crate::caller::Caller;
use crate::contact::Contact;
use crate::model::{Model, Query, sees};

/// The namespaces of every tenant.
const NAMESPACES: [&str; 3] = ["north", "south", "west"];

/// Names that are interesting to fold, sort and encode.
const NAMES: [&str; 24] = [
    "John Smith",
    "john smith",
    "JOHN  SMITH",
    "Jose",
    "José",
    "Jose\u{301}",
    "Straße",
    "STRASSE",
    "strasse 1",
    "جون سميث",
    "مُحَمَّد",
    "محمد",
    "محمـــد",
    "a, b",
    "100%",
    "100%25",
    "[Draft] x",
    "[\"A\"]",
    "a+b & c=d",
    "ﬁ",
    "fi",
    "İstanbul",
    "Zoë 😀",
    "\u{1}",
];

/// What is searched for among them.
const WORDS: [&str; 14] =
    ["john", "SMITH", "jose", "strasse", "ß", "محمد", "ـ", "سميث", "100%", "fi", "zoe", "i", "\u{301}", "nobody"];

/// What lists can be sorted by.
const SORTABLE: [&str; 10] =
    ["_id", "name", "local_name", "phone1", "phone2", "email", "title", "disabled", "createdAt", "updatedAt"];

/// External ids that are asked for.
const EXTERNAL_IDS: [&str; 6] = ["C-1", "c-1", "7", "1.5", "[x], y", "nobody"];

/// Fields that are nothing but text, with a few values for each.
const TEXTS: [(&str, [&str; 3]); 7] = [
    ("local_name", ["جون سميث", "Jose", ""]),
    ("phone1", ["+1", "+12", "1"]),
    ("phone2", ["", "٣", "3"]),
    ("email", ["a@example.com", "A@example.com", "b@example.com"]),
    ("title", ["Manager", "manager", "Director, North"]),
    ("extra_info", ["", "x", "\u{10ffff}"]),
    ("cover_photo", ["https://example.com/1.jpg", "x", "y"]),
];

/// The field of which members can be set one by one.
const META: &str = "integration_meta";

/// A call, with a random choice for everything that is only known while the history runs.
#[derive(Clone, Debug)]
pub struct Step {
    caller: Index,
    gateway: Index,
    call: Call,
}

#[derive(Clone, Debug)]
enum Call {
    Create { body: Map<String, Value>, idempotency_key: Option<u8> },
    Get { contact: Index },
    Update { contact: Index, body: Map<String, Value>, version: Version, idempotency_key: Option<u8> },
    SendBack { contact: Index },
    Batch { operations: Vec<Operation>, atomic: bool },
    Delete { contact: Index, version: Version },
    List { query: Box<Query>, ids: Vec<Index>, moments: [Option<(Index, i64)>; 2], bounds: [Option<Index>; 2] },
}

/// An operation of a batch.
#[derive(Clone, Debug)]
enum Operation {
    Create { body: Map<String, Value> },
    Update { contact: Index, body: Map<String, Value>, version: Version },
    Delete { contact: Index, version: Version },
}

/// What `If-Match` says.
#[derive(Clone, Copy, Debug)]
enum Version {
    Unsaid,
    Right,
    Wrong,
}

/// What a request with an idempotency key asked for.
#[derive(Debug)]
enum Asked {
    /// A contact with these fields; this one was created.
    Create { fields: Value, created: Contact },
    /// This change of the contact with this id.
    Update { id: String, body: Map<String, Value> },
}

/// A random history of so many steps.
pub fn history(steps: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Step>> {
    vec((any::<Index>(), any::<Index>(), call()).prop_map(|(caller, gateway, call)| Step { caller, gateway, call }), steps)
}

fn call() -> impl Strategy<Value = Call> {
    let version = prop_oneof![3 => Just(Version::Unsaid), 2 => Just(Version::Right), 1 => Just(Version::Wrong)];
    prop_oneof![
        4 => (body(true), prop::option::weighted(0.25, 0..3_u8))
            .prop_map(|(body, idempotency_key)| Call::Create { body, idempotency_key }),
        1 => any::<Index>().prop_map(|contact| Call::Get { contact }),
        4 => (any::<Index>(), body(false), version.clone(), prop::option::weighted(0.25, 0..3_u8))
            .prop_map(|(contact, body, version, idempotency_key)| Call::Update { contact, body, version, idempotency_key }),
        1 => any::<Index>().prop_map(|contact| Call::SendBack { contact }),
        2 => (vec(operation(), 1..6), any::<bool>()).prop_map(|(operations, atomic)| Call::Batch { operations, atomic }),
        2 => (any::<Index>(), version).prop_map(|(contact, version)| Call::Delete { contact, version }),
        6 => (
            query(),
            prop_oneof![3 => Just(Vec::new()), 1 => vec(any::<Index>(), 1..40)],
            [moment(), moment()],
            [prop::option::weighted(0.15, any::<Index>()), prop::option::weighted(0.15, any::<Index>())],
        ).prop_map(|(query, ids, moments, bounds)| Call::List { query: query.into(), ids, moments, bounds }),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    let version = prop_oneof![4 => Just(Version::Unsaid), 2 => Just(Version::Right), 1 => Just(Version::Wrong)];
    prop_oneof![
        2 => body(true).prop_map(|body| Operation::Create { body }),
        3 => (any::<Index>(), body(false), version.clone())
            .prop_map(|(contact, body, version)| Operation::Update { contact, body, version }),
        1 => (any::<Index>(), version).prop_map(|(contact, version)| Operation::Delete { contact, version }),
    ]
}

fn moment() -> impl Strategy<Value = Option<(Index, i64)>> {
    prop::option::weighted(0.2, (any::<Index>(), -1..=1_i64))
}

/// Some fields of a contact. An update can clear one with `null`.
fn body(creates: bool) -> impl Strategy<Value = Map<String, Value>> {
    let name = prop_oneof![3 => select(&NAMES[..]).prop_map(Some), 4 => Just(None)];
    let name = (name, select(&NAMES[..])).prop_map(move |(name, needed)| name.or(creates.then_some(needed)));
    let texts = vec((select(&TEXTS[..]), 0..4_usize), 0..4);
    let flag = prop::option::weighted(0.3, prop::option::of(any::<bool>()));
    let others = prop::option::weighted(
        0.4,
        prop_oneof![
            1 => select(vec![json!({"": [1, {}]}), json!({}), json!({"external_id": 1.5}), json!({"external_id": ""}), Value::Null]),
            3 => select(vec![json!("C-1"), json!("c-1"), json!(7), json!("7"), json!("[x], y")]).prop_map(|id| json!({"external_id": id})),
        ],
    );
    let namespaces = prop::option::weighted(0.4, subsequence(&NAMESPACES[..], 1..=3).prop_shuffle());
    let members = vec((select(vec!["erp", "crm", "\u{10ffff}\""]), select(vec![json!(1), json!({"a": []}), Value::Null])), 0..3);
    let members = prop::option::weighted(0.2, members);
    let user = prop::option::weighted(0.2, select(vec![json!({"_id": "7", "type": "client", "client": "c"}), Value::Null]));
    (name, texts, flag, others, members, namespaces, user).prop_map(
        move |(name, texts, flag, meta, members, namespaces, user)| {
            let mut body = Map::new();
            body.extend(name.map(|name| ("name".to_owned(), name.into())));
            for ((field, values), choice) in texts {
                body.insert(field.to_owned(), values.get(choice).map_or(Value::Null, |value| Value::from(*value)));
            }
            body.extend(flag.map(|flag| ("disabled".to_owned(), json!(flag))));
            match members {
                Some(members) => body.extend(members.into_iter().map(|(key, value)| (format!("{META}.{key}"), value))),
                None => body.extend(meta.map(|meta| (META.to_owned(), meta))),
            }
            body.extend(namespaces.map(|namespaces| ("company_namespace".to_owned(), json!(namespaces))));
            body.extend(user.map(|user| ("editor".to_owned(), user)));
            body
        },
    )
}

fn query() -> impl Strategy<Value = Query> {
    let some = |weight, values: &'static [&'static str], most| prop::option::weighted(weight, vec(select(values), 1..most));
    (
        prop::option::weighted(0.5, prop_oneof![8 => 1..5_u64, 1 => Just(u64::MAX)]),
        prop::option::weighted(0.7, prop_oneof![1..5_u64, Just(100)]),
        some(0.2, &NAMES, 4),
        some(0.25, &WORDS, 3),
        some(0.2, &EXTERNAL_IDS, 4),
        prop_oneof![1 => Just(Vec::new()), 2 => vec((select(&SORTABLE[..]), any::<bool>()), 1..4)],
        any::<u8>(),
    )
        .prop_map(|(page, per_page, names, search, external_ids, sort, form)| Query {
            page,
            per_page,
            names: names.unwrap_or_default().into_iter().map(str::to_owned).collect(),
            search: search.map(|words| words.join(" ")),
            external_ids: external_ids.unwrap_or_default().into_iter().map(str::to_owned).collect(),
            sort,
            form,
            ..Query::default()
        })
}

/// The state of a running history.
struct World<'a> {
    gateways: &'a [App],
    callers: Vec<Caller>,
    tenants: BTreeMap<String, Model>,
    /// Every id that was used, with its tenant; the first belongs to no contact.
    ids: Vec<String>,
    /// What was done with an idempotency key.
    done_once: BTreeMap<(String, u8), Asked>,
}

/// Runs a history of two tenants with four callers each, and compares every answer with the model's.
///
/// # Panics
/// When an answer differs.
pub async fn run(gateways: &[App], steps: Vec<Step>) {
    let mut world =
        World { gateways, callers: Vec::new(), tenants: BTreeMap::new(), ids: vec!["0".repeat(24)], done_once: BTreeMap::new() };
    for tenant in 0..2 {
        let tenant = format!("tenant {tenant} {}", object_id::generate(clock::now()));
        for (username, namespaces) in [
            ("north", &["north"][..]),
            ("south", &["south"]),
            ("both", &["south", "north"]),
            ("all", &["west", "north", "south"]),
        ] {
            let caller = gateways[0].caller(&tenant, namespaces, username).await;
            world.tenants.entry(caller.tenant.clone()).or_default();
            world.callers.push(caller);
        }
    }
    for step in steps {
        let caller = step.caller.get(&world.callers).at(step.gateway.get(gateways));
        world.step(&caller, step.call).await;
    }
    world.compare_everything().await;
}

impl World<'_> {
    async fn step(&mut self, caller: &Caller, call: Call) {
        match call {
            Call::Create { body, idempotency_key } => self.create(caller, body, idempotency_key).await,
            Call::Get { contact } => {
                let (id, known) = self.pick(caller, contact);
                let answer = caller.get(&id).await;
                match known {
                    Some(known) => assert_eq!(answer.expect(200).contact(), known),
                    None => assert_eq!(answer.refusal(), NOT_FOUND),
                }
            }
            Call::Update { contact, body, version, idempotency_key } => {
                let (id, known) = self.pick(caller, contact);
                self.update(caller, &id, known, body, version, idempotency_key).await;
            }
            Call::SendBack { contact } => {
                let (id, known) = self.pick(caller, contact);
                let body = known.as_ref().map(|contact| contact.members().clone()).unwrap_or_default();
                self.update(caller, &id, known, body, Version::Unsaid, None).await;
            }
            Call::Delete { contact, version } => {
                let (id, known) = self.pick(caller, contact);
                let request = caller.request(Method::DELETE, &format!("/client-contact/{id}"));
                let answer = if_match(request, version, known.as_ref()).send().await;
                self.deleted(caller, &id, known, version, answer);
            }
            Call::Batch { operations, atomic } => self.batch(caller, operations, atomic).await,
            Call::List { mut query, ids, moments, bounds } => {
                query.ids = ids.iter().map(|id| id.get(&self.ids).clone()).collect();
                let moments = moments.map(|chosen| {
                    chosen.and_then(|(contact, offset)| Some(self.pick(caller, contact).1?.millis("updatedAt") + offset))
                });
                [query.from_updated, query.to_updated] = moments;
                [query.from_id, query.to_id] = bounds.map(|bound| bound.map(|id| id.get(&self.ids).clone()));
                self.list(caller, &query).await;
            }
        }
    }

    async fn create(&mut self, caller: &Caller, body: Map<String, Value>, idempotency_key: Option<u8>) {
        let request = caller.request(Method::POST, "/client-contact").json(&body);
        let answer = match idempotency_key {
            Some(key) => request.header("idempotency-key", format!("key {key}")).send().await,
            None => request.send().await,
        };
        self.created(caller, body, idempotency_key, answer);
    }

    /// The answer to a create.
    fn created(&mut self, caller: &Caller, body: Map<String, Value>, idempotency_key: Option<u8>, answer: Answer) {
        let mut expected: Map<String, Value> = body.into_iter().filter(|(_, value)| !value.is_null()).collect();
        let members = take_members(&mut expected);
        set_members(&mut expected, members);
        expected.entry("creator").or_insert_with(|| caller.user.clone());
        expected.entry("disabled").or_insert(false.into());
        expected.entry("company_namespace").or_insert_with(|| json!([caller.namespaces[0]]));
        if let Some(foreign) = foreign(caller, &[], &expected["company_namespace"]) {
            return assert_eq!(answer.refusal(), foreign);
        }
        let expected = Value::Object(expected);
        let once = idempotency_key.map(|key| (caller.tenant.clone(), key));
        match once.as_ref().and_then(|once| self.done_once.get(once)) {
            Some(Asked::Create { fields, created }) if *fields == expected => {
                assert_eq!(answer.header("idempotency-replayed"), Some("true"));
                return assert_eq!(answer.expect(201).contact(), *created);
            }
            Some(_) => return assert_eq!(answer.refusal(), REUSED),
            None => {}
        }
        assert_eq!(answer.header("idempotency-replayed"), None);
        let created = answer.expect(201).contact();
        assert_eq!(created.fields(), expected);
        assert_eq!((created.version(), &created["createdAt"]), (0, &created["updatedAt"]));
        assert!(!self.ids.contains(&created.id()));
        self.ids.push(created.id());
        self.done_once.extend(once.map(|once| (once, Asked::Create { fields: expected, created: created.clone() })));
        self.model(caller).keep(created);
    }

    async fn update(
        &mut self,
        caller: &Caller,
        id: &str,
        known: Option<Contact>,
        body: Map<String, Value>,
        version: Version,
        idempotency_key: Option<u8>,
    ) {
        let mut request = caller.request(Method::PUT, &format!("/client-contact/{id}")).json(&body);
        if let Some(key) = idempotency_key {
            request = request.header("idempotency-key", format!("key {key}"));
        }
        let answer = if_match(request, version, known.as_ref()).send().await;
        self.updated(caller, id, known, body, version, idempotency_key, answer);
    }

    /// The answer to an update.
    #[expect(clippy::too_many_arguments, reason = "each is a part of one call")]
    fn updated(
        &mut self,
        caller: &Caller,
        id: &str,
        known: Option<Contact>,
        mut body: Map<String, Value>,
        version: Version,
        idempotency_key: Option<u8>,
        answer: Answer,
    ) {
        let once = idempotency_key.map(|key| (caller.tenant.clone(), key));
        match once.as_ref().and_then(|once| self.done_once.get(once)) {
            Some(Asked::Update { id: before, body: asked }) if before == id && *asked == body => {
                assert_eq!(answer.header("idempotency-replayed"), Some("true"));
                return match known {
                    Some(known) => assert_eq!(answer.expect(200).contact(), known),
                    None => assert_eq!(answer.refusal(), NOT_FOUND),
                };
            }
            Some(_) => return assert_eq!(answer.refusal(), REUSED),
            None => assert_eq!(answer.header("idempotency-replayed"), None),
        }
        let Some(known) = known else { return assert_eq!(answer.refusal(), NOT_FOUND) };
        if matches!(version, Version::Wrong) {
            return assert_eq!(answer.status, 412, "{}", answer.text());
        }
        let before = known["company_namespace"].as_array().expect("company_namespace is an array");
        if let Some(foreign) = body.get("company_namespace").and_then(|after| foreign(caller, before, after)) {
            return assert_eq!(answer.refusal(), foreign);
        }

        self.done_once.extend(once.map(|once| (once, Asked::Update { id: id.to_owned(), body: body.clone() })));
        let Value::Object(mut expected) = known.fields() else { panic!("fields are an object") };
        expected.insert("editor".to_owned(), caller.user.clone());
        let members = take_members(&mut body);
        for (field, value) in
            body.into_iter().filter(|(field, _)| !["_id", "createdAt", "updatedAt", "__v"].contains(&field.as_str()))
        {
            match value {
                Value::Null if field == "disabled" => drop(expected.insert(field, false.into())),
                Value::Null => drop(expected.remove(&field)),
                value => drop(expected.insert(field, value)),
            }
        }
        set_members(&mut expected, members);
        let changed = answer.expect(200).contact();
        assert_eq!(changed.fields(), Value::Object(expected));
        assert_eq!((changed.id(), changed.version()), (known.id(), known.version() + 1));
        assert_eq!(changed["createdAt"], known["createdAt"]);
        assert!(changed.millis("updatedAt") > known.millis("updatedAt"));
        self.model(caller).keep(changed);
    }

    /// The answer to a delete.
    fn deleted(&mut self, caller: &Caller, id: &str, known: Option<Contact>, version: Version, answer: Answer) {
        match known {
            None => assert_eq!(answer.refusal(), NOT_FOUND),
            Some(_) if matches!(version, Version::Wrong) => assert_eq!(answer.status, 412),
            Some(known) => {
                assert_eq!(answer.expect(200).contact(), known);
                self.model(caller).remove(id);
            }
        }
    }

    /// Operations run as if one after the other; those of an atomic batch only if none of them fails on its own.
    async fn batch(&mut self, caller: &Caller, operations: Vec<Operation>, atomic: bool) {
        let picked: Vec<_> = operations
            .into_iter()
            .map(|operation| {
                let contact = match &operation {
                    Operation::Create { .. } => None,
                    Operation::Update { contact, .. } | Operation::Delete { contact, .. } => Some(self.pick(caller, *contact)),
                };
                (operation, contact)
            })
            .collect();
        let sent: Vec<Value> = picked.iter().map(|(operation, contact)| sent(operation, contact.as_ref())).collect();
        if !atomic {
            let results = caller.batch(&sent).await.results();
            assert_eq!(results.len(), sent.len());
            let mut read = BTreeMap::new();
            for ((operation, contact), result) in picked.into_iter().zip(results) {
                // What `if_match` said came from before the batch; an operation on the same contact can have come between.
                let before = contact.as_ref().map(|(id, known)| {
                    let now = self.tenants[&caller.tenant].get(id).filter(|contact| sees(&caller.namespaces, contact)).cloned();
                    read.entry(id.clone()).or_insert_with(|| known.clone());
                    (now, read[id].as_ref().map(Contact::version))
                });
                self.result(caller, operation, contact, before, result);
            }
            return;
        }
        let answer = caller.batch_atomic(&sent).await;
        let ids: Vec<&String> = picked.iter().filter_map(|(_, contact)| Some(&contact.as_ref()?.0)).collect();
        if ids.iter().collect::<BTreeSet<_>>().len() < ids.len() {
            return assert_eq!(answer.refusal(), "400 operations must name a contact only once when atomic is true");
        }
        let results = answer.results();
        let refusals: Vec<Option<String>> =
            picked.iter().map(|(operation, contact)| refusal(caller, operation, contact.as_ref())).collect();
        if refusals.iter().all(Option::is_none) {
            for ((operation, contact), result) in picked.into_iter().zip(results) {
                let before = contact.as_ref().map(|(_, known)| (known.clone(), known.as_ref().map(Contact::version)));
                self.result(caller, operation, contact, before, result);
            }
            return;
        }
        let not_applied = "424 Nothing was changed, because another operation of the batch failed";
        for (result, refusal) in results.iter().zip(refusals) {
            assert_eq!(result.refusal(), refusal.unwrap_or_else(|| not_applied.to_owned()));
        }
    }

    /// The result of an operation of a batch. `before` is its contact as it was, and the version that it had before the batch.
    fn result(
        &mut self,
        caller: &Caller,
        operation: Operation,
        contact: Option<(String, Option<Contact>)>,
        before: Option<(Option<Contact>, Option<u64>)>,
        result: Answer,
    ) {
        let (id, (known, first)) = (contact.map(|(id, _)| id).unwrap_or_default(), before.unwrap_or_default());
        // The version that was right before the batch is wrong after the first change.
        let meant = |version: Version| match (version, &known, first) {
            (Version::Unsaid, ..) | (_, None, _) => version,
            (Version::Right, Some(known), first) if first == Some(known.version()) => Version::Right,
            (Version::Wrong, Some(known), first) if first.unwrap_or_default() + 1 == known.version() => Version::Right,
            _ => Version::Wrong,
        };
        match operation {
            Operation::Create { body } => self.created(caller, body, None, result),
            Operation::Update { body, version, .. } => {
                let version = meant(version);
                self.updated(caller, &id, known, body, version, None, result);
            }
            Operation::Delete { version, .. } => {
                let version = meant(version);
                self.deleted(caller, &id, known, version, result);
            }
        }
    }

    async fn list(&self, caller: &Caller, query: &Query) {
        let answer = caller.list(query.text()).await;

        let (contacts, pagination) = self.tenants[&caller.tenant].list(query, &caller.namespaces);
        assert_eq!((answer.contacts(), answer.pagination()), (contacts, pagination), "{} {}", caller.url, query.text());
    }

    async fn compare_everything(&self) {
        for gateway in self.gateways {
            for caller in &self.callers {
                self.list(&caller.at(gateway), &Query { per_page: Some(100), ..Query::default() }).await;
            }
        }
    }

    /// An id of a contact of anybody's, and the contact if this caller sees it.
    fn pick(&self, caller: &Caller, contact: Index) -> (String, Option<Contact>) {
        let id = contact.get(&self.ids).clone();
        let known = self.tenants[&caller.tenant].get(&id).filter(|contact| sees(&caller.namespaces, contact)).cloned();
        (id, known)
    }

    fn model(&mut self, caller: &Caller) -> &mut Model {
        self.tenants.get_mut(&caller.tenant).expect("every caller has a tenant")
    }
}

const REUSED: &str = "422 Idempotency-Key was used for another request in the last 24 hours";

/// Takes the members of `integration_meta` out of a body that sets them one by one.
fn take_members(body: &mut Map<String, Value>) -> Vec<(String, Value)> {
    let prefix = format!("{META}.");
    let names: Vec<String> = body.keys().filter(|name| name.starts_with(&prefix)).cloned().collect();
    names.into_iter().map(|name| (name[prefix.len()..].to_owned(), body.remove(&name).expect("it was there"))).collect()
}

fn set_members(fields: &mut Map<String, Value>, members: Vec<(String, Value)>) {
    for (key, value) in members {
        match (fields.get_mut(META), value) {
            (None, Value::Null) => {}
            (None, value) => drop(fields.insert(META.to_owned(), json!({key: value}))),
            (Some(meta), Value::Null) => drop(meta.as_object_mut().expect("it is an object").remove(&key)),
            (Some(meta), value) => meta[key] = value,
        }
    }
}

/// An operation as a batch has it.
fn sent(operation: &Operation, contact: Option<&(String, Option<Contact>)>) -> Value {
    let current = contact.and_then(|(_, known)| known.as_ref()).map_or(0, Contact::version);
    let tag = |version: &Version| match version {
        Version::Unsaid => Value::Null,
        Version::Right => format!("\"{current}\"").into(),
        Version::Wrong => format!("\"{}\"", current + 1).into(),
    };
    let id = contact.map(|(id, _)| id);
    match operation {
        Operation::Create { body } => json!({"action": "create", "data": body}),
        Operation::Update { body, version, .. } => {
            json!({"action": "update", "_id": id, "data": body, "if_match": tag(version)})
        }
        Operation::Delete { version, .. } => json!({"action": "delete", "_id": id, "if_match": tag(version)}),
    }
}

/// Why an operation cannot be done, if it cannot.
fn refusal(caller: &Caller, operation: &Operation, contact: Option<&(String, Option<Contact>)>) -> Option<String> {
    let (body, version, known) = match (operation, contact) {
        (Operation::Create { body }, _) => {
            return body.get("company_namespace").and_then(|after| foreign(caller, &[], after));
        }
        (_, None | Some((_, None))) => return Some(NOT_FOUND.to_owned()),
        (Operation::Update { body, version, .. }, Some((_, Some(known)))) => (Some(body), version, known),
        (Operation::Delete { version, .. }, Some((_, Some(known)))) => (None, version, known),
    };
    if matches!(version, Version::Wrong) {
        let current = known.version();
        return Some(format!("412 If-Match names another version than the contact has, which is \"{current}\""));
    }
    let before = known["company_namespace"].as_array().expect("company_namespace is an array");
    body?.get("company_namespace").and_then(|after| foreign(caller, before, after))
}

const NOT_FOUND: &str = "404 Client contact not found";

fn if_match(request: crate::Request, version: Version, contact: Option<&Contact>) -> crate::Request {
    let current = contact.map_or(0, Contact::version);
    match version {
        Version::Unsaid => request,
        Version::Right => request.header("if-match", format!("\"{current}\"")),
        Version::Wrong => request.header("if-match", format!("\"{}\"", current + 1)),
    }
}

/// The refusal of a change of namespaces, of which some are not the caller's, if it is one.
fn foreign(caller: &Caller, before: &[Value], after: &Value) -> Option<String> {
    let after = after.as_array().expect("namespaces are an array");
    let added = after.iter().filter(|namespace| !before.contains(namespace));
    let removed = before.iter().filter(|namespace| !after.contains(namespace));
    let own: BTreeSet<&str> = caller.namespaces.iter().map(String::as_str).collect();
    let foreign = added.chain(removed).find(|namespace| namespace.as_str().is_none_or(|namespace| !own.contains(namespace)))?;
    Some(format!("403 company_namespace must not add or remove {foreign}, which the API key cannot use"))
}
