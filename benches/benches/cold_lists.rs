//! The first list of a fresh process, from a snapshot and from the change log: time, requests, units, bytes and memory.
//!
//! `cargo bench -p benches --bench cold_lists` fills the local engine with 100,000 and 1,000,000 contacts and writes the table of
//! `docs/performance.md`. With `COLD_LIST_SIZES=5000,50000` it takes those sizes instead, and only prints. More than two million contacts need a
//! higher `LIST_MEMORY_BYTES`.
//!
//! Each list is that of a process of its own, which this program starts: it authenticates a key, loads the index and selects a page. The engine runs
//! in this one.

use std::env;
use std::fmt::Write as _;
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use benches::{Failure, given_sizes, insert_into_docs};
use contacts::app::{App, Config};
use contacts::lifelike::Lifelike;
use contacts::serve::{self, Options};
use futures::{StreamExt, TryStreamExt, stream};
use index::query::{Filter, ListQuery};
use lambda_http::http::{HeaderMap, HeaderValue};
use peak_alloc::PeakAlloc;
use serde_json::{Value, json};
use shared::aws::local_client;
use shared::clock;
use shared::contact::Contact;
use shared::error::Error;
use shared::listing::ListConfig;
use shared::meter::{IndexSource, Meter};
use shared::objects::{Objects, S3};
use shared::snapshots::plan::Base;
use shared::snapshots::{Done, Snapshots};
use shared::store::{BATCH_KEYS, Store};
use shared::timestamp::Timestamp;
use testkit::{ACCESS_KEY, S3Pace, S3Server};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const SIZES: [u64; 2] = [100_000, 1_000_000];

/// The variable with what a child is to do, as JSON.
const CHILD: &str = "COLD_LISTS_CHILD";

/// How often each list is asked for; the median counts.
const TIMES: usize = 5;

/// For how long calls are repeated.
const PATIENCE: Duration = Duration::from_secs(300);

const TENANT: &str = "local";
const BUCKET: &str = "snapshots";

/// As quick as S3 is to a function.
const PACE: S3Pace = S3Pace { delay: Duration::from_millis(30), bytes_a_second: Some(80_000_000) };

#[tokio::main]
async fn main() -> Result<(), Failure> {
    if let Ok(task) = env::var(CHILD) {
        println!("{}", list(&serde_json::from_str(&task)?).await?);
        return Ok(());
    }
    let given = given_sizes("COLD_LIST_SIZES")?;
    let sizes = given.clone().unwrap_or_else(|| SIZES.to_vec());
    let mut report =
        "| contacts | from | calls | seconds | requests | units | MB read | peak memory / index |\n|---:|---|---:|---:|---:|---:|---:|---:|\n"
            .to_owned();
    for size in sizes {
        report += &measure(size).await?;
        println!("{report}");
    }
    if given.is_none() {
        insert_into_docs("cold-lists", &report)?;
    }
    Ok(())
}

/// The rows of one size.
async fn measure(size: u64) -> Result<String, Failure> {
    let running = serve::start(Options { port: 0, dynamodb_port: Some(0), memory: true, ..Options::default() }).await?;
    let store = running.app.store.clone();
    let begun = Instant::now();
    let people: Vec<Contact> = Lifelike::new(1, size, "company1", clock::now()).collect();
    // What is younger than the long overlap is read again after each snapshot. Here that is what is changed after it, and no more.
    import(&store.clone().with_clock(yesterday), &people).await?;
    eprintln!("{size} contacts in {:.0} s", begun.elapsed().as_secs_f64());

    let folder = tempfile::tempdir()?;
    let objects = Objects::in_folder(folder.path());
    let snapshots = Snapshots::new(store.clone(), objects.clone(), ListConfig::from_env()?);
    let begun = Instant::now();
    let Done::Built(current) = snapshots.build(&Meter::default(), TENANT, Base::Log).await? else {
        return Err("no snapshot was built".into());
    };
    let bytes = current.bytes as f64 / size as f64;
    eprintln!("a snapshot of {bytes:.1} bytes a contact in {:.1} s", begun.elapsed().as_secs_f64());
    let server = S3Server::start(PACE).await;
    let bucket = Objects::in_s3(S3::at(&config(), BUCKET, Some(&server.url))?);
    bucket.create(&current.object, objects.read(&current.object, 0..current.bytes).await?).await?;

    let key = running.development_key.as_ref().ok_or("there is a key")?.secret().to_owned();
    let task = json!({
        "endpoint": running.dynamodb_endpoint, "contacts": running.contacts_table, "keys": running.api_keys_table, "key": key,
    });
    let with = |objects: Value| {
        let mut task = task.clone();
        task["objects"] = objects;
        task
    };
    let local = with(json!({"folder": folder.path()}));
    let mut rows = String::new();
    rows += &row(size, "snapshot, exact", &local, "snapshot")?;
    rows += &row(size, "snapshot, exact, 80 MB/s and 30 ms a request", &with(json!({"s3": server.url})), "snapshot")?;
    import(&store, &people[..people.len() / 100]).await?;
    rows += &row(size, "snapshot, 1 % behind", &local, "snapshot")?;
    import(&store, &people[people.len() / 100..people.len() / 10]).await?;
    rows += &row(size, "snapshot, 10 % behind", &local, "snapshot")?;
    rows += &row(size, "change log", &with(Value::Null), "log")?;
    running.stop().await;
    Ok(rows)
}

fn yesterday() -> Timestamp {
    clock::now().plus_millis(-24 * 60 * 60 * 1_000)
}

/// Writes contacts. Those that are there already are changed once more.
async fn import(store: &Store, contacts: &[Contact]) -> Result<(), Failure> {
    let batches = stream::iter(contacts.chunks(BATCH_KEYS)).map(|batch| store.import(TENANT, batch));
    Ok(batches.buffer_unordered(4).try_collect::<()>().await?)
}

/// Lists in as many processes, and describes the median.
fn row(size: u64, from: &str, task: &Value, source: &str) -> Result<String, Failure> {
    let mut results = Vec::new();
    for _ in 0..TIMES {
        let child = std::process::Command::new(env::current_exe()?).env(CHILD, task.to_string()).output()?;
        let said = String::from_utf8(child.stdout)?;
        let result: Value = serde_json::from_str(&said).map_err(|_| String::from_utf8_lossy(&child.stderr).into_owned())?;
        if result["source"] != source || result["total"] != size {
            return Err(format!("{from}: {result} {}", String::from_utf8_lossy(&child.stderr)).into());
        }
        results.push(result);
    }
    let number = |result: &Value, name: &str| result[name].as_f64().unwrap_or_default();
    results.sort_by(|one, other| number(one, "seconds").total_cmp(&number(other, "seconds")));
    let median = &results[TIMES / 2];
    let mut row = String::new();
    writeln!(
        row,
        "| {size} | {from} | {} | {:.2} | {} | {:.1} | {:.1} | {:.2} |",
        number(median, "calls"),
        number(median, "seconds"),
        number(median, "requests"),
        number(median, "units"),
        number(median, "bytes") / 1e6,
        number(median, "peak") / number(median, "index"),
    )?;
    eprint!("{row}");
    Ok(row)
}

fn config() -> SdkConfig {
    let credentials = Credentials::new(ACCESS_KEY.0, ACCESS_KEY.1, None, None, "bench");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}

/// What a child does: the first list of its process.
async fn list(task: &Value) -> Result<Value, Failure> {
    let text = |name: &str| task[name].as_str().unwrap_or_default().to_owned();
    let snapshots = match (&task["objects"]["folder"], &task["objects"]["s3"]) {
        (Value::String(folder), _) => Some(Objects::in_folder(folder)),
        (_, Value::String(url)) => Some(Objects::in_s3(S3::at(&config(), BUCKET, Some(url))?)),
        _ => None,
    };
    let (contacts_table, api_keys_table) = (text("contacts"), text("keys"));
    let config = Config { contacts_table, api_keys_table, list: ListConfig::from_env()?, snapshots };
    let app = App::new(config, local_client(&text("endpoint")));
    let headers = HeaderMap::from_iter([("api-key".parse()?, HeaderValue::try_from(text("key"))?)]);
    let query = ListQuery { filter: Filter::default(), sort: vec![], page: NonZeroU64::MIN, per_page: 25 };
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();

    let (start, meter, now) = (Instant::now(), Meter::default(), clock::now());
    let (caller, _) = app.keys.authenticate(&meter, &headers, now).await?;
    let mut calls = 1;
    let page = loop {
        // A load that takes longer than a call is answered 503, and goes on with the next one.
        match app.lists.list(&meter, &caller, &query, now).await {
            Err(Error::Unavailable(_)) if start.elapsed() < PATIENCE => calls += 1,
            page => break page?,
        }
    };
    let seconds = start.elapsed().as_secs_f64();

    let (peak, readings) = (MEMORY.peak_usage() - before, meter.readings());
    let index = readings.index_use.ok_or("an index was used")?;
    let source = match index.source {
        IndexSource::Snapshot => "snapshot",
        IndexSource::Log => "log",
        IndexSource::Memory => "memory",
    };
    Ok(json!({
        "calls": calls, "seconds": seconds, "requests": readings.requests, "units": readings.capacity, "bytes": index.snapshot_bytes, "peak": peak,
        "index": index.bytes, "source": source, "total": page.total,
    }))
}
