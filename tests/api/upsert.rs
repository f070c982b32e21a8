//! `PUT /client-contact?integration_meta.external_id=…`

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Answer, App, Caller, contact};

fn path(external_id: &str) -> String {
    let encoded: String = external_id.bytes().map(|byte| format!("%{byte:02X}")).collect();
    format!("/client-contact?integration_meta.external_id={encoded}")
}

async fn upsert(caller: &Caller, external_id: &str, body: &Value) -> Answer {
    caller.request(Method::PUT, &path(external_id)).json(body).send().await
}

async fn carriers(caller: &Caller, external_id: &str) -> Vec<String> {
    caller.list(path(external_id).trim_start_matches("/client-contact?")).await.expect(200).ids()
}

#[tokio::test]
async fn it_creates_the_contact_once_and_updates_it_afterwards() {
    let Some(app) = App::here().await else { return };
    // It knows the key then.
    app.get("000000000000000000000000").await;

    let created = upsert(&app, "C-1", &json!({"name": "John", "title": "Manager"})).await.expect(201);
    let id = created.contact().id();
    assert_eq!(created.header("location"), Some(&*format!("/client-contact/{id}")));
    assert_eq!(created.header("etag"), Some("\"0\""));
    assert_eq!(created.contact()["integration_meta"], json!({"external_id": "C-1"}));
    // The claim, the index, and one transaction.
    assert_eq!(created.dynamodb_requests(), 3);

    let updated = upsert(&app, "C-1", &json!({"title": "Director", "phone1": null})).await.expect(200);
    assert_eq!(updated.header("etag"), Some("\"1\""));
    assert_eq!(updated.header("location"), None);
    assert_eq!((updated.contact().id(), updated.contact().text("title")), (id.clone(), "Director".to_owned()));
    assert_eq!((updated.contact().text("name"), &updated.contact()["editor"]), ("John".to_owned(), &app.user));
    assert_eq!(updated.contact()["integration_meta"], json!({"external_id": "C-1"}));
    assert_eq!(updated.dynamodb_requests(), 4);
    assert_eq!(carriers(&app, "C-1").await, [id]);
}

#[tokio::test]
async fn a_contact_that_another_call_gave_the_external_id_is_found() {
    let Some(app) = App::here().await else { return };
    let posted = app.add(contact().with("integration_meta", json!({"external_id": 7, "other": [1.5]}))).await;
    let given = app.add(contact()).await;
    app.put(given.id(), json!({"integration_meta": {"external_id": "x y"}})).await.expect(200);

    let updated = upsert(&app, "7", &json!({"title": "x"})).await.expect(200).contact();
    assert_eq!((updated.id(), &updated["integration_meta"]), (posted.id(), &posted["integration_meta"]));
    assert_eq!(upsert(&app, "x y", &json!({"title": "x"})).await.expect(200).contact().id(), given.id());
}

#[tokio::test]
async fn the_result_carries_the_external_id_whatever_the_body_says() {
    let Some(app) = App::here().await else { return };
    let id = upsert(&app, "C-1", &json!({"name": "John", "integration_meta": {"a": 1}})).await.expect(201).contact().id();
    assert_eq!(app.get(&id).await.contact()["integration_meta"], json!({"a": 1, "external_id": "C-1"}));

    for (meta, kept) in [
        (json!({"b": 2}), json!({"b": 2, "external_id": "C-1"})),
        (json!(null), json!({"external_id": "C-1"})),
        (json!({"external_id": "C-1", "c": 3}), json!({"external_id": "C-1", "c": 3})),
    ] {
        let updated = upsert(&app, "C-1", &json!({"integration_meta": meta})).await.expect(200).contact();
        assert_eq!((updated.id(), &updated["integration_meta"]), (id.clone(), &kept));
    }
    let before = app.get(&id).await.contact();
    for value in [json!("C-2"), json!(null), json!({}), json!(1)] {
        for external_id in ["C-1", "new"] {
            let refused = upsert(&app, external_id, &json!({"name": "x", "integration_meta": {"external_id": value}})).await;
            let sentence = "must be the same as the parameter integration_meta.external_id, or be left out";
            assert_eq!(refused.refusal(), format!("400 integration_meta.external_id {sentence}"));
        }
    }
    assert_eq!(app.get(&id).await.contact(), before);
    assert!(carriers(&app, "new").await.is_empty());
}

#[tokio::test]
async fn parameters_and_bodies_that_break_a_rule_are_refused() {
    let Some(app) = App::here().await else { return };
    upsert(&app, "there", &json!({"name": "John"})).await.expect(201);
    let name = "integration_meta.external_id";
    let put = async |query: &str, body: &str| {
        app.request(Method::PUT, &format!("/client-contact{query}")).body(body).send().await.refusal()
    };
    let long = format!("?{name}={}", "x".repeat(256));
    for (query, body, refusal) in [
        ("", "{}", format!("400 {name} is required")),
        ("?", "{}", format!("400 {name} is required")),
        (&format!("?{name}="), "{}", format!("400 {name} is required")),
        (&long, "{}", format!("400 {name} must have at most 255 characters")),
        (&format!("?{name}=a&{name}=b"), "{}", format!("400 {name} must be given only once")),
        (&format!("?{name}[]=a"), "{}", format!("400 {name} must be written without brackets, not as {name}[]")),
        (&format!("?{name}=there"), r#"{"title":7}"#, "400 title must be a string".to_owned()),
        (&format!("?{name}=there"), r#"{"name":null}"#, "400 name must not be null: every contact has one".to_owned()),
        (&format!("?{name}=new"), r#"{"title":"x"}"#, "400 name is required".to_owned()),
        (&format!("?{name}=new"), r#"{"name":"x","title":7}"#, "400 title must be a string".to_owned()),
        (&format!("?{name}=new"), "[]", "400 The request body must be a JSON object, not an array".to_owned()),
    ] {
        assert_eq!(put(query, body).await, refusal, "{query} {body}");
    }
    let strict = app.request(Method::PUT, &format!("/client-contact?{name}=new&x=1")).header("prefer", "handling=strict");
    assert_eq!(strict.json(&json!({"name": "x"})).send().await.refusal(), "400 x is not a parameter of this call");
    let told = app.request(Method::PUT, &format!("/client-contact?{name}=new&x=1")).json(&json!({"name": "x", "y": 1}));
    let told = told.send().await.expect(201);
    assert_eq!((told.names_in("x-ignored-parameters"), told.names_in("x-ignored-members")), (vec!["x"], vec!["y"]));
}

#[tokio::test]
async fn a_body_that_is_wrong_for_every_contact_is_refused_before_if_match_is() {
    let Some(app) = App::here().await else { return };
    for (body, refusal) in [
        (json!({"title": 7}), "400 title must be a string"),
        (
            json!({"integration_meta.external_id": "other"}),
            "400 integration_meta.external_id must be the same as the parameter integration_meta.external_id, or be left out",
        ),
        // An update needs no name.
        (json!({"title": "Director"}), "412 If-Match wants a contact, and none has this external id"),
    ] {
        let refused = app.request(Method::PUT, &path("new")).header("if-match", "\"0\"").json(&body).send().await;
        assert_eq!(refused.refusal(), refusal, "{body}");
    }
}

#[tokio::test]
async fn if_match_wants_a_contact_in_one_of_these_versions() {
    let Some(app) = App::here().await else { return };
    let put = async |external_id: &str, tags: &str| {
        app.request(Method::PUT, &path(external_id)).header("if-match", tags).json(&json!({"name": "x"})).send().await
    };
    for tags in ["*", "\"0\"", "W/\"0\""] {
        let refused = put("new", tags).await;
        assert_eq!(refused.refusal(), "412 If-Match wants a contact, and none has this external id");
        assert_eq!(refused.code(), "version_conflict");
    }
    upsert(&app, "C-1", &json!({"name": "John"})).await.expect(201);

    let refused = put("C-1", "\"1\"").await.refusal();
    assert_eq!(refused, "412 If-Match names another version than the contact has, which is \"0\"");
    assert_eq!(put("C-1", "\"0\"").await.expect(200).header("etag"), Some("\"1\""));
    assert_eq!(put("C-1", "*").await.expect(200).header("etag"), Some("\"2\""));
    assert_eq!(put("C-1", "nonsense").await.status, 400);
}

#[tokio::test]
async fn contacts_that_the_caller_sees_decide() {
    let Some(app) = App::alone().await else { return };
    let north = app.caller("acme", &["north"], "ann").await;
    let south = app.caller("acme", &["south"], "bob").await;
    let other = app.caller("other", &["north"], "eve").await;
    let of_south = upsert(&south, "C-1", &json!({"name": "South"})).await.expect(201).contact();

    // Only others carry it.
    let refused = upsert(&north, "C-1", &json!({"name": "North"})).await;
    assert_eq!(refused.refusal(), "403 The external id belongs to a contact that the API key cannot see");
    assert_eq!(refused.code(), "namespace_forbidden");
    assert!(!refused.text().contains(&of_south.id()));
    // Another tenant has external ids of its own.
    upsert(&other, "C-1", &json!({"name": "Other"})).await.expect(201);
    // One of those that carry it is the caller's.
    let of_north = north.add(contact().with("integration_meta", json!({"external_id": "C-1"}))).await;
    let updated = upsert(&north, "C-1", &json!({"title": "x"})).await.expect(200).contact();
    assert_eq!((updated.id(), updated.version()), (of_north.id(), 1));
    assert_eq!(south.get(of_south.id()).await.contact(), of_south);
    // Two of them are.
    let second = north.add(contact().with("integration_meta", json!({"external_id": "C-1"}))).await;
    let before = north.list("").await.contacts();
    let refused = upsert(&north, "C-1", &json!({"title": "y"})).await;
    let mut ids = [updated.id(), second.id()];
    ids.sort();
    assert_eq!(refused.refusal(), format!("409 Several contacts have this external id: {}, {}", ids[0], ids[1]));
    assert_eq!(refused.code(), "external_id_ambiguous");
    assert_eq!(north.list("").await.contacts(), before);
}

#[tokio::test]
async fn an_upsert_of_namespaces_has_the_rules_of_the_other_calls() {
    let Some(app) = App::alone().await else { return };
    let north = app.caller("acme", &["north"], "ann").await;
    let foreign = json!({"name": "x", "company_namespace": ["south"]});
    let refusal = "403 company_namespace must not add or remove \"south\", which the API key cannot use";

    assert_eq!(upsert(&north, "C-1", &foreign).await.refusal(), refusal);
    upsert(&north, "C-1", &json!({"name": "x"})).await.expect(201);
    assert_eq!(upsert(&north, "C-1", &json!({"company_namespace": ["north", "south"]})).await.refusal(), refusal);
    assert_eq!(upsert(&north, "C-1", &json!({"company_namespace": ["north"]})).await.expect(200).contact().version(), 1);
}

#[tokio::test]
async fn no_external_id_is_ever_blocked() {
    let Some(app) = App::here().await else { return };
    let first = upsert(&app, "C-1", &json!({"name": "first"})).await.expect(201).contact();
    app.delete(first.id()).await.expect(200);

    let second = upsert(&app, "C-1", &json!({"name": "second"})).await.expect(201).contact();
    assert_ne!(first.id(), second.id());
    app.put(second.id(), json!({"integration_meta": {"external_id": "C-2"}})).await.expect(200);
    let third = upsert(&app, "C-1", &json!({"name": "third"})).await.expect(201).contact();
    // The contact comes back to its name beside another one.
    app.put(second.id(), json!({"integration_meta": {"external_id": "C-1"}})).await.expect(200);
    assert_eq!(upsert(&app, "C-1", &json!({"title": "x"})).await.status, 409);
    app.delete(third.id()).await.expect(200);
    assert_eq!(upsert(&app, "C-1", &json!({"title": "x"})).await.expect(200).contact().id(), second.id());
    assert_eq!(app.list("").await.ids(), [second.id()]);
}

#[tokio::test]
async fn every_text_of_1_to_255_characters_can_be_an_external_id() {
    let Some(app) = App::here().await else { return };
    for external_id in ["0", "-5", "a/b?c&d=e", " ", "\0", "\"\\", "جون 😀", &"\u{10ffff}".repeat(255)] {
        let created = upsert(&app, external_id, &json!({"name": "x"})).await.expect(201).contact();
        assert_eq!(created["integration_meta"]["external_id"], *external_id);
        assert_eq!(upsert(&app, external_id, &json!({"title": "x"})).await.expect(200).contact().id(), created.id());
        assert_eq!(carriers(&app, external_id).await, [created.id()]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn upserts_at_the_same_moment_make_one_contact_for_each_external_id() {
    let Some(app) = App::here().await else { return };
    let siblings = app.siblings(2).await;
    let gateways: Vec<Caller> = std::iter::once(&app).chain(&siblings).map(|gateway| app.at(gateway)).collect();

    let calls = (0..200_usize).map(|number| {
        let caller = &gateways[number % gateways.len()];
        async move {
            let external_id = format!("C-{}", number % 20);
            let answer = upsert(caller, &external_id, &json!({"name": external_id, "title": number.to_string()})).await;
            (external_id, answer)
        }
    });
    let answers = join_all(calls).await;

    let mut ids: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut created = 0;
    for (external_id, answer) in answers {
        assert!([200, 201].contains(&answer.status), "{}", answer.text());
        created += usize::from(answer.status == 201);
        ids.entry(external_id).or_default().insert(answer.contact().id());
    }
    assert_eq!((created, ids.len()), (20, 20));
    assert!(ids.values().all(|ids| ids.len() == 1), "{ids:?}");
    let listed = app.list("per_page=100").await.contacts();
    assert_eq!(listed.len(), 20);
    // Each of the ten calls was one change.
    assert!(listed.iter().all(|contact| contact.version() == 9), "{listed:?}");
}

async fn upsert_once(caller: &Caller, external_id: &str, body: &Value, key: &str) -> Answer {
    caller.request(Method::PUT, &path(external_id)).header("idempotency-key", key).json(body).send().await
}

#[tokio::test]
async fn with_an_idempotency_key_it_takes_effect_once() {
    let Some(app) = App::here().await else { return };
    let body = json!({"name": "John"});

    let created = upsert_once(&app, "C-1", &body, "create").await.expect(201);
    assert_eq!(created.header("idempotency-replayed"), None);
    let changed = upsert_once(&app, "C-1", &json!({"title": "x"}), "update").await.expect(200).contact();
    assert_eq!((changed.id(), changed.version()), (created.contact().id(), 1));
    // Each answers its first status with the contact as it is now, whatever its If-Match.
    for (key, body, status) in [("create", &body, 201), ("update", &json!({"title": "x"}), 200)] {
        let request = app.request(Method::PUT, &path("C-1")).header("idempotency-key", key).header("if-match", "\"9\"");
        let again = request.json(body).send().await.expect(status);
        assert_eq!((again.header("idempotency-replayed"), again.contact()), (Some("true"), changed.clone()));
    }
    // Another body, or another external id, is another request.
    for (external_id, body) in [("C-1", json!({"name": "Jane"})), ("C-2", json!({"name": "John"}))] {
        let reused = upsert_once(&app, external_id, &body, "create").await;
        assert_eq!(reused.refusal(), "422 Idempotency-Key was used for another request in the last 24 hours");
    }
    assert!(carriers(&app, "C-2").await.is_empty());
    // A request that failed leaves the key free.
    assert_eq!(upsert_once(&app, "C-3", &json!({"title": "x"}), "free").await.status, 400);
    upsert_once(&app, "C-3", &json!({"name": "x"}), "free").await.expect(201);
    // It was deleted since: nothing is created again.
    app.delete(changed.id()).await.expect(200);
    assert_eq!(upsert_once(&app, "C-1", &body, "create").await.status, 404);
    assert!(carriers(&app, "C-1").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_at_the_same_moment_is_done_once() {
    let Some(app) = App::here().await else { return };
    let body = json!({"name": "John"});

    let answers = join_all((0..20).map(|_| upsert_once(&app, "C-1", &body, "k"))).await;

    let replayed = answers.iter().filter(|answer| answer.header("idempotency-replayed").is_some()).count();
    assert!(answers.iter().all(|answer| answer.status == 201 && answer.contact().version() == 0), "{answers:?}");
    assert_eq!((replayed, carriers(&app, "C-1").await.len()), (19, 1));
}

#[tokio::test]
async fn members_of_integration_meta_are_set_one_by_one() {
    let Some(app) = App::here().await else { return };
    let created = upsert(&app, "C-1", &json!({"name": "John", "integration_meta.erp": {"a": 1}})).await.expect(201).contact();
    assert_eq!(created["integration_meta"], json!({"erp": {"a": 1}, "external_id": "C-1"}));

    let body = json!({"integration_meta.crm": 2, "integration_meta.erp": null});
    let updated = upsert(&app, "C-1", &body).await.expect(200).contact();

    assert_eq!((updated.id(), &updated["integration_meta"]), (created.id(), &json!({"external_id": "C-1", "crm": 2})));
    let refused = upsert(&app, "C-1", &json!({"integration_meta.external_id": null})).await.status;
    assert_eq!(refused, 400);
}
