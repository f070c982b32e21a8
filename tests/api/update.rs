//! `PUT /client-contact/{id}`

use std::collections::BTreeSet;

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use shared::clock;
use testkit::{Answer, App, Caller, contact, eventually};

/// The fields that `null` clears, with a value for each.
fn optional_fields() -> Vec<(&'static str, Value)> {
    vec![
        ("editor", json!({"_id": "1", "type": "rep"})),
        ("local_name", json!("جون")),
        ("phone1", json!("+1")),
        ("phone2", json!("+2")),
        ("email", json!("john@example.com")),
        ("title", json!("Manager")),
        ("extra_info", json!("none")),
        ("media", json!(["https://example.com/1.jpg"])),
        ("cover_photo", json!("https://example.com/cover.jpg")),
        ("integration_meta", json!({"": [1.5, null]})),
    ]
}

async fn put_if_match(caller: &Caller, id: &str, tags: &str, body: Value) -> Answer {
    caller.request(Method::PUT, &format!("/client-contact/{id}")).header("if-match", tags).json(&body).send().await
}

#[tokio::test]
async fn the_fields_of_the_body_change_and_the_others_stay() {
    let Some(app) = App::here().await else { return };
    let created = app.add(contact().with("phone1", "+1").with("title", "Manager")).await;

    let changed = app.put(created.id(), json!({"title": "Director", "email": "john@example.com"})).await.expect(200);

    assert_eq!(changed.header("etag"), Some("\"1\""));
    insta::assert_snapshot!(changed.contact().shown(), @r#"
    {
      "__v": 1,
      "_id": "<id>",
      "company_namespace": [
        "company1"
      ],
      "createdAt": "<time>",
      "creator": {
        "_id": "60f1b2b3c9e9a12345678901",
        "name": "Admin User",
        "type": "admin",
        "username": "admin_user"
      },
      "disabled": false,
      "editor": {
        "_id": "60f1b2b3c9e9a12345678901",
        "name": "Admin User",
        "type": "admin",
        "username": "admin_user"
      },
      "email": "john@example.com",
      "name": "John Smith",
      "phone1": "+1",
      "title": "Director",
      "updatedAt": "<time>"
    }
    "#);
    assert_eq!(changed.contact()["createdAt"], created["createdAt"]);
    assert_eq!(app.get(created.id()).await.contact(), changed.contact());
}

#[tokio::test]
async fn the_editor_is_the_one_of_the_body_or_else_the_caller() {
    let Some(app) = App::alone().await else { return };
    let created = app.add(contact()).await;
    assert!(!created.has("editor"));
    let editor = json!({"_id": "7", "type": "client", "client": "Example Inc."});

    let by_body = app.put(created.id(), json!({"editor": editor})).await.expect(200).contact();
    let by_caller = app.put(created.id(), json!({"title": "Director"})).await.expect(200).contact();
    let by_nobody = app.put(created.id(), json!({"editor": null})).await.expect(200).contact();

    assert_eq!(by_body["editor"], editor);
    assert_eq!(by_caller["editor"], app.user);
    assert!(!by_nobody.has("editor"));
}

#[tokio::test]
async fn null_clears_an_optional_field() {
    let app = App::start().await;
    let full = optional_fields().into_iter().fold(contact(), |body, (field, value)| body.with(field, value));
    let id = app.add(full).await.id();

    for (field, _) in optional_fields() {
        let changed = app.put(&id, json!({field: null, "editor": null})).await.expect(200).contact();
        assert!(!changed.has(field), "{field}");
    }
    let bare = app.get(&id).await.contact();
    let plain = app.add(contact()).await;

    assert_eq!(bare.fields(), plain.fields());
}

#[tokio::test]
async fn null_for_disabled_is_not_disabled() {
    let app = App::start().await;
    let id = app.add(contact().with("disabled", true)).await.id();

    let changed = app.put(&id, json!({"disabled": null})).await.expect(200).contact();

    assert_eq!(changed["disabled"], false);
}

#[tokio::test]
async fn null_for_what_every_contact_has_is_refused() {
    let app = App::start().await;
    let created = app.add(contact()).await;

    let refusals: Vec<_> = join_all(
        ["name", "creator", "company_namespace"]
            .map(async |field| app.put(created.id(), json!({field: null, "title": "Director"})).await.refusal()),
    )
    .await;

    insta::assert_snapshot!(refusals.join("\n"), @r"
    400 name must not be null: every contact has one
    400 creator must not be null: every contact has one
    400 company_namespace must not be null: every contact has one
    ");
    assert_eq!(app.get(created.id()).await.contact(), created);
}

#[tokio::test]
async fn a_whole_document_can_be_sent_back() {
    let app = App::start().await;
    let full = optional_fields().into_iter().fold(contact(), |body, (field, value)| body.with(field, value));
    let before = app.add(full).await;

    let after = app.put(before.id(), &before).await.expect(200).contact();
    let again = app.put(before.id(), &before).await.expect(200).contact();

    assert_eq!((after.id(), after.fields()), (before.id(), before.fields()));
    assert_eq!(after["createdAt"], before["createdAt"]);
    assert_eq!((after.version(), again.version()), (1, 2));
    assert!(before.millis("updatedAt") < after.millis("updatedAt") && after.millis("updatedAt") < again.millis("updatedAt"));
}

#[tokio::test]
async fn server_fields_of_the_body_change_nothing() {
    let app = App::start().await;
    let (one, other) = (app.add(contact()).await, app.add(contact()).await);

    let body =
        json!({"_id": other.id(), "createdAt": "2001-01-01T00:00:00.000Z", "updatedAt": "never", "__v": 70, "tenant": "x"});
    let changed = app.put(one.id(), body).await.expect(200).contact();

    assert_eq!((changed.id(), changed.version(), &changed["createdAt"]), (one.id(), 1, &one["createdAt"]));
    assert_eq!(app.get(other.id()).await.contact(), other);
}

#[tokio::test]
async fn updated_at_strictly_increases_and_the_version_counts() {
    let app = App::start().await;
    let created = app.add(contact()).await;
    let mut last = created.clone();

    for round in 1..=30 {
        let changed = app.put(created.id(), json!({"title": "the same"})).await.expect(200).contact();

        assert_eq!(changed.version(), round);
        assert!(changed.millis("updatedAt") > last.millis("updatedAt"), "{last:?} {changed:?}");
        assert_eq!(changed["createdAt"], created["createdAt"]);
        last = changed;
    }
}

#[tokio::test]
async fn if_match_lets_only_the_named_versions_change() {
    let app = App::start().await;

    for (tags, status) in [
        ("\"1\"", 200),
        ("\"7\", \"1\"", 200),
        ("\"7\",\"1\" , \"8\"", 200),
        ("*", 200),
        ("\"0\"", 412),
        ("\"2\"", 412),
        ("\"01\"", 412),
        ("\"\"", 412),
        ("\"one\"", 412),
        ("\"0\", \"2\"", 412),
        // If-Match compares strongly (RFC 9110, section 13.1.1).
        ("W/\"1\"", 412),
        ("\"99999999999999999999\"", 412),
    ] {
        let id = app.add(contact()).await.id();
        let before = app.put(&id, json!({"title": "Manager"})).await.contact();

        let answer = put_if_match(&app, &id, tags, json!({"title": "Director"})).await;

        assert_eq!(answer.status, status, "{tags}: {}", answer.text());
        if status == 412 {
            assert_eq!(answer.refusal(), "412 If-Match names another version than the contact has, which is \"1\"");
            assert_eq!(app.get(&id).await.contact(), before, "{tags}");
        } else {
            assert_eq!(answer.contact()["title"], "Director", "{tags}");
        }
    }
}

#[tokio::test]
async fn if_match_on_no_contact_is_not_found() {
    let app = App::start().await;
    let id = app.add(contact()).await.id();
    app.delete(&id).await.expect(200);

    for tags in ["*", "\"0\"", "\"1\""] {
        assert_eq!(put_if_match(&app, &id, tags, json!({})).await.refusal(), "404 Client contact not found", "{tags}");
    }
}

#[tokio::test]
async fn changing_costs_one_request_to_dynamodb() {
    let app = App::start().await;
    let created = app.add(contact()).await;
    app.put(created.id(), json!({"title": "Manager"})).await.expect(200);
    // Two changes in one millisecond are the extraordinary case.
    let before = app.get(created.id()).await.contact();
    eventually("the next millisecond", async || (clock::now().millis() > before.millis("updatedAt")).then_some(())).await;

    let field = app.put(created.id(), json!({"title": "Director"})).await.expect(200);
    let before = field.contact();
    eventually("the next millisecond", async || (clock::now().millis() > before.millis("updatedAt")).then_some(())).await;
    let document = put_if_match(&app, &created.id(), "\"2\"", serde_json::to_value(field.contact()).unwrap()).await.expect(200);

    assert_eq!((field.dynamodb_requests(), document.dynamodb_requests()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_different_fields_at_the_same_time_all_survive() {
    let app = App::start().await;
    let siblings = app.siblings(1).await;
    let callers: Vec<Caller> = std::iter::once(&app).chain(&siblings).map(|gateway| app.at(gateway)).collect();
    let id = app.add(contact()).await.id();
    let fields = optional_fields();

    let changes =
        fields.iter().zip(callers.iter().cycle()).map(|((field, value), caller)| caller.put(&id, json!({*field: value})));
    for answer in join_all(changes).await {
        answer.expect(200);
    }
    let after = app.get(&id).await.contact();

    for (field, value) in fields.iter().filter(|(field, _)| *field != "editor") {
        assert_eq!(&after[field], value, "{field}");
    }
    assert_eq!(after.version(), fields.len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_of_one_contact_at_the_same_time_counts() {
    const CHANGES: u64 = 40;
    let app = App::start().await;
    let id = app.add(contact()).await.id();

    let answers = join_all((0..CHANGES).map(|number| app.put(&id, json!({"title": number.to_string()})))).await;
    let mut changed: Vec<_> = answers.into_iter().map(|answer| answer.expect(200).contact()).collect();
    changed.sort_by_key(|contact| contact.version());
    let after = app.get(&id).await.contact();

    let versions: Vec<u64> = changed.iter().map(|contact| contact.version()).collect();
    assert_eq!(versions, (1..=CHANGES).collect::<Vec<_>>());
    assert!(changed.is_sorted_by(|one, next| one.millis("updatedAt") < next.millis("updatedAt")));
    let titles: BTreeSet<_> = changed.iter().map(|contact| contact.text("title")).collect();
    assert_eq!(titles.len(), changed.len());
    assert_eq!(Some(&after), changed.last());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_changes_of_one_version_one_happens() {
    let app = App::start().await;
    let id = app.add(contact()).await.id();

    let answers = join_all((0..20).map(|number| put_if_match(&app, &id, "\"0\"", json!({"title": number.to_string()})))).await;

    let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    assert_eq!(won.len(), 1);
    for answer in lost {
        assert_eq!(answer.refusal(), "412 If-Match names another version than the contact has, which is \"1\"");
    }
    assert_eq!(app.get(&id).await.contact(), won[0].contact());
}
