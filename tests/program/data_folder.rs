//! Data folders that another version of the program made, and such that are not whole any more.

use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, DeleteGlobalSecondaryIndexAction, GlobalSecondaryIndex, GlobalSecondaryIndexUpdate,
    KeySchemaElement, KeyType, Projection, ProjectionType, ScalarAttributeType,
};
use contacts::engine::{Engine, Missing, Storage};
use futures::StreamExt as _;
use futures::stream;
use serde_json::{Value, json};
use tempfile::tempdir;
use testkit::{Serving, contact};
use tokio::time::timeout;

use crate::contacts;

const TABLE: &str = "ContactsTable";
const INDEX: &str = "change-log-index";
const FORMER_INDEX: &str = "updatedAt-index";

/// Opens a folder as no version of the program would.
async fn tamper(folder: &Path, change: impl AsyncFnOnce(Client)) {
    let engine = Engine::start(Storage::Folder(folder.to_owned(), Missing::Fail), None).await.unwrap();
    change(engine.client()).await;
    engine.stop().await;
}

fn drop_index() -> GlobalSecondaryIndexUpdate {
    drop_index_named(INDEX)
}

fn drop_index_named(name: &str) -> GlobalSecondaryIndexUpdate {
    let delete = DeleteGlobalSecondaryIndexAction::builder().index_name(name).build().unwrap();
    GlobalSecondaryIndexUpdate::builder().delete(delete).build()
}

/// Builds a change log under a name.
fn create_index_named(name: &str, projection: &Projection) -> GlobalSecondaryIndexUpdate {
    let create = aws_sdk_dynamodb::types::CreateGlobalSecondaryIndexAction::builder()
        .index_name(name)
        .key_schema(key("tenant", KeyType::Hash))
        .key_schema(key("updatedAt", KeyType::Range))
        .projection(projection.clone())
        .build()
        .unwrap();
    GlobalSecondaryIndexUpdate::builder().create(create).build()
}

fn key(attribute: &str, kind: KeyType) -> KeySchemaElement {
    KeySchemaElement::builder().attribute_name(attribute).key_type(kind).build().unwrap()
}

fn attribute(name: &str, kind: ScalarAttributeType) -> AttributeDefinition {
    AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build().unwrap()
}

/// Gives a folder the index that an older template declared.
async fn make_older(folder: &Path, projection: &Projection) {
    tamper(folder, async |client| update_table(&client, [drop_index(), create_index_named(INDEX, projection)]).await).await;
}

async fn update_table<const N: usize>(client: &Client, updates: [GlobalSecondaryIndexUpdate; N]) {
    for update in updates {
        client
            .update_table()
            .table_name(TABLE)
            .attribute_definitions(attribute("tenant", ScalarAttributeType::S))
            .attribute_definitions(attribute("updatedAt", ScalarAttributeType::N))
            .global_secondary_index_updates(update)
            .send()
            .await
            .unwrap();
    }
}

/// Makes a folder what the first version would have made of it: its one index, and contacts without the attribute `external_id`.
async fn make_first_version(folder: &Path) {
    tamper(folder, async |client| {
        let former = create_index_named(FORMER_INDEX, &older_projection());
        update_table(&client, [drop_index(), drop_index_named("external-id-index"), former]).await;
        let items = client.scan().table_name(TABLE).send().await.unwrap().items.unwrap();
        for item in items.iter().filter(|item| item.contains_key("external_id")) {
            let update =
                client.update_item().table_name(TABLE).key("tenant", item["tenant"].clone()).key("_id", item["_id"].clone());
            update.update_expression("REMOVE external_id").send().await.unwrap();
        }
    })
    .await;
}

/// The indexes of a folder's table, sorted.
async fn indexes(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    tamper(folder, async |client| {
        let table = client.describe_table().table_name(TABLE).send().await.unwrap().table.unwrap();
        names.extend(table.global_secondary_indexes().iter().filter_map(|index| index.index_name().map(str::to_owned)));
    })
    .await;
    names.sort();
    names
}

/// A folder of the first version with this many contacts, whose external ids are their numbers.
async fn first_version(folder: &Path, contacts: u32) {
    let serving = serve(folder).await;
    let caller = serving.caller(None);
    let numbered = |number: u32| contact().name(&number.to_string()).with("integration_meta", json!({"external_id": number}));
    stream::iter(0..contacts).for_each_concurrent(10, async |number| drop(caller.add(numbered(number)).await)).await;
    serving.signal("TERM").await;
    make_first_version(folder).await;
}

#[tokio::test]
async fn a_folder_of_the_first_version_gets_its_external_ids_once() {
    let folder = tempdir().unwrap();
    first_version(folder.path(), 3).await;

    let serving = serve(folder.path()).await;
    let found = serving.caller(None).list("integration_meta.external_id=1").await;
    let log = serving.signal("TERM").await.errors;

    assert_eq!(found.expect(200).names(), ["1"]);
    assert!(log.contains("3 of 3 items of ContactsTable have changed."), "{log}");
    assert_eq!(indexes(folder.path()).await, [INDEX, "external-id-index"]);
    let log = serve(folder.path()).await.signal("TERM").await.errors;
    assert!(!log.contains("items of ContactsTable") && !log.contains("The index "), "{log}");
}

#[tokio::test]
async fn a_death_while_a_folder_is_brought_up_to_date_loses_nothing() {
    let folder = tempdir().unwrap();
    first_version(folder.path(), 300).await;

    for milliseconds in [0, 20, 60] {
        let dying = contacts().serve(folder.path());
        dying.kill_after("get what finds them", Duration::from_millis(milliseconds)).await;
        // Where the index of external ids is, every contact is in it.
        if indexes(folder.path()).await.contains(&"external-id-index".to_owned()) {
            break;
        }
    }

    let serving = serve(folder.path()).await;
    let caller = serving.caller(None);
    for number in [0, 150, 299] {
        assert_eq!(caller.list(format!("integration_meta.external_id={number}")).await.names(), [number.to_string()]);
    }
    assert_eq!(caller.list("").await.total(), 300);
}

#[tokio::test]
async fn the_command_migrates_a_folder_that_is_served_and_one_that_is_not() {
    let folder = tempdir().unwrap();
    let migrate = async |arguments: &[&str]| {
        let finished = contacts().with(&["migrate", "--data", folder.path().to_str().unwrap()]).with(arguments).run().await;
        assert_eq!(finished.code, Some(0), "{finished:?}");
        finished.output
    };
    first_version(folder.path(), 3).await;
    let said = |tenants: u32| format!("Contacts changed: 0. Tenants whose lists are loaded anew from now on: {tenants}.\n");

    // It brings the folder up to date first, as serving it does.
    assert!(migrate(&[]).await.ends_with(&said(1)));
    let serving = serve(folder.path()).await;
    assert_eq!(serving.caller(None).list("integration_meta.external_id=2").await.names(), ["2"]);
    assert!(migrate(&["--tenant", "local"]).await.ends_with(&said(1)));
    assert!(migrate(&["--tenant", "nobody"]).await.ends_with(&said(0)));
    let for_scripts: Value = serde_json::from_str(&migrate(&["--tenant", "local", "--json"]).await).unwrap();
    assert!(for_scripts["read"].as_u64() >= Some(3), "{for_scripts}");
    assert_eq!((&for_scripts["changed"], &for_scripts["tenants"]), (&json!(0), &json!(1)));
    assert_eq!(serving.caller(None).list("").await.total(), 3);

    let missing = folder.path().join("missing");
    let refused = contacts().with(&["migrate", "--data", missing.to_str().unwrap()]).run().await;
    assert_eq!(refused.code, Some(3), "{refused:?}");
    assert_eq!(refused.errors.lines().count(), 1, "{refused:?}");
}

fn older_projection() -> Projection {
    let attributes = ["name", "createdAt", "company_namespace", "__v"].map(str::to_owned).to_vec();
    Projection::builder().projection_type(ProjectionType::Include).set_non_key_attributes(Some(attributes)).build()
}

async fn serve(folder: &Path) -> Serving {
    contacts().serve(folder).start_serving().await
}

#[tokio::test]
async fn an_index_of_an_older_version_is_built_anew() {
    let folder = tempdir().unwrap();
    let serving = serve(folder.path()).await;
    let caller = serving.caller(None);
    let kept = caller.add(contact().name("Kept").with("title", "Director").with("phone1", "+1")).await;
    let deleted = caller.add(contact().name("Deleted")).await;
    caller.delete(deleted.id()).await.expect(200);
    serving.signal("TERM").await;

    let keys_only = Projection::builder().projection_type(ProjectionType::KeysOnly).build();
    for projection in [Some(older_projection()), Some(keys_only), None] {
        match projection {
            Some(projection) => make_older(folder.path(), &projection).await,
            None => {
                tamper(folder.path(), async |client| {
                    client.update_table().table_name(TABLE).global_secondary_index_updates(drop_index()).send().await.unwrap();
                })
                .await;
            }
        }
        let serving = serve(folder.path()).await;

        let listed = serving.caller(None).list("sort=-title&search=kept").await;
        assert_eq!(listed.contacts(), std::slice::from_ref(&kept));
        assert_eq!(serving.caller(None).list("").await.total(), 1);
        let log = serving.signal("TERM").await.errors;
        assert!(log.contains("The index change-log-index of ContactsTable "), "{log}");
    }
    // Once it is up to date, there is nothing to be done.
    let log = serve(folder.path()).await.signal("TERM").await.errors;
    assert!(!log.contains("The index "), "{log}");
}

#[tokio::test]
async fn a_death_while_an_index_is_built_loses_nothing() {
    let folder = tempdir().unwrap();
    let data = folder.path().join("data");
    let filled = contacts().with(&["seed", "--count", "3000", "--data", data.to_str().unwrap()]).run().await;
    assert_eq!(filled.code, Some(0), "{filled:?}");
    // The order needs what the older index does not hold.
    const LIST: &str = "sort=-title&per_page=100";
    let serving = serve(&data).await;
    let expected = serving.caller(None).list(LIST).await.contacts();
    serving.signal("TERM").await;

    for milliseconds in [0, 5, 20, 50, 100, 200] {
        make_older(&data, &older_projection()).await;
        // However far it has come.
        contacts().serve(&data).kill_after("has changed and is rebuilt", Duration::from_millis(milliseconds)).await;

        let serving = serve(&data).await;
        let listed = serving.caller(None).list(LIST).await;
        assert_eq!(listed.total(), 3000);
        assert_eq!(listed.contacts(), expected);
        serving.kill().await;
    }
}

#[tokio::test]
async fn a_table_with_another_key_is_refused_and_stays() {
    let folder = tempdir().unwrap();
    serve(folder.path()).await.signal("TERM").await;
    tamper(folder.path(), async |client| {
        client.delete_table().table_name(TABLE).send().await.unwrap();
        let index = GlobalSecondaryIndex::builder()
            .index_name(INDEX)
            .key_schema(key("tenant", KeyType::Hash))
            .key_schema(key("updatedAt", KeyType::Range))
            .projection(older_projection());
        client
            .create_table()
            .table_name(TABLE)
            .billing_mode(BillingMode::PayPerRequest)
            .key_schema(key("tenant", KeyType::Hash))
            .key_schema(key("_id", KeyType::Range))
            .attribute_definitions(attribute("tenant", ScalarAttributeType::S))
            .attribute_definitions(attribute("_id", ScalarAttributeType::S))
            .attribute_definitions(attribute("updatedAt", ScalarAttributeType::S))
            .global_secondary_indexes(index.build().unwrap())
            .send()
            .await
            .unwrap();
    })
    .await;

    let refused = timeout(Duration::from_secs(60), contacts().serve(folder.path()).run()).await.expect("it is refused");

    assert_eq!(refused.code, Some(3), "{refused:?}");
    let sentence = refused.errors.replace(folder.path().to_str().unwrap(), "<data>");
    insta::assert_snapshot!(sentence.trim_end(), @"The data folder <data> cannot be used: the table ContactsTable has updatedAt of type S in a key where this version needs type N; use the version that made it, or another data folder or table prefix.");
    tamper(folder.path(), async |client| {
        assert!(client.describe_table().table_name(TABLE).send().await.is_ok());
    })
    .await;
}

/// A folder with contacts in it, whose program was killed. They are few enough that SQLite has not begun its log anew.
async fn killed(folder: &Path) {
    let serving = serve(folder).await;
    let caller = serving.caller(None);
    stream::iter(0..20)
        .for_each_concurrent(10, async |number| drop(caller.add(contact().name(&format!("{number}"))).await))
        .await;
    serving.kill().await;
}

#[tokio::test]
async fn a_log_that_was_cut_is_mentioned() {
    let folder = tempdir().unwrap();
    killed(folder.path()).await;
    let log = File::options().write(true).open(folder.path().join("contacts.db-wal")).unwrap();
    let length = log.metadata().unwrap().len();
    assert!(length > 20_000, "{length}");
    log.set_len(length - 100).unwrap();

    let serving = serve(folder.path()).await;
    let total = serving.caller(None).list("").await.total();
    let said = serving.signal("TERM").await.errors;

    assert!((10..=20).contains(&total), "{total}");
    assert!(said.contains("contacts.db-wal are no complete change and are left out"), "{said}");
}

#[tokio::test]
async fn a_damaged_database_is_one_sentence() {
    let folder = tempdir().unwrap();
    let serving = serve(folder.path()).await;
    serving.caller(None).add(contact()).await;
    serving.signal("TERM").await;
    let database = folder.path().join("contacts.db");
    let mut bytes = fs::read(&database).unwrap();
    // All pages behind the first two.
    let page = usize::from(u16::from_be_bytes([bytes[16], bytes[17]]));
    bytes[2 * page..].fill(0x5a);
    fs::write(&database, &bytes).unwrap();

    for arguments in [&["serve", "--port", "0"][..], &["keys", "list"], &["seed", "--count", "1"]] {
        let refused = contacts().with(arguments).with(&["--data", folder.path().to_str().unwrap()]).run().await;

        let sentence = format!(
            "The database {} is damaged: restore its folder from a backup, or move the folder away to start with an empty one.\n",
            database.display()
        );
        assert_eq!((refused.code, refused.errors), (Some(3), sentence), "{arguments:?}");
    }
    assert_eq!(fs::read(&database).unwrap(), bytes);
}

#[tokio::test]
async fn damage_that_shows_while_serving_is_no_busy_database() {
    let folder = tempdir().unwrap();
    serve(folder.path()).await.signal("TERM").await;
    let data = folder.path().to_str().unwrap();
    let filled = contacts().with(&["seed", "--count", "3000", "--data", data]).run().await;
    assert_eq!(filled.code, Some(0), "{filled:?}");
    let serving = serve(folder.path()).await;
    let database = folder.path().join("contacts.db");
    let mut bytes = fs::read(&database).unwrap();
    let page = usize::from(u16::from_be_bytes([bytes[16], bytes[17]]));
    // Most of the contacts, in a file that stays the same one.
    let begin = bytes.len() / page / 4 * page;
    bytes[begin..].fill(0x5a);
    fs::write(&database, &bytes).unwrap();

    let answer = reqwest::get(format!("{}/client-contact?search=a&sort=title", serving.url)).await.unwrap();

    assert_eq!(answer.status(), 500);
    assert!(!answer.text().await.unwrap().contains("malformed"));
    let log = serving.kill().await.errors;
    assert!(log.contains(&format!("The database {} is damaged", database.display())), "{log}");
}
