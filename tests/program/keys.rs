//! `contacts keys`

use std::path::Path;

use serde_json::json;
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
async fn what_a_key_needs_is_asked_for_in_one_sentence() {
    let folder = tempdir().unwrap();

    for arguments in [
        &["create"][..],
        &["create", "--tenant", "acme", "--username", "ann", "--name", "Ann"],
        &["create", "--tenant", "", "--namespace", "north", "--username", "ann", "--name", "Ann"],
        &["create", "--tenant", "acme", "--namespace", "north", "--username", "ann", "--name", "Ann", "--type", "boss"],
        &["create", "--tenant", "acme", "--namespace", "north", "--username", "ann", "--name", "Ann", "--expires", "soon"],
        &["revoke"],
    ] {
        let refused = keys(folder.path(), arguments).await;

        assert_eq!((refused.code, refused.output.as_str(), refused.errors.lines().count()), (Some(2), "", 1), "{refused:?}");
    }
}
