//! What is logged holds no key, no body and nothing of a person.

use std::fs;

use reqwest::Method;
use serde_json::json;
use tempfile::tempdir;
use testkit::contact;

use crate::contacts;

#[tokio::test]
async fn the_log_of_a_run_holds_no_keys_and_no_personal_data() {
    let folder = tempdir().unwrap();
    let made = ["keys", "create", "--tenant", "acme", "--namespace", "north", "--username", "annabel", "--name", "Annabel Lee"];
    let key = contacts().with(&made).with(&["--data", folder.path().to_str().unwrap()]).run().await.output.trim().to_owned();
    let serving = contacts().serve(folder.path()).logging("trace").start_serving().await;
    let development_key = fs::read_to_string(folder.path().join("development.key")).unwrap().trim().to_owned();
    let body = contact()
        .name("Xanthippe Quux")
        .with("local_name", "زانثيبي")
        .with("phone1", "+49 30 7654321")
        .with("email", "xanthippe@quux.example")
        .with("title", "Wizardess")
        .with("extra_info", "allergic to hemlock")
        .with("media", json!(["https://example.com/xanthippe.jpg"]))
        .with("integration_meta", json!({"hidden": "treasure"}));

    for caller in [serving.caller(Some(&key)), serving.caller(None)] {
        let id = caller.add(&body).await.id();
        let once = caller.request(Method::POST, "/client-contact").header("idempotency-key", "xanthippe-1").json(&body);
        once.send().await.expect(201);
        let reused = caller.request(Method::POST, "/client-contact").header("idempotency-key", "xanthippe-1").json(&contact());
        reused.send().await.expect(422);
        caller.get(&id).await.expect(200);
        let bearer = caller.anonymous(Method::GET, "/client-contact").header("authorization", format!("Bearer {key}"));
        bearer.send().await.expect(200);
        assert!(caller.list_with(&[("search", "xanthippe"), ("sort", "name")]).await.total() > 0);
        caller.list_with(&[("name", "Xanthippe Quux"), ("per_page", "Wizardess")]).await.expect(400);
        caller.put(&id, json!({"name": "Xanthippe Changed", "email": "not xanthippe"})).await.expect(400);
        caller.put(&id, json!({"name": "Xanthippe Changed"})).await.expect(200);
        caller.put(&id, json!({"company_namespace": ["treasure"]})).await.expect(403);
        let conflict = caller.request(Method::PUT, &format!("/client-contact/{id}")).header("if-match", "\"7\"").json(&body);
        conflict.send().await.expect(412);
        caller.request(Method::POST, "/client-contact").body(r#"{"name":"Xanthippe"#).send().await.expect(400);
        let large =
            caller.request(Method::POST, "/client-contact").body(format!("{{\"name\":\"{}\"}}", "Xanthippe".repeat(30_000)));
        large.send().await.expect(413);
        caller.delete(&id).await.expect(200);
        caller.get(&id).await.expect(404);
    }
    serving.caller(Some("cc_wrong-but-secret")).list("").await.expect(401);

    let log = serving.signal("TERM").await.errors;

    assert!(log.lines().count() > 30, "{log}");
    let lower = log.to_lowercase();
    for (what, secret) in [
        ("a key", key.as_str()),
        ("the development key", &development_key),
        ("a wrong key", "wrong-but-secret"),
        ("an idempotency key", "xanthippe-1"),
        ("a name", "Xanthippe"),
        ("a surname", "Quux"),
        ("a local name", "زانثيبي"),
        ("a telephone number", "7654321"),
        ("a title", "Wizardess"),
        ("a note", "hemlock"),
        ("metadata", "treasure"),
        ("a user", "annabel"),
    ] {
        let shown: Vec<_> = log.lines().filter(|line| line.to_lowercase().contains(&secret.to_lowercase())).take(3).collect();
        assert!(!lower.contains(&secret.to_lowercase()), "{what}: {shown:#?}");
    }
}
