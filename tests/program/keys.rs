//! `contacts keys`

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::tempdir;
use testkit::{Finished, contact};

use crate::contacts;

async fn keys(data: &Path, arguments: &[&str]) -> Finished {
    contacts().with(&["keys"]).with(arguments).with(&["--data", data.to_str().unwrap()]).run().await
}

/// Makes a key, whose text is alone on the standard output.
async fn make(data: &Path, arguments: &[&str]) -> String {
    let made = keys(data, &[&["create", "--tenant", "acme"], arguments].concat()).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    assert!(!made.errors.contains(made.output.trim()), "{made:?}");
    made.output.strip_suffix('\n').unwrap().to_owned()
}

#[tokio::test]
async fn a_key_works_whether_it_was_made_before_serving_or_meanwhile() {
    let folder = tempdir().unwrap();
    let user = ["--username", "ann", "--name", "Ann", "--type", "rep", "--user-id", "7"];
    let before = make(folder.path(), &[&["--namespace", "north", "--namespace", "south"], &user[..]].concat()).await;
    let serving = contacts().serve(folder.path()).with(&["--require-key"]).start_serving().await;
    let meanwhile = make(folder.path(), &["--namespace", "south", "--username", "bob", "--name", "Bob"]).await;

    let created = serving.caller(Some(&before)).add(contact().with("company_namespace", json!(["north", "south"]))).await;

    assert_eq!(created["creator"], json!({"_id": "7", "username": "ann", "name": "Ann", "type": "rep"}));
    let bob = serving.caller(Some(&meanwhile));
    assert_eq!(bob.list("").await.contacts(), [created]);
    assert_eq!(bob.add(contact()).await["company_namespace"], json!(["south"]));
}

#[tokio::test]
async fn keys_are_shown_without_their_text_and_can_be_revoked() {
    let folder = tempdir().unwrap();
    let key = make(folder.path(), &["--namespace", "north", "--username", "ann", "--name", "Ann", "--expires", "90d"]).await;

    let shown = keys(folder.path(), &["list"]).await.output;
    let row = shown.lines().find(|line| line.contains("acme")).unwrap();
    let id = row.split_whitespace().next().unwrap();
    let revoked = keys(folder.path(), &["revoke", id]).await;
    let again = keys(folder.path(), &["revoke", id]).await;

    assert!(row.contains("north") && row.contains("ann") && !shown.contains(&key[3..]), "{shown}");
    assert_eq!(revoked.code, Some(0), "{revoked:?}");
    assert_eq!(
        (again.code, again.errors),
        (Some(1), format!("No valid key has the id {id}; `contacts keys list` shows them.\n"))
    );
    let serving = contacts().serve(folder.path()).start_serving().await;
    assert_eq!(serving.caller(Some(&key)).list("").await.refusal(), "401 Invalid API key");
}

#[tokio::test]
async fn what_a_key_needs_is_asked_for() {
    let folder = tempdir().unwrap();

    for (arguments, expected) in [
        (&["create"][..], "--tenant <TENANT>"),
        (&["create", "--tenant", "acme", "--username", "ann", "--name", "Ann"], "--namespace <NAMESPACE>"),
        (
            &["create", "--tenant", "", "--namespace", "north", "--username", "ann", "--name", "Ann"],
            "1 to 128 printable characters",
        ),
        (
            &["create", "--tenant", "acme", "--namespace", "north", "--username", "ann", "--name", "Ann", "--type", "boss"],
            "[possible values: admin, rep, client]",
        ),
        (
            &["create", "--tenant", "acme", "--namespace", "north", "--username", "ann", "--name", "Ann", "--expires", "soon"],
            "such as 90d, 12h or 30m",
        ),
        (&["revoke"], "<ID>"),
    ] {
        let refused = keys(folder.path(), arguments).await;

        assert_eq!((refused.code, refused.output.as_str()), (Some(2), ""), "{refused:?}");
        assert!(refused.errors.contains(expected), "{expected:?} is not in {}", refused.errors);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_not_made_to_be_read() {
    let folder = tempdir().unwrap();
    let typo = folder.path().join("typo");

    for (data, arguments) in [(&typo, &["list"][..]), (&typo, &["revoke", "0123"]), (&folder.path().to_owned(), &["list"])] {
        let refused = keys(data, arguments).await;

        let sentence =
            format!("There is no database in {}: name the data folder of `contacts serve` with --data.\n", data.display());
        assert_eq!((refused.code, refused.errors), (Some(3), sentence));
    }
    let below = typo.join("data");
    let filled = contacts().with(&["seed", "--count", "1", "--data", below.to_str().unwrap()]).run().await;

    assert_eq!(filled.code, Some(3), "{filled:?}");
    assert!(filled.errors.starts_with(&format!("The data folder {} cannot be used: ", below.display())), "{filled:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_revoked_development_key_stays_revoked() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("development.key");
    let serving = contacts().serve(folder.path()).start_serving().await;
    let revoked = fs::read_to_string(&file).unwrap();
    let shown = keys(folder.path(), &["list"]).await.output;
    let id = shown.lines().nth(1).unwrap().split_whitespace().next().unwrap();
    assert_eq!(keys(folder.path(), &["revoke", id]).await.code, Some(0));
    serving.signal("TERM").await;

    let serving = contacts().serve(folder.path()).start_serving().await;

    assert_eq!(serving.caller(Some(revoked.trim())).list("").await.refusal(), "401 Invalid API key");
    assert_ne!(fs::read_to_string(&file).unwrap(), revoked);
    assert_eq!(serving.caller(None).list("").await.total(), 0);
    let log = serving.signal("TERM").await.errors;
    assert!(log.contains(&format!("The development key {id} is no longer valid")), "{log}");
}

/// What `contacts keys list` shows of the keys in a DynamoDB: a line for each.
async fn keys_at(endpoint: &str) -> Vec<String> {
    let listed = contacts().with(&["keys", "list", "--dynamodb-endpoint", endpoint]).run().await;
    assert_eq!(listed.code, Some(0), "{listed:?}");
    // The columns are as wide as what is in them.
    listed.output.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[tokio::test]
async fn a_dynamodb_that_outlives_the_program_keeps_no_key_of_it() {
    let folder = tempdir().unwrap();
    let engine = contacts().serve(folder.path()).with(&["--dynamodb-port", "0"]).start_serving().await;
    let endpoint = fs::read_to_string(folder.path().join("endpoint")).unwrap();
    let before = keys_at(&endpoint).await;
    let serve = || contacts().with(&["serve", "--port", "0", "--dynamodb-endpoint", &endpoint]).start_serving();

    let stopped = serve().await;
    assert_eq!(stopped.caller(None).list("").await.total(), 0);
    let meanwhile = keys_at(&endpoint).await;
    stopped.signal("TERM").await;
    let after = keys_at(&endpoint).await;
    let killed = serve().await;
    killed.kill().await;
    let left = keys_at(&endpoint).await;

    // The columns are the key's id, its tenant, namespaces, user, type and creation, and then its expiry.
    let expiry = |line: &String| line.split_whitespace().nth(6).unwrap().to_owned();
    assert_eq!(after, before);
    assert_eq!(before.iter().map(expiry).collect::<Vec<_>>(), ["-"]);
    for keys in [meanwhile, left] {
        let new: Vec<_> = keys.iter().filter(|key| !before.contains(key)).collect();
        assert!(matches!(new[..], [key] if expiry(key) != "-"), "{new:?}");
    }
    engine.signal("TERM").await;
}

#[tokio::test]
async fn scripts_read_keys_as_json() {
    let folder = tempdir().unwrap();
    let user = ["--username", "ann", "--name", "Ann", "--type", "rep", "--user-id", "7", "--expires", "90d"];
    let made = make(folder.path(), &[&["--namespace", "north", "--json"], &user[..]].concat()).await;
    let mut made: Value = serde_json::from_str(&made).unwrap();
    let key = made.as_object_mut().unwrap().remove("key").unwrap();
    let listed = keys(folder.path(), &["list", "--json"]).await.output;
    let listed: Vec<Value> = listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();

    assert_eq!(listed, [made]);
    assert_eq!(listed[0]["user"], json!({"_id": "7", "username": "ann", "name": "Ann", "type": "rep"}));
    assert_eq!((&listed[0]["tenant"], &listed[0]["namespaces"]), (&json!("acme"), &json!(["north"])));
    assert!(listed[0]["expiresAt"].is_string() && listed[0]["revokedAt"].is_null());
    let serving = contacts().serve(folder.path()).start_serving().await;
    assert_eq!(serving.caller(key.as_str()).list("").await.total(), 0);
}
