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
use tempfile::tempdir;
use testkit::{Serving, contact};
use tokio::time::timeout;

use crate::contacts;

const TABLE: &str = "ContactsTable";
const INDEX: &str = "updatedAt-index";

/// Opens a folder as no version of the program would.
async fn tamper(folder: &Path, change: impl AsyncFnOnce(Client)) {
    let engine = Engine::start(Storage::Folder(folder.to_owned(), Missing::Fail), None).await.unwrap();
    change(engine.client()).await;
    engine.stop().await;
}

fn drop_index() -> GlobalSecondaryIndexUpdate {
    let delete = DeleteGlobalSecondaryIndexAction::builder().index_name(INDEX).build().unwrap();
    GlobalSecondaryIndexUpdate::builder().delete(delete).build()
}

fn key(attribute: &str, kind: KeyType) -> KeySchemaElement {
    KeySchemaElement::builder().attribute_name(attribute).key_type(kind).build().unwrap()
}

fn attribute(name: &str, kind: ScalarAttributeType) -> AttributeDefinition {
    AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build().unwrap()
}

/// Gives a folder the index that an older template declared.
async fn make_older(folder: &Path, projection: &Projection) {
    tamper(folder, async |client| {
        let create = aws_sdk_dynamodb::types::CreateGlobalSecondaryIndexAction::builder()
            .index_name(INDEX)
            .key_schema(key("tenant", KeyType::Hash))
            .key_schema(key("updatedAt", KeyType::Range))
            .projection(projection.clone())
            .build()
            .unwrap();
        let create = GlobalSecondaryIndexUpdate::builder().create(create).build();
        for update in [drop_index(), create] {
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
    })
    .await;
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
        assert!(log.contains("The index updatedAt-index of ContactsTable "), "{log}");
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
