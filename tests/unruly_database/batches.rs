//! Batches over a DynamoDB that throttles, conflicts, loses answers and takes its time: each result says what is true of its operation.

use super::faulty_proxy::{Fault, FaultyProxy, Strike};
use super::*;

use std::collections::BTreeSet;
use std::slice;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::AttributeValue;
use contacts::gateway::Function;
use futures::StreamExt as _;
use lambda_http::aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use reqwest::Client;
use shared::api_key::{ApiKey, KeyAdmin, KeyRecord};

/// Batches that run at the same time. The slow ones do little but wait.
const CELLS_AT_ONCE: usize = 32;

const FAULTS: [Fault; 11] = [
    Fault::Slow(12),
    Fault::Slow(2),
    Fault::Late(6),
    Fault::Throttled,
    Fault::Conflict,
    Fault::FailedBefore,
    Fault::FailedAfter,
    Fault::CutBefore,
    Fault::CutAfter,
    Fault::HalfAnswer,
    Fault::HalfJson,
];

/// How a batch is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Each,
    EachWithKey,
    Together,
    TogetherWithKey,
}

impl Way {
    /// The requests that can meet a fault.
    fn requests(self) -> &'static [(&'static str, usize)] {
        match self {
            Way::Each => &[
                ("PutItem", 1),
                ("UpdateItem", 1),
                ("UpdateItem", 2),
                ("BatchGetItem", 1),
                ("BatchGetItem", 2),
                ("Query", 1),
                ("TransactWriteItems", 1),
            ],
            Way::EachWithKey => &[
                ("TransactWriteItems", 1),
                ("TransactWriteItems", 2),
                ("TransactWriteItems", 4),
                ("BatchGetItem", 1),
                ("BatchGetItem", 3),
                ("Query", 1),
                ("UpdateItem", 1),
            ],
            Way::Together => &[("BatchGetItem", 1), ("BatchGetItem", 2), ("Query", 1), ("TransactWriteItems", 1)],
            Way::TogetherWithKey => {
                &[("BatchGetItem", 1), ("BatchGetItem", 2), ("BatchGetItem", 3), ("Query", 1), ("TransactWriteItems", 1)]
            }
        }
    }

    fn is_atomic(self) -> bool {
        matches!(self, Way::Together | Way::TogetherWithKey)
    }

    fn has_key(self) -> bool {
        matches!(self, Way::EachWithKey | Way::TogetherWithKey)
    }
}

/// An instance of the functions behind a proxy.
struct Gateway {
    proxy: FaultyProxy,
    running: Running,
    http: Client,
}

/// What the table holds of a tenant: versions, and titles unless the contact is deleted.
type Contacts = BTreeMap<String, (u64, Option<String>)>;

/// A tenant with three contacts, and its batch: a create, an update, an update of a member, a delete, and an upsert that creates.
struct Stage<'a> {
    database: &'a Database,
    gateway: &'a Gateway,
    tenant: String,
    key: ApiKey,
    contacts: Vec<Contact>,
}

impl<'a> Stage<'a> {
    async fn set(database: &'a Database, gateway: &'a Gateway, tenant: String) -> Stage<'a> {
        let key = ApiKey::generate();
        let record = KeyRecord {
            hash: key.hash(),
            tenant: tenant.clone(),
            namespaces: caller().namespaces,
            user: caller().user,
            created_at: clock::now(),
            expires_at: None,
            revoked_at: None,
        };
        let keys = KeyAdmin::new(database.running.client.clone(), &database.running.api_keys_table);
        keys.put(&record).await.unwrap();
        let contacts = (0..3).map(|number| {
            let body = json!({"name": "contact", "title": format!("before {number}")}).to_string();
            let body = ContactBody::for_create(body.as_bytes(), &Handling::default()).unwrap();
            let now = clock::now();
            body.into_contact(&caller(), object_id::generate(now), now).unwrap()
        });
        let contacts: Vec<Contact> = contacts.collect();
        for contact in &contacts {
            database.running.app.store.import(&tenant, slice::from_ref(contact)).await.unwrap();
        }
        Stage { database, gateway, tenant, key, contacts }
    }

    async fn send(&self, way: Way) -> (u16, Value) {
        let [updated, member, deleted] = [0, 1, 2].map(|place| self.contacts[place].id.to_string());
        let operations = json!([
            {"action": "create", "data": {"name": "contact", "title": "made"}},
            {"action": "update", "_id": updated, "data": {"title": "made"}},
            {"action": "update", "_id": member, "data": {"title": "made", "integration_meta.erp": 1}},
            {"action": "delete", "_id": deleted},
            {"action": "upsert", "external_id": "crm-7", "data": {"name": "contact", "title": "upserted"}},
        ]);
        let url = format!("{}/client-contact/batch", self.gateway.running.url);
        let request = self.gateway.http.post(url).header("api-key", self.key.secret());
        let request = if way.has_key() { request.header("idempotency-key", "the batch") } else { request };
        let batch = json!({"operations": operations, "atomic": way.is_atomic()});
        let answer = request.header("content-type", "application/json").body(batch.to_string()).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap())
    }

    async fn table(&self) -> Contacts {
        let running = &self.database.running;
        let query = running.client.query().table_name(&running.contacts_table).consistent_read(true);
        let query = query.key_condition_expression("tenant = :tenant");
        let query = query.expression_attribute_values(":tenant", AttributeValue::S(self.tenant.clone()));
        let items = query.send().await.unwrap().items.unwrap();
        let text = |item: &HashMap<String, AttributeValue>, name: &str| item.get(name).map(|value| value.as_s().unwrap().clone());
        let contact = |item: &HashMap<String, AttributeValue>| {
            let id = text(item, "_id").filter(|id| id.parse::<ObjectId>().is_ok())?;
            Some((id, (item["__v"].as_n().unwrap().parse().unwrap(), text(item, "title"))))
        };
        items.iter().filter_map(contact).collect()
    }

    /// Which of the five operations are in effect; each at most once.
    fn done(&self, table: &Contacts) -> Result<[bool; 5], String> {
        let known: BTreeSet<String> = self.contacts.iter().map(|contact| contact.id.to_string()).collect();
        let new: Vec<_> = table.iter().filter(|(id, _)| !known.contains(*id)).map(|(_, contact)| contact).collect();
        let made = Some("made".to_owned());
        let created = |title: &str| new.iter().filter(|contact| ***contact == (0, Some(title.to_owned()))).count();
        if created("made") > 1 || created("upserted") > 1 || new.len() > created("made") + created("upserted") {
            return Err(format!("created {new:?}"));
        }
        let mut done = [created("made") == 1, false, false, false, created("upserted") == 1];
        for (place, contact) in self.contacts.iter().enumerate() {
            let after = if place == 2 { None } else { made.clone() };
            let there = &table[&contact.id.to_string()];
            done[place + 1] = *there == (1, after);
            if !done[place + 1] && *there != (0, Some(format!("before {place}"))) {
                return Err(format!("operation {} left {there:?}", place + 1));
            }
        }
        Ok(done)
    }
}

/// Whether what a result says is so.
fn is_true(result: &Value, done: bool) -> Result<(), String> {
    let is_true = match (result["status"].as_u64().unwrap_or_default(), result["code"].as_str()) {
        (200 | 201, None) => done && result["success"] == true && result["data"]["_id"].is_string(),
        (503, Some("unavailable")) | (500, Some("internal")) => !done,
        (503, Some("outcome_unknown")) => true,
        _ => false,
    };
    if is_true { Ok(()) } else { Err(format!("{result} of an operation that is {}done", if done { "" } else { "not " })) }
}

const NOT_MET: &str = "no request met the fault";

async fn play(database: &Database, gateway: &Gateway, way: Way, strike: Strike, turn: u32) -> Result<(), String> {
    let Strike { fault, operation, number, lasts } = strike;
    let stage = Stage::set(database, gateway, format!("{way:?}, {fault:?} at {operation} {number} {lasts} {turn}")).await;
    // The key's lookup is not what meets the fault.
    gateway
        .http
        .get(format!("{}/client-contact/x", gateway.running.url))
        .header("api-key", stage.key.secret())
        .send()
        .await
        .unwrap();
    gateway.proxy.strike(&stage.tenant, Some(strike));

    let begun = Instant::now();
    let (status, batch) = stage.send(way).await;

    let elapsed = begun.elapsed();
    testkit::eventually("the end of all requests", async || gateway.proxy.is_quiet(&stage.tenant).then_some(())).await;
    let met = gateway.proxy.struck(&stage.tenant);
    gateway.proxy.strike(&stage.tenant, None);
    if met == 0 {
        return Err(NOT_MET.to_owned());
    }
    if elapsed > Duration::from_secs(35) {
        return Err(format!("answered after {elapsed:?}"));
    }
    let done = stage.done(&stage.table().await)?;
    let results =
        batch["data"].as_array().filter(|results| status == 200 && results.len() == 5).ok_or(format!("{status} {batch}"))?;
    for (result, done) in results.iter().zip(done) {
        is_true(result, done)?;
    }
    if batch["success"] != json!(results.iter().all(|result| result["success"] == true)) {
        return Err(format!("the batch says {}", batch["success"]));
    }
    if way.is_atomic() && done != [done[0]; 5] {
        return Err(format!("half of it is done: {done:?}"));
    }
    if way.has_key() {
        // A machine that is busy with other things can take longer than a write has; the key lets it be repeated.
        let again = testkit::eventually("the end of the batch", async || {
            let (_, again) = stage.send(way).await;
            let results = again["data"].as_array().cloned().unwrap_or_default();
            results.iter().all(|result| result["status"] != 503).then_some(results)
        })
        .await;
        let mut statuses: Vec<_> = again.iter().map(|result| result["status"].as_u64().unwrap_or_default()).collect();
        // It was deleted now, or before.
        if !done[3] && statuses.get(3) == Some(&200) {
            statuses[3] = 404;
        }
        if statuses != [201, 200, 200, 404, 201] || stage.done(&stage.table().await)? != [true; 5] {
            return Err(format!("the same batch again: {again:?}"));
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_stand_every_fault_at_each_of_their_requests() {
    let database = Database::start().await;
    let http = Client::new();
    let proxy = FaultyProxy::start(database.running.dynamodb_endpoint.as_deref().unwrap(), &http).await;
    let options = Options {
        port: 0,
        dynamodb_endpoint: Some(proxy.endpoint.clone()),
        contacts_table: Some(database.running.contacts_table.clone()),
        api_keys_table: Some(database.running.api_keys_table.clone()),
        ..Options::default()
    };
    let gateway = Gateway { proxy, running: serve::start(options).await.unwrap(), http };
    let mut cells = Vec::new();
    for fault in FAULTS {
        for way in [Way::Each, Way::EachWithKey, Way::Together, Way::TogetherWithKey] {
            for &(operation, number) in way.requests() {
                // Only writes meet other transactions.
                if fault == Fault::Conflict && operation == "BatchGetItem" {
                    continue;
                }
                cells.extend([false, true].map(|lasts| (way, Strike { fault, operation, number, lasts })));
            }
        }
    }
    let count = cells.len();

    let played = stream::iter(cells).map(async |(way, strike)| {
        let mut played = play(&database, &gateway, way, strike, 0).await;
        // Its time can be over before the request that is to meet the fault, when the machine is busy with other things.
        for turn in 1..10 {
            if played != Err(NOT_MET.to_owned()) {
                break;
            }
            played = play(&database, &gateway, way, strike, turn).await;
        }
        played.map_err(|wrong| format!("{way:?}, {strike:?}: {wrong}"))
    });
    let played: Vec<Result<(), String>> = played.buffer_unordered(CELLS_AT_ONCE).collect().await;

    assert_eq!(played.len(), count);
    let wrong: Vec<String> = played.into_iter().filter_map(Result::err).collect();
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
}

/// What the batch function answers to these operations, when it has this much time.
async fn invoke(database: &Database, instance: &Instance, operations: &Value, atomic: bool, time: Duration) -> Vec<Value> {
    let body = json!({"operations": operations, "atomic": atomic}).to_string();
    let event = json!({
        "version": "2.0",
        "rawPath": "/client-contact/batch",
        "rawQueryString": "",
        "headers": {"api-key": database.running.development_key.as_ref().unwrap().secret()},
        "requestContext": {"http": {"method": "POST", "path": "/"}, "requestId": "1", "routeKey": "POST /client-contact/batch"},
        "body": body,
        "isBase64Encoded": false,
    });
    let event: ApiGatewayV2httpRequest = serde_json::from_value(event).unwrap();
    let answer: ApiGatewayV2httpResponse =
        Function::BatchClientContacts.invoke(instance.app.clone(), event, Instant::now() + time).await;
    let Some(lambda_http::Body::Text(body)) = &answer.body else { panic!("an answer has a body") };
    let mut body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(answer.status_code, 200, "{body}");
    let Value::Array(results) = body["data"].take() else { panic!("{body}") };
    results
}

fn created(number: usize) -> Value {
    json!({"action": "create", "data": {"name": format!("new {number}")}})
}

/// How many results have this status and code.
fn count(results: &[Value], status: u64, code: Option<&str>) -> usize {
    results.iter().filter(|result| result["status"] == status && result["code"].as_str() == code).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn when_dynamodb_throttles_in_the_middle_each_operation_says_whether_it_was_done() {
    let database = Database::start().await;
    let trouble = Arc::<Trouble>::default();
    let instance = database.instance(&trouble, patient()).await;
    let mut puts = 0;
    trouble.refuse(move |operation| {
        puts += usize::from(operation == "PutItem");
        operation == "PutItem" && puts > 30
    });

    let operations: Vec<Value> = (0..60).map(created).collect();
    let results = invoke(&database, &instance, &json!(operations), false, Duration::from_secs(30)).await;

    let (done, not_done) = (count(&results, 201, None), count(&results, 503, Some("unavailable")));
    assert_eq!((results.len(), done, not_done), (60, 30, 30));
    trouble.nothing_is_refused();
    let there = instance.all().await;
    assert_eq!(there.len(), 30);
    for (number, result) in results.iter().enumerate().filter(|(_, result)| result["status"] == 201) {
        let id: ObjectId = result["data"]["_id"].as_str().unwrap().parse().unwrap();
        assert_eq!(there[&id], (0, format!("new {number}")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_functions_time_does_not_suffice_for_says_so_before_it_is_over() {
    let database = Database::start().await;
    let contact = database.create("before").await;
    let trouble = Arc::<Trouble>::default();
    let instance = database.instance(&trouble, patient()).await;
    // With the key known, nothing but the batch's own requests can take long.
    invoke(&database, &instance, &json!([created(0)]), false, Duration::from_secs(30)).await;
    trouble.before(|operation| if operation == "UpdateItem" { pending().boxed() } else { async {}.boxed() });
    let update = |title: &str| json!({"action": "update", "_id": contact.id.to_string(), "data": {"title": title}});

    let begun = Instant::now();
    let time = Duration::from_secs(4);
    let operations = json!([update("1"), created(1), update("2"), created(2), update("3")]);
    let results = invoke(&database, &instance, &operations, false, time).await;

    assert!(begun.elapsed() < time + Duration::from_secs(2), "{:?}", begun.elapsed());
    let told: Vec<_> = results.iter().map(|result| (result["status"].as_u64().unwrap(), result["code"].as_str())).collect();
    let (unknown, not_begun) = ((503, Some("outcome_unknown")), (503, Some("unavailable")));
    assert_eq!(told, [unknown, (201, None), not_begun, (201, None), not_begun]);
    let none = invoke(&database, &instance, &json!([created(3), created(4)]), false, Duration::from_millis(1_200)).await;
    assert_eq!(count(&none, 503, Some("unavailable")), 2, "{none:?}");
    trouble.before(|_| async {}.boxed());
    assert_eq!(instance.all().await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_atomic_batch_whose_time_is_over_says_so_for_each_operation() {
    let database = Database::start().await;
    let trouble = Arc::<Trouble>::default();
    let instance = database.instance(&trouble, patient()).await;
    invoke(&database, &instance, &json!([created(0)]), false, Duration::from_secs(30)).await;
    for (operation, code) in [("BatchGetItem", "unavailable"), ("TransactWriteItems", "outcome_unknown")] {
        let contact = database.create("before").await;
        trouble.before(move |asked| if asked == operation { pending().boxed() } else { async {}.boxed() });
        let operations = json!([created(1), {"action": "delete", "_id": contact.id.to_string()}]);

        let results = invoke(&database, &instance, &operations, true, Duration::from_secs(4)).await;

        assert_eq!(count(&results, 503, Some(code)), 2, "{results:?}");
        assert!(instance.app.store.get(&Meter::default(), "local", contact.id).await.unwrap().is_some());
    }
}
