//! `docs/examples/two_way_sync.py` keeps a database and the API in step, also when it is killed and both sides change meanwhile.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::tempdir;
use testkit::{Caller, contact, skip};
use tokio::process::Command;

use crate::contacts;

/// The example, with its database and its key.
struct Example {
    database: PathBuf,
    url: String,
    key: String,
}

impl Example {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("python3");
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/examples/two_way_sync.py")).arg(&self.database).args(arguments);
        command.env("CONTACTS_API", &self.url).env("CONTACTS_KEY", &self.key);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    async fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().await.unwrap();
        let [out, errors] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        assert!(output.status.success(), "{arguments:?}: {errors}");
        assert_eq!(errors, "", "{arguments:?}");
        out
    }

    /// Starts `sync` and kills it after this long, unless it has ended by then. Answers whether it had.
    async fn sync_and_kill(&self, after: Duration) -> bool {
        let mut process = self.command(&["sync"]).spawn().unwrap();
        match tokio::time::timeout(after, process.wait()).await {
            Ok(_) => true,
            Err(_) => {
                process.kill().await.unwrap();
                false
            }
        }
    }

    /// Name and email by external id, and the contact's id, as the database has them.
    async fn rows(&self) -> BTreeMap<String, [String; 3]> {
        let text = |row: &Value, column: &str| row[column].as_str().unwrap_or_default().to_owned();
        let rows = self.run(&["show"]).await;
        let rows = rows.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        rows.map(|row| (text(&row, "external_id"), ["name", "email", "contact_id"].map(|column| text(&row, column)))).collect()
    }
}

/// Name and email by external id, and the contact's id, as the API has them.
async fn listed(caller: &Caller) -> BTreeMap<String, [String; 3]> {
    let answer = caller.list("per_page=100").await.expect(200);
    assert!(answer.total() <= 100);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let contacts: Vec<_> = answer
        .contacts()
        .iter()
        .map(|contact| {
            let external_id = text(&contact["integration_meta"]["external_id"]);
            (external_id, [text(&contact["name"]), text(&contact["email"]), contact.id()])
        })
        .collect();
    let by_external_id: BTreeMap<_, _> = contacts.iter().cloned().collect();
    assert_eq!(by_external_id.len(), contacts.len(), "an external id is there twice");
    by_external_id
}

/// The id of the contact with this external id.
async fn id_of(caller: &Caller, external_id: &str) -> String {
    listed(caller).await[external_id][2].clone()
}

#[tokio::test]
async fn both_sides_are_equal_after_kills_and_edits_on_both() {
    if Command::new("python3").arg("--version").output().await.is_err() {
        skip("it needs Python 3");
        return;
    }
    let folder = tempdir().unwrap();
    let data = folder.path().join("data");
    let made = ["keys", "create", "--tenant", "acme", "--namespace", "north", "--username", "sync", "--name", "Sync"];
    let key = contacts().with(&made).with(&["--data", data.to_str().unwrap()]).run().await.output.trim().to_owned();
    let serving = contacts().serve(&data).start_serving().await;
    let api = serving.caller(Some(&key));
    let example = Example { database: folder.path().join("crm.db"), url: serving.url.clone(), key };
    for number in 0..20 {
        api.add(contact().name(&format!("From the API {number}"))).await;
        let (name, email) = (format!("From here {number}"), format!("here{number}@example.com"));
        example.run(&["add", &format!("here-{number}"), &name, &email]).await;
    }

    example.run(&["sync"]).await;

    let rows = example.rows().await;
    assert_eq!(rows.len(), 40);
    assert_eq!(rows, listed(&api).await);

    // Both sides change while nothing runs, and then it is killed again and again while more changes come.
    for round in 0..6_u32 {
        let edit = format!("Edited there {round}");
        let changed = id_of(&api, &format!("here-{round}")).await;
        api.put(&changed, json!({"name": edit})).await.expect(200);
        example.run(&["edit", &format!("here-{round}"), "email", &format!("edited{round}@example.com")]).await;
        let deleted = id_of(&api, &format!("here-{}", 10 + round)).await;
        api.delete(&deleted).await.expect(200);
        let removed = example.rows().await.into_keys().find(|external_id| external_id.starts_with("contact-")).unwrap();
        example.run(&["remove", &removed]).await;
        example.run(&["add", &format!("new-{round}"), "New here", "new@example.com"]).await;
        api.add(contact().name("New there")).await;

        // At another moment in each round, until it has come to its end once.
        let mut after = Duration::from_millis(60 + 37 * u64::from(round));
        while !example.sync_and_kill(after).await {
            after += Duration::from_millis(40);
        }
    }
    example.run(&["sync"]).await;

    let rows = example.rows().await;
    assert_eq!(rows, listed(&api).await);
    // Of each round, two are gone and two are new.
    assert_eq!(rows.len(), 40 - 12 + 12);
    let [name, email, _] = &rows["here-3"];
    assert_eq!([name.as_str(), email], ["Edited there 3", "edited3@example.com"]);
    assert!(!rows.contains_key("here-12"));
    serving.signal("TERM").await;
}
