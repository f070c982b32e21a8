//! `contacts export`, and what comes back when it is imported.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use contacts::contacts_table::TableLocation;
use contacts::import::Format;
use contacts::{export, import};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use reqwest::Method;
use serde_json::{Map, Value, json};
use tempfile::tempdir;
use testkit::{App, Caller, contact, holds_for_all, runtime};

use crate::contacts;
use crate::import::exported;

/// Text that files and spreadsheets are known to change.
fn text() -> impl Strategy<Value = String> + Clone {
    let odd = [
        "",
        " ",
        "=1+1",
        "+49 30",
        "a,b",
        "a;b",
        "\"",
        "\"\"",
        "'",
        "line\nline",
        "\r\n",
        "[",
        "[\"x\"]",
        "{}",
        "null",
        "TRUE",
        "007",
    ];
    let long = ["جون سميث", "\u{feff}x", "a\tb", " padded ", "\u{2028}", "😀", "1e5", "\\", "$oid", "60f1b2b3c9e9a12345678901"];
    prop_oneof![select(odd.to_vec()).prop_map(str::to_owned), select(long.to_vec()).prop_map(str::to_owned), "\\PC{0,12}"]
}

fn meta() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            vec((select(vec!["a", "$oid", "$date", "", "external_id"]), inner), 0..3).prop_map(|members| members
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect::<Map<_, _>>()
                .into()),
        ]
    });
    let members = vec((prop_oneof![text(), Just("external_id".to_owned())], value), 0..3);
    members.prop_map(|members| members.into_iter().collect::<Map<_, _>>().into())
}

/// The body of a create with some of the fields.
fn body() -> impl Strategy<Value = Value> {
    let user = (text(), select(vec!["admin", "rep", "client"]), prop::option::of(text()), prop::option::of(text())).prop_map(
        |(id, kind, name, other)| {
            let mut user = json!({"_id": id, "type": kind});
            for (member, value) in [("name", name), ("rep", other)] {
                user.as_object_mut().unwrap().extend(value.map(|value| (member.to_owned(), Value::from(value))));
            }
            user
        },
    );
    let name = text().prop_filter("a name is not blank", |name| !name.trim().is_empty());
    let texts = vec((select(vec!["local_name", "phone1", "phone2", "title", "extra_info", "cover_photo"]), text()), 0..5);
    let email = prop::option::of(select(vec!["", "a@example.com", "\"odd,;\"@example.com"]));
    let media = prop::option::of(vec(text(), 0..4));
    (name, texts, email, media, prop::option::of(meta()), prop::option::of(user.clone()), prop::option::of(user), any::<bool>())
        .prop_map(|(name, texts, email, media, meta, creator, editor, disabled)| {
            let mut body = json!({"name": name, "disabled": disabled});
            for (member, value) in texts {
                body[member] = value.into();
            }
            let others = [
                ("email", email.map(Value::from)),
                ("media", media.map(Value::from)),
                ("integration_meta", meta),
                ("creator", creator),
                ("editor", editor),
            ];
            for (member, value) in others {
                body.as_object_mut().unwrap().extend(value.map(|value| (member.to_owned(), value)));
            }
            body
        })
}

async fn export_to(endpoint: &str, tenant: &str, format: Format, file: &Path) -> u64 {
    let location = TableLocation { data: ".".into(), dynamodb_endpoint: Some(endpoint.to_owned()), table: None };
    let output = Some(file.to_owned());
    let options = export::Options { tenant: tenant.to_owned(), format: Some(format), output, for_spreadsheets: false, location };
    export::run(options).await.unwrap().count
}

async fn import_from(endpoint: &str, tenant: &str, file: &Path) -> import::Summary {
    let location = TableLocation { data: ".".into(), dynamodb_endpoint: Some(endpoint.to_owned()), table: None };
    let options = import::Options {
        file: file.to_owned(),
        tenant: tenant.to_owned(),
        key: None,
        format: None,
        mappings: Vec::new(),
        replace: false,
        restore: false,
        dry_run: false,
        strict: false,
        report: None,
        json: false,
        location,
        api_keys_table: None,
    };
    import::run(options).await.unwrap()
}

/// What a caller lists, without what an import changes.
async fn listed(caller: &Caller) -> BTreeMap<String, (Value, u64)> {
    let contacts = caller.list("per_page=100").await.contacts();
    let without = contacts.into_iter().map(|contact| {
        let (id, version) = (contact.id(), contact.version());
        let mut members = contact.members().clone();
        members.retain(|member, _| member != "updatedAt" && member != "__v");
        (id, (Value::from(members), version))
    });
    without.collect()
}

#[test]
fn an_export_that_is_imported_gives_the_same_contacts() {
    let runtime = runtime();
    let Some(app) = runtime.block_on(App::here()) else { return };
    let folder = tempdir().unwrap();
    let rounds = AtomicUsize::new(0);
    holds_for_all(&runtime, 24, vec(body(), 1..10), async |bodies| {
        let round = rounds.fetch_add(1, Ordering::Relaxed);
        let endpoint = app.dynamodb_endpoint();
        let names = ["from", "jsonl", "csv"].map(|name| format!("{name} {round}"));
        let mut callers = Vec::new();
        for name in &names {
            callers.push(app.caller(name, &["company1", "b;c"], "user").await);
        }
        for body in &bodies {
            callers[0].create(body).await.expect(201);
        }
        let before = listed(&callers[0]).await;
        for (place, format) in [(1, Format::Jsonl), (2, Format::Csv)] {
            let file = folder.path().join(format!("{round}.{place}"));
            assert_eq!(export_to(endpoint, &names[0], format, &file).await, bodies.len() as u64);

            let summary = import_from(endpoint, &names[place], &file).await;

            assert_eq!((summary.added, summary.refused), (bodies.len() as u64, 0), "{summary}");
            let continued = before.iter().map(|(id, (json, version))| (id.clone(), (json.clone(), version + 1)));
            let continued: BTreeMap<_, _> = continued.collect();
            assert_eq!(listed(&callers[place]).await, continued, "{}", fs::read_to_string(&file).unwrap());
            let again = import_from(endpoint, &names[place], &file).await;
            assert_eq!((again.added, again.there), (0, bodies.len() as u64));
        }
    });
}

#[tokio::test]
async fn an_export_has_every_contact_but_no_deleted_one_and_replaces_its_file_at_the_end() {
    let folder = tempdir().unwrap();
    let data = folder.path().join("data");
    let serving = contacts().serve(&data).start_serving().await;
    let caller = serving.caller(None);
    let upserted = caller.request(Method::PUT, "/client-contact?integration_meta.external_id=7").json(&json!({"name": "=1+1"}));
    let upserted = upserted.send().await.expect(201).contact();
    let gone = caller.add(contact().name("gone")).await;
    caller.delete(gone.id()).await.expect(200);
    let kept = caller.add(contact().name("kept")).await;

    let all = exported(&data).await;

    // Its claim and the tombstone are items of the table too.
    assert_eq!(all.keys().collect::<Vec<_>>(), [&upserted.id(), &kept.id()]);
    assert_eq!(all[&kept.id()], Value::from(kept.members().clone()));
    let file = folder.path().join("contacts.csv");
    fs::write(&file, "as it was").unwrap();
    let export = |arguments: &[&str]| contacts().with(&["export", "--data", data.to_str().unwrap()]).with(arguments).run();
    let (file, nobody) = (file.to_str().unwrap(), ["--tenant", "nobody"]);
    let done = export(&["--output", file, "--for-spreadsheets"]).await;
    assert_eq!((done.code, &*done.output), (Some(0), ""), "{done:?}");
    assert!(done.errors.starts_with("Contacts exported: 2. In "), "{done:?}");
    let text = fs::read_to_string(file).unwrap();
    assert!(text.starts_with("_id,creator,editor,name,local_name,") && text.contains(",'=1+1,"), "{text}");
    let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "no other file is left: {names:?}");
    assert_eq!(export(&nobody).await.output, "");

    let wrong = export(&["--for-spreadsheets"]).await;
    assert_eq!((wrong.code, &*wrong.errors), (Some(2), "--for-spreadsheets is for CSV: add --format csv.\n"));
    let wrong = export(&["--output", "/nowhere/contacts.csv"]).await;
    assert_eq!(wrong.code, Some(1), "{wrong:?}");
    assert!(wrong.errors.starts_with("/nowhere/contacts.csv cannot be written: "), "{wrong:?}");
    serving.signal("TERM").await;
    let missing = contacts().with(&["export", "--data", folder.path().join("none").to_str().unwrap()]).run().await;
    assert_eq!(missing.code, Some(3), "{missing:?}");
}
