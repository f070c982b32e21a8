//! Every kind of call under every fault at each of its requests, over HTTP: the right answer or the envelope of a failure comes before the
//! function's time is over, nothing is half written or written twice, what the failure's code says is true, and the next call is right.

use super::faulty_proxy::{Fault, FaultyProxy, Strike};
use super::*;

use std::fmt;
use std::slice;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::AttributeValue;
use futures::StreamExt as _;
use reqwest::{Client, Method};
use shared::api_key::{ApiKey, KeyAdmin, KeyRecord};
use shared::timestamp::Timestamp;

/// Cells that run at the same time. The slow ones do little but wait.
const CELLS_AT_ONCE: usize = 64;

/// By how much an answer may be late on a machine that does other things besides.
const LATENESS: Duration = Duration::from_secs(5);

/// A kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Create,
    CreateWithKey,
    Get,
    Update,
    UpdateWithKey,
    /// An update of a member of `integration_meta`.
    UpdateMember,
    /// An upsert of an external id that nobody has.
    UpsertNew,
    /// An upsert of a contact that is there.
    UpsertKnown,
    Delete,
    ListCold,
    ListWarm,
    ListByIds,
    /// Without the tenant's index.
    ListByExternalId,
    ListOfARange,
    /// A call whose API key the instance does not know yet.
    KeyLookup,
}

impl Kind {
    const ALL: [Kind; 15] = [
        Kind::Create,
        Kind::CreateWithKey,
        Kind::Get,
        Kind::Update,
        Kind::UpdateWithKey,
        Kind::UpdateMember,
        Kind::UpsertNew,
        Kind::UpsertKnown,
        Kind::Delete,
        Kind::ListCold,
        Kind::ListWarm,
        Kind::ListByIds,
        Kind::ListByExternalId,
        Kind::ListOfARange,
        Kind::KeyLookup,
    ];

    /// The requests of the call that can meet a fault: each as the number of one with its operation.
    fn requests(self) -> &'static [(&'static str, usize)] {
        match self {
            Kind::Create => &[("PutItem", 1)],
            Kind::CreateWithKey => &[("TransactWriteItems", 1)],
            Kind::Get | Kind::KeyLookup => &[("GetItem", 1)],
            Kind::Update | Kind::Delete => &[("UpdateItem", 1)],
            Kind::UpdateWithKey => &[("BatchGetItem", 1), ("TransactWriteItems", 1)],
            Kind::UpdateMember => &[("BatchGetItem", 1), ("UpdateItem", 1)],
            // Three pages of the log, what was written meanwhile, and the contacts.
            Kind::ListCold => &[("Query", 1), ("Query", 2), ("Query", 4), ("BatchGetItem", 1)],
            Kind::UpsertNew => &[("BatchGetItem", 1), ("Query", 1), ("TransactWriteItems", 1)],
            Kind::UpsertKnown => &[("BatchGetItem", 1), ("Query", 1), ("BatchGetItem", 2), ("UpdateItem", 1)],
            Kind::ListWarm | Kind::ListOfARange | Kind::ListByExternalId => &[("Query", 1), ("BatchGetItem", 1)],
            Kind::ListByIds => &[("BatchGetItem", 1)],
        }
    }

    /// The function's time-out in `template.yaml`.
    fn time(self) -> Duration {
        match self {
            _ if self.is_list() => Duration::from_secs(30),
            _ => Duration::from_secs(10),
        }
    }

    fn is_list(self) -> bool {
        matches!(self, Kind::ListCold | Kind::ListWarm | Kind::ListByIds | Kind::ListByExternalId | Kind::ListOfARange)
    }
}

const FAULTS: [Fault; 12] = [
    Fault::Slow(12),
    Fault::Slow(6),
    Fault::Late(6),
    Fault::Slow(2),
    Fault::Throttled,
    Fault::Conflict,
    Fault::FailedBefore,
    Fault::FailedAfter,
    Fault::CutBefore,
    Fault::CutAfter,
    Fault::HalfAnswer,
    Fault::HalfJson,
];

/// One call that meets one fault at one of its requests.
#[derive(Clone, Copy)]
struct Cell {
    kind: Kind,
    strike: Strike,
}

impl fmt::Display for Cell {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cell { kind, strike: Strike { fault, operation, number, lasts } } = self;
        let and_later = if *lasts { " and later" } else { "" };
        write!(formatter, "{kind:?}, {fault:?} at {operation} {number}{and_later}")
    }
}

/// What the table holds under the keys of a tenant's contacts: versions, and names unless they are deleted.
type Contacts = BTreeMap<String, (u64, Option<String>)>;

/// What a caller is answered.
#[derive(Debug)]
struct Answer {
    status: u16,
    retry_after: bool,
    request_id: bool,
    body: Value,
    elapsed: Duration,
}

/// An instance of the functions behind a proxy of its own.
struct Instance {
    proxy: FaultyProxy,
    gateway: Running,
    http: Client,
}

impl Instance {
    async fn start(database: &Database, http: &Client) -> Arc<Instance> {
        let proxy = FaultyProxy::start(database.running.dynamodb_endpoint.as_deref().unwrap(), http).await;
        let options = Options {
            port: 0,
            dynamodb_endpoint: Some(proxy.endpoint.clone()),
            contacts_table: Some(database.running.contacts_table.clone()),
            api_keys_table: Some(database.running.api_keys_table.clone()),
            list: ListConfig { page_entries: 2, ..ListConfig::default() },
            ..Options::default()
        };
        let gateway = serve::start(options).await.unwrap();
        Arc::new(Instance { proxy, gateway, http: http.clone() })
    }
}

/// A tenant, and the instance that is called for it.
struct Stage<'a> {
    database: &'a Database,
    instance: Arc<Instance>,
    /// What the requests have that can meet the fault, between quotes.
    target: String,
    tenant: String,
    key: ApiKey,
    /// The contacts that it has from the beginning. The last change was that of the first one.
    contacts: Vec<Contact>,
    /// After this moment there was just the last change.
    before_last_change: Timestamp,
}

impl<'a> Stage<'a> {
    async fn set(database: &'a Database, instance: Arc<Instance>, cell: &Cell) -> Stage<'a> {
        let tenant = cell.to_string();
        let key = ApiKey::generate();
        let keys = KeyAdmin::new(database.running.client.clone(), &database.running.api_keys_table);
        let record = KeyRecord {
            hash: key.hash(),
            tenant: tenant.clone(),
            namespaces: caller().namespaces,
            user: caller().user,
            created_at: clock::now(),
            expires_at: None,
            revoked_at: None,
        };
        keys.put(&record).await.unwrap();
        let contacts = (0..5).map(|number| {
            let meta = json!({"external_id": format!("known {number}")});
            let body = json!({"name": format!("contact {number}"), "integration_meta": meta}).to_string();
            let body = ContactBody::for_create(body.as_bytes(), &Handling::default()).unwrap();
            let now = clock::now();
            body.into_contact(&caller(), object_id::generate(now), now).unwrap()
        });
        let contacts: Vec<Contact> = contacts.collect();
        let store = &database.running.app.store;
        // Each with a stamp of its own, so that a cold list reads several pages.
        for contact in &contacts {
            store.import(&tenant, slice::from_ref(contact)).await.unwrap();
            let imported = clock::now();
            while clock::now() <= imported {
                tokio::task::yield_now().await;
            }
        }
        let before_last_change = clock::now();
        let target = if cell.kind == Kind::KeyLookup { key.hash() } else { tenant.clone() };
        let mut stage = Stage { database, instance, target, tenant, key, contacts, before_last_change };
        if cell.kind == Kind::ListWarm {
            stage.call(Kind::ListCold).await;
        } else if cell.kind != Kind::KeyLookup {
            stage.send(Method::GET, "/client-contact/none", None, None).await;
        }
        // So that a warm list has something to learn and to fetch.
        let id = stage.contacts[0].id;
        while stage.contacts[0].updated_at <= stage.before_last_change {
            let body = ContactBody::for_update(br#"{"name": "the last change"}"#, &Handling::default()).unwrap();
            let caller = Caller { tenant: stage.tenant.clone(), ..caller() };
            stage.contacts[0] = store.update(&Meter::default(), &caller, id, &body, &Precondition::None).await.unwrap();
        }
        stage
    }

    async fn call(&self, kind: Kind) -> Answer {
        let one = format!("/client-contact/{}", self.contacts[1].id);
        let (name, body) = (json!({"name": "made by the call"}).to_string(), json!({"name": "changed by the call"}).to_string());
        match kind {
            Kind::Create => self.send(Method::POST, "/client-contact", Some(name), None).await,
            Kind::CreateWithKey => self.send(Method::POST, "/client-contact", Some(name), Some("the call")).await,
            Kind::Get | Kind::KeyLookup => self.send(Method::GET, &one, None, None).await,
            Kind::Update => self.send(Method::PUT, &one, Some(body), None).await,
            Kind::UpdateWithKey => self.send(Method::PUT, &one, Some(body), Some("the call")).await,
            Kind::UpdateMember => {
                let body = json!({"name": "changed by the call", "integration_meta.erp": 1}).to_string();
                self.send(Method::PUT, &one, Some(body), None).await
            }
            Kind::UpsertNew => self.send(Method::PUT, "/client-contact?integration_meta.external_id=new", Some(name), None).await,
            Kind::UpsertKnown => {
                self.send(Method::PUT, "/client-contact?integration_meta.external_id=known%201", Some(body), None).await
            }
            Kind::Delete => self.send(Method::DELETE, &one, None, None).await,
            Kind::ListCold | Kind::ListWarm => self.send(Method::GET, "/client-contact?per_page=100", None, None).await,
            Kind::ListByIds => {
                let path = format!("/client-contact?_id={}&_id={}", self.contacts[0].id, self.contacts[1].id);
                self.send(Method::GET, &path, None, None).await
            }
            Kind::ListByExternalId => {
                self.send(Method::GET, "/client-contact?integration_meta.external_id=known+1", None, None).await
            }
            Kind::ListOfARange => {
                let path = format!("/client-contact?from_updatedAt={}", self.before_last_change.millis());
                self.send(Method::GET, &path, None, None).await
            }
        }
    }

    async fn send(&self, method: Method, path: &str, body: Option<String>, idempotency_key: Option<&str>) -> Answer {
        let start = Instant::now();
        let mut request = self
            .instance
            .http
            .request(method, format!("{}{path}", self.instance.gateway.url))
            .header("api-key", self.key.secret());
        if let Some(key) = idempotency_key {
            request = request.header("idempotency-key", key);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        let answer = request.send().await.unwrap();
        let has = |name: &str| answer.headers().contains_key(name);
        let (status, retry_after, request_id) = (answer.status().as_u16(), has("retry-after"), has("x-request-id"));
        let bytes = answer.bytes().await.unwrap();
        let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into());
        Answer { status, retry_after, request_id, body, elapsed: start.elapsed() }
    }

    /// What is in the table, read past the proxy.
    async fn table(&self) -> Contacts {
        let running = &self.database.running;
        let query = running.client.query().table_name(&running.contacts_table).consistent_read(true);
        let query = query.key_condition_expression("tenant = :tenant");
        let query = query.expression_attribute_values(":tenant", AttributeValue::S(self.tenant.clone()));
        let items = query.send().await.unwrap().items.unwrap();
        let text = |item: &HashMap<String, AttributeValue>, name: &str| item.get(name).map(|value| value.as_s().unwrap().clone());
        let entry = |item: &HashMap<String, AttributeValue>| {
            let id = text(item, "_id").filter(|id| id.parse::<ObjectId>().is_ok())?;
            let name = text(item, "name");
            assert!(name.is_some() || item.contains_key("deleted"), "half a contact: {item:?}");
            Some((id, (item["__v"].as_n().unwrap().parse().unwrap(), name)))
        };
        items.iter().filter_map(entry).collect()
    }
}

/// What is wrong, in a sentence.
type Wrong = Result<(), String>;

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Wrong {
    if holds { Ok(()) } else { Err(what()) }
}

/// What `before` becomes when the call is done once more, and how it is answered then.
fn done(kind: Kind, before: &Contacts, after: &Contacts, stage: &Stage<'_>) -> (u16, Contacts) {
    let mut expected = before.clone();
    let target = stage.contacts[1].id.to_string();
    match kind {
        Kind::Create | Kind::CreateWithKey => {
            // The id is the server's to choose.
            let made = after.keys().find(|id| !before.contains_key(*id)).cloned().unwrap_or_default();
            expected.insert(made, (0, Some("made by the call".to_owned())));
            (201, expected)
        }
        Kind::UpsertNew => {
            let made = "made by the call".to_owned();
            let there = before.iter().find(|(_, (_, name))| name.as_ref() == Some(&made));
            if let Some((id, (version, _))) = there {
                expected.insert(id.clone(), (version + 1, Some(made)));
                return (200, expected);
            }
            let id = after.keys().find(|id| !before.contains_key(*id)).cloned().unwrap_or_default();
            expected.insert(id, (0, Some(made)));
            (201, expected)
        }
        Kind::Update | Kind::UpdateWithKey | Kind::UpdateMember | Kind::UpsertKnown => {
            expected.insert(target.clone(), (before[&target].0 + 1, Some("changed by the call".to_owned())));
            (200, expected)
        }
        Kind::Delete if before[&target].1.is_none() => (404, expected),
        Kind::Delete => {
            expected.insert(target.clone(), (before[&target].0 + 1, None));
            (200, expected)
        }
        _ => (200, expected),
    }
}

/// The contacts that a list is to show.
fn shown(kind: Kind, table: &Contacts, stage: &Stage<'_>) -> Contacts {
    let mut shown: Contacts =
        table.iter().filter(|(_, (_, name))| name.is_some()).map(|(id, at)| (id.clone(), at.clone())).collect();
    let wanted = |count: usize| stage.contacts[..count].iter().map(|contact| contact.id.to_string()).collect::<Vec<_>>();
    match kind {
        Kind::ListByIds => shown.retain(|id, _| wanted(2).contains(id)),
        Kind::ListByExternalId => shown.retain(|id, _| *id == stage.contacts[1].id.to_string()),
        Kind::ListOfARange => shown.retain(|id, _| wanted(1).contains(id)),
        _ => {}
    }
    shown
}

/// Whether a success says what is in the table.
fn is_right(kind: Kind, answer: &Answer, before: &Contacts, table: &Contacts, stage: &Stage<'_>) -> Wrong {
    let contact = |contact: &Value| -> Option<(String, (u64, Option<String>))> {
        Some((contact["_id"].as_str()?.to_owned(), (contact["__v"].as_u64()?, contact["name"].as_str().map(str::to_owned))))
    };
    let data = &answer.body["data"];
    if kind.is_list() {
        let list: Contacts = data.as_array().into_iter().flatten().filter_map(contact).collect();
        let expected = shown(kind, table, stage);
        let total = &answer.body["pagination"]["total"];
        return ensure(list == expected && *total == json!(expected.len()), || {
            format!("shows {total}: {list:?}, not {expected:?}")
        });
    }
    let Some((id, answered)) = contact(data) else { return Err(format!("has no contact: {}", answer.body)) };
    let expected = if kind == Kind::Delete { before.get(&id) } else { table.get(&id) };
    ensure(Some(&answered) == expected, || format!("says {answered:?}, not {expected:?}"))
}

async fn play(database: &Database, shared: &Arc<Instance>, cell: Cell) -> Wrong {
    let Cell { kind, strike } = cell;
    // An instance reads few pages at the same time while it loads, of all tenants together: a slow load would hold up the others.
    let holds_others_up = kind == Kind::ListCold;
    let instance = if holds_others_up { Instance::start(database, &shared.http).await } else { Arc::clone(shared) };
    let stage = Stage::set(database, instance, &cell).await;
    let (proxy, target) = (&stage.instance.proxy, &*stage.target);
    let before = stage.table().await;
    proxy.strike(target, Some(strike));

    let answer = stage.call(kind).await;

    ensure(proxy.struck(target) > 0, || "no request met the fault".to_owned())?;
    ensure(answer.elapsed < kind.time() + LATENESS, || format!("answered after {:?}", answer.elapsed))?;
    ensure(answer.request_id, || format!("has no request id: {answer:?}"))?;
    testkit::eventually("the end of all requests", async || proxy.is_quiet(target).then_some(())).await;
    proxy.strike(target, None);
    let after = stage.table().await;
    let (success, once) = done(kind, &before, &after, &stage);
    let code = answer.body["code"].as_str().unwrap_or_default();
    let is_unchanged = || ensure(after == before, || format!("{} {code}, and yet: {before:?} became {after:?}", answer.status));
    match (answer.status, code) {
        (status, "") if status == success => {
            ensure(after == once, || format!("{status}, and {before:?} became {after:?}"))?;
            is_right(kind, &answer, &before, &after, &stage)?;
        }
        (503, "unavailable") | (500, "internal") => is_unchanged()?,
        (503, "outcome_unknown") if !kind.is_list() => {
            ensure(after == before || after == once, || format!("{before:?} became {after:?}"))?;
        }
        _ => return Err(format!("answered {answer:?}")),
    }
    if answer.status >= 500 {
        ensure(answer.body["success"] == json!(false) && answer.body["error"].is_string(), || {
            format!("no envelope: {answer:?}")
        })?;
        ensure(answer.status == 500 || answer.retry_after, || format!("has no Retry-After: {answer:?}"))?;
    }

    let next = stage.call(kind).await;
    let table = stage.table().await;
    // With a key the call is done once, whoever knows of it.
    let was_done = matches!(kind, Kind::CreateWithKey | Kind::UpdateWithKey) && after != before;
    let (success, twice) = if was_done { (success, after.clone()) } else { done(kind, &after, &table, &stage) };
    ensure(next.status == success && table == twice, || format!("the next call: {next:?}, and {after:?} became {table:?}"))?;
    if next.status < 300 {
        is_right(kind, &next, &after, &table, &stage).map_err(|wrong| format!("the next call {wrong}"))?;
    }
    let list = stage.call(Kind::ListWarm).await;
    ensure(list.status == 200, || format!("the list after it: {list:?}"))?;
    is_right(Kind::ListWarm, &list, &table, &table, &stage).map_err(|wrong| format!("the list after it {wrong}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_call_stands_every_fault_at_each_of_its_requests() {
    let database = Database::start().await;
    let shared = Instance::start(&database, &Client::new()).await;
    let mut cells = Vec::new();
    for fault in FAULTS {
        for kind in Kind::ALL {
            for &(operation, number) in kind.requests() {
                // Only writes meet other transactions.
                if fault == Fault::Conflict && !["PutItem", "UpdateItem", "TransactWriteItems"].contains(&operation) {
                    continue;
                }
                for lasts in [true, false] {
                    cells.push(Cell { kind, strike: Strike { fault, operation, number, lasts } });
                }
            }
        }
    }
    // `CONTACTS_CELLS=<text>` plays only the cells that have it in their names, as failures show them.
    if let Ok(only) = std::env::var("CONTACTS_CELLS") {
        cells.retain(|cell: &Cell| cell.to_string().contains(&only));
    }
    let count = cells.len();

    let played = futures::stream::iter(cells).map(async |cell| (cell, play(&database, &shared, cell).await));
    let played: Vec<(Cell, Wrong)> = played.buffer_unordered(CELLS_AT_ONCE).collect().await;

    let wrong: Vec<String> =
        played.iter().filter_map(|(cell, wrong)| Some(format!("{cell}: {}", wrong.as_ref().err()?))).collect();
    assert_eq!(played.len(), count);
    assert!(wrong.is_empty(), "{} of {count} cells:\n{}", wrong.len(), wrong.join("\n"));
}
