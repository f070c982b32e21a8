//! Cold lists from snapshots.

use std::sync::Arc;
use std::time::{Duration, Instant};

use shared::function::Job;
use shared::store::{Lease, Swap};

use super::*;

#[tokio::test]
async fn a_cold_list_is_the_snapshot_and_what_was_written_since() {
    let Some(world) = World::start().await else { return };
    let contacts = world.add(TENANT, names("before", 250)).await;
    world.build(TENANT, Base::Log).await;
    world.add(TENANT, names("after", 30)).await;
    let meter = Meter::default();
    for contact in &contacts[..20] {
        world.store.delete(&meter, &caller(TENANT), contact.id, &Precondition::None).await.unwrap();
    }

    let (listed, source, ignored) = world.cold_list(TENANT).await;

    assert_eq!((source, ignored), (IndexSource::Snapshot, 0));
    assert_eq!(listed.len(), 260);
    assert_eq!(listed, world.exact_list(TENANT).await);
}

#[tokio::test]
async fn a_snapshot_costs_a_cold_list_one_request_for_its_manifest_and_none_for_its_contacts() {
    let Some(world) = World::start().await else { return };
    world.add(TENANT, names("contact", 3_000)).await;
    world.build(TENANT, Base::Log).await;
    let lists = || Lists::new(world.store.clone(), ListConfig::default());
    let cost = async |lists: Lists| {
        let meter = Meter::default();
        lists.list(&meter, &caller(TENANT), &page(1), clock::now()).await.unwrap();
        (meter.readings().requests, meter.readings().capacity)
    };

    let (_, without) = cost(lists()).await;
    let (requests, with) = cost(lists().with_snapshots(world.objects.clone())).await;

    // The log since the snapshot's moment less the long overlap has all of these contacts, which were just written.
    assert_eq!(requests, 3, "manifest, log, page");
    assert!(with <= without + 1.0, "{with} {without}");
}

#[tokio::test]
async fn a_snapshot_is_built_from_the_one_before_it() {
    let Some(world) = World::start().await else { return };
    world.add(TENANT, names("first", 150)).await;
    let first = world.build(TENANT, Base::Log).await;
    world.add(TENANT, names("second", 150)).await;
    let second = world.build(TENANT, Base::Snapshot).await;
    let third = world.build(TENANT, Base::Snapshot).await;

    assert_eq!(second.contacts, 300);
    assert_eq!(third.log_read_at, first.log_read_at, "the whole log was read once");
    let (listed, source, ignored) = world.cold_list(TENANT).await;
    assert_eq!((listed.len(), source, ignored), (300, IndexSource::Snapshot, 0));
    // Of three objects the last two are there.
    assert!(world.objects.read(&first.object, 0..1).await.is_err());
    assert!(world.objects.read(&second.object, 0..1).await.is_ok());
}

#[tokio::test]
async fn of_two_writers_the_one_that_is_further_wins() {
    let Some(world) = World::start().await else { return };
    world.add(TENANT, names("contact", 10)).await;
    let (meter, snapshots) = (Meter::default(), world.snapshots());

    let lease = Lease { object: "another".to_owned(), until: clock::now().plus_millis(60_000) };
    world.store.lease_manifest(&meter, TENANT, &lease, clock::now()).await.unwrap();
    assert_eq!(snapshots.build(&meter, TENANT, Base::Log).await.unwrap(), Done::ElsewhereBuilt);
    world.store.release_manifest(&meter, TENANT, &lease.object).await.unwrap();
    world.build(TENANT, Base::Log).await;

    // A writer that was overtaken, because it was frozen until its lease was over.
    let manifest = world.store.manifest(&meter, TENANT, true).await.unwrap().unwrap();
    let current = manifest.current.clone().unwrap();
    let behind = Current { object: "behind".to_owned(), moment: current.moment.plus_millis(-1), ..current.clone() };
    let swapped = world.store.swap_manifest(&meter, &manifest, &behind, clock::now()).await.unwrap();
    assert_eq!(swapped, Swap::Behind);
    let after = world.store.manifest(&meter, TENANT, true).await.unwrap().unwrap();
    assert_eq!(after.current, Some(current));
}

#[tokio::test]
async fn a_small_tenant_has_no_snapshot_and_no_more_once_it_has_become_small() {
    let Some(world) = World::start().await else { return };
    let contacts = world.add(TENANT, names("contact", 20)).await;
    let current = world.build(TENANT, Base::Log).await;
    let meter = Meter::default();
    for contact in &contacts[..15] {
        world.store.delete(&meter, &caller(TENANT), contact.id, &Precondition::None).await.unwrap();
    }

    let snapshots = world.snapshots().with_least_contacts(10);
    let done = snapshots.build(&meter, TENANT, Base::Snapshot).await.unwrap();

    assert_eq!(done, Done::Small { contacts: 5 });
    let manifest = world.store.manifest(&meter, TENANT, true).await.unwrap().unwrap();
    assert_eq!((manifest.current, manifest.lease), (None, None));
    assert_eq!(manifest.predecessor.map(|old| old.object), Some(current.object));
    let (listed, source, ignored) = world.cold_list(TENANT).await;
    assert_eq!((listed.len(), source, ignored), (5, IndexSource::Log, 0));
}

#[tokio::test]
async fn the_changes_of_the_stream_lead_to_snapshots() {
    let Some(world) = World::start().await else { return };
    world.add(TENANT, names("contact", 10)).await;
    let snapshots = Arc::new(world.snapshots());
    let event = |count: usize| {
        let record = |number: usize| {
            json!({"eventName": "MODIFY", "dynamodb": {
                "Keys": {"tenant": {"S": TENANT}, "_id": {"S": format!("{number:024x}")}}, "SequenceNumber": number.to_string()
            }})
        };
        let mark = json!({"dynamodb": {
            "Keys": {"tenant": {"S": TENANT}, "_id": {"S": "reset-mark#1"}}, "SequenceNumber": "0"
        }});
        json!({"Records": (0..count).map(record).chain([mark]).collect::<Vec<_>>()})
    };
    let handle = async |event| {
        let deadline = Instant::now() + Duration::from_secs(900);
        let job = Job { event, deadline, meter: Meter::default() };
        snapshot_client_contacts::handle(Arc::clone(&snapshots), job).await.unwrap()
    };

    assert_eq!(handle(event(3)).await, json!({"batchItemFailures": []}));
    let meter = Meter::default();
    let first = world.store.manifest(&meter, TENANT, true).await.unwrap().unwrap();
    assert_eq!((first.changes, first.current.as_ref().unwrap().contacts), (0, 10));

    handle(event(999)).await;
    let counted = world.store.manifest(&meter, TENANT, true).await.unwrap().unwrap();
    assert_eq!((counted.changes, counted.current), (999, first.current));
    assert_eq!(handle(json!({"look_after": "all"})).await, json!({"tenants": 1}));
}

#[tokio::test]
async fn an_operator_deletes_a_snapshot_at_once() {
    let Some(world) = World::start().await else { return };
    world.add(TENANT, names("contact", 10)).await;
    let objects = [world.build(TENANT, Base::Log).await.object, world.build(TENANT, Base::Log).await.object];

    assert!(world.snapshots().delete(&Meter::default(), TENANT).await.unwrap());

    for object in objects {
        assert!(world.objects.read(&object, 0..1).await.is_err());
    }
    assert!(!world.snapshots().delete(&Meter::default(), TENANT).await.unwrap());
    let (listed, source, ignored) = world.cold_list(TENANT).await;
    assert_eq!((listed.len(), source, ignored), (10, IndexSource::Log, 0));
}
