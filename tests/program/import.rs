//! `contacts import`

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};
use testkit::{Caller, Contact, Finished, Program, contact};

use crate::contacts;

/// A folder with a file to import and the data beside it.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Place {
        Place { folder: tempdir().unwrap() }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn file(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let file = self.folder.path().join(name);
        fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    }

    fn import(&self, arguments: &[&str]) -> Program {
        contacts().with(&["import", "--data", self.data().to_str().unwrap()]).with(arguments)
    }

    async fn run(&self, arguments: &[&str]) -> Finished {
        self.import(arguments).run().await
    }

    /// All contacts, as an export has them.
    async fn export(&self) -> BTreeMap<String, Value> {
        exported(&self.data()).await
    }
}

pub async fn exported(data: &Path) -> BTreeMap<String, Value> {
    let done = contacts().with(&["export", "--data", data.to_str().unwrap()]).run().await;
    assert_eq!(done.code, Some(0), "{done:?}");
    let contacts = done.output.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    contacts.map(|contact| (contact["_id"].as_str().unwrap().to_owned(), contact)).collect()
}

/// The summary without the time that it took.
fn said(done: &Finished) -> &str {
    done.output.rsplit_once(" In ").map_or(&*done.output, |(counts, _)| counts)
}

/// Every contact that a caller lists.
async fn listed(caller: &Caller) -> BTreeMap<String, Contact> {
    let mut all = BTreeMap::new();
    for page in 1.. {
        let contacts = caller.list(format!("per_page=100&page={page}")).await.contacts();
        let is_last = contacts.len() < 100;
        all.extend(contacts.into_iter().map(|contact| (contact.id(), contact)));
        if is_last {
            break;
        }
    }
    all
}

#[tokio::test]
async fn a_table_of_a_spreadsheet_is_imported_and_again_without_changing_anything() {
    let place = Place::new();
    let table = "\u{feff}Full name;E-mail;phone1;Fax;company_namespace;integration_meta.external_id\r\n\
                 Jane Doe;jane@example.com;+49 30 1;;company1;7\r\n\
                 \"Smith; John\";;\"+1\n2\";0;;\r\n\
                 جون;;;;company1;ext-9\r\n";
    let file = place.file("people.csv", table);
    let arguments = [&*file, "--map", "Full name=name", "--map", "E-mail=email"];

    let first = place.run(&arguments).await;

    assert_eq!((first.code, said(&first)), (Some(0), "Rows: 3. Added: 3. Already there: 0. Refused: 0."), "{first:?}");
    assert_eq!(first.errors, "Ignored, because no contact has such a field: \"Fax\".\n");
    let serving = contacts().serve(&place.data()).start_serving().await;
    let caller = serving.caller(None);
    let jane = caller.list("integration_meta.external_id=7").await.contacts().remove(0);
    assert_eq!(
        (&jane["name"], &jane["email"], &jane["phone1"]),
        (&json!("Jane Doe"), &json!("jane@example.com"), &json!("+49 30 1"))
    );
    assert_eq!((&jane["integration_meta"], &jane["__v"]), (&json!({"external_id": "7"}), &json!(0)));
    assert_eq!(jane["creator"]["username"], "admin_user");
    let john = caller.list("phone=12").await.contacts().remove(0);
    assert_eq!((&john["name"], &john["phone1"], john.has("email")), (&json!("Smith; John"), &json!("+1\n2"), false));

    // Beside the server that is running now.
    let before = listed(&caller).await;
    let again = place.run(&arguments).await;
    assert_eq!((again.code, said(&again)), (Some(0), "Rows: 3. Added: 0. Already there: 3. Refused: 0."), "{again:?}");
    assert_eq!(listed(&caller).await, before);
    assert_eq!(before.len(), 3);
    serving.signal("TERM").await;
}

/// A table of so many lines, of which every hundredth is wrong, and what is wrong with them.
fn table(lines: u64) -> (String, Vec<(u64, &'static str)>) {
    let (mut table, mut wrong) = ("name,email,phone1,title,disabled\n".to_owned(), Vec::new());
    // A cell has a line break now and then, so lines and rows differ.
    let mut line = 2;
    for number in 0..lines {
        let is_long = number % 10 == 3;
        let title = if is_long { "\"two\nlines\"" } else { "one" };
        let (name, email, disabled, reason) = match (number % 100, number / 100 % 3) {
            (99, 0) => ("", "", "true", Some("name is required")),
            (99, 1) => (
                "x",
                "nowhere",
                "",
                Some("email must be empty or an e-mail address of at most 254 characters, such as john.smith@example.com"),
            ),
            (99, _) => ("x", "", "perhaps", Some("disabled must be true or false")),
            _ => ("", "", "no", None),
        };
        match reason {
            None => writeln!(table, "Person {number},p{number}@example.com,+49 {number},{title},{disabled}").unwrap(),
            Some(reason) => {
                writeln!(table, "{name},{email},+49 {number},one,{disabled}").unwrap();
                wrong.push((line, reason));
            }
        }
        line += 1 + u64::from(is_long);
    }
    (table, wrong)
}

/// `cargo bench -p benches --bench import` does the same to 100,000 lines.
#[tokio::test]
async fn every_wrong_line_of_ten_thousand_is_named_and_the_rest_is_in() {
    let lines = 10_000;
    let place = Place::new();
    let (table, wrong) = table(lines);
    let file = place.file("people.csv", table);
    let report = place.folder.path().join("report.jsonl");
    let arguments = [&*file, "--report", report.to_str().unwrap()];
    let right = lines - wrong.len() as u64;

    let first = place.run(&arguments).await;

    let refused = wrong.len();
    assert_eq!(said(&first), format!("Rows: {lines}. Added: {right}. Already there: 0. Refused: {refused}."), "{}", first.output);
    assert_eq!(first.code, Some(4));
    let named: String = wrong.iter().map(|(line, reason)| format!("line {line}: {reason}\n")).collect();
    assert_eq!(first.errors, named);
    let reported = fs::read_to_string(&report).unwrap();
    let reported: Vec<Value> = reported.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let reported = reported.iter().map(|row| (row["line"].as_u64().unwrap(), row["error"].as_str().unwrap()));
    assert_eq!(reported.collect::<Vec<_>>(), wrong);
    let before = place.export().await;
    assert_eq!(before.len() as u64, right);

    let again = place.run(&arguments).await;

    assert_eq!(said(&again), format!("Rows: {lines}. Added: 0. Already there: {right}. Refused: {refused}."), "{}", again.output);
    assert_eq!((again.code, again.errors), (Some(4), named));
    assert!(place.export().await == before, "the second import changed something");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_and_imported_again_nothing_is_twice_and_an_edit_stays() {
    const ROWS: u64 = 1_500;
    let place = Place::new();
    let row = |number: u64| match number % 3 {
        0 => json!({"name": format!("row {number}"), "_id": format!("60f1b2b3c9e9a123{number:08x}"), "__v": 4}),
        1 => json!({"name": format!("row {number}"), "integration_meta": {"external_id": number}}),
        _ => json!({"name": format!("row {number}")}),
    };
    let lines: Vec<String> = (0..ROWS).map(|number| row(number).to_string()).collect();
    let file = place.file("rows.jsonl", lines.join("\n"));
    let serving = contacts().serve(&place.data()).start_serving().await;
    let caller = serving.caller(None);

    let mut edited = BTreeMap::new();
    for moment in [1, 150, 400, 401, 900] {
        let is_reached = async || caller.list("per_page=1").await.total() >= moment;
        let killed = place.import(&[&file]).kill_when("enough contacts are there", is_reached).await;
        assert_eq!(killed.code, None, "{killed:?}");
        let contacts = caller.list("per_page=100&sort=-updatedAt").await.contacts();
        let (id, name) = (contacts[0].id(), format!("edited at {moment}"));
        let answer = caller.request(Method::PUT, &format!("/client-contact/{id}")).json(&json!({"name": name})).send().await;
        edited.insert(id, answer.expect(200).contact());
    }
    let gone = caller.list("per_page=1&sort=name").await.contacts().remove(0);
    let gone =
        if edited.contains_key(&gone.id()) { caller.list("per_page=1&sort=-name").await.contacts().remove(0) } else { gone };
    caller.delete(gone.id()).await.expect(200);

    let done = place.run(&[&file]).await;

    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.output.contains(" Deleted here: 1. Refused: 0."), "{done:?}");
    let all = listed(&caller).await;
    assert_eq!(all.len() as u64, ROWS - 1, "no row is twice or missing, and what was deleted stays so");
    for (id, contact) in &edited {
        assert_eq!(all.get(id), Some(contact));
    }
    let versions = all.values().filter(|contact| !edited.contains_key(&contact.id())).map(Contact::version);
    assert!(versions.clone().all(|version| version == 0 || version == 5), "a row was written twice");
    serving.signal("TERM").await;
}

#[tokio::test]
async fn a_mongodb_export_keeps_ids_and_times_and_continues_versions() {
    let place = Place::new();
    let canonical = json!({
        "_id": {"$oid": "60f1b2b3c9e9a12345678901"}, "name": "Canonical", "__v": {"$numberInt": "3"},
        "creator": {"_id": {"$oid": "60f1b2b3c9e9a12345678900"}, "type": "rep", "username": "r"},
        "createdAt": {"$date": {"$numberLong": "1673778600000"}}, "updatedAt": {"$date": {"$numberLong": "1673778600000"}},
        "integration_meta": {"external_id": {"$numberLong": "7"}}, "company_namespace": ["company1"], "disabled": false,
    });
    let relaxed = json!({
        "_id": {"$oid": "60f1b2b3c9e9a12345678902"}, "name": "Relaxed", "createdAt": {"$date": "2023-01-15T10:30:00Z"}, "title": null,
    });
    let file = place.file("export.json", format!("{canonical}\n{relaxed}\n"));

    let done = place.run(&[&file]).await;

    assert_eq!((done.code, said(&done)), (Some(0), "Rows: 2. Added: 2. Already there: 0. Refused: 0."), "{done:?}");
    let all = place.export().await;
    let canonical = &all["60f1b2b3c9e9a12345678901"];
    assert_eq!((&canonical["createdAt"], &canonical["__v"]), (&json!("2023-01-15T10:30:00.000Z"), &json!(4)));
    assert_eq!(canonical["creator"], json!({"_id": "60f1b2b3c9e9a12345678900", "username": "r", "type": "rep"}));
    assert_eq!(canonical["integration_meta"], json!({"external_id": 7}));
    assert_ne!(canonical["updatedAt"], canonical["createdAt"]);
    let relaxed = &all["60f1b2b3c9e9a12345678902"];
    assert_eq!((&relaxed["createdAt"], &relaxed["__v"]), (&json!("2023-01-15T10:30:00.000Z"), &json!(0)));
    let array = place.run(&[&place.file("array.json", "[{\"name\": \"x\"}]")]).await;
    assert_eq!(array.code, Some(1));
    assert!(array.errors.contains("leave out --jsonArray of mongoexport"), "{array:?}");
}

#[tokio::test]
async fn what_is_there_is_replaced_and_what_was_deleted_is_restored_only_on_request() {
    let place = Place::new();
    let serving = contacts().serve(&place.data()).start_serving().await;
    let caller = serving.caller(None);
    let by_id = caller.add(contact().name("by id").with("title", json!("CEO"))).await;
    let by_external_id =
        caller.add(contact().name("by external id").with("integration_meta", json!({"external_id": "E", "crm": 1}))).await;
    let deleted = caller.add(contact().name("deleted")).await;
    caller.delete(deleted.id()).await.expect(200);
    let rows = [
        json!({"_id": by_id.id(), "name": "by id, changed"}),
        json!({"name": "by external id, changed", "integration_meta": {"external_id": "E"}}),
        json!({"_id": deleted.id(), "name": "restored", "createdAt": "2020-01-01T00:00:00.000Z"}),
    ];
    let file = place.file("rows.jsonl", rows.map(|row| row.to_string()).join("\n"));

    let left_alone = place.run(&[&file]).await;
    assert_eq!(said(&left_alone), "Rows: 3. Added: 0. Already there: 2. Deleted here: 1. Refused: 0.");
    assert_eq!(left_alone.errors, "line 3: its contact was deleted here, and --restore brings it back\n");
    assert_eq!(left_alone.code, Some(0));
    assert_eq!(listed(&caller).await.len(), 2);

    let dry = place.run(&[&file, "--replace", "--restore", "--dry-run"]).await;
    assert_eq!(said(&dry), "Nothing was written. Rows: 3. Added: 0. Replaced: 2. Restored: 1. Already there: 0. Refused: 0.");
    assert_eq!(listed(&caller).await.len(), 2);

    let replaced = place.run(&[&file, "--replace", "--restore"]).await;
    assert_eq!(said(&replaced), "Rows: 3. Added: 0. Replaced: 2. Restored: 1. Already there: 0. Refused: 0.", "{replaced:?}");
    let all = listed(&caller).await;
    let now = &all[&by_id.id()];
    assert_eq!((&now["name"], now.has("title"), now.version()), (&json!("by id, changed"), false, 1));
    assert_eq!((&now["createdAt"], &now["creator"]), (&by_id["createdAt"], &by_id["creator"]));
    assert_eq!(all[&by_external_id.id()]["integration_meta"], json!({"external_id": "E"}));
    let restored = &all[&deleted.id()];
    assert_eq!((&restored["createdAt"], restored.version()), (&json!("2020-01-01T00:00:00.000Z"), 2));

    let again = place.run(&[&file, "--replace", "--restore"]).await;
    assert_eq!(said(&again), "Rows: 3. Added: 0. The same already: 3. Already there: 0. Refused: 0.");
    assert_eq!(listed(&caller).await, all);
    serving.signal("TERM").await;
}

#[tokio::test]
async fn an_import_acts_as_the_user_of_a_key_in_its_namespaces() {
    let place = Place::new();
    let keys = async |arguments: &[&str]| {
        contacts().with(&["keys"]).with(arguments).with(&["--data", place.data().to_str().unwrap()]).run().await
    };
    let file = place.file("rows.csv", "name,company_namespace\nmine,\nforeign,south\n");
    fs::create_dir(place.data()).unwrap();
    let none = place.run(&[&file, "--tenant", "acme"]).await;
    assert_eq!(none.code, Some(1), "{none:?}");
    assert!(none.errors.starts_with("The tenant acme has no valid API key"), "{none:?}");
    for (name, namespace) in [("ann", "north"), ("bob", "south")] {
        let made =
            keys(&["create", "--tenant", "acme", "--namespace", namespace, "--username", name, "--name", name, "--type", "rep"])
                .await;
        assert_eq!(made.code, Some(0), "{made:?}");
    }
    let shown = keys(&["list"]).await.output;
    let id = shown.lines().find(|line| line.contains("ann")).unwrap().split_whitespace().next().unwrap().to_owned();

    let several = place.run(&[&file, "--tenant", "acme"]).await;
    let done = place.run(&[&file, "--tenant", "acme", "--key", &id]).await;

    assert!(several.errors.starts_with("The tenant acme has several API keys: name one with --key, of "), "{several:?}");
    assert_eq!((done.code, said(&done)), (Some(4), "Rows: 2. Added: 1. Already there: 0. Refused: 1."), "{done:?}");
    assert_eq!(done.errors, "line 3: company_namespace must not add or remove \"south\", which the API key cannot use\n");
    let all = contacts().with(&["export", "--tenant", "acme", "--data", place.data().to_str().unwrap()]).run().await.output;
    let mine: Value = serde_json::from_str(all.trim()).unwrap();
    assert_eq!((&mine["creator"]["username"], &mine["company_namespace"]), (&json!("ann"), &json!(["north"])));
}

#[tokio::test]
async fn scripts_read_json_and_the_standard_input_can_be_imported() {
    let place = Place::new();
    let rows = "{\"name\": \"fine\", \"Fax\": 1}\n{\"name\": 7, \"title\": 7}\n{\"name\": \"fine\"}\n";

    let done = place.import(&["-", "--json"]).with_input(rows).run().await;

    assert_eq!((done.code, &*done.errors), (Some(4), ""), "{done:?}");
    let lines: Vec<Value> = done.output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let refused = json!({
        "line": 2, "outcome": "refused", "error": "name must be a string; title must be a string",
        "fields": {"name": "name must be a string", "title": "title must be a string"},
    });
    assert_eq!(lines[0], refused);
    assert_eq!(lines[1]["error"], "it has the same content as the row at line 1");
    let summary = &lines[2]["summary"];
    for (member, value) in [
        ("rows", json!(3)),
        ("added", json!(1)),
        ("there", json!(0)),
        ("refused", json!(2)),
        ("ignored", json!(["Fax"])),
        ("complete", json!(true)),
        ("dry_run", json!(false)),
    ] {
        assert_eq!(summary[member], value, "{summary}");
    }
}

#[tokio::test]
async fn a_strict_import_stops_at_the_first_wrong_row() {
    let place = Place::new();
    let lines: Vec<String> =
        (0..500).map(|number| if number == 250 { ",x".to_owned() } else { format!("row {number},x") }).collect();
    let file = place.file("rows.csv", format!("name,title\n{}\n", lines.join("\n")));

    let done = place.run(&[&file, "--strict"]).await;

    assert_eq!((done.code, &*done.errors), (Some(4), "line 252: name is required\n"), "{done:?}");
    assert_eq!(said(&done), "Stopped at the row that is refused. Rows: 251. Added: 250. Already there: 0. Refused: 1.");
    let names: Vec<String> =
        place.export().await.into_values().map(|contact| contact["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(names.len(), 250);
    assert!((0..250).all(|number| names.contains(&format!("row {number}"))));
}

#[tokio::test]
async fn what_does_not_go_together_is_said_before_anything_is_written() {
    let place = Place::new();
    let file = place.file("rows.csv", "Full name,title\nJane,x\n");
    for (arguments, code, sentence) in [
        (&[&*file][..], 2, "No column is the name of the contact; the file has \"Full name\", \"title\"."),
        (&[&file, "--map", "Name=name"], 2, "--map names the column \"Name\", and the file has \"Full name\", \"title\"."),
        (
            &[&file, "--map", "Full name=Name"],
            2,
            "error: invalid value 'Full name=Name' for '--map <COLUMN=FIELD>': Name is not a field",
        ),
        (&["nowhere.csv"], 1, "nowhere.csv cannot be read: "),
        (&[&place.file("utf16.csv", b"\xff\xfen\0")], 1, "The file is UTF-16, and must be UTF-8"),
        (&[&place.file("open.csv", "name\nJane\n\"John\n")], 1, "The quote that opens in the record at line 3 is never closed"),
        (&[&place.file("empty.csv", "")], 2, "The file is empty"),
    ] {
        let done = place.run(arguments).await;
        assert_eq!(done.code, Some(code), "{done:?}");
        assert!(done.errors.starts_with(sentence), "{done:?}");
    }
    // What came before the quote is in; a dry run makes no folder.
    assert_eq!(place.export().await.len(), 1);
    let dry = contacts().with(&["import", &file, "--map", "Full name=name", "--dry-run", "--data"]);
    let nowhere = place.folder.path().join("nowhere");
    let dry = dry.with(&[nowhere.to_str().unwrap()]).run().await;
    assert_eq!((dry.code, said(&dry)), (Some(0), "Nothing was written. Rows: 1. Added: 1. Already there: 0. Refused: 0."));
    assert!(!nowhere.exists());
}
