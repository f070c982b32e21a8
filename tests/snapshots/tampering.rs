//! Snapshots that are not what they should be. Each is ignored, counted, and nothing of it shows in a list.

use super::*;

/// Lists a tenant whose snapshot was changed; it must be ignored, and the list be exact.
async fn is_ignored(world: &World, exact: &[String], what: &str) {
    let (listed, source, ignored) = world.cold_list(TENANT).await;

    assert_eq!((source, ignored), (IndexSource::Log, 1), "{what}");
    assert_eq!(listed, exact, "{what}");
}

#[tokio::test]
async fn a_snapshot_that_was_tampered_with_is_ignored() {
    let Some(world) = World::start().await else { return };
    world.add("another", names("not ours", 40)).await;
    let another = world.build("another", Base::Log).await;
    world.add(TENANT, names("first", 40)).await;
    let older = world.build(TENANT, Base::Log).await;
    let deleted = world.add(TENANT, names("second", 40)).await;
    let current = world.build(TENANT, Base::Log).await;
    world.store.delete(&Meter::default(), &caller(TENANT), deleted[0].id, &Precondition::None).await.unwrap();
    let read = async |of: &Current| world.objects.read(&of.object, 0..of.bytes).await.unwrap();
    let (right, older, another) = (read(&current).await, read(&older).await, read(&another).await);
    let (_, source, ignored) = world.cold_list(TENANT).await;
    assert_eq!((source, ignored), (IndexSource::Snapshot, 0));

    let exact = world.exact_list(TENANT).await;
    let length = right.len();
    let mut changed: Vec<(String, Vec<u8>)> = vec![
        ("nothing".to_owned(), Vec::new()),
        ("an older one".to_owned(), older),
        ("another tenant's".to_owned(), another),
        ("noise".to_owned(), (0..length).map(|place| (place * 7_919 % 251) as u8).collect()),
        ("one byte more".to_owned(), [&right[..], b"x"].concat()),
    ];
    changed.extend([1, length / 2, length - 1].map(|cut| (format!("cut at {cut}"), right[..cut].to_vec())));
    for place in (0..length).step_by(length / 30 + 1).chain(length - 12..length) {
        let mut flipped = right.clone();
        flipped[place] ^= 0x10;
        changed.push((format!("byte {place} of {length}"), flipped));
    }
    for (what, bytes) in changed {
        world.objects.create(&current.object, bytes).await.unwrap();
        // What comes after the object's length is not read.
        if what == "one byte more" {
            assert_eq!(world.cold_list(TENANT).await.1, IndexSource::Snapshot);
        } else {
            is_ignored(&world, &exact, &what).await;
        }
    }
    world.objects.delete(&current.object).await.unwrap();
    is_ignored(&world, &exact, "no object").await;

    // And the next build does not go on from it.
    world.objects.create(&current.object, b"noise".to_vec()).await.unwrap();
    world.build(TENANT, Base::Snapshot).await;
    let (listed, source, ignored) = world.cold_list(TENANT).await;
    assert_eq!((source, ignored), (IndexSource::Snapshot, 0));
    assert_eq!(listed, world.exact_list(TENANT).await);
}

#[tokio::test]
async fn an_index_that_is_too_large_is_refused_without_loading_the_log() {
    let Some(world) = World::start().await else { return };
    // The least memory that an index may take is a megabyte.
    world.add(TENANT, names(&"long name ".repeat(60), 3_000)).await;
    world.build(TENANT, Base::Log).await;
    let config = ListConfig { memory: 1, ..ListConfig::default() };
    let lists = Lists::new(world.store.clone(), config).with_snapshots(world.objects.clone());
    let meter = Meter::default();

    let refused = lists.list(&meter, &caller(TENANT), &page(1), clock::now()).await;

    assert!(matches!(refused, Err(shared::error::Error::Unavailable(_))), "{refused:?}");
    let readings = meter.readings();
    assert_eq!((readings.requests, readings.counts[Count::ListsRefused as usize]), (1, 1));
}
