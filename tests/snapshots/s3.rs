//! Objects in S3: a server in this process that checks signatures and makes trouble, and moto, which others wrote.

use std::io;
use std::process::Stdio;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use shared::objects::{ObjectError, S3};
use testkit::{ACCESS_KEY, S3Fault, S3Pace, S3Server, eventually, skip};
use tokio::process::{Child, Command};

use super::*;

/// The bucket of the tests.
const BUCKET: &str = "snapshots";

fn config(secret: &str) -> SdkConfig {
    let credentials = Credentials::new(ACCESS_KEY.0, secret, None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}

fn bucket(endpoint: &str) -> Objects {
    Objects::in_s3(S3::at(&config(ACCESS_KEY.1), BUCKET, Some(endpoint)).unwrap())
}

/// What every S3 must do.
async fn is_an_object_store(objects: &Objects) {
    let name = Objects::new_name().unwrap();
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
    let missing = objects.read(&name, 0..10).await;
    assert!(matches!(missing, Err(ObjectError::Missing(_))), "{missing:?}");

    objects.create(&name, bytes.clone()).await.unwrap();

    assert_eq!(objects.read(&name, 0..bytes.len() as u64).await.unwrap(), bytes);
    assert_eq!(objects.read(&name, 1_000..1_005).await.unwrap(), bytes[1_000..1_005]);
    let beyond = objects.read(&name, 2_999_999..3_000_001).await;
    assert!(matches!(beyond, Err(ObjectError::Missing(_))), "{beyond:?}");
    let outside = objects.read(&name, 3_000_000..3_000_001).await;
    assert!(matches!(outside, Err(ObjectError::Missing(_))), "{outside:?}");
    // An object is written once. A second try of the same write finds its own.
    objects.create(&name, b"other".to_vec()).await.unwrap();
    assert_eq!(objects.read(&name, 0..3).await.unwrap(), bytes[..3]);
    objects.delete(&name).await.unwrap();
    objects.delete(&name).await.unwrap();
    let gone = objects.read(&name, 0..10).await;
    assert!(matches!(gone, Err(ObjectError::Missing(_))), "{gone:?}");
}

#[tokio::test]
async fn objects_are_in_s3() {
    let server = S3Server::start(S3Pace::default()).await;

    is_an_object_store(&bucket(&server.url)).await;
}

/// A process that ends with the test.
struct Moto(Child, String);

impl Moto {
    /// Nothing when moto is not installed.
    async fn start() -> Option<Moto> {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
        let mut command = Command::new("moto_server");
        command.args(["-H", "127.0.0.1", "-p", &port]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = match command.kill_on_drop(true).spawn() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                skip("it needs `moto_server` (pip install 'moto[server]')");
                return None;
            }
            child => child.unwrap(),
        };
        let url = format!("http://127.0.0.1:{port}");
        let http = reqwest::Client::new();
        eventually("moto answers", async || http.get(&url).send().await.ok()).await;
        Some(Moto(child, url))
    }
}

#[tokio::test]
async fn objects_are_in_the_s3_of_moto() {
    let Some(moto) = Moto::start().await else { return };
    let made = reqwest::Client::new().put(format!("{}/{BUCKET}", moto.1)).send().await.unwrap();
    assert!(made.status().is_success(), "{made:?}");

    is_an_object_store(&bucket(&moto.1)).await;
    drop(moto.0);
}

#[tokio::test]
async fn passing_trouble_is_tried_again_and_lasting_trouble_is_reported() {
    let server = S3Server::start(S3Pace::default()).await;
    let objects = bucket(&server.url);
    objects.create("object", b"0123456789".to_vec()).await.unwrap();
    server.requests();

    for (faults, expected) in [
        (vec![S3Fault::SlowDown, S3Fault::CutOff], "ok after 3"),
        (vec![S3Fault::SlowDown; 3], "the object store does not answer: status 503 SlowDown after 3"),
        (vec![S3Fault::Denied], "the object store refuses: status 403 AccessDenied after 1"),
    ] {
        server.fail(faults);
        let read = objects.read("object", 2..5).await;
        let said = read.map_or_else(
            |error| error.to_string(),
            |bytes| {
                assert_eq!(bytes, b"234");
                "ok".to_owned()
            },
        );
        assert_eq!(format!("{said} after {}", server.requests().len()), expected);
    }
    let stranger = Objects::in_s3(S3::at(&config("another secret"), BUCKET, Some(&server.url)).unwrap());
    let refused = stranger.read("object", 0..1).await.unwrap_err().to_string();
    assert_eq!(refused, "the object store refuses: status 403 SignatureDoesNotMatch");
}

#[tokio::test]
async fn a_cold_list_reads_a_snapshot_from_s3_and_the_log_when_s3_makes_trouble() {
    let Some(mut world) = World::start().await else { return };
    let server = S3Server::start(S3Pace::default()).await;
    world.objects = bucket(&server.url);
    world.add(TENANT, names("contact", 30)).await;
    server.fail([S3Fault::SlowDown]);
    world.build(TENANT, Base::Log).await;
    let exact = world.exact_list(TENANT).await;

    server.fail([S3Fault::SlowDown]);
    assert_eq!(world.cold_list(TENANT).await, (exact.clone(), IndexSource::Snapshot, 0));
    for fault in [S3Fault::SlowDown, S3Fault::Denied, S3Fault::CutOff] {
        server.fail_always(Some(fault));
        assert_eq!(world.cold_list(TENANT).await, (exact.clone(), IndexSource::Log, 1), "{fault:?}");
    }
    server.fail_always(None);
    assert_eq!(world.cold_list(TENANT).await, (exact, IndexSource::Snapshot, 0));
}

#[tokio::test]
async fn a_list_waits_for_a_silent_s3_only_so_long() {
    let Some(mut world) = World::start().await else { return };
    let server = S3Server::start(S3Pace::default()).await;
    world.objects = bucket(&server.url);
    world.add(TENANT, names("contact", 30)).await;
    world.build(TENANT, Base::Log).await;
    server.fail_always(Some(S3Fault::Silent));
    let lists = Lists::new(world.store.clone(), ListConfig::default()).with_snapshots(world.objects.clone());
    let meter = Meter::default();

    let page = lists.list(&meter, &caller(TENANT), &page(1), clock::now()).await.unwrap();

    let readings = meter.readings();
    assert_eq!((page.total, readings.index_use.unwrap().source), (30, IndexSource::Log));
    assert!(readings.snapshot >= Duration::from_secs(5), "it did wait: {:?}", readings.snapshot);
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_leaves_one_object_and_a_manifest_that_names_it() {
    let Some(mut world) = World::start().await else { return };
    let server = S3Server::start(S3Pace::default()).await;
    world.objects = bucket(&server.url);
    world.add(TENANT, names("contact", 30)).await;
    server.fail([S3Fault::CutOff]);

    let current = world.build(TENANT, Base::Log).await;

    assert_eq!(server.names(), [format!("/{BUCKET}/{}", current.object)]);
    assert_eq!(world.cold_list(TENANT).await.1, IndexSource::Snapshot);
}

#[tokio::test]
async fn a_build_that_cannot_write_leaves_the_snapshot_that_was_there() {
    let Some(mut world) = World::start().await else { return };
    let server = S3Server::start(S3Pace::default()).await;
    world.objects = bucket(&server.url);
    world.add(TENANT, names("contact", 30)).await;
    let first = world.build(TENANT, Base::Log).await;
    let (meter, snapshots) = (Meter::default(), world.snapshots());

    server.fail_always(Some(S3Fault::Denied));
    assert!(snapshots.build(&meter, TENANT, Base::Log).await.is_err());
    server.fail_always(None);

    let manifest = world.store.manifest(&meter, TENANT, true).await.unwrap().unwrap();
    assert_eq!(manifest.current.as_ref().map(|current| &current.object), Some(&first.object));
    // The schedule ends the lease when its time is over.
    assert!(manifest.lease.is_some());
    snapshots.take_over(&meter).await.unwrap();
    let manifest = world.store.manifest(&meter, TENANT, true).await.unwrap().unwrap();
    assert_eq!(manifest.lease, None);
    assert_eq!(server.names(), [format!("/{BUCKET}/{}", first.object)]);
}
