//! `DELETE /client-contact/{id}`

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use futures::future::{join, join_all};
use reqwest::Method;
use serde_json::json;
use shared::clock;
use shared::listing::ListConfig;
use testkit::{App, contact, eventually};

#[tokio::test]
async fn the_answer_is_the_contact_as_it_was() {
    let app = App::start().await;
    let created = app.add(contact().with("email", "john.smith@example.com")).await;

    let answer = app.delete(created.id()).await.expect(200);

    assert_eq!(answer.contact(), created);
    assert_eq!(answer.dynamodb_requests(), 1);
}

#[tokio::test]
async fn afterwards_the_contact_is_gone_at_once() {
    let app = App::start().await;
    let id = app.add(contact()).await.id();
    app.delete(&id).await.expect(200);

    let not_found = "404 Client contact not found";
    assert_eq!(app.get(&id).await.refusal(), not_found);
    assert_eq!(app.put(&id, contact()).await.refusal(), not_found);
    assert_eq!(app.delete(&id).await.refusal(), not_found);
    assert_eq!(app.get(&id).await.refusal(), not_found);
    assert_eq!(app.list(format!("_id={id}")).await.total(), 0);
}

#[tokio::test]
async fn lists_leave_it_out_at_once() {
    let Some(app) = App::here().await else { return };
    let contacts = app.add_named(&["A", "B", "C"]).await;
    assert_eq!(app.list("").await.total(), 3);

    app.delete(contacts[1].id()).await.expect(200);

    assert_eq!(app.list("").await.names(), ["A", "C"]);
    assert_eq!(app.list("search=b").await.total(), 0);
    assert_eq!(app.sibling().await.list("").await.names(), ["A", "C"]);
}

#[tokio::test]
async fn if_match_lets_only_the_named_versions_go() {
    let app = App::start().await;

    for (tags, status) in [("\"0\"", 200), ("*", 200), ("\"3\", \"0\"", 200), ("\"1\"", 412), ("W/\"0\"", 412)] {
        let created = app.add(contact()).await;
        let path = format!("/client-contact/{}", created.id());

        let answer = app.request(Method::DELETE, &path).header("if-match", tags).send().await;

        assert_eq!(answer.status, status, "{tags}: {}", answer.text());
        if status == 412 {
            assert_eq!(answer.refusal(), "412 If-Match names another version than the contact has, which is \"0\"");
            assert_eq!(app.get(created.id()).await.contact(), created, "{tags}");
        } else {
            assert_eq!(app.get(created.id()).await.status, 404, "{tags}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_deletions_at_the_same_time_one_happens() {
    let app = App::start().await;
    let created = app.add(contact()).await;

    let answers = join_all((0..20).map(|_| app.delete(created.id()))).await;

    let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    assert_eq!(won.len(), 1);
    assert_eq!(won[0].contact(), created);
    for answer in lost {
        assert_eq!(answer.refusal(), "404 Client contact not found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_at_the_same_time_brings_nothing_back() {
    let app = App::start().await;

    for _ in 0..10 {
        let id = app.add(contact()).await.id();

        let changes = join_all((0..5).map(|number| app.put(&id, json!({"title": number.to_string()}))));
        let (deleted, changes) = join(app.delete(&id), changes).await;

        // Each change came before the deletion, or came to nothing.
        let before = deleted.expect(200).contact().version();
        let changed: BTreeSet<_> = changes.iter().filter(|answer| answer.status == 200).map(|a| a.contact().version()).collect();
        assert_eq!(changed, (1..=before).collect());
        for answer in changes.into_iter().filter(|answer| answer.status != 200) {
            assert_eq!(answer.refusal(), "404 Client contact not found");
        }
        assert_eq!(app.get(&id).await.status, 404);
    }
}

#[tokio::test]
async fn nothing_of_the_person_stays_in_the_table() {
    let Some(app) = App::here().await else { return };
    let body = contact().with("local_name", "جون").with("email", "john.smith@example.com").with("extra_info", "secret");
    let created = app.add(body.with("integration_meta", json!({"a": 1})).with("media", json!(["x"]))).await;
    app.delete(created.id()).await.expect(200);

    let running = app.running();
    let item = running
        .client
        .get_item()
        .table_name(&running.contacts_table)
        .key("tenant", AttributeValue::S("local".to_owned()))
        .key("_id", AttributeValue::S(created.id()))
        .send()
        .await
        .unwrap()
        .item
        .unwrap();

    let attributes: BTreeSet<_> = item.keys().map(String::as_str).collect();
    let register = ["w0", "w1", "w2", "w3", "w4", "w5", "w6", "w7"];
    assert_eq!(
        attributes,
        ["__v", "_id", "company_namespace", "deleted", "expiresAt", "tenant", "updatedAt"].into_iter().chain(register).collect()
    );
    for entry in register {
        let entry = item[entry].as_s().unwrap();
        assert!(entry.chars().all(|character| character == '-' || character.is_ascii_hexdigit()), "{entry}");
    }
    let number = |attribute: &str| item[attribute].as_n().unwrap().parse::<i64>().unwrap();
    assert_eq!(number("__v"), 1);
    assert!(number("updatedAt") > created.millis("updatedAt"));
    let life = number("expiresAt") - number("updatedAt") / 1_000;
    let days_30 = 30 * 86_400;
    assert!((days_30 - 10..=days_30).contains(&life), "{life}");
}

#[tokio::test]
async fn what_a_list_by_id_showed_does_not_bring_a_deleted_contact_back() {
    let bounds = ListConfig { short_overlap: 1, long_overlap: 1, ..ListConfig::default() };
    let Some(app) = App::here_with(bounds).await else { return };
    let contact = app.add(contact()).await;
    app.list(format!("_id={}", contact.id())).await.expect(200);
    let deleted = app.delete(contact.id()).await.expect(200).contact();
    // Twice the long overlap later the index has forgotten the deletion.
    let later = deleted.millis("updatedAt") + 100;
    eventually("some milliseconds later", async || (clock::now().millis() > later).then_some(())).await;

    let listed = app.list("").await.contacts();

    assert_eq!(listed, []);
}
