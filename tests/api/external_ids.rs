//! `GET /client-contact?integration_meta.external_id=…`: contacts found by the name that another system has for them, by instances that have the
//! tenant's index and by such that have not.

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use shared::contact::Contact as Stored;
use testkit::{App, Caller, Contact, contact};

/// Body of a contact whose `integration_meta` has this `external_id`.
fn with_external_id(value: impl Into<Value>) -> testkit::ContactBody {
    contact().with("integration_meta", json!({"external_id": value.into(), "other": [1.50]}))
}

fn asking(external_id: &str) -> String {
    let encoded: String = external_id.bytes().map(|byte| format!("%{byte:02X}")).collect();
    format!("integration_meta.external_id={encoded}")
}

/// The ids that an instance with the tenant's index finds, which are those that a cold one finds.
async fn found(app: &App, caller: &Caller, query: &str) -> Vec<String> {
    let siblings = app.siblings(1).await;
    caller.list("per_page=1").await.expect(200);
    let warm = caller.list(query).await.expect(200).ids();
    for cold in &siblings {
        assert_eq!(caller.at(cold).list(query).await.expect(200).ids(), warm, "{query}");
    }
    warm
}

#[tokio::test]
async fn contacts_can_be_found_by_external_ids_in_every_form() {
    let Some(app) = App::here().await else { return };
    let (a, b) = (app.add(with_external_id("A, 1")).await.id(), app.add(with_external_id("[B]")).await.id());
    app.add(with_external_id("a, 1")).await;
    app.add(contact()).await;
    let name = "integration_meta.external_id";

    for query in [
        format!("{name}=A,%201&{name}=[B]"),
        format!("{name}=[B]&{name}=A,+1&{name}=A,+1&{name}=nobody"),
        format!("{name}[]=A,+1&{name}[]=[B]"),
        format!("{name}%5B%5D=A,+1&{name}%5b%5d=[B]"),
        format!("{name}[0]=A,+1&{name}[7]=[B]"),
        format!("{name}=[\"[B]\",\"A, 1\",\"\"]"),
        format!("{name}=A,+1&{name}[]=[B]&{name}="),
    ] {
        assert_eq!(found(&app, &app, &query).await, [a.clone(), b.clone()], "{query}");
    }
    for query in [format!("{name}=[]"), format!("{name}=[\"\"]"), asking("A"), asking("A, 1 "), asking(&"x".repeat(1_025))] {
        assert!(found(&app, &app, &query).await.is_empty(), "{query}");
    }
    assert_eq!(app.list(format!("{name}=&per_page=1")).await.total(), 4);
    let refused = app.list(format!("{name}[a]=1")).await.refusal();
    assert_eq!(refused, format!("400 {name} must be written as {name}, {name}[] or {name}[0], not as {name}[a]"));
}

#[tokio::test]
async fn strings_and_integers_are_external_ids_and_nothing_else_is() {
    let Some(app) = App::here().await else { return };
    let (long, wide, digits) = ("x".repeat(255), "\u{1F600}".repeat(255), "9".repeat(100));
    for (meta, external_id) in [
        (r#"{"external_id":"C-1"}"#, "C-1"),
        (r#"{"external_id":" "}"#, " "),
        (r#"{"external_id":"\u0000\n\"\\"}"#, "\0\n\"\\"),
        (r#"{"external\u005fid":"escaped"}"#, "escaped"),
        (&format!(r#"{{"external_id":"{long}"}}"#), &long),
        (&format!(r#"{{"external_id":"{wide}"}}"#), &wide),
        (r#"{"external_id":42}"#, "42"),
        (r#"{"external_id":-42}"#, "-42"),
        (r#"{"external_id":-0}"#, "0"),
        (&format!(r#"{{"external_id":{digits}}}"#), &digits),
    ] {
        let body = format!(r#"{{"name":"x","integration_meta":{meta}}}"#);
        let answer = app.request(reqwest::Method::POST, "/client-contact").body(body).send().await.expect(201);
        let id = answer.contact().id();
        assert!(answer.text().contains("external"), "{}", answer.text());
        assert_eq!(found(&app, &app, &asking(external_id)).await, [id], "{meta}");
    }
    let too_long = "x".repeat(256);
    for (value, text) in [
        (json!(1.5), "1.5"),
        (json!(""), "\"\""),
        (json!(true), "true"),
        (json!(["y"]), "y"),
        (json!({"external_id": "z"}), "z"),
        (json!(too_long), &too_long),
    ] {
        app.add(with_external_id(value)).await;
        assert!(found(&app, &app, &asking(text)).await.is_empty(), "{text}");
    }
    let body = r#"{"name":"x","integration_meta":{"external_id":1e3}}"#;
    app.request(reqwest::Method::POST, "/client-contact").body(body).send().await.expect(201);
    assert!(found(&app, &app, &asking("1000")).await.is_empty());
    assert!(found(&app, &app, &asking("1e3")).await.is_empty());
}

#[tokio::test]
async fn an_external_id_follows_every_change() {
    let Some(app) = App::here().await else { return };
    let id = app.add(with_external_id("first")).await.id();
    let [first, second] = ["first", "second"].map(asking);
    assert_eq!(found(&app, &app, &first).await, std::slice::from_ref(&id));

    app.put(&id, json!({"title": "Director"})).await.expect(200);
    assert_eq!(found(&app, &app, &first).await, std::slice::from_ref(&id));
    app.put(&id, json!({"integration_meta": {"external_id": "second"}})).await.expect(200);
    assert!(found(&app, &app, &first).await.is_empty());
    assert_eq!(found(&app, &app, &second).await, std::slice::from_ref(&id));
    app.put(&id, json!({"integration_meta": {"external_id": null}})).await.expect(200);
    assert!(found(&app, &app, &second).await.is_empty());
    app.put(&id, json!({"integration_meta": {"external_id": "first"}})).await.expect(200);
    app.put(&id, json!({"integration_meta": null})).await.expect(200);
    assert!(found(&app, &app, &first).await.is_empty());
    app.put(&id, json!({"integration_meta": {"external_id": "first"}})).await.expect(200);
    assert_eq!(found(&app, &app, &first).await, std::slice::from_ref(&id));
    app.delete(&id).await.expect(200);
    assert!(found(&app, &app, &first).await.is_empty());
}

#[tokio::test]
async fn other_filters_apply_too_and_nobody_finds_what_is_not_theirs() {
    let Some(app) = App::alone().await else { return };
    let north = app.caller("acme", &["north"], "ann").await;
    let south = app.caller("acme", &["south"], "bob").await;
    let other = app.caller("other", &["north"], "eve").await;
    let named = |name: &str| with_external_id("C-1").name(name);
    let (ann, ben) = (north.add(named("Ann")).await.id(), north.add(named("Ben")).await.id());
    let eve = south.add(named("Eve")).await.id();
    let query = asking("C-1");

    assert_eq!(found(&app, &north, &query).await, [ann.clone(), ben.clone()]);
    assert_eq!(found(&app, &north, &format!("{query}&sort=-name&per_page=1&page=1")).await, std::slice::from_ref(&ben));
    assert_eq!(found(&app, &north, &format!("{query}&name=Ann")).await, std::slice::from_ref(&ann));
    assert_eq!(found(&app, &north, &format!("{query}&search=be&disabled=false")).await, std::slice::from_ref(&ben));
    assert_eq!(found(&app, &north, &format!("{query}&_id={ann}&_id={eve}")).await, std::slice::from_ref(&ann));
    assert_eq!(found(&app, &north, &format!("{}&_id={ann}", asking("C-2"))).await, [""; 0]);
    assert_eq!(found(&app, &north, &format!("{query}&from_updatedAt=9999999999999")).await, [""; 0]);
    assert_eq!(found(&app, &south, &query).await, [eve]);
    assert_eq!(found(&app, &other, &query).await, [""; 0]);
}

#[tokio::test]
async fn a_cold_instance_asks_the_index_of_external_ids_and_loads_nothing() {
    let Some(app) = App::here().await else { return };
    for number in 0..30 {
        app.add(with_external_id(number)).await;
    }
    let cold = app.sibling().await;
    // It knows the key then.
    cold.get("000000000000000000000000").await;

    // A query for each external id, and one request for the contacts.
    assert_eq!(cold.list(asking("7")).await.dynamodb_requests(), 2);
    let many: Vec<String> = (0..20).map(|number| asking(&number.to_string())).collect();
    let answer = cold.list(many.join("&")).await;
    assert_eq!((answer.total(), answer.dynamodb_requests()), (20, 21));
    assert_eq!(cold.list(asking("nobody")).await.dynamodb_requests(), 1);
    assert_eq!(cold.running().app.lists.memory_bytes(), 0);
    // More than that loads the index.
    let more: Vec<String> = (0..101).map(|number| asking(&number.to_string())).collect();
    assert_eq!(cold.list(more.join("&")).await.total(), 30);
    assert!(cold.running().app.lists.memory_bytes() > 0);
    // A refresh, and what is not in the cache.
    assert_eq!(cold.list(asking("29")).await.dynamodb_requests(), 2);
    assert_eq!(cold.list(asking("29")).await.dynamodb_requests(), 1);
}

#[tokio::test]
async fn what_the_index_of_external_ids_shows_is_checked() {
    let Some(app) = App::here().await else { return };
    let created = app.add(with_external_id("C-1")).await;
    let others = app.add(with_external_id("C-2")).await;
    // As an index that lags behind would show it.
    let (running, text) = (app.running(), |text: &str| AttributeValue::S(text.to_owned()));
    let update = running.client.update_item().table_name(&running.contacts_table);
    update
        .key("tenant", text("local"))
        .key("_id", text(&created.id()))
        .update_expression("SET external_id = :other")
        .expression_attribute_values(":other", text("C-2"))
        .send()
        .await
        .unwrap();

    let cold = app.sibling().await;

    assert_eq!(cold.list(asking("C-2")).await.ids(), [others.id()]);
    assert_eq!(cold.running().app.lists.memory_bytes(), 0);
}

#[tokio::test]
async fn an_external_id_of_very_many_contacts_is_found_in_the_tenants_index() {
    let Some(app) = App::here().await else { return };
    let (running, first) = (app.running(), app.add(with_external_id("same")).await);
    let stored = running.app.store.get(&Default::default(), "local", first.id().parse().unwrap()).await.unwrap().unwrap();
    let copies: Vec<Stored> = (0..1_200_u32)
        .map(|number| {
            let mut id = [0; 12];
            id[8..].copy_from_slice(&number.to_be_bytes());
            Stored { id: shared::object_id::ObjectId::from_bytes(id), ..stored.clone() }
        })
        .collect();
    running.app.store.import("local", &copies).await.unwrap();
    let cold = app.sibling().await;

    let answer = cold.list(format!("{}&page=2", asking("same"))).await;

    assert_eq!((answer.total(), answer.contacts().len()), (1_201, 25));
    assert!(cold.running().app.lists.memory_bytes() > 0);
}

#[tokio::test]
async fn what_an_idempotent_create_and_an_import_write_is_found() {
    let Some(app) = App::here().await else { return };
    let request = app.request(reqwest::Method::POST, "/client-contact").header("idempotency-key", "k");
    let created: Contact = request.json(&with_external_id("once")).send().await.expect(201).contact();
    assert_eq!(found(&app, &app, &asking("once")).await, [created.id()]);

    let store = &app.running().app.store;
    let stored = store.get(&Default::default(), "local", created.id().parse().unwrap()).await.unwrap().unwrap();
    let meta = serde_json::value::to_raw_value(&json!({"external_id": "imported"})).unwrap();
    let meta = shared::json_object::JsonObject::parse(&meta).unwrap();
    store.import("local", &[Stored { integration_meta: Some(meta), ..stored.clone() }]).await.unwrap();
    assert_eq!(found(&app, &app, &asking("imported")).await, [created.id()]);
    assert!(found(&app, &app, &asking("once")).await.is_empty());
    store.import("local", &[Stored { integration_meta: None, ..stored }]).await.unwrap();
    assert!(found(&app, &app, &asking("imported")).await.is_empty());
}
