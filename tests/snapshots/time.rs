//! Snapshots over days, by a clock that the tests set.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use shared::timestamp::Timestamp;

use super::*;

const HOUR: i64 = 60 * 60 * 1_000;
const DAY: i64 = 24 * HOUR;

/// Declares a clock of its own for a test: `clock` is a function, so each test needs a static.
macro_rules! clock {
    ($now:ident, $clock:ident) => {
        static $now: AtomicI64 = AtomicI64::new(0);
        fn $clock() -> Timestamp {
            Timestamp::from_millis($now.load(Ordering::SeqCst))
        }
        $now.store(shared::clock::now().millis(), Ordering::SeqCst);
    };
}

fn later() -> Instant {
    Instant::now() + Duration::from_secs(900)
}

#[tokio::test]
async fn a_tenant_that_is_silent_for_40_days_is_listed_from_its_snapshot() {
    clock!(NOW, clock);
    let Some(world) = World::start().await else { return };
    world.add(TENANT, names("contact", 30)).await;
    let snapshots = world.snapshots().with_clock(clock);
    snapshots.build(&Meter::default(), TENANT, Base::Log).await.unwrap();
    let exact = world.exact_list(TENANT).await;

    for hour in 1..=40 * 24 {
        NOW.fetch_add(HOUR, Ordering::SeqCst);
        snapshots.look_after_all(&Meter::default(), later()).await.unwrap();
        if hour % 24 != 0 {
            continue;
        }
        let lists = Lists::new(world.store.clone(), ListConfig::default()).with_snapshots(world.objects.clone());
        let meter = Meter::default();
        let page = lists.list(&meter, &caller(TENANT), &page(1), clock()).await.unwrap();
        let readings = meter.readings();
        assert_eq!(readings.index_use.unwrap().source, IndexSource::Snapshot, "day {}", hour / 24);
        assert!(readings.index_use.unwrap().age.as_millis() as i64 <= 5 * DAY, "day {}", hour / 24);
        assert_eq!(page.contacts.iter().map(|contact| contact.name.clone()).collect::<Vec<_>>(), exact);
    }
}

#[tokio::test]
async fn a_deletion_that_is_followed_by_silence_is_out_of_every_object_within_a_day() {
    clock!(NOW, clock);
    let Some(world) = World::start().await else { return };
    let store = world.store.clone().with_clock(clock);
    let contacts = world.add(TENANT, names("contact", 30)).await;
    let snapshots = world.snapshots().with_clock(clock);
    let meter = Meter::default();
    snapshots.build(&meter, TENANT, Base::Log).await.unwrap();
    NOW.fetch_add(HOUR / 2, Ordering::SeqCst);
    store.delete(&meter, &caller(TENANT), contacts[0].id, &Precondition::None).await.unwrap();
    let deleted = clock();

    let mut objects = std::collections::BTreeSet::new();
    for _ in 0..24 {
        let manifest = world.store.manifest(&meter, TENANT, true).await.unwrap().unwrap();
        objects.extend(manifest.current.map(|current| current.object));
        objects.extend(manifest.predecessor.map(|old| old.object));
        NOW.fetch_add(HOUR, Ordering::SeqCst);
        snapshots.look_after_all(&meter, later()).await.unwrap();
    }

    let manifest = world.store.manifest(&meter, TENANT, true).await.unwrap().unwrap();
    let current = manifest.current.unwrap();
    assert!(current.moment > deleted && manifest.predecessor.is_none(), "{current:?}");
    for object in objects.iter().filter(|object| **object != current.object) {
        assert!(world.objects.read(object, 0..1).await.is_err(), "{object} is still there");
    }
    let lists = Lists::new(world.store.clone(), ListConfig::default()).with_snapshots(world.objects.clone());
    let listed = lists.list(&meter, &caller(TENANT), &page(1), clock()).await.unwrap();
    assert_eq!((listed.total, meter.readings().index_use.unwrap().source), (29, IndexSource::Snapshot));
}

#[tokio::test]
async fn no_list_is_from_before_a_reset_mark() {
    let Some(world) = World::start().await else { return };
    let contacts = world.add(TENANT, names("contact", 30)).await;
    world.build(TENANT, Base::Log).await;
    // What a restore does: items change without new stamps, and the mark comes last.
    let running = world.app.running();
    let key = |id: &str| {
        [("tenant", TENANT), ("_id", id)]
            .map(|(name, value)| (name.to_owned(), aws_sdk_dynamodb::types::AttributeValue::S(value.to_owned())))
    };
    for contact in &contacts[..5] {
        let delete = running.client.delete_item().table_name(&running.contacts_table);
        delete.set_key(Some(key(&contact.id.to_string()).into())).send().await.unwrap();
    }
    let meter = Meter::default();
    world.store.write_reset_mark(&meter, TENANT, true, shared::clock::now()).await.unwrap();

    let (listed, source, _) = world.cold_list(TENANT).await;
    assert_eq!((listed.len(), source), (25, IndexSource::Log));

    // The schedule builds the next one from the whole log, and lists start from it.
    world.snapshots().look_after_all(&meter, later()).await.unwrap();
    let (listed, source, ignored) = world.cold_list(TENANT).await;
    assert_eq!((listed.len(), source, ignored), (25, IndexSource::Snapshot, 0));
}
