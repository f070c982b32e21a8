//! Upserts by external id while answers are lost, requests come late, the index lags, and others write in between.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use shared::body::UpsertBody;
use shared::external_id::ExternalId;
use shared::store::{Store, Upserted};

use super::*;

const ID: &str = "C-1";

async fn upsert(store: &Store, name: &str) -> Result<Upserted, Error> {
    let mut body = UpsertBody::read(json!({"name": name}).to_string().as_bytes(), &Handling::default()).unwrap();
    store.upsert(&Meter::default(), &caller(), &ExternalId::parse(ID).unwrap(), &mut body, None, None).await
}

/// The contact that it created, or that it updated.
fn created(upserted: Result<Upserted, Error>) -> Contact {
    match upserted.unwrap() {
        Upserted::Created(contact) => contact,
        other => panic!("{other:?}"),
    }
}

fn updated(upserted: Result<Upserted, Error>) -> Contact {
    match upserted.unwrap() {
        Upserted::Updated(contact) => contact,
        other => panic!("{other:?}"),
    }
}

impl Database {
    /// The contacts that carry the external id.
    async fn carriers(&self) -> BTreeSet<ObjectId> {
        let scan = self.running.client.scan().table_name(&self.running.contacts_table).consistent_read(true);
        let items = scan.send().await.unwrap().items.unwrap();
        let carrying = items.iter().filter(|item| item.get("external_id") == Some(&AttributeValue::S(ID.to_owned())));
        carrying.map(|item| item["_id"].as_s().unwrap().parse().unwrap()).collect()
    }
}

/// An index of external ids that shows nothing.
fn lagging(trouble: &Trouble) {
    trouble.distort(|operation, request, answer| {
        if operation == "Query" && request["IndexName"] == "external-id-index" {
            answer["Items"] = json!([]);
        }
    });
}

#[tokio::test]
async fn the_claim_finds_what_the_index_does_not_show_yet() {
    let database = Database::start().await;
    let trouble = Arc::<Trouble>::default();
    lagging(&trouble);
    let (one, other) = (database.instance(&trouble, patient()).await, database.instance(&trouble, patient()).await);

    let contact = created(upsert(&one.app.store, "first").await);
    let changed = updated(upsert(&other.app.store, "second").await);

    assert_eq!((changed.id, changed.version, changed.name.as_str()), (contact.id, 1, "second"));
    // A claim that names a deleted contact, or one with another external id, blocks nothing.
    database.delete(contact.id).await;
    let second = created(upsert(&one.app.store, "third").await);
    let body = ContactBody::for_update(br#"{"integration_meta": {"external_id": "C-2"}}"#, &Handling::default()).unwrap();
    database.running.app.store.update(&Meter::default(), &caller(), second.id, &body, &Precondition::None).await.unwrap();
    let third = created(upsert(&other.app.store, "fourth").await);
    assert_eq!(database.carriers().await, [third.id].into());
}

#[tokio::test]
async fn an_upsert_whose_answer_is_lost_creates_once() {
    let database = Database::start().await;
    let trouble = Arc::<Trouble>::default();
    let instance = database.instance(&trouble, patient()).await;
    trouble.fates("TransactWriteItems", [Fate::AnswerLost]);

    let contact = created(upsert(&instance.app.store, "first").await);

    assert_eq!(trouble.count("TransactWriteItems"), 2);
    assert_eq!(database.carriers().await, [contact.id].into());
    let there = database.running.app.store.get(&Meter::default(), "local", contact.id).await.unwrap();
    assert_eq!(there.as_ref(), Some(&contact), "the answer has the times of the try that was applied");
}

#[tokio::test]
async fn a_creation_that_arrives_late_makes_no_second_contact() {
    let database = Database::start().await;
    let trouble = Arc::<Trouble>::default();
    lagging(&trouble);
    let instance = database.instance(&trouble, patient()).await;
    let rival = database.running.app.store.clone();
    // The first try is under way when somebody else creates the contact.
    let mut first = true;
    let rival_creates = {
        let rival = rival.clone();
        async move { drop(created(upsert(&rival, "rival").await)) }.boxed().shared()
    };
    trouble.fate(move |operation, _| match operation {
        "TransactWriteItems" if std::mem::take(&mut first) => Fate::Held,
        _ => Fate::Answered,
    });
    let mut transactions = 0;
    trouble.before(move |operation| {
        transactions += usize::from(operation == "TransactWriteItems");
        if operation == "TransactWriteItems" && transactions == 2 { rival_creates.clone().boxed() } else { async {}.boxed() }
    });

    let contact = updated(upsert(&instance.app.store, "late").await);
    assert_eq!((contact.version, contact.name.as_str()), (1, "late"));
    let effects = trouble.held_requests_arrive_at(database.running.dynamodb_endpoint.as_deref().unwrap()).await;

    assert_eq!(effects, [false]);
    assert_eq!(database.carriers().await, [contact.id].into());
}

#[tokio::test]
async fn a_creation_whose_tries_are_all_lost_is_not_known_and_is_one_at_most() {
    let database = Database::start().await;
    let trouble = Arc::<Trouble>::default();
    let instance = database.instance(&trouble, patient()).await;
    trouble.fate(|operation, _| if operation == "TransactWriteItems" { Fate::Held } else { Fate::Answered });

    assert!(matches!(upsert(&instance.app.store, "lost").await, Err(Error::OutcomeUnknown(_))));
    assert!(database.carriers().await.is_empty());
    let effects = trouble.held_requests_arrive_at(database.running.dynamodb_endpoint.as_deref().unwrap()).await;

    assert!(effects.len() > 1);
    assert_eq!(effects.iter().filter(|effect| **effect).count(), 1, "{effects:?}");
    assert_eq!(database.carriers().await.len(), 1);
}

#[tokio::test]
async fn a_contact_that_goes_away_before_it_is_updated_is_looked_for_again() {
    let database = Database::start().await;
    for takes_the_id_away in [false, true] {
        let store = database.running.app.store.clone();
        let contact = created(upsert(&store, "there").await);
        let trouble = Arc::<Trouble>::default();
        let instance = database.instance(&trouble, patient()).await;
        let mut first = true;
        trouble.before(move |operation| {
            let (store, goes) = (store.clone(), operation == "UpdateItem" && std::mem::take(&mut first));
            async move {
                let body = br#"{"integration_meta": {"external_id": "C-2"}}"#;
                let body = ContactBody::for_update(body, &Handling::default()).unwrap();
                if goes && takes_the_id_away {
                    store.update(&Meter::default(), &caller(), contact.id, &body, &Precondition::None).await.unwrap();
                } else if goes {
                    store.delete(&Meter::default(), &caller(), contact.id, &Precondition::None).await.unwrap();
                }
            }
            .boxed()
        });

        let second = created(upsert(&instance.app.store, "again").await);

        assert_ne!(second.id, contact.id);
        assert_eq!(database.carriers().await, [second.id].into());
        database.delete(second.id).await;
    }
}

#[tokio::test]
async fn an_update_that_meets_a_transaction_is_tried_again() {
    let database = Database::start().await;
    created(upsert(&database.running.app.store, "there").await);
    let trouble = Arc::<Trouble>::default();
    let instance = database.instance(&trouble, patient()).await;
    let conflict = || Fate::Refused("TransactionConflictException");
    trouble.fates("UpdateItem", [conflict(), conflict()]);

    let contact = updated(upsert(&instance.app.store, "again").await);

    assert_eq!((contact.version, trouble.count("UpdateItem")), (1, 3));
}

#[tokio::test]
async fn without_the_full_change_log_nothing_is_upserted() {
    let database = Database::start().await;
    let store = database.running.app.store.clone().with_change_log_index("updatedAt-index");

    assert!(matches!(upsert(&store, "early").await, Err(Error::Unavailable(_))));
    assert!(database.carriers().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_instances_make_one_contact_though_their_answers_get_lost() {
    let database = Database::start().await;
    let trouble = Arc::<Trouble>::default();
    lagging(&trouble);
    let mut number = 0;
    trouble.fate(move |operation, _| {
        number += 1;
        let is_write = matches!(operation, "TransactWriteItems" | "UpdateItem");
        if is_write && number % 3 == 0 { Fate::AnswerLost } else { Fate::Answered }
    });
    let mut instances = Vec::new();
    for _ in 0..4 {
        instances.push(database.instance(&trouble, patient()).await);
    }

    let calls = (0..24_usize).map(|call| {
        let store = &instances[call % instances.len()].app.store;
        async move { upsert(store, &call.to_string()).await }
    });
    let outcomes = join_all(calls).await;

    let mut ids = BTreeSet::new();
    let mut creations = 0;
    for outcome in outcomes {
        match outcome {
            Ok(Upserted::Created(contact)) => {
                creations += 1;
                ids.insert(contact.id);
            }
            Ok(Upserted::Updated(contact)) => drop(ids.insert(contact.id)),
            Err(Error::OutcomeUnknown(_) | Error::Unavailable(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(creations <= 1 && ids.len() == 1, "{creations} {ids:?}");
    assert_eq!(database.carriers().await, ids);
}
