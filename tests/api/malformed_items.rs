//! Items that restores and scripts left in the tables and that are no contacts, or no keys.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use reqwest::Method;
use serde_json::json;
use shared::api_key::KeyRecord;
use shared::clock;
use testkit::{App, Contact, contact};

type Item = HashMap<String, AttributeValue>;

/// The contacts table, past the API.
struct Table<'a>(&'a App);

impl Table<'_> {
    async fn get(&self, id: &str) -> Item {
        let running = self.0.running();
        let request = running.client.get_item().table_name(&running.contacts_table).consistent_read(true);
        let request = request.key("tenant", text(&self.0.tenant)).key("_id", text(id));
        request.send().await.unwrap().item.unwrap()
    }

    async fn put(&self, item: &Item) {
        let running = self.0.running();
        running.client.put_item().table_name(&running.contacts_table).set_item(Some(item.clone())).send().await.unwrap();
    }
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn number(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// A change that makes a contact's item malformed; without a value it takes the attribute away.
fn mistakes() -> Vec<(&'static str, Option<AttributeValue>)> {
    let year_10_000 = number(253_402_300_800_000_i64);
    let list = |values: &[AttributeValue]| Some(AttributeValue::L(values.to_vec()));
    let user =
        |kind: &str| Some(AttributeValue::M(HashMap::from([("_id".to_owned(), text("1")), ("type".to_owned(), text(kind))])));
    vec![
        ("name", None),
        ("name", Some(number(7))),
        ("creator", None),
        ("creator", Some(text("1"))),
        ("editor", list(&[])),
        ("company_namespace", None),
        ("company_namespace", list(&[])),
        ("company_namespace", Some(text("company1"))),
        ("createdAt", None),
        ("createdAt", Some(text("2023-01-15T10:30:00.000Z"))),
        ("createdAt", Some(year_10_000.clone())),
        ("createdAt", Some(number(i64::MIN))),
        ("updatedAt", Some(year_10_000)),
        ("__v", None),
        ("__v", Some(text("0"))),
        ("phone1", Some(number(1_234_567))),
        ("local_name", list(&[text("x")])),
        ("extra_info", Some(AttributeValue::Null(true))),
        ("disabled", Some(text("false"))),
        ("media", Some(AttributeValue::Ss(vec!["x".to_owned()]))),
        ("integration_meta", user("rep")),
    ]
    .into_iter()
    .collect()
}

/// Mistakes inside a value, which the condition of a write cannot see.
fn inner_mistakes() -> Vec<(&'static str, AttributeValue)> {
    vec![
        ("media", AttributeValue::L(vec![number(7)])),
        ("company_namespace", AttributeValue::L(vec![text("company1"), number(7)])),
        ("creator", AttributeValue::M(HashMap::from([("_id".to_owned(), text("1")), ("type".to_owned(), text("boss"))]))),
        ("integration_meta", text("{")),
        ("createdAt", number(1.5)),
        ("updatedAt", number(1.5)),
        ("__v", number(1.5)),
    ]
}

#[tokio::test]
async fn a_malformed_item_is_left_out_of_lists_and_only_its_own_calls_fail() {
    let Some(app) = App::here().await else { return };
    let table = Table(&app);
    let before: Vec<Contact> = app.add_named(&["A", "B"]).await;
    let from = before[0].millis("updatedAt") - 1;
    let expected = ["A", "B"];
    app.list("").await.expect(200);

    for (attribute, value) in mistakes() {
        let mistake = format!("{attribute} {value:?}");
        let id = app.add(contact().name("Between").with("phone1", "+1")).await.id();
        assert_eq!(app.list("").await.total(), 3, "{mistake}");
        let mut item = table.get(&id).await;
        // A script that takes part in the change log continues the version.
        item.insert("__v".to_owned(), number(1));
        match value {
            Some(value) => item.insert(attribute.to_owned(), value),
            None => item.remove(attribute),
        };
        table.put(&item).await;
        let cold = app.sibling().await;

        for gateway in [&cold, &app] {
            let ranges = [format!("from_updatedAt={from}"), format!("_id={id}&_id={}&_id={}", before[0].id(), before[1].id())];
            for query in ranges.iter().map(String::as_str).chain(["", "sort=-name", "search=e", "name=Between&name=A&name=B"]) {
                let answer = gateway.list(query).await.expect(200);
                let mut names = answer.names();
                names.sort();
                let found: &[&str] = if query == "search=e" { &[] } else { &expected };
                assert_eq!(
                    (names, answer.total()),
                    (found.iter().map(ToString::to_string).collect(), found.len() as u64),
                    "{mistake}: {query}"
                );
            }
        }
        let path = format!("/client-contact/{id}");
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let failed = app.request(method.clone(), &path).json(&json!({"title": "changed"})).send_and_fail().await;
            assert_eq!(failed.refusal(), "500 Internal server error", "{mistake}: {method}");
            assert_eq!(table.get(&id).await, item, "{mistake}: {method}");
        }
        // Everything else works beside it.
        app.put(before[0].id(), json!({"title": attribute})).await.expect(200);
    }
}

#[tokio::test]
async fn a_mistake_inside_of_a_value_is_left_out_of_lists_too() {
    let Some(app) = App::here().await else { return };
    let table = Table(&app);
    app.add_named(&["A", "B"]).await;

    for (attribute, value) in inner_mistakes() {
        let id = app.add(contact().name("Between")).await.id();
        let mut item = table.get(&id).await;
        item.insert(attribute.to_owned(), value);
        table.put(&item).await;
        let cold = app.sibling().await;

        for gateway in [&cold, &app] {
            assert_eq!(gateway.list("sort=name").await.names(), ["A", "B"], "{attribute}");
            assert_eq!(gateway.list(format!("_id={id}")).await.total(), 0, "{attribute}");
        }
        let failed = app.request(Method::GET, &format!("/client-contact/{id}")).send_and_fail().await;
        assert_eq!(failed.refusal(), "500 Internal server error", "{attribute}");
    }
}

#[tokio::test]
async fn an_item_with_a_key_of_no_contact_is_left_out_of_lists() {
    let Some(app) = App::here().await else { return };
    let table = Table(&app);
    let one = app.add(contact()).await;
    let item = table.get(&one.id()).await;

    for id in ["x", "", "60F1B2B3C9E9A12345678901", "60f1b2b3c9e9a1234567890"].iter().filter(|id| !id.is_empty()) {
        let item = item.clone().into_iter().chain([("_id".to_owned(), text(id))]).collect();
        table.put(&item).await;

        for gateway in [&app.sibling().await, &app] {
            assert_eq!(gateway.list("").await.contacts(), std::slice::from_ref(&one), "{id}");
        }
        app.get(id).await.expect(404);
    }
}

#[tokio::test]
async fn an_item_without_disabled_is_a_contact_that_is_not() {
    let Some(app) = App::here().await else { return };
    let table = Table(&app);
    let one = app.add(contact()).await;
    let mut item = table.get(&one.id()).await;
    item.remove("disabled");
    table.put(&item).await;

    assert_eq!(app.sibling().await.list("").await.contacts(), std::slice::from_ref(&one));
    assert_eq!(app.get(one.id()).await.contact(), one);
    app.put(one.id(), json!({"title": "changed"})).await.expect(200);
}

#[tokio::test]
async fn a_malformed_key_opens_nothing_and_leaves_the_others_alone() {
    let Some(app) = App::here().await else { return };
    let running = app.running();
    let good = app.caller("acme", &["company1"], "ann").await;
    let bad = app.caller("acme", &["company1"], "bob").await;
    let records = app.keys().list().await.unwrap().records;
    let [of_good, of_bad] =
        ["ann", "bob"].map(|user| records.iter().find(|record| record.user.username.as_deref() == Some(user)).unwrap().clone());
    let changed = |attribute: &'static str, value: Option<AttributeValue>| {
        let key = text(&of_bad.hash);
        let request = running.client.update_item().table_name(&running.api_keys_table).key("keyHash", key);
        let request = request.expression_attribute_names("#a", attribute);
        match value {
            Some(value) => request.update_expression("SET #a = :a").expression_attribute_values(":a", value),
            None => request.update_expression("REMOVE #a"),
        }
    };

    for (attribute, value) in [
        ("tenant", None),
        ("namespaces", Some(text("company1"))),
        ("user", Some(text("bob"))),
        ("createdAt", Some(number(253_402_300_800_000_i64))),
        ("expiresAt", Some(text("never"))),
    ] {
        app.keys().put(&of_bad).await.unwrap();
        changed(attribute, value).send().await.unwrap();
        let sibling = app.sibling().await;

        let keys = app.keys().list().await.unwrap();

        assert_eq!(keys.malformed, [of_bad.id()], "{attribute}");
        assert!(keys.records.contains(&of_good), "{attribute}");
        let failed = bad.at(&sibling).request(Method::GET, "/client-contact").send_and_fail().await;
        assert_eq!(failed.refusal(), "500 Internal server error", "{attribute}");
        good.at(&sibling).list("").await.expect(200);
    }
    assert!(app.keys().revoke(of_good.id(), clock::now()).await.unwrap().is_some());
    assert!(app.keys().revoke(of_bad.id(), clock::now()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_key_of_a_tenant_without_a_printable_name_is_not_stored() {
    let Some(app) = App::here().await else { return };
    app.caller("acme", &["company1"], "ann").await;
    let record = app.keys().list().await.unwrap().records.into_iter().find(|record| record.tenant == "acme").unwrap();

    for tenant in [String::new(), "x".repeat(3_000), "a\nb".to_owned()] {
        let refused = app.keys().put(&KeyRecord { tenant, ..record.clone() }).await.unwrap_err().to_string();
        assert_eq!(refused, "tenant must be 1 to 128 printable characters");
    }
}
