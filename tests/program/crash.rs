//! A death in the middle of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::tempdir;
use testkit::{Answer, Contact, Program, contact, eventually};

use crate::contacts;

/// The fields that are changed, each of them once in each contact.
const FIELDS: [&str; 10] =
    ["local_name", "phone1", "phone2", "title", "extra_info", "cover_photo", "disabled", "media", "integration_meta", "editor"];

/// A value of a field that no other contact has.
fn value(field: &str, number: usize) -> Value {
    match field {
        "disabled" => json!(true),
        "media" => json!([number.to_string()]),
        "integration_meta" => json!({"number": number}),
        "editor" => json!({"_id": number.to_string(), "type": "rep"}),
        _ => json!(format!("{field} {number}")),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_with_success_survives_a_kill() {
    // Each round dies at another moment.
    for acknowledged in [100, 500] {
        die_and_rise(contacts(), acknowledged).await;
    }
}

/// Serves 500 creates and 500 updates at once, kills the program as soon as this many have succeeded, and looks what is left.
async fn die_and_rise(program: Program, moment: usize) {
    let folder = tempdir().unwrap();
    let serving = program.clone().serve(folder.path()).start_serving().await;
    let caller = serving.caller(None);
    let mut before = Vec::new();
    for number in 0..50 {
        before.push(caller.add(contact().name(&format!("before {number}"))).await);
    }

    let succeeded = Arc::new(AtomicUsize::new(0));
    let creates = (0..500).map(|number| {
        let body = contact().name(&format!("created {number}"));
        caller.request(Method::POST, "/client-contact").json(&body)
    });
    let updates = (0..500).map(|number| {
        let (contact, field) = (&before[number / FIELDS.len()], FIELDS[number % FIELDS.len()]);
        caller.request(Method::PUT, &format!("/client-contact/{}", contact.id())).json(&json!({field: value(field, number)}))
    });
    let calls: Vec<_> = creates
        .zip(updates)
        .flat_map(|(create, update)| [create, update])
        .map(|request| {
            let succeeded = Arc::clone(&succeeded);
            tokio::spawn(async move {
                let answer = request.try_send().await.ok()?;
                assert!(answer.status < 300, "{}", answer.text());
                succeeded.fetch_add(1, Ordering::Relaxed);
                Some(answer)
            })
        })
        .collect();
    eventually("enough successes", async || (succeeded.load(Ordering::Relaxed) >= moment).then_some(())).await;
    assert_eq!(serving.kill().await.code, None);
    let answers: Vec<Option<Answer>> = join_all(calls).await.into_iter().map(Result::unwrap).collect();

    let serving = program.serve(folder.path()).start_serving().await;
    let caller = serving.caller(None);
    let mut there: BTreeMap<String, Contact> = BTreeMap::new();
    let mut page = 1;
    let mut total = 0;
    while page != 0 {
        let answer = caller.list(format!("page={page}&per_page=100")).await;
        there.extend(answer.contacts().into_iter().map(|contact| (contact.id(), contact)));
        page = answer.pagination()["next_page"].as_u64().unwrap();
        total = answer.total();
    }

    let (mut created, mut updated) = (0, 0);
    for (call, answer) in answers.iter().enumerate() {
        let Some(answer) = answer else { continue };
        let (acknowledged, number) = (answer.contact(), call / 2);
        if call % 2 == 0 {
            assert_eq!(there.get(&acknowledged.id()), Some(&acknowledged));
            created += 1;
        } else {
            let field = FIELDS[number % FIELDS.len()];
            let contact = &there[&before[number / FIELDS.len()].id()];
            // Every change sets the editor too, so of that one only the last is left.
            if field != "editor" {
                assert_eq!(contact[field], value(field, number));
            }
            assert!(contact.version() >= acknowledged.version());
            updated += 1;
        }
    }
    // Some of both were cut off, or the death came too late to show anything.
    assert!(created > 0 && updated > 0 && created + updated < 1_000, "{created} {updated}");

    assert_eq!(total, there.len() as u64);
    let names: BTreeSet<String> = there.values().map(|contact| contact.text("name")).collect();
    assert_eq!(names.len(), there.len(), "no contact is there twice");
    assert!((50 + created..=550).contains(&there.len()));
    for contact in there.values() {
        assert_eq!(caller.get(contact.id()).await.expect(200).contact(), *contact);
    }
}
