//! Members of `integration_meta` that are set one by one.

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Answer, App, Caller, contact};

const KEY: &str = "must name a member by a key of 1 to 255 characters without a dot";

/// What an answer has as `integration_meta`, byte for byte.
fn meta_text(answer: &Answer) -> String {
    let text = answer.text();
    let after = text.split_once("\"integration_meta\":").unwrap().1;
    after.split_once(",\"company_namespace\":").unwrap().0.to_owned()
}

async fn put_text(caller: &Caller, id: &str, body: &str) -> Answer {
    caller.request(Method::PUT, &format!("/client-contact/{id}")).body(body).send().await
}

#[tokio::test]
async fn a_member_is_set_and_the_others_stay_as_they_are() {
    let app = App::start().await;
    let odd = r#"{"z":1.50,"big":123456789012345678901234567890.10,"twice":1,"twice":2,"\u00e9":"\ud83d\ude00","":{"a":[]}}"#;
    let body = format!(r#"{{"name":"John","integration_meta":{odd}}}"#);
    let id = app.request(Method::POST, "/client-contact").body(body).send().await.contact().id();

    let set = put_text(&app, &id, r#"{"integration_meta.erp": {"id" : 7.0}}"#).await.expect(200);
    let changed =
        put_text(&app, &id, r#"{"integration_meta.erp": "x", "integration_meta.z": null, "title": "y"}"#).await.expect(200);

    let rest = odd.strip_suffix('}').unwrap();
    assert_eq!(meta_text(&set), format!(r#"{rest},"erp":{{"id":7.0}}}}"#));
    assert_eq!(meta_text(&changed), format!(r#"{},"erp":"x"}}"#, rest.replace(r#""z":1.50,"#, "")));
    let read = app.get(&id).await;
    assert_eq!(meta_text(&read), meta_text(&changed));
    assert_eq!((read.contact()["title"].as_str(), read.contact().version()), (Some("y"), 2));
    assert_eq!(read.contact(), changed.contact());
}

#[tokio::test]
async fn null_removes_a_member_and_makes_none() {
    let app = App::start().await;
    let with = app.add(contact().with("integration_meta", json!({"erp": 1}))).await.id();
    let without = app.add(contact()).await.id();

    let emptied = app.put(&with, json!({"integration_meta.erp": null, "integration_meta.crm": null})).await.contact();
    let unchanged = app.put(&without, json!({"integration_meta.erp": null})).await.contact();

    assert_eq!(emptied["integration_meta"], json!({}));
    assert!(!unchanged.has("integration_meta"));
    assert_eq!((emptied.version(), unchanged.version()), (1, 1));
}

#[tokio::test]
async fn in_a_create_the_members_make_the_object() {
    let app = App::start().await;

    let made = app.add(contact().with("integration_meta.erp", json!({"id": 7})).with("integration_meta.crm", json!(null))).await;
    let none = app.add(contact().with("integration_meta.erp", json!(null))).await;

    assert_eq!(made["integration_meta"], json!({"erp": {"id": 7}}));
    assert!(!none.has("integration_meta"));
    assert_eq!(app.get(made.id()).await.contact(), made);
}

#[tokio::test]
async fn what_is_no_member_is_refused_and_changes_nothing() {
    let app = App::start().await;
    let id = app.add(contact().with("integration_meta", json!({"a": 1}))).await.id();
    let long = "x".repeat(256);
    for (body, refusal) in [
        (json!({"integration_meta.": 1}), format!("400 integration_meta. {KEY}")),
        (json!({"integration_meta.a.b": 1}), format!("400 integration_meta.a.b {KEY}")),
        (json!({"integration_meta.a.": null}), format!("400 integration_meta.a. {KEY}")),
        (json!({format!("integration_meta.{long}"): 1}), format!("400 integration_meta.{}… {KEY}", &long[..83])),
        (
            json!({"integration_meta": {}, "integration_meta.a": 2}),
            "400 integration_meta must not come together with members of it, such as integration_meta.erp".to_owned(),
        ),
        (json!({"integration_meta.a": "x".repeat(65_529)}), "400 integration_meta must be at most 64 KiB of JSON".to_owned()),
        (json!({"integration_meta.a": "x".repeat(65_535)}), "400 integration_meta.a must be at most 64 KiB of JSON".to_owned()),
    ] {
        assert_eq!(app.put(&id, &body).await.refusal(), refusal);
        let mut create = body;
        create["name"] = "John".into();
        assert_eq!(app.create(&create).await.refusal(), refusal);
    }
    for (text, refusal) in [
        (r#"{"integration_meta.a":1e999}"#, "400 integration_meta.a must not hold a number beyond the range of a double"),
        (r#"{"integration_meta.a":"\udc00"}"#, "400 integration_meta.a must not hold half of a surrogate pair, such as \\ud800"),
        (
            &format!(r#"{{"integration_meta.a":{}{}}}"#, "[".repeat(100), "]".repeat(100)),
            "400 integration_meta.a must be at most 99 levels deep",
        ),
    ] {
        assert_eq!(put_text(&app, &id, text).await.refusal(), refusal);
    }

    let there = app.get(&id).await.contact();
    assert_eq!((&there["integration_meta"], there.version()), (&json!({"a": 1}), 0));
    let longest = format!("integration_meta.{}", "é".repeat(255));
    app.put(&id, json!({&longest: "x".repeat(60_000)})).await.expect(200);
    let full = app.put(&id, json!({"integration_meta.b": "x".repeat(6_000)})).await;
    assert_eq!(full.refusal(), "400 integration_meta must be at most 64 KiB of JSON");
    app.put(&id, json!({"integration_meta.b": "x".repeat(6_000), &longest: null})).await.expect(200);
}

#[tokio::test]
async fn members_are_known_to_strict_handling() {
    let app = App::start().await;
    let id = app.add(contact()).await.id();

    let request = app.request(Method::PUT, &format!("/client-contact/{id}")).header("prefer", "handling=strict");
    let strict = request.json(&json!({"integration_meta.erp": 1})).send().await.expect(200);
    let lenient = app.put(&id, json!({"integration_meta.erp": 2, "integration_metas": 1})).await.expect(200);

    assert_eq!(strict.contact()["integration_meta"], json!({"erp": 1}));
    assert_eq!(lenient.names_in("x-ignored-members"), ["integration_metas"]);
}

#[tokio::test]
async fn if_match_and_visibility_hold_as_ever() {
    let Some(app) = App::alone().await else { return };
    let [ann, bob] = [app.caller("acme", &["north"], "ann").await, app.caller("acme", &["south"], "bob").await];
    let id = ann.add(contact()).await.id();
    let body = json!({"integration_meta.erp": 1});
    let put = async |caller: &Caller, tag: &str| {
        caller.request(Method::PUT, &format!("/client-contact/{id}")).header("if-match", tag).json(&body).send().await
    };

    assert_eq!(put(&ann, "\"1\"").await.code(), "version_conflict");
    assert_eq!(bob.put(&id, &body).await.refusal(), "404 Client contact not found");
    let foreign = json!({"integration_meta.erp": 1, "company_namespace": ["north", "south"]});
    assert_eq!(ann.put(&id, &foreign).await.code(), "namespace_forbidden");
    assert_eq!(ann.put("no-id", &body).await.refusal(), "404 Client contact not found");
    assert_eq!(put(&ann, "\"0\"").await.expect(200).contact().version(), 1);
    ann.delete(&id).await.expect(200);

    assert_eq!(ann.put(&id, &body).await.refusal(), "404 Client contact not found");
}

#[tokio::test(flavor = "multi_thread")]
async fn systems_that_keep_their_own_members_never_undo_each_other() {
    let app = App::start().await;
    let id = app.add(contact().with("integration_meta", json!({"first": 0}))).await.id();
    let siblings = app.siblings(1).await;
    let gateways: Vec<&Caller> = std::iter::once(&*app).chain(siblings.iter().map(|sibling| &**sibling)).collect();

    let answers = join_all((0..30).map(async |number: usize| {
        let caller = gateways[number % gateways.len()];
        match number % 3 {
            0 => caller.put(&id, json!({"title": number.to_string()})).await,
            _ => caller.put(&id, json!({format!("integration_meta.system{number}"): {"id": number}})).await,
        }
    }))
    .await;

    let mut expected = json!({"first": 0});
    for (number, answer) in answers.into_iter().enumerate() {
        let contact = answer.expect(200).contact();
        if number % 3 > 0 {
            expected[format!("system{number}")] = json!({"id": number});
            assert_eq!(contact["integration_meta"][format!("system{number}")], json!({"id": number}));
        }
    }
    let there = app.get(&id).await.contact();
    assert_eq!((&there["integration_meta"], there.version()), (&expected, 30));
}

#[tokio::test]
async fn an_update_without_members_stays_one_request_and_one_with_them_is_two() {
    let app = App::start().await;
    let id = app.add(contact()).await.id();
    app.get(&id).await.expect(200);

    let plain = app.put(&id, json!({"integration_meta": {"erp": 1}})).await.expect(200);
    let members = app.put(&id, json!({"integration_meta.erp": 2})).await.expect(200);

    assert_eq!((plain.dynamodb_requests(), members.dynamodb_requests()), (1, 2));
    let Value::Object(meta) = members.contact()["integration_meta"].clone() else { panic!("an object") };
    assert_eq!(meta["erp"], 2);
}
