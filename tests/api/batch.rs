//! `POST /client-contact/batch`, operation by operation.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use shared::clock;
use shared::object_id;
use testkit::{Answer, App, Caller, Contact, contact};

/// An id of no contact.
fn nobody() -> String {
    object_id::generate(clock::now()).to_string()
}

fn create(data: impl Into<Value>) -> Value {
    json!({"action": "create", "data": data.into()})
}

fn update(id: &str, data: Value) -> Value {
    json!({"action": "update", "_id": id, "data": data})
}

fn delete(id: &str) -> Value {
    json!({"action": "delete", "_id": id})
}

fn upsert(external_id: &str, data: impl Into<Value>) -> Value {
    json!({"action": "upsert", "external_id": external_id, "data": data.into()})
}

/// A batch with these bytes as its body.
async fn send(caller: &Caller, body: impl Into<Vec<u8>>) -> Answer {
    caller.request(Method::POST, "/client-contact/batch").body(body).send().await
}

async fn with_key(caller: &Caller, key: &str, batch: &Value) -> Answer {
    caller.request(Method::POST, "/client-contact/batch").header("idempotency-key", key).json(batch).send().await
}

fn statuses(answer: &Answer) -> Vec<u16> {
    answer.results().iter().map(|result| result.status).collect()
}

#[tokio::test]
async fn each_operation_is_done_as_its_single_call_does_it() {
    let app = App::start().await;
    let [changed, deleted] = [app.add(contact()).await, app.add(contact().name("Jane")).await];

    let answer = app
        .batch([
            create(contact().with("title", "Manager").with("integration_meta.erp", json!(7))),
            update(&changed.id(), json!({"title": "Director", "integration_meta.erp": {"id": 1}, "editor": null})),
            delete(&deleted.id()),
        ])
        .await;

    let results = answer.results();
    let created = results[0].clone().expect(201).contact();
    assert_eq!((created["title"].as_str(), &created["integration_meta"]), (Some("Manager"), &json!({"erp": 7})));
    assert_eq!(app.get(created.id()).await.contact(), created);
    let updated = results[1].clone().expect(200).contact();
    assert_eq!((updated["title"].as_str(), updated.version()), (Some("Director"), 1));
    assert_eq!(app.get(changed.id()).await.contact(), updated);
    assert_eq!(results[2].clone().expect(200).contact(), deleted);
    app.get(deleted.id()).await.expect(404);
}

#[tokio::test]
async fn a_failure_is_that_of_the_single_call_word_for_word() {
    let Some(app) = App::alone().await else { return };
    let [ann, bob] = [app.caller("acme", &["north"], "ann").await, app.caller("acme", &["south"], "bob").await];
    let (id, of_bob) = (ann.add(contact()).await.id(), bob.add(contact()).await.id());
    let large = json!({"name": "x".repeat(256 * 1024)});
    let wrong = json!({"name": 7, "email": "x", "media": [1], "integration_meta.": 1});
    let post = async |data: &Value| ann.create(data).await;
    let put = async |id: &str, data: &Value| ann.put(id, data).await;
    let put_if = async |id: &str, data: &Value, tag: &str| {
        ann.request(Method::PUT, &format!("/client-contact/{id}")).header("if-match", tag).json(data).send().await
    };
    let title = json!({"title": "x"});
    let foreign = json!({"name": "x", "company_namespace": ["north", "west"]});

    let mut operations = Vec::new();
    let mut single = Vec::new();
    for data in [json!({}), json!({"name": ""}), wrong.clone(), foreign.clone(), large.clone()] {
        single.push(post(&data).await);
        operations.push(create(data.clone()));
        single.push(put(&id, &data).await);
        operations.push(update(&id, data));
    }
    for target in [nobody().as_str(), "no-id", &of_bob] {
        single.push(put(target, &title).await);
        operations.push(update(target, title.clone()));
        single.push(ann.delete(target).await);
        operations.push(delete(target));
    }
    let untouched = ann.add(contact()).await.id();
    for tag in ["\"7\"", "W/\"0\""] {
        single.push(put_if(&untouched, &title, tag).await);
        operations.push(json!({"action": "update", "_id": untouched, "data": title, "if_match": tag}));
    }

    let results = ann.batch(&operations).await.results();

    assert_eq!(results.len(), single.len());
    for ((result, single), operation) in results.iter().zip(&single).zip(&operations) {
        assert_eq!(result.status, single.status, "{operation:.200}");
        if single.status >= 300 {
            assert_eq!(result.refusal(), single.refusal());
            assert_eq!(result.json(), single.json(), "{operation:.200}");
        }
    }
    // An empty update is a change, in both ways.
    assert_eq!(ann.get(&id).await.contact().version(), 2);
}

#[tokio::test]
async fn operations_on_one_contact_run_in_their_order_and_results_keep_theirs() {
    let app = App::start().await;
    let contacts: Vec<Contact> = app.add_named(&["A", "B", "C"]).await;
    let mut operations = Vec::new();
    for round in 0..10 {
        operations.extend(contacts.iter().map(|contact| update(&contact.id(), json!({"title": round.to_string()}))));
        operations.push(create(contact().name(&format!("new {round}"))));
    }
    operations.push(delete(&contacts[0].id()));
    operations.push(update(&contacts[0].id(), json!({"title": "late"})));
    operations.push(json!({"action": "delete", "_id": contacts[1].id(), "if_match": "\"10\""}));

    let results = app.batch(&operations).await.results();

    for (round, results) in results.chunks(4).take(10).enumerate() {
        for (before, result) in contacts.iter().zip(results) {
            let after = result.contact();
            assert_eq!((after.id(), after.version(), after.text("title")), (before.id(), round as u64 + 1, round.to_string()));
        }
        assert_eq!(results[3].contact().text("name"), format!("new {round}"));
    }
    let last: Vec<u16> = results[40..].iter().map(|result| result.status).collect();
    assert_eq!(last, [200, 404, 200]);
    assert_eq!(results[40].contact().version(), 10);
}

#[tokio::test]
async fn upserts_find_or_make_their_contacts_in_their_order() {
    let Some(app) = App::alone().await else { return };
    let known = app.add(contact().with("integration_meta", json!({"external_id": "known", "a": 1.5}))).await;
    let twice = [
        app.add(contact().with("integration_meta", json!({"external_id": "twice"}))).await,
        app.add(contact().with("integration_meta", json!({"external_id": "twice"}))).await,
    ];
    let mut operations = vec![
        upsert("known", json!({"title": "x"})),
        upsert("new", contact().with("title", "first")),
        upsert("new", json!({"title": "second", "integration_meta.erp": 1})),
        upsert("twice", json!({"title": "x"})),
        upsert("nameless", json!({"title": "x"})),
        upsert("known", json!({"integration_meta": {"external_id": "other"}})),
    ];
    operations
        .extend((0..30).map(|number| upsert(&format!("of many {}", number % 5), contact().with("title", number.to_string()))));

    let answer = app.batch(&operations).await;

    let results = answer.results();
    assert_eq!(statuses(&answer)[..6], [200, 201, 200, 409, 400, 400]);
    let updated = results[0].contact();
    assert_eq!((updated.id(), &updated["integration_meta"]), (known.id(), &json!({"external_id": "known", "a": 1.5})));
    let made = results[2].contact();
    assert_eq!((made.id(), made.text("title")), (results[1].contact().id(), "second".to_owned()));
    assert_eq!(made["integration_meta"], json!({"external_id": "new", "erp": 1}));
    assert!(twice.iter().all(|contact| results[3].refusal().contains(&contact.id())));
    assert_eq!(results[4].refusal(), "400 name is required");
    for (number, result) in results[6..].iter().enumerate() {
        assert_eq!((result.status, result.contact().version()), (if number < 5 { 201 } else { 200 }, number as u64 / 5));
    }
    assert_eq!(app.list("").await.total(), 3 + 1 + 5);
}

#[tokio::test]
async fn a_hundred_operations_are_the_most() {
    let Some(app) = App::alone().await else { return };
    let operations: Vec<Value> = (0..101).map(|number| create(contact().name(&number.to_string()))).collect();

    let too_many = app.batch(&operations).await;
    assert_eq!(too_many.refusal(), "400 operations must be an array of 1 to 100 operations");
    assert_eq!(app.list("").await.total(), 0);
    let results = app.batch(&operations[1..]).await.results();

    let names: Vec<String> = results.iter().map(|result| result.clone().expect(201).contact().text("name")).collect();
    assert_eq!(names, (1..=100).map(|number| number.to_string()).collect::<Vec<_>>());
    assert_eq!(results.iter().map(|result| result.contact().id()).collect::<BTreeSet<_>>().len(), 100);
    assert_eq!(app.list("per_page=100").await.total(), 100);
}

#[tokio::test]
async fn a_malformed_operation_is_its_own_400_and_the_others_are_done() {
    let app = App::start().await;
    let id = app.add(contact()).await.id();
    for (operation, refusal) in [
        (json!(7), "400 operation must be a JSON object"),
        (json!(null), "400 operation must be a JSON object"),
        (json!([]), "400 operation must be a JSON object"),
        (json!({}), "400 action is required"),
        (json!({"action": null}), "400 action is required"),
        (json!({"action": 7}), "400 action must be a string"),
        (json!({"action": "patch"}), "400 action must be create, update, upsert or delete"),
        (json!({"action": "upsert", "data": {"name": "x"}}), "400 external_id is required"),
        (json!({"action": "upsert", "external_id": 7, "data": {"name": "x"}}), "400 external_id must be a string"),
        (json!({"action": "upsert", "external_id": "", "data": {"name": "x"}}), "400 external_id must have 1 to 255 characters"),
        (json!({"action": "upsert", "external_id": "x"}), "400 data is required"),
        (json!({"action": "create"}), "400 data is required"),
        (json!({"action": "create", "data": []}), "400 data must be a JSON object"),
        (json!({"action": "update", "data": {}}), "400 _id is required"),
        (json!({"action": "update", "_id": 7, "data": {}}), "400 _id must be a string"),
        (json!({"action": "update", "_id": id}), "400 data is required"),
        (json!({"action": "update"}), "400 _id is required"),
        (json!({"action": "delete"}), "400 _id is required"),
        (
            json!({"action": "delete", "_id": id, "if_match": "3"}),
            "400 if_match must be * or at most 100 versions in quotes, such as \"3\"",
        ),
        (json!({"action": "update", "_id": id, "data": {}, "if_match": 3}), "400 if_match must be a string"),
    ] {
        let answer = app.batch([operation.clone(), create(contact())]).await;

        let results = answer.results();
        assert_eq!((results[0].refusal().as_str(), results[1].status), (refusal, 201), "{operation}");
        let together = app.batch_atomic([operation.clone(), create(contact())]).await.results();
        assert_eq!((together[0].refusal().as_str(), together[1].status), (refusal, 424), "{operation}");
    }
    assert_eq!(app.get(&id).await.contact().version(), 0);
    let two = app.batch([json!({"action": "update"})]).await.results().remove(0).fields();
    assert_eq!(two, json!({"_id": "_id is required", "data": "data is required"}));
}

#[tokio::test]
async fn a_batch_that_is_malformed_as_a_whole_does_nothing() {
    let Some(app) = App::alone().await else { return };
    let rule = "400 operations must be an array of 1 to 100 operations";
    let operation = create(contact()).to_string();
    for (body, refusal) in [
        (String::new(), "400 The request body must be a JSON object, and is empty"),
        ("[]".to_owned(), "400 The request body must be a JSON object, not an array"),
        ("{}".to_owned(), "400 operations is required"),
        (r#"{"operations":null}"#.to_owned(), "400 operations is required"),
        (r#"{"operations":{}}"#.to_owned(), rule),
        (r#"{"operations":[]}"#.to_owned(), rule),
        (format!(r#"{{"operations":[{}7]}}"#, "7,".repeat(1_000_000)), rule),
        (format!(r#"{{"operations":[{operation}],"atomic":"yes"}}"#), "400 atomic must be true or false"),
        (format!(r#"{{"operations":[{operation}],"atomic":1}}"#), "400 atomic must be true or false"),
        (
            format!(r#"{{"operations":[{operation}"#),
            &format!(
                "400 The request body must be a JSON object: its JSON ends too early, at line 1, column {}",
                operation.len() + 15
            ),
        ),
        (
            format!(r#"{{"operations":[{operation},]}}"#),
            &format!(
                "400 The request body must be a JSON object: its JSON is malformed at line 1, column {}: expected value",
                operation.len() + 17
            ),
        ),
        (
            format!(r#"{{"atomic":true,"operations":[{}]}}"#, vec![operation.as_str(); 26].join(",")),
            "400 operations must be an array of 1 to 25 operations when atomic is true",
        ),
    ] {
        assert_eq!(send(&app, body.clone()).await.refusal(), refusal, "{body:.100}");
    }
    let key = app.request(Method::POST, "/client-contact/batch").header("idempotency-key", "");
    let refusal = key.json(&json!({"operations": [create(contact())]})).send().await.refusal();
    assert_eq!(refusal, "400 Idempotency-Key must be 1 to 255 printable ASCII characters");

    assert_eq!(app.list("").await.total(), 0);
    let twenty_five = vec![operation; 25].join(",");
    send(&app, format!(r#"{{"atomic":true,"operations":[{twenty_five}]}}"#)).await.expect(200);
    assert_eq!(app.list("").await.total(), 25);
}

#[tokio::test]
async fn a_body_can_have_4_mb() {
    let Some(app) = App::alone().await else { return };
    let body = |bytes: usize| {
        let start = format!(r#"{{"operations":[{}]"#, create(contact()));
        format!("{start}{}}}", " ".repeat(bytes - start.len() - 1))
    };

    let largest = send(&app, body(4 << 20)).await;
    let larger = send(&app, body((4 << 20) + 1)).await;
    // The bound of every other call is as it was.
    let single = app.request(Method::POST, "/client-contact").body(body((256 << 10) + 1)).send().await;

    assert_eq!(statuses(&largest), [201]);
    assert_eq!(
        (larger.refusal().as_str(), larger.code().as_str()),
        ("413 The request body must be at most 4 MB", "body_too_large")
    );
    assert_eq!(single.refusal(), "413 The request body must be at most 256 KiB");
    assert_eq!(app.list("").await.total(), 1);
}

#[tokio::test]
async fn a_batch_is_json_whatever_its_content_type_says() {
    let app = App::start().await;
    let body = json!({"operations": [create(contact().name("جون"))]}).to_string();

    for content_type in [
        None,
        Some("application/json"),
        Some("application/json; charset=utf-8"),
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("application/octet-stream"),
    ] {
        let request = app.request(Method::POST, "/client-contact/batch").body_of_type(content_type, body.clone());
        assert_eq!(request.send().await.results()[0].contact().text("name"), "جون", "{content_type:?}");
    }
}

#[tokio::test]
async fn what_is_unknown_is_named_or_refused() {
    let app = App::start().await;
    let batch = json!({
        "operations": [
            {"action": "create", "data": {"name": "John", "nickname": "J"}, "if_match": "x"},
            {"action": "create", "data": {"name": "John"}, "comment": 1},
            {"action": "create", "data": {"name": "John"}},
        ],
        "atomic": false,
        "dryRun": true,
    });
    let request = || app.request(Method::POST, "/client-contact/batch?x=1").json(&batch);

    let lenient = request().send().await;
    let strict = request().header("prefer", "handling=strict").send().await;
    let mut known = batch.clone();
    known.as_object_mut().unwrap().remove("dryRun");
    let request = app.request(Method::POST, "/client-contact/batch").json(&known);
    let strict_results = request.header("prefer", "handling=strict").send().await.results();

    assert_eq!(statuses(&lenient), [201, 201, 201]);
    assert_eq!(lenient.names_in("x-ignored-members"), ["dryRun", "if_match", "comment", "nickname"]);
    assert_eq!(lenient.names_in("x-ignored-parameters"), ["x"]);
    assert_eq!(strict.refusal(), "400 x is not a parameter of this call");
    assert_eq!(strict_results[0].refusal(), "400 if_match is not a member of this operation");
    assert_eq!(strict_results[1].refusal(), "400 comment is not a member of this operation");
    assert_eq!(strict_results[2].status, 201);
}

#[tokio::test]
async fn with_a_key_each_operation_takes_effect_once() {
    let Some(app) = App::alone().await else { return };
    let [changed, deleted] = [app.add(contact()).await.id(), app.add(contact()).await.id()];
    let batch = json!({"operations": [
        create(contact().name("new")), update(&changed, json!({"title": "x"})), delete(&deleted), create(json!({})), create(contact().name("new")),
        upsert("crm-7", contact()),
    ]});

    let first = with_key(&app, "key", &batch).await;
    let now = app.put(&changed, json!({"phone1": "1"})).await.contact();
    let again = with_key(&app, "key", &batch).await;

    assert_eq!((statuses(&first), statuses(&again)), (vec![201, 200, 200, 400, 201, 201], vec![201, 200, 404, 400, 201, 201]));
    assert_eq!((first.header("idempotency-replayed"), again.header("idempotency-replayed")), (None, Some("true")));
    let (first, again) = (first.results(), again.results());
    assert_eq!(again[0].contact(), first[0].contact());
    assert_eq!(again[4].contact(), first[4].contact());
    assert_ne!(first[0].contact().id(), first[4].contact().id());
    assert_eq!(again[1].contact(), now);
    assert_eq!(again[5].contact(), first[5].contact());
    assert_eq!(app.list("").await.total(), 4);

    // Another operation in the same place is another request; one that failed left its key free.
    let mut other = batch.clone();
    other["operations"][0]["data"]["title"] = "other".into();
    other["operations"][3]["data"]["name"] = "late".into();
    let other = with_key(&app, "key", &other).await;
    assert_eq!(statuses(&other), [422, 200, 404, 201, 201, 201]);
    assert_eq!(other.header("idempotency-replayed"), None);
    assert_eq!(other.results()[0].code(), "idempotency_key_reused");
    assert_eq!(app.list("").await.total(), 5);
}

#[tokio::test]
async fn an_answer_above_5_mb_names_the_further_contacts_with_their_versions() {
    let app = App::start().await;
    // Quotes count twice in the text of the answer, and twice again in the function's own JSON, which may have 6 MB.
    for (letter, whole_results) in [("x", 24..28), ("\"", 5..15)] {
        let large = contact().with("media", json!(vec![letter.repeat(2_000 / letter.escape_default().count()); 100]));
        let mut ids = Vec::new();
        for _ in 0..3 {
            let operations: Vec<Value> = (0..10).map(|_| create(large.clone())).collect();
            let results = app.batch(&operations).await.results();
            ids.extend(results.iter().map(|result| result.json()["data"]["_id"].as_str().unwrap().to_owned()));
        }

        let operations: Vec<Value> = ids.iter().map(|id| update(id, json!({}))).chain([create(json!({})), delete("x")]).collect();
        let answer = app.batch(&operations).await.expect(200);

        let escaped = answer.body.iter().filter(|byte| matches!(byte, b'"' | b'\\')).count();
        assert!(answer.body.len() <= 5 << 20 && answer.body.len() + escaped <= 6 << 20, "{}", answer.body.len());
        let results = answer.results();
        let whole = results.iter().take_while(|result| result.json()["data"].get("name").is_some()).count();
        assert!(whole_results.contains(&whole), "{letter} {whole}");
        for (result, id) in results.iter().zip(&ids).skip(whole) {
            assert_eq!(result.json(), json!({"success": true, "data": {"_id": id, "__v": 1}}));
        }
        assert_eq!((results[30].status, results[31].refusal().as_str()), (400, "404 Client contact not found"));
    }
}

#[tokio::test]
async fn an_operation_costs_what_its_single_call_costs() {
    let app = App::start().await;
    let [one, other, third] = [app.add(contact()).await.id(), app.add(contact()).await.id(), app.add(contact()).await.id()];
    app.get(&one).await.expect(200);

    let answer = app
        .batch([
            create(contact()),
            update(&one, json!({"title": "x"})),
            update(&other, json!({"integration_meta.erp": 1})),
            delete(&third),
            delete("no-id"),
        ])
        .await;

    assert_eq!(statuses(&answer), [201, 200, 200, 200, 404]);
    assert_eq!(answer.dynamodb_requests(), 1 + 1 + 2 + 1);
}
