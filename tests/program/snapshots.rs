//! Snapshots of a data folder: `contacts snapshots`, and lists after a kill at any moment.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::tempdir;
use testkit::{Caller, Finished, Program, contact};

use crate::contacts;

/// The program, with which tenants of any size have snapshots.
fn program() -> Program {
    contacts().with_variable("SNAPSHOT_CONTACTS", "1")
}

async fn snapshots(folder: &Path, command: &[&str]) -> Finished {
    let data = folder.to_str().unwrap();
    program().with(&["snapshots"]).with(command).with(&["--data", data]).run().await
}

/// The names of all contacts.
async fn names(caller: &Caller) -> (BTreeSet<String>, String) {
    let mut names = BTreeSet::new();
    let mut timing = String::new();
    for page in 1.. {
        let answer = caller.list(format!("per_page=100&page={page}")).await;
        if page == 1 {
            timing = answer.header("server-timing").unwrap().to_owned();
        }
        let contacts = answer.contacts();
        names.extend(contacts.iter().map(|contact| contact["name"].as_str().unwrap().to_owned()));
        if contacts.len() < 100 {
            return (names, timing);
        }
    }
    unreachable!("the pages have an end")
}

#[tokio::test]
async fn an_operator_lists_builds_and_deletes_snapshots_even_while_the_folder_is_served() {
    let folder = tempdir().unwrap();
    let serving = program().serve(folder.path()).start_serving().await;
    let caller = serving.caller(None);
    for number in 0..3 {
        caller.add(contact().name(&format!("contact {number}"))).await;
    }

    let built = snapshots(folder.path(), &["build", "--all"]).await;
    assert!(built.output.starts_with("local: 3 contacts, "), "{built:?}");
    let listed = snapshots(folder.path(), &["list"]).await;
    assert!(listed.output.starts_with("local: 3 contacts, ") && listed.output.contains(" 0 changes since"), "{listed:?}");
    let for_scripts: Value = serde_json::from_str(&snapshots(folder.path(), &["list", "--json"]).await.output).unwrap();
    assert_eq!((&for_scripts["tenant"], &for_scripts["snapshot"]["contacts"]), (&json!("local"), &json!(3)));
    assert_eq!((&for_scripts["snapshot"]["changesSince"], &for_scripts["beingBuiltUntil"]), (&json!(0), &Value::Null));
    assert_eq!(fs::read_dir(folder.path().join("snapshots")).unwrap().count(), 1);
    serving.signal("TERM").await;

    let serving = program().serve(folder.path()).start_serving().await;
    let (found, timing) = names(&serving.caller(None)).await;
    assert_eq!(found.len(), 3);
    assert!(timing.contains("snapshot;dur="), "{timing}");
    serving.signal("TERM").await;
    let serving = program().with_variable("LIST_SNAPSHOTS", "off").serve(folder.path()).start_serving().await;
    let (found, timing) = names(&serving.caller(None)).await;
    assert_eq!((found.len(), timing.contains("snapshot;dur=")), (3, false), "{timing}");
    serving.signal("TERM").await;

    let deleted = snapshots(folder.path(), &["delete", "--tenant", "local"]).await;
    assert_eq!(deleted.output, "local: its snapshot is deleted\n", "{deleted:?}");
    assert_eq!(fs::read_dir(folder.path().join("snapshots")).unwrap().count(), 0);
    let listed = snapshots(folder.path(), &["list"]).await;
    assert_eq!(listed.output, "local: no snapshot\n", "{listed:?}");
}

#[tokio::test]
async fn a_small_tenant_needs_no_snapshot() {
    let folder = tempdir().unwrap();
    let serving = contacts().serve(folder.path()).start_serving().await;
    serving.caller(None).add(contact().name("only one")).await;
    serving.signal("TERM").await;

    let data = folder.path().to_str().unwrap();
    let built = contacts().with(&["snapshots", "build", "--tenant", "local", "--data", data]).run().await;

    assert_eq!(built.output, "local: 1 contacts need no snapshot\n", "{built:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_exact_after_a_kill_in_the_middle_of_writes_and_a_build() {
    let folder = tempdir().unwrap();
    let mut expected = BTreeSet::new();
    let mut ids = Vec::new();
    for round in 0..6_u64 {
        let serving = program().serve(folder.path()).start_serving().await;
        let caller = serving.caller(None);
        let (found, _) = names(&caller).await;
        assert_eq!(found, expected, "round {round}");

        for number in 0..40 {
            let name = format!("contact {round} {number}");
            ids.push((caller.add(contact().name(&name)).await.id(), name.clone()));
            expected.insert(name);
        }
        // A build dies at another moment in each round, and so does the server; writes go on beside both.
        let data = folder.path().to_str().unwrap();
        let build = program().with(&["snapshots", "build", "--tenant", "local", "--data", data]);
        let deletes = async {
            for (id, _) in &ids[..10] {
                assert_eq!(caller.request(Method::DELETE, &format!("/client-contact/{id}")).send().await.status, 200);
            }
        };
        futures::join!(build.kill_after("", Duration::from_millis(round * 7)), deletes);
        for (_, name) in ids.drain(..10) {
            expected.remove(&name);
        }
        if round % 2 == 0 {
            serving.kill().await;
        } else {
            // A whole one, so that later rounds start from it.
            let built = snapshots(folder.path(), &["build", "--tenant", "local"]).await;
            assert_eq!(built.code, Some(0), "{built:?}");
            serving.kill().await;
        }
        // Now and then a bit of what is stored turns, or a file loses its end.
        for file in fs::read_dir(folder.path().join("snapshots")).into_iter().flatten() {
            let path = file.unwrap().path();
            let mut bytes = fs::read(&path).unwrap();
            match round {
                2 => bytes.truncate(bytes.len() / 2),
                4 if !bytes.is_empty() => {
                    let middle = bytes.len() / 2;
                    bytes[middle] ^= 1;
                }
                _ => continue,
            }
            fs::write(path, bytes).unwrap();
        }
    }

    // The last server left a lease, perhaps; the next one ends it.
    let serving = program().serve(folder.path()).start_serving().await;
    let (found, _) = names(&serving.caller(None)).await;
    assert_eq!(found, expected);
    testkit::eventually("a snapshot can be built", async || {
        let built = snapshots(folder.path(), &["build", "--tenant", "local"]).await;
        built.output.starts_with(&format!("local: {} contacts", expected.len())).then_some(())
    })
    .await;
    serving.kill().await;
    let serving = program().serve(folder.path()).start_serving().await;
    let (found, timing) = names(&serving.caller(None)).await;
    assert_eq!(found, expected);
    assert!(timing.contains("snapshot;dur="), "{timing}");
    let left = fs::read_dir(folder.path().join("snapshots")).unwrap().count();
    assert!(left <= 2, "a snapshot and its predecessor are there, not {left} files");
}
