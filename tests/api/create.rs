//! `POST /client-contact`

use reqwest::Method;
use serde_json::{Value, json};
use testkit::{App, contact};

/// The example of the reference page, with every field that a client can set.
fn john() -> Value {
    json!({
        "name": "John Smith",
        "creator": {"_id": "60f1b2b3c9e9a12345678901", "username": "admin_user", "name": "Admin User", "type": "admin"},
        "editor": {"_id": "60f1b2b3c9e9a12345678902", "username": "rep_user", "type": "rep", "rep": "north"},
        "local_name": "جون سميث",
        "phone1": "+1234567890",
        "phone2": "+1234567891",
        "email": "john.smith@example.com",
        "title": "Sales Manager",
        "extra_info": "Primary contact for technical issues",
        "disabled": true,
        "media": ["https://example.com/1.jpg", "https://example.com/2.jpg"],
        "cover_photo": "https://example.com/cover.jpg",
        "integration_meta": {"external_id": "contact_123", "sync_status": "active"},
        "company_namespace": ["company1"],
    })
}

#[tokio::test]
async fn a_contact_has_what_the_body_says() {
    let app = App::start().await;

    let created = app.create(john()).await.expect(201).contact();

    assert_eq!(created.fields(), john());
    assert_eq!(created.version(), 0);
    assert_eq!(created["createdAt"], created["updatedAt"]);
}

#[tokio::test]
async fn what_the_body_leaves_open_comes_from_the_caller() {
    let Some(app) = App::here().await else { return };

    let created = app.create(json!({"name": "John Smith"})).await.expect(201).contact();

    insta::assert_snapshot!(created.shown(), @r#"
    {
      "__v": 0,
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
      "name": "John Smith",
      "updatedAt": "<time>"
    }
    "#);
}

#[tokio::test]
async fn location_leads_to_the_contact() {
    let app = App::start().await;

    for path in ["/client-contact", "/v1/client-contact"] {
        let answer = app.request(Method::POST, path).json(&contact()).send().await.expect(201);

        let location = format!("{path}/{}", answer.contact().id());
        assert_eq!(answer.header("location"), Some(location.as_str()));
        assert_eq!(answer.header("etag"), Some("\"0\""));
        assert_eq!(app.request(Method::GET, &location).send().await.expect(200).contact(), answer.contact());
    }
}

#[tokio::test]
async fn the_id_starts_with_the_second_of_creation() {
    let app = App::start().await;

    let created = app.add(contact()).await;

    let second = i64::from_str_radix(&created.id()[..8], 16).unwrap();
    assert_eq!(second, created.millis("createdAt") / 1_000);
}

#[tokio::test]
async fn null_means_not_given() {
    let app = App::start().await;
    let fields = john();
    let nulls = fields.as_object().unwrap().keys().fold(contact(), |body, field| body.with(field, Value::Null));

    let with_nulls = app.add(nulls.name("John Smith")).await;
    let without = app.add(contact().name("John Smith")).await;

    assert_eq!(with_nulls.fields(), without.fields());
}

#[tokio::test]
async fn server_fields_and_unknown_members_are_ignored() {
    let app = App::start().await;
    let plain = app.add(contact()).await;

    let body = contact().with("_id", plain.id()).with("createdAt", "2001-01-01T00:00:00.000Z").with("updatedAt", "yesterday");
    let created = app.add(body.with("__v", 7).with("nickname", json!({"deep": [null]})).with("tenant", "other")).await;

    assert_ne!(created.id(), plain.id());
    assert_eq!((created.version(), created.fields()), (0, plain.fields()));
    assert!(created.millis("createdAt") >= plain.millis("createdAt"));
}

#[tokio::test]
async fn an_empty_text_is_a_value() {
    let app = App::start().await;
    let texts = ["local_name", "phone1", "phone2", "title", "extra_info", "cover_photo"];
    let body = texts.iter().fold(contact(), |body, field| body.with(field, ""));

    let created = app.add(body.with("media", json!([]))).await;

    for field in texts {
        assert_eq!(created[field], "", "{field}");
    }
    assert_eq!(created["media"], json!([]));
    assert_eq!(app.get(created.id()).await.contact(), created);
}

#[tokio::test]
async fn values_at_their_bounds_are_accepted() {
    let app = App::start().await;
    let wide = |count| "\u{1F600}".repeat(count);
    let longest_address = format!("{}@{}.example", "a".repeat(64), ["b".repeat(60), "c".repeat(60), "d".repeat(59)].join("."));
    assert_eq!(longest_address.len(), 254);
    let body = contact()
        .name(&wide(1_000))
        .with("local_name", wide(1_000))
        .with("title", wide(1_000))
        .with("phone1", wide(100))
        .with("phone2", wide(100))
        .with("email", longest_address)
        .with("extra_info", wide(10_000))
        .with("cover_photo", wide(2_048))
        .with("media", vec!["x".repeat(1_024); 100])
        .with(
            "creator",
            json!({"_id": "1", "type": "client", "username": "", "name": "", "client": "c", "rep": "r", "admin": "a"}),
        );

    let created = app.add(body.clone()).await;

    for (field, value) in Value::from(body).as_object().unwrap() {
        assert_eq!(&created[field], value, "{field}");
    }
    assert_eq!(app.get(created.id()).await.contact(), created);
}

#[tokio::test]
async fn creating_costs_one_request_to_dynamodb() {
    let app = App::start().await;
    app.add(contact()).await;

    let answer = app.create(john()).await.expect(201);

    assert_eq!(answer.dynamodb_requests(), 1);
}
