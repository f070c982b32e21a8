//! `PUT` with an `Idempotency-Key`.

use aws_sdk_dynamodb::types::AttributeValue;
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use shared::clock;
use shared::object_id;
use testkit::{Answer, App, Caller, contact};

const REUSED: &str = "422 Idempotency-Key was used for another request in the last 24 hours";

async fn update_once(caller: &Caller, key: &str, id: &str, body: &Value) -> Answer {
    update_if(caller, key, id, body, None).await
}

async fn update_if(caller: &Caller, key: &str, id: &str, body: &Value, if_match: Option<&str>) -> Answer {
    let request = caller.request(Method::PUT, &format!("/client-contact/{id}")).header("idempotency-key", key);
    let request = if_match.into_iter().fold(request, |request, tag| request.header("if-match", tag));
    request.json(body).send().await
}

fn replayed(answer: &Answer) -> Option<&str> {
    answer.header("idempotency-replayed")
}

/// A key that no run before has used.
fn new_key() -> String {
    object_id::generate(clock::now()).to_string()
}

#[tokio::test]
async fn the_same_request_again_changes_nothing_and_answers_with_the_contact() {
    let app = App::start().await;
    let (key, id) = (new_key(), app.add(contact()).await.id());

    let first = update_once(&app, &key, &id, &json!({"title": "Manager"})).await.expect(200);
    let again = update_once(&app, &key, &id, &json!({"title": "Manager"})).await.expect(200);

    assert_eq!((replayed(&first), replayed(&again)), (None, Some("true")));
    assert_eq!((first.contact()["title"].as_str(), first.contact().version()), (Some("Manager"), 1));
    assert_eq!(again.contact(), first.contact());
    assert_eq!(app.get(&id).await.contact(), first.contact());
}

#[tokio::test]
async fn an_answer_is_what_a_read_shows_whatever_was_changed() {
    let app = App::start().await;
    let all = json!({
        "creator": {"_id": "7", "type": "client", "client": "c"}, "editor": {"_id": "8", "type": "rep"}, "name": "Jane", "local_name": "جين",
        "title": "", "phone1": "1", "phone2": "2", "email": "jane@example.com", "extra_info": "x", "disabled": true, "media": ["m"],
        "cover_photo": "c", "integration_meta": {"a": 1.5}, "company_namespace": ["company1"],
    });
    for body in [
        json!({}),
        all.clone(),
        json!({"title": null, "editor": null, "disabled": null, "media": null, "integration_meta": null}),
        json!({"integration_meta.erp": {"id": [1]}, "integration_meta.a": null, "media": []}),
    ] {
        for before in
            [contact(), contact().with("title", "x").with("media", json!(["y"])).with("integration_meta", json!({"a": 2}))]
        {
            let id = app.add(before).await.id();

            let changed = update_once(&app, &new_key(), &id, &body).await.expect(200).contact();

            assert_eq!(app.get(&id).await.contact(), changed, "{body}");
            assert_eq!(changed.version(), 1);
        }
    }
}

#[tokio::test]
async fn the_answer_to_a_repeated_request_is_the_contact_as_it_is_now() {
    let app = App::start().await;
    let (key, id) = (new_key(), app.add(contact()).await.id());
    update_once(&app, &key, &id, &json!({"title": "Manager"})).await.expect(200);

    let changed = app.put(&id, json!({"title": "Director"})).await.contact();
    let after_a_change = update_once(&app, &key, &id, &json!({"title": "Manager"})).await.expect(200);
    app.delete(&id).await.expect(200);
    let after_its_end = update_once(&app, &key, &id, &json!({"title": "Manager"})).await;

    assert_eq!((after_a_change.contact(), replayed(&after_a_change)), (changed, Some("true")));
    assert_eq!((after_its_end.refusal().as_str(), replayed(&after_its_end)), ("404 Client contact not found", Some("true")));
    app.get(&id).await.expect(404);
}

#[tokio::test]
async fn if_match_counts_only_the_first_time() {
    let app = App::start().await;
    let (key, id) = (new_key(), app.add(contact()).await.id());
    let body = json!({"title": "Manager"});
    assert_eq!(update_if(&app, &key, &id, &body, Some("\"1\"")).await.code(), "version_conflict");

    update_if(&app, &key, &id, &body, Some("\"0\"")).await.expect(200);

    for tag in ["\"0\"", "\"1\"", "\"99\"", "*"] {
        let again = update_if(&app, &key, &id, &body, Some(tag)).await.expect(200);
        assert_eq!((again.contact().version(), replayed(&again)), (1, Some("true")), "{tag}");
    }
}

#[tokio::test]
async fn anything_else_under_the_key_is_refused_and_changes_nothing() {
    let app = App::start().await;
    let (key, id, other) = (new_key(), app.add(contact()).await.id(), app.add(contact()).await.id());
    let body = json!({"title": "Manager"});
    let changed = update_once(&app, &key, &id, &body).await.expect(200).contact();
    let with_key = |method, path: &str| app.request(method, path).header("idempotency-key", &key);

    for refused in [
        update_once(&app, &key, &id, &json!({"title": "Director"})).await,
        update_once(&app, &key, &other, &body).await,
        with_key(Method::PUT, &format!("/client-contact/{id}?x=1")).json(&body).send().await,
        with_key(Method::PUT, &format!("/client-contact/{id}")).body("{\"title\": \"Manager\"}").send().await,
        with_key(Method::POST, "/client-contact").json(&contact()).send().await,
    ] {
        assert_eq!(refused.refusal(), REUSED);
        assert_eq!(refused.code(), "idempotency_key_reused");
    }

    assert_eq!(app.get(&id).await.contact(), changed);
    assert_eq!(app.get(&other).await.contact().version(), 0);
    let of_create = new_key();
    let create = app.request(Method::POST, "/client-contact").header("idempotency-key", &of_create);
    create.json(&contact()).send().await.expect(201);
    assert_eq!(update_once(&app, &of_create, &id, &body).await.refusal(), REUSED);
}

#[tokio::test]
async fn a_request_that_failed_leaves_its_key_free() {
    let app = App::start().await;
    let (key, id) = (new_key(), app.add(contact()).await.id());
    let nobody = object_id::generate(clock::now()).to_string();

    update_once(&app, &key, &nobody, &json!({"title": "x"})).await.expect(404);
    update_once(&app, &key, "no-id", &json!({"title": "x"})).await.expect(404);
    update_once(&app, &key, &id, &json!({"title": 7})).await.expect(400);
    update_once(&app, &key, &id, &json!({"company_namespace": ["of others"]})).await.expect(403);
    update_if(&app, &key, &id, &json!({"title": "x"}), Some("\"7\"")).await.expect(412);
    update_once(&app, &key, &id, &json!({"integration_meta.a": "x".repeat(65_530)})).await.expect(400);
    let changed = update_once(&app, &key, &id, &json!({"title": "y"})).await.expect(200);

    assert_eq!((replayed(&changed), changed.contact().version()), (None, 1));
}

#[tokio::test]
async fn a_key_that_no_header_may_be_is_refused() {
    let app = App::start().await;
    let id = app.add(contact()).await.id();

    for key in ["", "é", &"x".repeat(256)] {
        let refusal = update_once(&app, key, &id, &json!({"title": "x"})).await.refusal();
        assert_eq!(refusal, "400 Idempotency-Key must be 1 to 255 printable ASCII characters", "{key}");
    }

    assert_eq!(app.get(&id).await.contact().version(), 0);
}

#[tokio::test]
async fn a_key_is_its_tenants_own_and_shows_no_contact_to_those_who_do_not_see_it() {
    let Some(app) = App::alone().await else { return };
    let [ann, bob] = [app.caller("acme", &["north"], "ann").await, app.caller("acme", &["south"], "bob").await];
    let eve = app.caller("evil", &["north"], "eve").await;
    let (id, body) = (ann.add(contact()).await.id(), json!({"title": "x"}));
    update_once(&ann, "key", &id, &body).await.expect(200);

    let of_bob = update_once(&bob, "key", &id, &body).await;
    let of_eve = update_once(&eve, "key", &id, &body).await;
    let own_of_eve = eve.add(contact()).await.id();

    assert_eq!(of_bob.refusal(), "404 Client contact not found");
    assert_eq!((of_eve.refusal().as_str(), replayed(&of_eve)), ("404 Client contact not found", None));
    assert_eq!(replayed(&update_once(&eve, "key", &own_of_eve, &body).await.expect(200)), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_identical_requests_at_the_same_moment_make_one_change() {
    let Some(app) = App::here().await else { return };
    let sibling = app.sibling().await;
    let (gateways, id) = ([&app, &sibling], app.add(contact()).await.id());
    let body = json!({"title": "Manager"});

    let answers = join_all((0..100).map(|number| update_once(gateways[number % 2], "key", &id, &body))).await;

    for answer in &answers {
        assert_eq!(answer.clone().expect(200).contact(), answers[0].contact());
    }
    assert_eq!(answers[0].contact().version(), 1);
    assert_eq!(answers.iter().filter(|answer| replayed(answer).is_none()).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_different_requests_at_the_same_moment_one_takes_effect() {
    let app = App::start().await;
    let (key, id) = (new_key(), app.add(contact()).await.id());
    let bodies: Vec<Value> = (0..20).map(|number| json!({"title": number.to_string()})).collect();

    let answers = join_all(bodies.iter().map(|body| update_once(&app, &key, &id, body))).await;

    let (changed, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    assert_eq!(changed.len(), 1);
    refused.iter().for_each(|answer| assert_eq!(answer.refusal(), REUSED));
    assert_eq!(app.get(&id).await.contact(), changed[0].contact());
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_with_different_keys_and_plain_ones_all_take_effect() {
    let app = App::start().await;
    let (run, id) = (new_key(), app.add(contact()).await.id());
    let fields = ["local_name", "title", "phone1", "phone2", "extra_info", "cover_photo"];

    let answers = join_all(fields.iter().enumerate().map(async |(number, field)| {
        let body = json!({*field: "new"});
        if number % 3 == 0 { app.put(&id, body).await } else { update_once(&app, &format!("{run} {number}"), &id, &body).await }
    }))
    .await;

    answers.into_iter().for_each(|answer| drop(answer.expect(200)));
    let changed = app.get(&id).await.contact();
    assert!(fields.iter().all(|field| changed[field] == "new"), "{changed:?}");
    assert_eq!(changed.version(), 6);
}

#[tokio::test]
async fn a_key_can_be_used_anew_after_24_hours_and_what_is_remembered_is_not_personal() {
    let Some(app) = App::here().await else { return };
    let id = app.add(contact()).await.id();
    let key = "john.smith@example.com";
    let changed = update_once(&app, key, &id, &json!({"email": "john.smith@example.com"})).await.expect(200).contact();
    let (running, second) = (app.running(), changed.millis("updatedAt") / 1_000);
    let scanned = running.client.scan().table_name(&running.contacts_table).send().await.unwrap().items.unwrap();
    let record = scanned.into_iter().find(|item| item["_id"] != AttributeValue::S(id.clone())).unwrap();
    assert_eq!(record["expiresAt"], AttributeValue::N((second + 24 * 60 * 60).to_string()));
    let shown = format!("{record:?}").to_lowercase();
    assert!(["john", "smith", "example"].iter().all(|personal| !shown.contains(personal)), "{shown}");

    // The moment comes by moving the record's, and not the clock.
    let expired = AttributeValue::N(second.to_string());
    let moved = running.client.put_item().table_name(&running.contacts_table).set_item(Some(record)).item("expiresAt", expired);
    moved.send().await.unwrap();
    let anew = update_once(&app, key, &id, &json!({"title": "x"})).await.expect(200);

    assert_eq!((replayed(&anew), anew.contact().version()), (None, 2));
}

#[tokio::test]
async fn it_costs_a_read_and_a_transaction_and_a_repeated_one_a_read() {
    let app = App::start().await;
    let (key, id) = (new_key(), app.add(contact()).await.id());
    app.get(&id).await.expect(200);

    let first = update_once(&app, &key, &id, &json!({"title": "x"})).await.expect(200);
    let again = update_once(&app, &key, &id, &json!({"title": "x"})).await.expect(200);

    assert_eq!((first.dynamodb_requests(), again.dynamodb_requests()), (2, 1));
}
