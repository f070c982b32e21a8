//! Contacts that somebody changes in the table without stamping them, as a restore or a migration does.

use aws_sdk_dynamodb::types::AttributeValue;
use contacts::app::App as Functions;
use serde_json::json;
use shared::clock;
use shared::meter::Meter;
use testkit::{App, Caller, Contact};

/// Changes a contact's name in the table, and nothing that tells of it.
async fn rename_silently(app: &App, contact: &Contact, name: &str) {
    let running = app.running();
    let update = running.client.update_item().table_name(&running.contacts_table);
    update
        .key("tenant", AttributeValue::S(app.tenant.clone()))
        .key("_id", AttributeValue::S(contact.id()))
        .update_expression("SET #name = :name")
        .expression_attribute_names("#name", "name")
        .expression_attribute_values(":name", AttributeValue::S(name.to_owned()))
        .send()
        .await
        .unwrap();
}

async fn reset(app: &App) {
    let Functions { store, .. } = &app.running().app;
    store.write_reset_mark(&Meter::default(), &app.tenant, false, clock::now()).await.unwrap();
}

async fn names(app: &Caller, query: &str) -> Vec<String> {
    let contacts = app.list(query).await.expect(200).contacts();
    contacts.iter().map(|contact| contact["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn after_a_reset_mark_lists_show_what_was_changed_without_a_stamp() {
    let Some(app) = App::here().await else { return };
    let contacts = app.add_named(&["Ann", "Ben"]).await;
    assert_eq!(names(&app, "sort=name").await, ["Ann", "Ben"]);

    rename_silently(&app, &contacts[0], "Zoe").await;
    assert_eq!(names(&app, "sort=name").await, ["Ann", "Ben"], "lists go by stamps");
    reset(&app).await;

    assert_eq!(names(&app, "sort=name").await, ["Ben", "Zoe"]);
    assert_eq!(names(&app, "search=zoe").await, ["Zoe"]);
    // A second mark counts as well, and ordinary changes go on.
    rename_silently(&app, &contacts[1], "Amy").await;
    reset(&app).await;
    app.put(contacts[0].id(), json!({"name": "Yan"})).await.expect(200);
    assert_eq!(names(&app, "sort=name").await, ["Amy", "Yan"]);
}

#[tokio::test]
async fn a_reset_mark_is_no_contact() {
    let Some(app) = App::here().await else { return };
    app.add_named(&["Ann"]).await;
    reset(&app).await;

    let cold = app.sibling().await;

    assert_eq!(names(&app.at(&cold), "").await, ["Ann"]);
    assert_eq!(app.get("reset-mark").await.status, 404);
}
