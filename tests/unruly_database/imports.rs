//! Imports, which lists see as any other change, however many contacts they write or delete.

use std::slice::from_ref;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_sdk_dynamodb::types::{AttributeValue, DeleteRequest, PutRequest, WriteRequest};
use index::bounds::SHORT_OVERLAP_MS;
use shared::body::UpsertBody;
use shared::external_id::ExternalId;
use shared::store::{ImportRow, ImportRules, RowOutcome, RowState};

use super::*;

/// As many contacts as a mass change has.
const MANY: usize = 10_000;

fn contact(name: &str) -> Contact {
    let body = ContactBody::for_create(json!({"name": name}).to_string().as_bytes(), &Handling::default()).unwrap();
    let now = clock::now();
    body.into_contact(&caller(), object_id::generate(now), now).unwrap()
}

fn named(contact: &Contact, name: &str) -> Contact {
    Contact { name: name.to_owned(), ..contact.clone() }
}

impl Database {
    async fn import(&self, contacts: &[Contact]) {
        self.running.app.store.import("local", contacts).await.unwrap();
    }

    async fn raw(&self, id: ObjectId) -> HashMap<String, AttributeValue> {
        let get = self.running.client.get_item().table_name(&self.running.contacts_table).consistent_read(true);
        let get = get.key("tenant", AttributeValue::S("local".to_owned())).key("_id", AttributeValue::S(id.to_string()));
        get.send().await.unwrap().item.unwrap()
    }
}

#[tokio::test]
async fn an_import_is_one_more_change_of_what_is_there() {
    let database = Database::start().await;
    let (changed, deleted) = (database.create("changed").await, database.create("deleted").await);
    let changed = database.rename(changed.id, "changed before").await;
    database.delete(deleted.id).await;
    let instance = database.instance(&Arc::default(), patient()).await;
    assert_eq!(instance.all().await, BTreeMap::from([(changed.id, (1, "changed before".to_owned()))]));
    let new = contact("new");

    // As another system knows them, which has not heard of versions.
    let imported = [named(&Contact { version: 0, ..changed.clone() }, "imported"), named(&deleted, "imported"), new.clone()];
    let mut expected = BTreeMap::new();
    for time in 0..3 {
        database.import(&imported).await;
        for (id, version) in [(changed.id, 2), (deleted.id, 2), (new.id, 0)] {
            let name = if id == new.id { "new" } else { "imported" };
            expected.insert(id, (version + time, name.to_owned()));
        }
        assert_eq!(instance.all().await, expected);
    }

    let there = database.running.app.store.get(&Meter::default(), "local", changed.id).await.unwrap().unwrap();
    assert!(there.updated_at > changed.updated_at && there.created_at == changed.created_at);
    let raw = database.raw(deleted.id).await;
    assert!(!raw.contains_key("deleted") && !raw.contains_key("expiresAt"), "nothing of a tombstone is left: {raw:?}");
}

#[tokio::test]
async fn an_import_whose_stamp_would_lie_behind_goes_on_from_what_is_there() {
    let database = Database::start().await;
    let store = database.running.app.store.clone();
    let contact = database.create("contact").await;
    let body = ContactBody::for_update(br#"{"name": "ahead"}"#, &Handling::default()).unwrap();
    let ahead = store.clone().with_clock(|| clock::now().plus_millis(60_000));
    let ahead = ahead.update(&Meter::default(), &caller(), contact.id, &body, &Precondition::None).await.unwrap();

    database.import(&[named(&contact, "imported")]).await;

    let there = store.get(&Meter::default(), "local", contact.id).await.unwrap().unwrap();
    assert_eq!((there.name.as_str(), there.version, there.updated_at), ("imported", 2, ahead.updated_at.plus_millis(1)));
}

#[tokio::test]
async fn an_import_whose_answers_are_lost_is_made_once() {
    let database = Database::start().await;
    let old = database.create("old").await;
    let trouble = Arc::<Trouble>::default();
    let instance = database.instance(&trouble, patient()).await;
    let mut lost = Vec::new();
    trouble.fate(move |operation, _| {
        let is_first = operation.contains("Write") || operation == "PutItem";
        if !is_first || lost.iter().any(|lost| lost == operation) {
            return Fate::Answered;
        }
        lost.push(operation.to_owned());
        Fate::AnswerLost
    });
    let new: Vec<Contact> = (0..30).map(|number| contact(&format!("contact {number}"))).collect();

    let imported: Vec<Contact> = [named(&old, "imported")].into_iter().chain(new.clone()).collect();
    instance.app.store.import("local", &imported).await.unwrap();

    let all = instance.all().await;
    assert_eq!((all.len(), &all[&old.id]), (31, &(1, "imported".to_owned())));
    assert!(new.iter().all(|contact| all[&contact.id].0 == 0), "{all:?}");
    // Each of the two batches, and nothing again of the one whose answer was lost.
    assert_eq!((trouble.count("BatchWriteItem"), trouble.count("PutItem")), (2, 2));
}

#[tokio::test]
async fn an_import_replaces_nothing_that_it_has_not_seen() {
    let database = Database::start().await;
    let contact = database.create("contact").await;
    let trouble = Arc::<Trouble>::default();
    let instance = database.instance(&trouble, patient()).await;
    let (app, id) = (database.running.app.clone(), contact.id);
    let mut first = true;
    trouble.before(move |operation| {
        let (app, comes_between) = (app.clone(), operation == "PutItem" && std::mem::take(&mut first));
        async move {
            if comes_between {
                rename(&app, id, "between").await;
            }
        }
        .boxed()
    });

    instance.app.store.import("local", &[named(&contact, "imported")]).await.unwrap();

    assert_eq!(trouble.count("PutItem"), 2);
    assert_eq!(instance.all().await, BTreeMap::from([(id, (2, "imported".to_owned()))]));
}

#[tokio::test]
async fn items_that_a_batch_leaves_unprocessed_are_imported_again() {
    let database = Database::start().await;
    let trouble = Arc::<Trouble>::default();
    let instance = database.instance(&trouble, patient()).await;
    let (table, taken_back) = (database.running.contacts_table.clone(), contact("taken back"));
    let (client, id) = (database.running.client.clone(), taken_back.id);
    let mut first = true;
    trouble.distort(move |operation, request, answer| {
        if operation == "BatchWriteItem" && std::mem::take(&mut first) {
            let puts = request["RequestItems"][&table].as_array().unwrap();
            let left: Vec<&Value> =
                puts.iter().filter(|put| put["PutRequest"]["Item"]["_id"]["S"] == json!(id.to_string())).collect();
            answer["UnprocessedItems"] = json!({&table: left});
        }
    });
    // The engine processes everything, so the item is taken out again before the import looks.
    let (key, table) = (|text: String| AttributeValue::S(text), database.running.contacts_table.clone());
    let mut batches = 0;
    trouble.before(move |operation| {
        batches += usize::from(operation == "BatchGetItem");
        let delete = DeleteRequest::builder().key("tenant", key("local".to_owned())).key("_id", key(id.to_string())).build();
        let delete = WriteRequest::builder().delete_request(delete.unwrap()).build();
        let (client, table, now) = (client.clone(), table.clone(), operation == "BatchGetItem" && batches == 2);
        async move {
            if now {
                client.batch_write_item().request_items(table, vec![delete]).send().await.unwrap();
            }
        }
        .boxed()
    });
    let other = contact("other");

    instance.app.store.import("local", &[taken_back.clone(), other.clone()]).await.unwrap();

    let expected = [(taken_back.id, (0, "taken back".to_owned())), (other.id, (0, "other".to_owned()))];
    assert_eq!(instance.all().await, BTreeMap::from(expected));
    assert_eq!(trouble.count("BatchWriteItem"), 2);
}

#[tokio::test]
async fn a_mass_change_is_read_once_and_then_little_by_little() {
    let database = Database::start().await;
    database.create("before").await;
    let trouble = Arc::<Trouble>::default();
    let read = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&read);
    trouble.distort(move |operation, _, answer| {
        if operation == "Query" {
            counted.fetch_add(answer["Items"].as_array().unwrap().len(), Ordering::SeqCst);
        }
    });
    let instance = database.instance(&trouble, ListConfig::default()).await;
    instance.all().await;
    let one = ListQuery { per_page: 1, ..query() };
    let contacts: Vec<Contact> = (0..MANY).map(|number| contact(&format!("contact {number}"))).collect();

    for is_deletion in [false, true] {
        if is_deletion {
            delete_all(&database, &contacts).await;
        } else {
            database.import(&contacts).await;
        }
        let (begin, step) = (clock::now(), 250);
        let mut entries = Vec::new();
        for number in 0..120 {
            read.store(0, Ordering::SeqCst);
            let now = begin.plus_millis(number * step);
            let page = instance.app.lists.list(&Meter::default(), &caller(), &one, now).await.unwrap();
            assert_eq!(page.total, if is_deletion { 1 } else { 1 + MANY as u64 });
            entries.push(read.load(Ordering::SeqCst));
        }

        // What is new has to be read. After that the short overlap is read again at most once a second.
        let overlap = SHORT_OVERLAP_MS / step + 2;
        let (early, late) = entries.split_at(usize::try_from(overlap).unwrap());
        let whole = early.iter().filter(|&&entries| entries >= 1_000).count();
        assert!(entries[0] >= MANY, "{entries:?}");
        assert!(whole <= 11, "{entries:?}");
        // The newest entries of a busy tenant, and a slice of a sweep.
        assert!(late.iter().all(|&entries| entries <= 128 + 256 + 2), "{entries:?}");
    }
}

/// Replaces the contacts by what deletions of them leave in the log.
async fn delete_all(database: &Database, contacts: &[Contact]) {
    let running = &database.running;
    for batch in contacts.chunks(25) {
        let now = clock::now().millis().to_string();
        let tombstone = |contact: &Contact| {
            let text = |text: &str| AttributeValue::S(text.to_owned());
            let put = PutRequest::builder().item("tenant", text("local")).item("_id", text(&contact.id.to_string()));
            let put = put.item("deleted", AttributeValue::Bool(true)).item("__v", AttributeValue::N("1".to_owned()));
            let put = put.item("updatedAt", AttributeValue::N(now.clone())).build().unwrap();
            WriteRequest::builder().put_request(put).build()
        };
        let puts = batch.iter().map(tombstone).collect();
        running.client.batch_write_item().request_items(&running.contacts_table, puts).send().await.unwrap();
    }
}

/// A row with this body.
fn row(json: Value) -> ImportRow {
    let body = ContactBody::for_create(json.to_string().as_bytes(), &Handling::default()).unwrap();
    ImportRow::new("local", None, body, None, None).unwrap()
}

fn open(rows: &[ImportRow]) -> Vec<RowState> {
    rows.iter().map(|_| RowState::Open).collect()
}

fn said(states: Vec<RowState>) -> String {
    let outcomes = states.into_iter().map(|state| state.outcome().map_or("-".to_owned(), |outcome| format!("{outcome:?}")));
    outcomes.collect::<Vec<_>>().join(" ")
}

/// Imports rows, and says what became of each.
async fn import_rows(app: &App, rows: &[ImportRow], rules: ImportRules) -> Result<String, Error> {
    let mut states = open(rows);
    app.store.import_rows(&caller(), rows, rules, &mut states).await?;
    Ok(said(states))
}

#[tokio::test]
async fn a_row_whose_answer_is_lost_is_in_once() {
    let database = Database::start().await;
    let trouble = Arc::<Trouble>::default();
    let instance = database.instance(&trouble, patient()).await;
    let (plain, external) =
        (row(json!({"name": "plain"})), row(json!({"name": "external", "integration_meta": {"external_id": 7}})));
    let mut lost = [("PutItem", 2), ("TransactWriteItems", 2)];
    trouble.fate(move |operation, _| {
        let left = lost.iter_mut().find(|(lost, left)| *lost == operation && *left > 0);
        left.map_or(Fate::Answered, |(_, left)| {
            *left -= 1;
            Fate::AnswerLost
        })
    });

    let said = import_rows(&instance.app, &[plain.clone(), external.clone()], ImportRules::default()).await.unwrap();

    assert_eq!(said, "Added Added");
    assert_eq!((trouble.count("PutItem"), trouble.count("TransactWriteItems")), (3, 3));
    let expected = [(plain.id(), (0, "plain".to_owned())), (external.id(), (0, "external".to_owned()))];
    assert_eq!(instance.all().await, BTreeMap::from(expected));
}

#[tokio::test]
async fn a_row_that_arrives_late_overwrites_nothing() {
    let database = Database::start().await;
    let trouble = Arc::<Trouble>::default();
    let instance = database.instance(&trouble, patient()).await;
    let row = row(json!({"name": "row"}));
    trouble.fates("PutItem", [Fate::Held]);

    assert_eq!(import_rows(&instance.app, from_ref(&row), ImportRules::default()).await.unwrap(), "Added");
    database.rename(row.id(), "edited").await;
    let effects = trouble.held_requests_arrive_at(database.running.dynamodb_endpoint.as_deref().unwrap()).await;

    assert_eq!(effects, [false]);
    assert_eq!(instance.all().await, BTreeMap::from([(row.id(), (1, "edited".to_owned()))]));
    let replace = ImportRules { replace: true, ..ImportRules::default() };
    assert_eq!(import_rows(&instance.app, from_ref(&row), replace).await.unwrap(), "Replaced");
    assert_eq!(import_rows(&instance.app, from_ref(&row), replace).await.unwrap(), "Unchanged");
    assert_eq!(instance.all().await, BTreeMap::from([(row.id(), (2, "row".to_owned()))]));
}

#[tokio::test]
async fn what_changes_between_reading_and_writing_is_looked_at_again() {
    let database = Database::start().await;
    let trouble = Arc::<Trouble>::default();
    let instance = database.instance(&trouble, patient()).await;
    let (new, there) = (row(json!({"name": "new"})), row(json!({"name": "there"})));
    import_rows(&database.running.app, from_ref(&there), ImportRules::default()).await.unwrap();
    database.rename(there.id(), "edited").await;
    // Somebody else imports the one and deletes the other after both were read.
    let (app, rows) = (database.running.app.clone(), [new.clone(), there.clone()]);
    let mut first = true;
    trouble.before(move |operation| {
        let (app, rows) = (app.clone(), rows.clone());
        let comes_between = operation == "PutItem" && std::mem::take(&mut first);
        async move {
            if comes_between {
                import_rows(&app, &rows[..1], ImportRules::default()).await.unwrap();
                rename(&app, rows[0].id(), "edited").await;
                delete(&app, rows[1].id()).await;
            }
        }
        .boxed()
    });

    let replace = ImportRules { replace: true, ..ImportRules::default() };
    let said = import_rows(&instance.app, from_ref(&there), replace).await.unwrap();
    assert_eq!(said, "Deleted", "the contact that was to be replaced is gone, and stays so");
    assert_eq!(import_rows(&instance.app, from_ref(&new), ImportRules::default()).await.unwrap(), "There");
    assert_eq!(instance.all().await, BTreeMap::from([(new.id(), (1, "edited".to_owned()))]));
    let restore = ImportRules { restore: true, ..ImportRules::default() };
    assert_eq!(import_rows(&instance.app, from_ref(&there), restore).await.unwrap(), "Restored");
    let restored = (there.id(), (3, "there".to_owned()));
    assert_eq!(instance.all().await, BTreeMap::from([(new.id(), (1, "edited".to_owned())), restored]));
}

#[tokio::test]
async fn a_row_and_an_upsert_with_one_external_id_make_one_contact() {
    let database = Database::start().await;
    let trouble = Arc::<Trouble>::default();
    let instance = database.instance(&trouble, patient()).await;
    // The index shows nothing of it yet.
    trouble.distort(|operation, request, answer| {
        if operation == "Query" && request["IndexName"] == "external-id-index" {
            answer["Items"] = json!([]);
        }
    });
    let row = row(json!({"name": "row", "integration_meta": {"external_id": "C-1"}}));
    let (app, mut first) = (database.running.app.clone(), true);
    trouble.before(move |operation| {
        let (app, comes_between) = (app.clone(), operation == "TransactWriteItems" && std::mem::take(&mut first));
        async move {
            if comes_between {
                let id = ExternalId::parse("C-1").unwrap();
                let mut body = UpsertBody::read(br#"{"name": "upserted"}"#, &Handling::default()).unwrap();
                app.store.upsert(&Meter::default(), &caller(), &id, &mut body, None, None).await.unwrap();
            }
        }
        .boxed()
    });

    assert_eq!(import_rows(&instance.app, from_ref(&row), ImportRules::default()).await.unwrap(), "There");
    let there = instance.all().await;
    assert_eq!(there.values().map(|(version, name)| (*version, &**name)).collect::<Vec<_>>(), [(0, "upserted")]);

    // The other way round: the claim of an import is found by an upsert that the index does not help.
    let other = self::row(json!({"name": "other", "integration_meta": {"external_id": "C-2"}}));
    assert_eq!(import_rows(&instance.app, from_ref(&other), ImportRules::default()).await.unwrap(), "Added");
    let mut body = UpsertBody::read(br#"{"name": "upserted"}"#, &Handling::default()).unwrap();
    let id = ExternalId::parse("C-2").unwrap();
    instance.app.store.upsert(&Meter::default(), &caller(), &id, &mut body, None, None).await.unwrap();
    assert_eq!(instance.all().await.get(&other.id()), Some(&(1, "upserted".to_owned())));

    // A contact that an upsert made and that was deleted is known by its claim.
    let upserted = *there.keys().next().unwrap();
    database.delete(upserted).await;
    assert_eq!(import_rows(&instance.app, from_ref(&row), ImportRules::default()).await.unwrap(), "Deleted");
    let restore = ImportRules { restore: true, ..ImportRules::default() };
    assert_eq!(import_rows(&instance.app, from_ref(&row), restore).await.unwrap(), "Restored");
    assert_eq!(instance.all().await.get(&upserted), Some(&(2, "row".to_owned())));
}

#[tokio::test]
async fn with_strict_rules_nothing_after_a_refused_row_is_written() {
    let database = Database::start().await;
    let foreign = row(json!({"name": "foreign", "company_namespace": ["of others"]}));
    let (before, after) = (row(json!({"name": "before"})), row(json!({"name": "after"})));
    let strict = ImportRules { strict: true, ..ImportRules::default() };

    let trouble = Arc::<Trouble>::default();
    let instance = database.instance(&trouble, patient()).await;
    let rows = [before.clone(), foreign, after];
    let mut states = open(&rows);
    // Nor is it when the import goes on after an error.
    trouble.refuse(|operation| operation == "PutItem");
    let busy = instance.app.store.import_rows(&caller(), &rows, strict, &mut states).await;
    assert!(matches!(busy, Err(Error::Unavailable(_))), "{busy:?}");
    trouble.nothing_is_refused();
    instance.app.store.import_rows(&caller(), &rows, strict, &mut states).await.unwrap();

    let said = said(states);
    assert!(said.starts_with("Added Refused(NamespaceNotAllowed") && said.ends_with(" -"), "{said}");
    assert_eq!(instance.all().await, BTreeMap::from([(before.id(), (0, "before".to_owned()))]));
}

#[tokio::test]
async fn an_import_that_is_cut_off_goes_on_where_it_was() {
    let database = Database::start().await;
    let trouble = Arc::<Trouble>::default();
    let instance = database.instance(&trouble, patient()).await;
    let rows: Vec<ImportRow> = (0..50).map(|number| row(json!({"name": format!("row {number}")}))).collect();
    let mut puts = 0;
    trouble.refuse(move |operation| {
        puts += usize::from(operation == "PutItem");
        operation == "PutItem" && puts > 20
    });
    let mut states = open(&rows);
    let cut_off = instance.app.store.import_rows(&caller(), &rows, ImportRules::default(), &mut states).await;
    assert!(matches!(cut_off, Err(Error::Unavailable(_))), "{cut_off:?}");
    let done = states.iter().filter(|state| matches!(state, RowState::Done(_))).count();
    assert_eq!((done, instance.all().await.len()), (20, 20));

    trouble.nothing_is_refused();
    instance.app.store.import_rows(&caller(), &rows, ImportRules::default(), &mut states).await.unwrap();

    assert!(states.iter().all(|state| matches!(state, RowState::Done(RowOutcome::Added))));
    assert_eq!(instance.all().await.len(), 50);
}

#[tokio::test]
async fn a_row_of_which_nothing_was_known_is_counted_as_what_it_became() {
    let database = Database::start().await;
    let trouble = Arc::<Trouble>::default();
    let instance = database.instance(&trouble, patient()).await;
    let rows = [row(json!({"name": "row"}))];
    trouble.fate(|operation, _| if operation == "PutItem" { Fate::AnswerLost } else { Fate::Answered });
    let mut states = open(&rows);
    let unknown = instance.app.store.import_rows(&caller(), &rows, ImportRules::default(), &mut states).await;
    assert!(matches!(unknown, Err(Error::OutcomeUnknown(_))), "{unknown:?}");

    trouble.fate(|_, _| Fate::Answered);
    // Somebody changes it before it is looked at again.
    database.rename(rows[0].id(), "edited").await;
    instance.app.store.import_rows(&caller(), &rows, ImportRules::default(), &mut states).await.unwrap();

    assert_eq!(said(states), "Added");
    assert_eq!(instance.all().await, BTreeMap::from([(rows[0].id(), (1, "edited".to_owned()))]));
}
