//! Lists and writes over a DynamoDB that throttles, lags, changes while it is read, and loses answers. Between the API and the engine stands a proxy that
//! does to the engine's answers what a distributed database does.

#![expect(clippy::unwrap_used, reason = "what a test cannot go on without, it panics for")]

mod batches;
mod deadline;
mod faults;
mod faulty_proxy;
mod imports;
mod memory;
mod refresh;
mod round_trips;
mod tombstones;
mod update_path;
mod upserts;
mod writes;

use std::collections::{BTreeMap, HashMap};
use std::future::pending;
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use contacts::app::{App, Config};
use contacts::serve::{self, Options, Running};
use futures::future::{BoxFuture, FutureExt, join_all};
use futures::stream;
use index::query::{Filter, ListQuery, SortField, SortKey};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng};
use serde_json::{Value, json};
use shared::aws::local_client;
use shared::body::ContactBody;
use shared::caller::Caller;
use shared::clock;
use shared::contact::Contact;
use shared::error::Error;
use shared::handling::Handling;
use shared::listing::{ListConfig, Page};
use shared::meter::{Meter, Readings};
use shared::object_id::{self, ObjectId};
use shared::store::Precondition;
use tokio::net::TcpListener;

/// An engine and a way to write to it without the proxy.
struct Database {
    running: Running,
}

impl Database {
    async fn start() -> Self {
        let options = Options { memory: true, port: 0, dynamodb_port: Some(0), ..Options::default() };
        Self { running: serve::start(options).await.expect("the engine starts") }
    }

    /// A new instance of the list function, which reaches the engine through `trouble`.
    async fn instance(&self, trouble: &Arc<Trouble>, list: ListConfig) -> Instance {
        let endpoint = proxy(self.running.dynamodb_endpoint.clone().unwrap(), Arc::clone(trouble)).await;
        let config = Config {
            contacts_table: self.running.contacts_table.clone(),
            api_keys_table: self.running.api_keys_table.clone(),
            list,
            snapshots: None,
        };
        Instance { app: App::new(config, local_client(&endpoint)) }
    }

    async fn create(&self, name: &str) -> Contact {
        create(&self.running.app, name).await
    }

    async fn rename(&self, id: ObjectId, name: &str) -> Contact {
        rename(&self.running.app, id, name).await
    }

    async fn delete(&self, id: ObjectId) {
        delete(&self.running.app, id).await;
    }
}

fn caller() -> Caller {
    Caller {
        tenant: "local".to_owned(),
        namespaces: vec!["company1".to_owned()],
        user: serde_json::from_value(json!({"_id": "1", "type": "rep"})).unwrap(),
    }
}

/// A caller of another tenant, which has no contacts.
fn stranger() -> Caller {
    Caller { tenant: "elsewhere".to_owned(), ..caller() }
}

async fn create(app: &App, name: &str) -> Contact {
    let body = ContactBody::for_create(json!({"name": name}).to_string().as_bytes(), &Handling::default()).unwrap();
    let now = clock::now();
    let contact = body.into_contact(&caller(), object_id::generate(now), now).unwrap();
    app.store.create(&Meter::default(), "local", contact).await.unwrap()
}

async fn rename(app: &App, id: ObjectId, name: &str) -> Contact {
    let body = ContactBody::for_update(json!({"name": name}).to_string().as_bytes(), &Handling::default()).unwrap();
    app.store.update(&Meter::default(), &caller(), id, &body, &Precondition::None).await.unwrap()
}

async fn delete(app: &App, id: ObjectId) {
    app.store.delete(&Meter::default(), &caller(), id, &Precondition::None).await.unwrap();
}

/// One instance of the list function.
struct Instance {
    app: App,
}

impl Instance {
    async fn list(&self, query: &ListQuery) -> Result<Page, Error> {
        self.metered(query).await.0
    }

    async fn metered(&self, query: &ListQuery) -> (Result<Page, Error>, Readings) {
        let meter = Meter::default();
        let page = self.app.lists.list(&meter, &caller(), query, clock::now()).await;
        (page, meter.readings())
    }

    /// Everything, as names by id with versions.
    async fn all(&self) -> BTreeMap<ObjectId, (u64, String)> {
        let page = self.list(&query()).await.unwrap();
        assert_eq!(page.total, page.contacts.len() as u64);
        page.contacts.iter().map(|contact| (contact.id, (contact.version, contact.name.clone()))).collect()
    }
}

fn query() -> ListQuery {
    ListQuery { filter: Filter::default(), sort: Vec::new(), page: NonZeroU64::MIN, per_page: 100 }
}

/// Bounds that never let time decide what a test sees.
fn patient() -> ListConfig {
    ListConfig { short_overlap: 3_600_000, ..ListConfig::default() }
}

/// What the proxy does to requests and answers.
#[derive(Default)]
struct Trouble {
    /// Answers instead of the engine, if it says so.
    refuse: Mutex<Option<Refuse>>,
    /// Happens before the engine gets a request.
    before: Mutex<Option<Happening>>,
    /// Changes the engine's answer.
    distort: Mutex<Option<Distortion>>,
    /// Decides what becomes of a request; without it, it is forwarded and answered.
    fate: Mutex<Option<Judge>>,
    /// Requests that were cut off before the engine got them.
    held: Mutex<Vec<(HeaderMap, Bytes)>>,
    /// The operations that reached the proxy.
    seen: Mutex<Vec<String>>,
}

/// What becomes of one request.
enum Fate {
    /// The engine answers.
    Answered,
    /// The engine does what it says, and the connection breaks before the answer.
    AnswerLost,
    /// The connection breaks, and the engine gets the request when the test says so.
    Held,
    /// DynamoDB refuses it with this error.
    Refused(&'static str),
}

type Judge = Box<dyn FnMut(&str, &Value) -> Fate + Send>;

type Refuse = Box<dyn FnMut(&str) -> bool + Send>;
type Happening = Box<dyn FnMut(&str) -> BoxFuture<'static, ()> + Send>;
type Distortion = Box<dyn FnMut(&str, &Value, &mut Value) + Send>;

impl Trouble {
    fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
        of.lock().expect("no test panics while it holds a lock")
    }

    fn refuse(&self, refuse: impl FnMut(&str) -> bool + Send + 'static) {
        *Self::lock(&self.refuse) = Some(Box::new(refuse));
    }

    fn nothing_is_refused(&self) {
        *Self::lock(&self.refuse) = None;
    }

    fn before(&self, happening: impl FnMut(&str) -> BoxFuture<'static, ()> + Send + 'static) {
        *Self::lock(&self.before) = Some(Box::new(happening));
    }

    fn distort(&self, distortion: impl FnMut(&str, &Value, &mut Value) + Send + 'static) {
        *Self::lock(&self.distort) = Some(Box::new(distortion));
    }

    fn fate(&self, judge: impl FnMut(&str, &Value) -> Fate + Send + 'static) {
        *Self::lock(&self.fate) = Some(Box::new(judge));
    }

    /// These fates for the first requests with `operation`, one after the other.
    fn fates<const N: usize>(&self, operation: &'static str, fates: [Fate; N]) {
        let mut fates = fates.into_iter();
        self.fate(move |seen, _| if seen == operation { fates.next().unwrap_or(Fate::Answered) } else { Fate::Answered });
    }

    /// Lets the requests that were held arrive, and says of each whether it had an effect.
    async fn held_requests_arrive_at(&self, endpoint: &str) -> Vec<bool> {
        let held = std::mem::take(&mut *Self::lock(&self.held));
        let client = reqwest::Client::new();
        let mut effects = Vec::new();
        for (headers, body) in held {
            effects.push(client.post(endpoint).headers(headers).body(body).send().await.unwrap().status().is_success());
        }
        effects
    }

    fn count(&self, operation: &str) -> usize {
        Self::lock(&self.seen).iter().filter(|seen| *seen == operation).count()
    }
}

/// Serves a DynamoDB that is the one at `endpoint` with `trouble`, until the test's runtime ends. Returns where.
async fn proxy(endpoint: String, trouble: Arc<Trouble>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let state = (endpoint, trouble, reqwest::Client::new());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(forward).with_state(state)).await });
    url
}

async fn forward(
    State((endpoint, trouble, client)): State<(String, Arc<Trouble>, reqwest::Client)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let target = headers["x-amz-target"].to_str().unwrap().to_owned();
    let operation = target.rsplit('.').next().unwrap();
    Trouble::lock(&trouble.seen).push(operation.to_owned());
    let refused = Trouble::lock(&trouble.refuse).as_mut().is_some_and(|refuse| refuse(operation));
    if refused {
        let error = json!({"__type": "com.amazonaws.dynamodb.v20120810#ThrottlingException", "message": "slow down"});
        return (StatusCode::BAD_REQUEST, error.to_string()).into_response();
    }
    let happening = Trouble::lock(&trouble.before).as_mut().map(|before| before(operation));
    if let Some(happening) = happening {
        happening.await;
    }
    let request: Value = serde_json::from_slice(&body).unwrap();
    let fate = Trouble::lock(&trouble.fate).as_mut().map_or(Fate::Answered, |judge| judge(operation, &request));
    match fate {
        Fate::Answered | Fate::AnswerLost => {}
        Fate::Held => {
            Trouble::lock(&trouble.held).push((headers, body));
            return broken();
        }
        Fate::Refused(code) => {
            let error = json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": "refused"});
            return (StatusCode::BAD_REQUEST, error.to_string()).into_response();
        }
    }
    let answer = client.post(endpoint).headers(headers).body(body).send().await.unwrap();
    let status = answer.status();
    let mut answer: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    if let Fate::AnswerLost = fate {
        return broken();
    }
    if let Some(distort) = Trouble::lock(&trouble.distort).as_mut() {
        distort(operation, &request, &mut answer);
    }
    let status = if answer["__type"].is_string() && status.is_success() { StatusCode::INTERNAL_SERVER_ERROR } else { status };
    (status, answer.to_string()).into_response()
}

/// An answer that breaks the connection before its first byte of content.
fn broken() -> Response {
    let cut_off = std::io::Error::other("cut off");
    Response::new(Body::from_stream(stream::once(async { Err::<Bytes, _>(cut_off) })))
}

/// A change log that delivers late, twice and out of order, and reads of items that show old versions now and then.
fn lag(mut random: TestRng) -> impl FnMut(&str, &Value, &mut Value) + Send + 'static {
    let mut withheld: HashMap<(String, String), u32> = HashMap::new();
    let mut older: HashMap<String, Vec<Value>> = HashMap::new();
    move |operation, request, answer| {
        let items = match operation {
            "Query" => answer["Items"].as_array_mut(),
            "BatchGetItem" => {
                let table = request["RequestItems"].as_object().unwrap().keys().next().unwrap().clone();
                if request["RequestItems"][&table]["ConsistentRead"] == json!(true) {
                    return;
                }
                answer["Responses"][&table].as_array_mut()
            }
            _ => return,
        };
        let Some(items) = items else { return };
        let key = |item: &Value| item["_id"]["S"].as_str().unwrap().to_owned();
        let now = std::mem::take(items);
        for item in now {
            let past = older.entry(key(&item)).or_default();
            if operation == "BatchGetItem" {
                let stale = past.iter().rfind(|past| past.get("name") != item.get("name")).cloned();
                items.push(stale.filter(|_| random.random_bool(0.5)).unwrap_or_else(|| item.clone()));
                past.push(item);
                continue;
            }
            let version = (key(&item), item["__v"]["N"].as_str().unwrap().to_owned());
            let left = withheld.entry(version).or_insert_with(|| random.random_range(0..3));
            if *left > 0 {
                *left -= 1;
                continue;
            }
            items.push(item.clone());
            if random.random_bool(0.3) {
                items.push(item);
            }
        }
        for place in (1..items.len()).rev() {
            items.swap(place, random.random_range(0..=place));
        }
    }
}

#[derive(Clone, Debug)]
enum Write {
    Create,
    Rename(prop::sample::Index),
    Delete(prop::sample::Index),
}

fn writes() -> impl Strategy<Value = Vec<Write>> {
    let write = prop_oneof![
        3 => Just(Write::Create),
        3 => any::<prop::sample::Index>().prop_map(Write::Rename),
        1 => any::<prop::sample::Index>().prop_map(Write::Delete),
    ];
    prop::collection::vec(write, 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases(12)) })]

    #[test]
    fn a_late_change_log_is_caught_up_with_and_never_shows_what_was_older_than_before(
        history in writes(),
        seeds: [u64; 2],
        page_entries in 1..6_u32,
        memory in prop_oneof![Just(1_usize), Just(1 << 30)],
    ) {
        block_on(async {
            let database = Database::start().await;
            let config = ListConfig { page_entries, memory, ..patient() };
            let mut instances = Vec::new();
            for seed in seeds {
                let trouble = Arc::<Trouble>::default();
                let mut bytes = [0; 32];
                bytes[..8].copy_from_slice(&seed.to_le_bytes());
                trouble.distort(lag(TestRng::from_seed(RngAlgorithm::ChaCha, &bytes)));
                instances.push((database.instance(&trouble, config.clone()).await, BTreeMap::<ObjectId, u64>::new(), Vec::new()));
            }

            let mut model = BTreeMap::new();
            for (number, write) in history.iter().enumerate() {
                let pick = |index: &prop::sample::Index| {
                    let ids: Vec<ObjectId> = model.keys().copied().collect();
                    (!ids.is_empty()).then(|| *index.get(&ids))
                };
                match write {
                    Write::Create => {
                        let contact = database.create(&format!("contact {number}")).await;
                        model.insert(contact.id, (contact.version, contact.name));
                    }
                    Write::Rename(index) => {
                        let Some(id) = pick(index) else { continue };
                        let contact = database.rename(id, &format!("contact {number}")).await;
                        model.insert(contact.id, (contact.version, contact.name));
                    }
                    Write::Delete(index) => {
                        let Some(id) = pick(index) else { continue };
                        database.delete(id).await;
                        model.remove(&id);
                    }
                }
                for (instance, seen, gone) in &mut instances {
                    // With no memory to speak of this pushes the tenant's index out.
                    instance.app.lists.list(&Meter::default(), &stranger(), &query(), clock::now()).await.unwrap();
                    let shown = instance.all().await;
                    for (id, (version, _)) in &shown {
                        // An index that was pushed out is loaded from the log as it shows itself then.
                        let is_kept = memory > 1;
                        assert!(!is_kept || seen.get(id).is_none_or(|before| before <= version), "an older version came back");
                        assert!(!is_kept || !gone.contains(id), "a deleted contact came back");
                    }
                    gone.extend(seen.keys().filter(|id| !shown.contains_key(id)));
                    *seen = shown.iter().map(|(id, (version, _))| (*id, *version)).collect();
                }
            }

            for (instance, ..) in &instances {
                // Nothing is withheld more than twice.
                instance.all().await;
                instance.all().await;
                assert_eq!(instance.all().await, model);
            }
        });
    }
}

fn cases(default: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(default)
}

fn block_on(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(test);
}

#[tokio::test]
async fn a_contact_that_moves_in_the_log_while_it_is_loaded_is_neither_lost_nor_doubled() {
    let database = Database::start().await;
    let mut contacts = Vec::new();
    for number in 0..30 {
        contacts.push(database.create(&format!("contact {number}")).await);
    }
    let trouble = Arc::<Trouble>::default();
    let instance = database.instance(&trouble, ListConfig { page_entries: 3, ..patient() }).await;
    let app = database.running.app.clone();
    let mut ids: Vec<ObjectId> = contacts.iter().map(|contact| contact.id).collect();
    trouble.before(move |operation| {
        let (app, moved) = (app.clone(), (operation == "Query").then(|| ids.pop()).flatten());
        async move {
            if let Some(id) = moved {
                rename(&app, id, "moved").await;
            }
        }
        .boxed()
    });

    let first = instance.all().await;

    assert_eq!(first.keys().copied().collect::<Vec<_>>(), contacts.iter().map(|contact| contact.id).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_contact_that_changes_between_selection_and_fetch_is_shown_as_it_is_where_it_belongs() {
    let database = Database::start().await;
    let (a, b, c) = (database.create("a").await, database.create("b").await, database.create("c").await);
    let trouble = Arc::<Trouble>::default();
    let instance = database.instance(&trouble, patient()).await;
    let app = database.running.app.clone();
    let (changed, deleted) = (a.id, b.id);
    let mut once = true;
    trouble.before(move |operation| {
        let (app, now) = (app.clone(), operation == "BatchGetItem" && std::mem::take(&mut once));
        async move {
            if now {
                rename(&app, changed, "z").await;
                delete(&app, deleted).await;
            }
        }
        .boxed()
    });

    let by_name = ListQuery { sort: vec![SortKey { field: SortField::Name, descending: false }], ..query() };
    let page = instance.list(&by_name).await.unwrap();

    let names: Vec<&str> = page.contacts.iter().map(|contact| contact.name.as_str()).collect();
    assert_eq!((page.total, names), (2, vec!["c", "z"]));
    assert_eq!(page.contacts[0].id, c.id);
}

#[tokio::test]
async fn an_item_that_somebody_took_out_of_the_table_leaves_the_list() {
    let database = Database::start().await;
    let (gone, kept) = (database.create("gone").await, database.create("kept").await);
    let instance = database.instance(&Arc::default(), ListConfig { cache: 0, ..patient() }).await;
    instance.all().await;
    let key = |text: &str| aws_sdk_dynamodb::types::AttributeValue::S(text.to_owned());
    let table = &database.running.contacts_table;
    let delete = database.running.client.delete_item().table_name(table);
    delete.key("tenant", key("local")).key("_id", key(&gone.id.to_string())).send().await.unwrap();

    let shown = instance.all().await;

    assert_eq!(shown.into_keys().collect::<Vec<_>>(), [kept.id]);
}

#[tokio::test]
async fn a_throttled_load_fails_as_a_whole_and_the_next_one_is_complete() {
    let database = Database::start().await;
    for number in 0..20 {
        database.create(&format!("contact {number}")).await;
    }
    let trouble = Arc::<Trouble>::default();
    let instance = database.instance(&trouble, ListConfig { page_entries: 3, ..patient() }).await;
    let mut answered = 0;
    trouble.refuse(move |operation| {
        answered += u32::from(operation == "Query");
        answered > 4
    });

    let (throttled, cost) = instance.metered(&query()).await;
    trouble.nothing_is_refused();

    assert!(matches!(throttled, Err(Error::Unavailable(_))), "{throttled:?}");
    assert!(cost.requests > 4, "retries are counted: {cost:?}");
    assert_eq!(instance.all().await.len(), 20);
}

#[tokio::test]
async fn a_load_that_gets_throttled_now_and_then_goes_on() {
    let database = Database::start().await;
    for number in 0..40 {
        database.create(&format!("contact {number}")).await;
    }
    let trouble = Arc::<Trouble>::default();
    let instance = database.instance(&trouble, ListConfig { page_entries: 4, ..patient() }).await;
    // More refusals in a row than one request has tries.
    let mut queries = 0;
    trouble.refuse(move |operation| {
        queries += u32::from(operation == "Query");
        (5..9).contains(&queries)
    });

    assert_eq!(instance.all().await.len(), 40);
}

#[tokio::test]
async fn a_throttled_refresh_fails_and_the_next_one_shows_all() {
    let database = Database::start().await;
    database.create("before").await;
    let trouble = Arc::<Trouble>::default();
    let instance = database.instance(&trouble, patient()).await;
    instance.all().await;
    database.create("after").await;
    trouble.refuse(|operation| operation == "Query");

    let throttled = instance.list(&query()).await;
    trouble.nothing_is_refused();

    assert!(matches!(throttled, Err(Error::Unavailable(_))), "{throttled:?}");
    assert_eq!(instance.all().await.len(), 2);
}

#[tokio::test]
async fn keys_that_a_batch_leaves_unprocessed_are_asked_for_again() {
    let database = Database::start().await;
    for number in 0..10 {
        database.create(&format!("contact {number}")).await;
    }
    let trouble = Arc::<Trouble>::default();
    trouble.distort(|operation, request, answer| {
        if operation == "BatchGetItem" {
            let (table, wanted) = request["RequestItems"].as_object().unwrap().iter().next().unwrap();
            let items = answer["Responses"][table].as_array_mut().unwrap();
            let left = items.split_off(items.len().div_ceil(2));
            if !left.is_empty() {
                let keys: Vec<Value> = left.iter().map(|item| json!({"tenant": item["tenant"], "_id": item["_id"]})).collect();
                answer["UnprocessedKeys"] = json!({table: {"Keys": keys, "ConsistentRead": wanted["ConsistentRead"]}});
            }
        }
    });
    let instance = database.instance(&trouble, patient()).await;

    let shown = instance.all().await;

    assert_eq!(shown.len(), 10);
    // Ten keys in halves, rounded up: 5, 3, 1 and 1.
    assert_eq!(trouble.count("BatchGetItem"), 4);
}

#[tokio::test]
async fn lists_at_the_same_time_share_one_load_and_one_refresh() {
    let database = Database::start().await;
    for number in 0..3 {
        database.create(&format!("contact {number}")).await;
    }
    let trouble = Arc::<Trouble>::default();
    let instance = database.instance(&trouble, patient()).await;

    let lists = join_all((0..50).map(|_| instance.all())).await;

    assert!(lists.iter().all(|list| list.len() == 3));
    // The first loads; those who came during that share one refresh, which started after they came.
    assert_eq!(trouble.count("Query"), 2);
}

#[tokio::test]
async fn a_client_that_goes_away_during_a_load_does_not_hold_up_the_next() {
    let database = Database::start().await;
    database.create("contact").await;
    let trouble = Arc::<Trouble>::default();
    let instance = database.instance(&trouble, patient()).await;
    let mut first = true;
    let (stuck, is_stuck) = tokio::sync::oneshot::channel::<()>();
    let mut stuck = Some(stuck);
    trouble.before(move |_| {
        let hangs = std::mem::take(&mut first);
        if let Some(stuck) = stuck.take() {
            stuck.send(()).ok();
        }
        async move {
            if hangs {
                pending::<()>().await;
            }
        }
        .boxed()
    });

    tokio::select! {
        _ = instance.all() => panic!("the first request never gets an answer"),
        _ = is_stuck => {}
    }

    assert_eq!(instance.all().await.len(), 1);
}

#[tokio::test]
async fn warm_lists_cost_two_requests_and_one_when_the_page_is_cached() {
    let database = Database::start().await;
    for number in 0..60 {
        database.create(&format!("contact {number}")).await;
    }
    let instance = database.instance(&Arc::default(), patient()).await;
    let page = |page| ListQuery { page: NonZeroU64::new(page).unwrap(), per_page: 25, ..query() };
    instance.list(&page(1)).await.unwrap();

    let (_, fetched) = instance.metered(&page(2)).await;
    let (_, cached) = instance.metered(&page(2)).await;

    assert_eq!(fetched.requests, 2);
    assert_eq!(cached.requests, 1);
}

#[tokio::test]
async fn lists_by_id_or_by_a_range_of_time_do_not_load_the_tenant() {
    let database = Database::start().await;
    let mut contacts = Vec::new();
    for number in 0..30 {
        contacts.push(database.create(&format!("contact {number}")).await);
    }
    let trouble = Arc::<Trouble>::default();
    // Without a cache, so that each contact has to be read once.
    let instance = database.instance(&trouble, ListConfig { page_entries: 10, cache: 0, ..patient() }).await;
    let ids = vec![contacts[3].id, contacts[7].id];
    let by_id = ListQuery { filter: Filter { ids: Some(ids.clone()), ..Filter::default() }, ..query() };
    let recent = contacts[29].updated_at;
    while database.rename(contacts[0].id, "changed").await.updated_at <= recent {}
    let changed = ListQuery { filter: Filter { updated_after: Some(recent), ..Filter::default() }, ..query() };

    let (one, cost_of_one) = instance.metered(&by_id).await;
    let (other, cost_of_other) = instance.metered(&changed).await;

    assert_eq!(one.unwrap().contacts.iter().map(|contact| contact.id).collect::<Vec<_>>(), ids);
    assert_eq!((cost_of_one.requests, cost_of_one.capacity), (1, 2.0));
    assert_eq!(other.unwrap().contacts[0].id, contacts[0].id);
    assert_eq!((cost_of_other.requests, trouble.count("Query")), (2, 1));
}
