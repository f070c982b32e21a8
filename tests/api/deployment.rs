//! What the tests themselves do in a deployment.

use reqwest::Method;
use serde_json::json;
use testkit::{App, Deployment, contact};

/// The keys of all items of a table.
async fn items(app: &App, table: &str) -> Vec<String> {
    let scanned = app.running().client.scan().table_name(table).consistent_read(true).send().await.unwrap();
    let mut keys: Vec<String> = scanned
        .items()
        .iter()
        .map(|item| format!("{:?}", ["tenant", "_id", "hash"].map(|attribute| item.get(attribute))))
        .collect();
    keys.sort();
    keys
}

#[tokio::test]
async fn tests_leave_nothing_behind_in_a_deployment() {
    let Some(app) = App::here().await else { return };
    let running = app.running();
    let (contacts, keys) = (running.contacts_table.clone(), running.api_keys_table.clone());
    app.add(contact().name("somebody's own")).await;
    let before = (items(&app, &contacts).await, items(&app, &keys).await);
    let deployed = App::deployed(Deployment {
        url: app.url.clone(),
        dynamodb_endpoint: Some(app.dynamodb_endpoint().to_owned()),
        api_keys_table: Some(keys.clone()),
        contacts_table: Some(contacts.clone()),
        ..Deployment::default()
    })
    .await;
    // A contact, a tombstone, the record of a request, and the claim of an external id.
    deployed.add(contact().name("a test's own")).await;
    let deleted = deployed.add(contact().name("deleted")).await;
    deployed.delete(&deleted.id()).await.expect(200);
    let create = deployed.request(Method::POST, "/client-contact").header("idempotency-key", "0123456789abcdef");
    create.json(&contact().name("sent once")).send().await.expect(201);
    let upsert = deployed.request(Method::PUT, "/client-contact?integration_meta.external_id=crm-1");
    upsert.json(&json!({"name": "upserted"})).send().await.expect(201);
    deployed.caller("another", &[], "another").await.add(contact().name("another's")).await;
    assert!(items(&app, &contacts).await.len() >= before.0.len() + 7, "{:?}", items(&app, &contacts).await);
    assert_eq!(items(&app, &keys).await.len(), before.1.len() + 2);

    tokio::task::spawn_blocking(move || drop(deployed)).await.unwrap();

    assert_eq!((items(&app, &contacts).await, items(&app, &keys).await), before);
}
