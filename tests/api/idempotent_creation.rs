//! `POST` with an `Idempotency-Key`.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use futures::future::join_all;
use reqwest::Method;
use serde::Serialize;
use serde_json::json;
use testkit::{Answer, App, Caller, ContactBody, contact};

const REUSED: &str = "422 Idempotency-Key was used for another request in the last 24 hours";

async fn create_once(caller: &Caller, key: &str, body: impl Serialize) -> Answer {
    caller.request(Method::POST, "/client-contact").header("idempotency-key", key).json(&body).send().await
}

/// A key that no run before has used.
fn new_key() -> String {
    shared::object_id::generate(shared::clock::now()).to_string()
}

#[tokio::test]
async fn the_same_request_again_gets_the_same_answer() {
    let app = App::start().await;
    let key = new_key();

    let first = create_once(&app, &key, contact()).await.expect(201);
    let again = create_once(&app, &key, contact()).await.expect(201);

    assert_eq!(again.text(), first.text());
    assert_eq!((first.header("idempotency-replayed"), again.header("idempotency-replayed")), (None, Some("true")));
    for header in ["location", "etag"] {
        assert_eq!(again.header(header), first.header(header));
    }
}

#[tokio::test]
async fn the_same_request_again_makes_no_other_contact() {
    let Some(app) = App::here().await else { return };
    let sibling = app.sibling().await;
    let created = create_once(&app, "key", contact()).await.contact();

    for gateway in [&app, &sibling, &app] {
        create_once(gateway, "key", contact()).await.expect(201);
    }

    assert_eq!(app.list("").await.contacts(), [created]);
}

#[tokio::test]
async fn the_answer_is_the_same_whatever_became_of_the_contact() {
    let Some(app) = App::alone().await else { return };
    let first = create_once(&app, "key", contact()).await.expect(201);
    let id = first.contact().id();

    app.put(&id, json!({"name": "Jane"})).await.expect(200);
    let after_a_change = create_once(&app, "key", contact()).await.expect(201);
    app.delete(&id).await.expect(200);
    let after_its_end = create_once(&app, "key", contact()).await.expect(201);

    assert_eq!(after_a_change.text(), first.text());
    assert_eq!(after_its_end.text(), first.text());
    assert_eq!(app.list("").await.total(), 0);
}

#[tokio::test]
async fn another_body_with_the_same_key_is_refused() {
    let Some(app) = App::alone().await else { return };
    let created = create_once(&app, "key", contact()).await.expect(201).contact();

    for body in [
        contact().name("Jane"),
        contact().with("title", "Director"),
        contact().with("disabled", true),
        contact().with("integration_meta", json!({})),
        contact().with("creator", json!({"_id": "7", "type": "rep"})),
    ] {
        assert_eq!(create_once(&app, "key", body).await.refusal(), REUSED);
    }

    assert_eq!(app.list("").await.contacts(), [created]);
}

#[tokio::test]
async fn each_key_creates_a_contact_of_its_own() {
    let Some(app) = App::alone().await else { return };
    let longest = "x".repeat(255);

    let mut ids = BTreeSet::new();
    for key in ["a", "A", "a b", "8e03978e-40d5-43e8-bc93-6894a57f9324", "~!@#$%^&*()", longest.as_str(), &longest[1..]] {
        ids.insert(create_once(&app, key, contact()).await.expect(201).contact().id());
    }

    assert_eq!(ids.len(), 7);
    assert_eq!(app.list("").await.total(), 7);
}

#[tokio::test]
async fn a_key_is_its_tenants_own() {
    let Some(app) = App::alone().await else { return };
    let ann = app.caller("acme", &["north"], "ann").await;
    let eve = app.caller("evil", &["north"], "ann").await;
    let body = contact().with("creator", json!({"_id": "7", "type": "rep"}));

    let of_ann = create_once(&ann, "key", &body).await.expect(201);
    let of_eve = create_once(&eve, "key", &body).await.expect(201);
    let other_body_of_eve = create_once(&eve, "key", contact()).await;

    assert_ne!(of_ann.contact().id(), of_eve.contact().id());
    assert_eq!(of_eve.header("idempotency-replayed"), None);
    assert_eq!(other_body_of_eve.refusal(), REUSED);
    assert_eq!((ann.list("").await.total(), eve.list("").await.total()), (1, 1));
}

#[tokio::test]
async fn another_user_of_the_tenant_does_not_get_the_contact_of_a_key() {
    let Some(app) = App::alone().await else { return };
    let ann = app.caller("acme", &["north"], "ann").await;
    let bob = app.caller("acme", &["south"], "bob").await;

    let of_ann = create_once(&ann, "key", contact()).await.expect(201).contact();
    let of_bob = create_once(&bob, "key", contact()).await;
    let with_the_names_of_ann = create_once(&bob, "key", of_ann.fields()).await;

    assert_eq!(of_bob.refusal(), REUSED);
    assert!(with_the_names_of_ann.refusal().starts_with("403 company_namespace must not add or remove \"north\""));
}

#[tokio::test]
async fn a_create_that_was_refused_leaves_its_key_free() {
    let Some(app) = App::alone().await else { return };

    create_once(&app, "key", contact().name("")).await.expect(400);
    create_once(&app, "key", contact().with("company_namespace", json!(["of others"]))).await.expect(403);
    let created = create_once(&app, "key", contact()).await.expect(201);

    assert_eq!(created.header("idempotency-replayed"), None);
    assert_eq!(app.list("").await.contacts(), [created.contact()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_identical_requests_at_the_same_moment_make_one_contact() {
    let Some(app) = App::here().await else { return };
    let sibling = app.sibling().await;
    let gateways = [&app, &sibling];

    let answers = join_all((0..100).map(|number| create_once(gateways[number % 2], "key", contact()))).await;

    let created: BTreeSet<String> = answers.iter().map(|answer| answer.clone().expect(201).text()).collect();
    assert_eq!(created.len(), 1);
    let first = answers.iter().filter(|answer| answer.header("idempotency-replayed").is_none()).count();
    assert_eq!(first, 1);
    assert_eq!(app.list("").await.contacts(), [answers[0].contact()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_different_requests_at_the_same_moment_one_makes_a_contact() {
    let Some(app) = App::alone().await else { return };

    let answers = join_all((0..20).map(|number| create_once(&app, "key", contact().name(&number.to_string())))).await;

    let (created, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 201);
    assert_eq!(created.len(), 1);
    for answer in refused {
        assert_eq!(answer.refusal(), REUSED);
    }
    assert_eq!(app.list("").await.contacts(), [created[0].contact()]);
}

#[tokio::test]
async fn a_key_can_be_used_anew_after_24_hours() {
    let Some(app) = App::here().await else { return };
    let first = create_once(&app, "key", contact()).await.expect(201).contact();
    let (running, created) = (app.running(), first.millis("createdAt") / 1_000);
    let scanned = running.client.scan().table_name(&running.contacts_table).send().await.unwrap().items.unwrap();
    let record = scanned.into_iter().find(|item| item["_id"] != AttributeValue::S(first.id())).unwrap();
    assert_eq!(record["expiresAt"], AttributeValue::N((created + 24 * 60 * 60).to_string()));

    // The moment comes by moving the record's, and not the clock.
    let expired = AttributeValue::N(created.to_string());
    let moved = running.client.put_item().table_name(&running.contacts_table).set_item(Some(record)).item("expiresAt", expired);
    moved.send().await.unwrap();
    let second = create_once(&app, "key", contact().name("Jane")).await.expect(201);

    assert_eq!(second.header("idempotency-replayed"), None);
    assert_ne!(second.contact().id(), first.id());
    assert_eq!(create_once(&app, "key", contact()).await.refusal(), REUSED);
    assert_eq!(app.list("").await.total(), 2);
}

#[tokio::test]
async fn what_is_remembered_of_a_key_holds_neither_it_nor_the_person() {
    let Some(app) = App::here().await else { return };
    let body: ContactBody = contact().with("email", "john.smith@example.com").with("local_name", "جون");
    let created = create_once(&app, "john.smith@example.com", body).await.expect(201).contact();

    let running = app.running();
    let scanned = running.client.scan().table_name(&running.contacts_table).send().await.unwrap().items.unwrap();
    let record = scanned.iter().find(|item| item["_id"] != AttributeValue::S(created.id())).unwrap();

    let shown = format!("{record:?}").to_lowercase();
    for personal in ["john", "smith", "example", "جون"] {
        assert!(!shown.contains(personal), "{shown}");
    }
}

#[tokio::test]
async fn creating_once_costs_one_request_to_dynamodb() {
    let app = App::start().await;
    app.list("_id=x").await.expect(200);
    let key = new_key();

    let created = create_once(&app, &key, contact()).await.expect(201);
    let replayed = create_once(&app, &key, contact()).await.expect(201);

    assert_eq!((created.dynamodb_requests(), replayed.dynamodb_requests()), (1, 1));
}

#[tokio::test]
async fn reading_and_deleting_do_not_look_at_the_key() {
    let app = App::start().await;
    let id = app.add(contact()).await.id();
    let path = format!("/client-contact/{id}");

    for (method, status) in [(Method::GET, 200), (Method::GET, 200), (Method::DELETE, 200), (Method::DELETE, 404)] {
        let answer = app.request(method, &path).header("idempotency-key", "key").send().await.expect(status);

        assert_eq!(answer.header("idempotency-replayed"), None);
    }
}
