//! Batches of which all happens or nothing.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Answer, App, Caller, Contact, contact};

const NOT_APPLIED: &str = "424 Nothing was changed, because another operation of the batch failed";

fn create(data: impl Into<Value>) -> Value {
    json!({"action": "create", "data": data.into()})
}

fn update(id: &str, data: Value) -> Value {
    json!({"action": "update", "_id": id, "data": data})
}

fn delete(id: &str) -> Value {
    json!({"action": "delete", "_id": id})
}

async fn with_key(caller: &Caller, key: &str, operations: &[Value]) -> Answer {
    let request = caller.request(Method::POST, "/client-contact/batch").header("idempotency-key", key);
    request.json(&json!({"operations": operations, "atomic": true})).send().await
}

fn statuses(answer: &Answer) -> Vec<u16> {
    answer.results().iter().map(|result| result.status).collect()
}

#[tokio::test]
async fn all_operations_happen_together_and_answer_as_their_single_calls() {
    let app = App::start().await;
    let [changed, deleted, member] = [app.add(contact()).await, app.add(contact()).await, app.add(contact()).await];

    let answer = app
        .batch_atomic([
            create(contact().with("title", "Manager")),
            json!({"action": "update", "_id": changed.id(), "data": {"title": "Director", "media": []}, "if_match": "\"0\""}),
            json!({"action": "delete", "_id": deleted.id(), "if_match": "*"}),
            update(&member.id(), json!({"integration_meta.erp": 1, "name": "Jane"})),
        ])
        .await;

    assert_eq!(statuses(&answer), [201, 200, 200, 200]);
    let results: Vec<Contact> = answer.results().iter().map(Answer::contact).collect();
    assert_eq!((results[0].version(), results[0].text("title")), (0, "Manager".to_owned()));
    for written in [&results[0], &results[1], &results[3]] {
        assert_eq!(app.get(written.id()).await.contact(), *written);
    }
    assert_eq!((results[1].version(), &results[1]["editor"]), (1, &results[3]["editor"]));
    assert_eq!(results[2], deleted);
    app.get(deleted.id()).await.expect(404);
    // One moment is the time of all.
    assert_eq!(results[0]["updatedAt"], results[1]["updatedAt"]);
    let listed = app.list(format!("_id={}&_id={}&_id={}", results[0].id(), changed.id(), deleted.id())).await;
    assert_eq!(listed.total(), 2);
}

#[tokio::test]
async fn when_one_fails_nothing_is_changed_and_each_failure_is_told() {
    let Some(app) = App::alone().await else { return };
    let [ann, bob] = [app.caller("acme", &["north"], "ann").await, app.caller("acme", &["south"], "bob").await];
    let (first, second, of_bob) = (ann.add(contact()).await, ann.add(contact()).await, bob.add(contact()).await);
    let (title, good) = (json!({"title": "x"}), update(&first.id(), json!({"title": "x"})));

    for (failing, refusal) in [
        (update(&of_bob.id(), title.clone()), "404 Client contact not found"),
        (delete("no-id"), "404 Client contact not found"),
        (create(json!({})), "400 name is required"),
        (update(&second.id(), json!({"title": 7})), "400 title must be a string"),
        (
            update(&second.id(), json!({"company_namespace": ["north", "west"]})),
            "403 company_namespace must not add or remove \"west\", which the API key cannot use",
        ),
        (
            json!({"action": "delete", "_id": second.id(), "if_match": "\"3\""}),
            "412 If-Match names another version than the contact has, which is \"0\"",
        ),
        (json!({"action": "patch"}), "400 action must be create, update, upsert or delete"),
    ] {
        let answer = ann.batch_atomic([good.clone(), failing.clone(), create(contact())]).await;
        let refusals: Vec<String> = answer.results().iter().map(Answer::refusal).collect();
        assert_eq!(refusals, [NOT_APPLIED, refusal, NOT_APPLIED], "{failing}");
    }
    let malformed_too = ann.batch_atomic([delete(&of_bob.id()), create(json!({})), good.clone()]).await;
    assert_eq!(statuses(&malformed_too), [404, 400, 424]);
    let several = ann
        .batch_atomic([delete(&of_bob.id()), good, json!({"action": "delete", "_id": second.id(), "if_match": "\"9\""})])
        .await;

    assert_eq!(statuses(&several), [404, 424, 412]);
    assert_eq!(several.results()[1].code(), "not_applied");
    assert_eq!(ann.list("").await.contacts(), [first, second]);
    assert_eq!(bob.list("").await.contacts(), [of_bob]);
}

#[tokio::test]
async fn a_contact_can_be_named_once() {
    let app = App::start().await;
    let id = app.add(contact()).await.id();

    for operations in [[update(&id, json!({})), update(&id, json!({}))], [update(&id, json!({})), delete(&id)]] {
        let refusal = app.batch_atomic(operations).await.refusal();
        assert_eq!(refusal, "400 operations must name a contact only once when atomic is true");
    }

    assert_eq!(app.get(&id).await.contact().version(), 0);
}

#[tokio::test]
async fn contacts_of_more_than_4_mb_together_are_refused() {
    let app = App::start().await;
    let large = contact().with("media", json!(vec!["x".repeat(2_000); 90]));
    let mut ids = Vec::new();
    for _ in 0..24 {
        ids.push(app.add(large.clone()).await.id());
    }
    let operations = |count: usize| ids[..count].iter().map(|id| update(id, json!({"title": "x"}))).collect::<Vec<_>>();

    let refused = app.batch_atomic(operations(24)).await;
    let done = app.batch_atomic(operations(22)).await;

    let sentence = "400 The contacts of an atomic batch must be at most 4 MB together: send fewer operations";
    assert_eq!((refused.refusal().as_str(), refused.code().as_str()), (sentence, "transaction_too_large"));
    assert_eq!(statuses(&done), [200; 22]);
    assert_eq!(app.get(&ids[23]).await.contact().version(), 0);
}

#[tokio::test]
async fn a_contact_above_its_own_bounds_is_its_operations_failure() {
    let app = App::start().await;
    let id = app.add(contact().with("integration_meta", json!({"a": "x".repeat(60_000)}))).await.id();

    let answer = app.batch_atomic([create(contact()), update(&id, json!({"integration_meta.b": "x".repeat(6_000)}))]).await;

    assert_eq!(answer.results()[1].refusal(), "400 integration_meta must be at most 64 KiB of JSON");
    assert_eq!(statuses(&answer), [424, 400]);
}

#[tokio::test]
async fn with_a_key_the_batch_is_done_once_as_a_whole() {
    let Some(app) = App::alone().await else { return };
    let [changed, deleted] = [app.add(contact()).await.id(), app.add(contact()).await.id()];
    let operations = [
        create(contact().name("new")),
        update(&changed, json!({"title": "x"})),
        create(contact().name("new too")),
        delete(&deleted),
    ];

    let failed = with_key(&app, "key", &[update("no-id", json!({})), create(contact())]).await;
    let first = with_key(&app, "key", &operations).await;
    let now = app.put(&changed, json!({"phone1": "1"})).await.contact();
    let again = with_key(&app, "key", &operations).await;
    let other = with_key(&app, "key", &operations[1..]).await;
    let of_put = app.request(Method::PUT, &format!("/client-contact/{changed}")).header("idempotency-key", "key");

    assert_eq!(
        (statuses(&failed), statuses(&first), statuses(&again)),
        (vec![404, 424], vec![201, 200, 201, 200], vec![201, 200, 201, 404])
    );
    assert_eq!((first.header("idempotency-replayed"), again.header("idempotency-replayed")), (None, Some("true")));
    assert_eq!(first.dynamodb_requests(), 2);
    assert_eq!(again.dynamodb_requests(), 1);
    let (first, again) = (first.results(), again.results());
    assert_eq!((again[0].contact(), again[2].contact()), (first[0].contact(), first[2].contact()));
    assert_eq!(again[1].contact(), now);
    assert_eq!(other.refusal(), "422 Idempotency-Key was used for another request in the last 24 hours");
    assert_eq!(of_put.json(&json!({"title": "y"})).send().await.code(), "idempotency_key_reused");
    assert_eq!(app.list("").await.total(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn identical_batches_at_the_same_moment_are_done_once() {
    let Some(app) = App::here().await else { return };
    let sibling = app.sibling().await;
    let id = app.add(contact()).await.id();
    let operations = [create(contact().name("new")), update(&id, json!({"title": "x"}))];

    let answers =
        join_all((0..30).map(|number| with_key(if number % 2 == 0 { &app } else { &sibling }, "key", &operations))).await;

    let results: BTreeSet<String> = answers.iter().map(|answer| answer.json()["data"].to_string()).collect();
    assert_eq!(results.len(), 1, "{results:?}");
    assert_eq!(statuses(&answers[0]), [201, 200]);
    assert_eq!(answers.iter().filter(|answer| answer.header("idempotency-replayed").is_none()).count(), 1);
    assert_eq!((app.list("").await.total(), app.get(&id).await.contact().version()), (2, 1));
}

fn upsert(external_id: &str, data: impl Into<Value>) -> Value {
    json!({"action": "upsert", "external_id": external_id, "data": data.into()})
}

#[tokio::test]
async fn upserts_happen_together_with_the_others() {
    let Some(app) = App::alone().await else { return };
    let known = app.add(contact().with("integration_meta", json!({"external_id": "known"}))).await;
    let other = app.add(contact()).await;
    let operations = [
        upsert("known", json!({"title": "x"})),
        upsert("new", contact().name("new")),
        update(&other.id(), json!({"title": "y"})),
        create(contact().name("made")),
    ];

    let failed = app.batch_atomic([operations[0].clone(), operations[1].clone(), upsert("nameless", json!({}))]).await;
    let before = app.list("").await.total();
    let first = with_key(&app, "key", &operations).await;
    let [made, now] = [first.results()[1].contact(), app.put(known.id(), json!({"phone1": "1"})).await.contact()];
    let again = with_key(&app, "key", &operations).await;
    app.delete(made.id()).await.expect(200);
    let after_its_end = with_key(&app, "key", &operations).await;

    assert_eq!((statuses(&failed), before), (vec![424, 424, 400], 2));
    assert_eq!((statuses(&first), statuses(&again)), (vec![200, 201, 200, 201], vec![200, 201, 200, 201]));
    assert_eq!(made["integration_meta"], json!({"external_id": "new"}));
    assert_eq!((first.results()[0].contact().id(), again.results()[0].contact()), (known.id(), now));
    assert_eq!(again.results()[1].contact(), made);
    assert_eq!(
        (statuses(&after_its_end), after_its_end.header("idempotency-replayed")),
        (vec![200, 404, 200, 201], Some("true"))
    );
    assert_eq!(after_its_end.results()[3].contact(), first.results()[3].contact());
    assert_eq!(app.list("").await.total(), 3);
}

#[tokio::test]
async fn an_upsert_of_a_contact_that_is_named_too_is_refused() {
    let app = App::start().await;
    let known = app.add(contact().with("integration_meta", json!({"external_id": app.tenant}))).await;

    for operations in
        [[upsert("once", contact()), upsert("once", contact())], [update(&known.id(), json!({})), upsert(&app.tenant, json!({}))]]
    {
        let refusal = app.batch_atomic(operations).await.refusal();
        assert_eq!(refusal, "400 operations must name a contact only once when atomic is true");
    }

    assert_eq!(app.get(known.id()).await.contact().version(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_upserts_of_the_same_external_ids_make_one_contact_each() {
    let Some(app) = App::alone().await else { return };
    let siblings = app.siblings(1).await;
    let gateways: Vec<Caller> = std::iter::once((*app).clone()).chain(siblings.iter().map(|sibling| app.at(sibling))).collect();

    let answers = join_all((0..24).map(async |number: usize| {
        let caller = &gateways[number % gateways.len()];
        let operations = [0, 1, 2].map(|place| {
            let data = contact().with(&format!("integration_meta.batch{number}"), true);
            upsert(&format!("crm-{}", (number + place) % 4), data)
        });
        if number % 4 == 3 { caller.batch(operations).await } else { caller.batch_atomic(operations).await }
    }))
    .await;

    let mut made = 0;
    for answer in &answers {
        let statuses = statuses(answer);
        assert!(statuses.iter().all(|status| matches!(status, 200 | 201)), "{}", answer.text());
        made += statuses.iter().filter(|status| **status == 201).count();
    }
    let contacts = app.list("").await.contacts();
    assert_eq!((contacts.len(), made), (4, 4));
    for contact in contacts {
        let meta = contact["integration_meta"].as_object().unwrap();
        // Each batch names three of the four.
        assert_eq!((meta.len(), contact.version()), (1 + 18, 17), "{meta:?}");
    }
}

/// What one batch did, as its answer tells it: for each contact that it named the version that it made.
type Effect = BTreeMap<String, u64>;

/// An order of the batches in which each finds what the ones before it left, if there is one: the batch whose versions all come next, again and again.
fn order(effects: &[Effect]) -> Option<Vec<usize>> {
    let mut versions: BTreeMap<&String, u64> = BTreeMap::new();
    let mut left: BTreeSet<usize> = (0..effects.len()).collect();
    let mut order = Vec::new();
    while !left.is_empty() {
        let comes_next =
            |effect: &Effect| effect.iter().all(|(id, version)| versions.get(id).copied().unwrap_or_default() + 1 == *version);
        let next = left.iter().copied().find(|&number| comes_next(&effects[number]))?;
        versions.extend(effects[next].iter().map(|(id, version)| (id, *version)));
        left.remove(&next);
        order.push(next);
    }
    Some(order)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_outcome_of_concurrent_batches_is_explained_by_some_order_of_them() {
    let app = App::start().await;
    let siblings = app.siblings(1).await;
    let gateways: Vec<&Caller> = std::iter::once(&*app).chain(siblings.iter().map(|sibling| &**sibling)).collect();
    let contacts = app.add_named(&["A", "B", "C", "D", "E"]).await;
    // Three of the contacts each; some batches insist on a version that they can find only at first, and plain updates come in between.
    let named = |number: usize| [number, number + 1, number + 2 + number % 2].map(|place| contacts[place % 5].id());
    let call = async |number: usize| {
        let caller = gateways[number % gateways.len()];
        if number % 6 == 5 {
            return caller.put(&contacts[number % 5].id(), json!({"title": number.to_string()})).await;
        }
        let operations = named(number).map(|id| {
            let data = json!({"title": number.to_string(), format!("integration_meta.batch{number}"): true});
            let mut operation = update(&id, data);
            if number % 6 == 4 {
                operation["if_match"] = "\"0\"".into();
            }
            operation
        });
        caller.batch_atomic(operations).await
    };

    let answers = join_all((0..24).map(call)).await;

    let mut effects: Vec<(usize, Effect)> = Vec::new();
    for (number, answer) in answers.iter().enumerate() {
        if number % 6 == 5 {
            let changed = answer.clone().expect(200).contact();
            effects.push((number, Effect::from([(changed.id(), changed.version())])));
            continue;
        }
        let results = answer.results();
        if results.iter().all(|result| result.status == 200) {
            effects.push((number, results.iter().map(|result| (result.contact().id(), result.contact().version())).collect()));
        } else {
            // Only those that insist can fail, and then something had been changed before.
            assert_eq!(number % 6, 4, "{}", answer.text());
            assert!(results.iter().any(|result| result.status == 412), "{}", answer.text());
            assert!(results.iter().all(|result| matches!(result.status, 412 | 424)), "{}", answer.text());
        }
    }
    let told: Vec<Effect> = effects.iter().map(|(_, effect)| effect.clone()).collect();
    let order = order(&told).unwrap_or_else(|| panic!("no order explains {effects:?}"));

    for contact in &contacts {
        let there = app.get(contact.id()).await.contact();
        let own: Vec<usize> = order
            .iter()
            .map(|&place| &effects[place])
            .filter(|(_, effect)| effect.contains_key(&contact.id()))
            .map(|(number, _)| *number)
            .collect();
        assert_eq!(there.version(), own.len() as u64);
        assert_eq!(there.text("title"), own.last().unwrap().to_string());
        let members: BTreeSet<String> = there["integration_meta"].as_object().unwrap().keys().cloned().collect();
        let batches = own.iter().filter(|number| *number % 6 != 5).map(|number| format!("batch{number}"));
        assert_eq!(members, batches.collect(), "each batch is whole");
    }
}

#[tokio::test]
async fn it_costs_a_read_of_all_and_one_transaction() {
    let app = App::start().await;
    let [one, other] = [app.add(contact()).await.id(), app.add(contact()).await.id()];
    app.get(&one).await.expect(200);

    let mixed = app.batch_atomic([create(contact()), update(&one, json!({"title": "x"})), delete(&other)]).await;
    let new = app.batch_atomic([create(contact()), create(contact())]).await;

    assert_eq!((mixed.dynamodb_requests(), new.dynamodb_requests()), (2, 1));
}
