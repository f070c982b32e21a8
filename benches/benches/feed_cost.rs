//! What the change feed costs: DynamoDB requests, capacity units and time, against the number of contacts.
//!
//! `cargo bench -p benches --bench feed_cost` fills the local engine with 1,000, 10,000 and 100,000 contacts and reads the feed over HTTP: everything, from a
//! fresh start, and then nothing, as a poll of an idle tenant does. It writes the table of `docs/performance.md`. With
//! `FEED_COST_SIZES=5000,50000` it takes those sizes instead, and only prints.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use benches::{Failure, given_sizes, insert_into_docs};
use contacts::engine::{Engine, Missing, Storage};
use contacts::seed;
use contacts::serve::{self, Running};
use serde_json::Value;

const SIZES: [u64; 3] = [1_000, 10_000, 100_000];

/// The seed of the contacts, who are the same people in every run.
const SEED: u64 = 1;

/// The most changes in an answer.
const LIMIT: u32 = 500;

/// A little longer than what the feed reads again.
const SETTLED: Duration = Duration::from_secs(11);

/// How often an idle tenant is polled; the median counts.
const POLLS: usize = 101;

/// Each second of a first pass gives at least so many changes of the largest size.
const LEAST_CHANGES: f64 = 10_000.0;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let given = given_sizes("FEED_COST_SIZES")?;
    let sizes = given.clone().unwrap_or_else(|| SIZES.to_vec());
    let mut report = String::new();
    writeln!(report, "| contacts | first pass | requests | units | changes a second | a poll of an idle tenant |")?;
    writeln!(report, "|---:|---:|---:|---:|---:|---:|")?;
    let mut slowest = f64::INFINITY;
    for size in sizes {
        let Measured { took, first, poll } = measure(size).await?;
        let rate = size as f64 / took.as_secs_f64();
        if size >= 100_000 {
            slowest = slowest.min(rate);
        }
        let (seconds, poll_ms) = (took.as_secs_f64(), poll.took.as_secs_f64() * 1_000.0);
        writeln!(
            report,
            "| {size} | {seconds:.2} s | {} | {:.1} | {rate:.0} | {} · {:.1} · {poll_ms:.1} |",
            first.requests, first.units, poll.requests, poll.units
        )?;
    }
    println!("{report}");
    if given.is_none() {
        insert_into_docs("feed-cost", &report)?;
    }
    if slowest < LEAST_CHANGES {
        return Err(format!("a first pass gives {slowest:.0} changes a second, less than {LEAST_CHANGES}").into());
    }
    Ok(())
}

/// What one call costs, or several together.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    requests: f64,
    units: f64,
    took: Duration,
}

struct Measured {
    took: Duration,
    first: Cost,
    poll: Cost,
}

async fn measure(size: u64) -> Result<Measured, Failure> {
    let folder = tempfile::tempdir()?;
    let storage = Storage::Folder(folder.path().to_owned(), Missing::MakeAll);
    let engine = Engine::start(storage, Some(([127, 0, 0, 1], 0).into())).await?;
    let endpoint = engine.endpoint().ok_or("the engine listens on a port")?;
    let seeded = seed::run(seed::Options {
        count: size,
        tenant: "local".to_owned(),
        namespace: "company1".to_owned(),
        seed: Some(SEED),
        data: PathBuf::new(),
        dynamodb_endpoint: Some(endpoint.clone()),
        table_prefix: String::new(),
        contacts_table: None,
    });
    println!("{}", seeded.await?);
    tokio::time::sleep(SETTLED).await;
    let options = serve::Options { port: 0, dynamodb_endpoint: Some(endpoint.clone()), ..serve::Options::default() };
    let reader = Reader { running: serve::start(options).await?, client: reqwest::Client::new() };
    // Connected, and with the key checked for the next minute, before the clock runs.
    reader.client.get(format!("{}/client-contact/none", reader.running.url)).send().await?.bytes().await?;

    let (mut first, mut changes, mut cursor) = (Cost::default(), 0, None);
    let start = Instant::now();
    loop {
        let (cost, answer) = reader.ask(cursor.as_deref()).await?;
        first.requests += cost.requests;
        first.units += cost.units;
        changes += answer["data"].as_array().map_or(0, Vec::len);
        cursor = answer["cursor"].as_str().map(str::to_owned);
        if answer["more"] != true {
            break;
        }
    }
    let took = start.elapsed();
    if changes as u64 != size {
        return Err(format!("the first pass gave {changes} changes of {size} contacts").into());
    }
    let mut polls = Vec::new();
    for _ in 0..POLLS {
        let (cost, answer) = reader.ask(cursor.as_deref()).await?;
        cursor = answer["cursor"].as_str().map(str::to_owned);
        polls.push(cost);
    }
    polls.sort_by_key(|poll| poll.took);
    reader.running.stop().await;
    engine.stop().await;
    Ok(Measured { took, first, poll: polls[POLLS / 2] })
}

struct Reader {
    running: Running,
    client: reqwest::Client,
}

impl Reader {
    /// Asks for changes, and returns what that cost and the answer.
    async fn ask(&self, cursor: Option<&str>) -> Result<(Cost, Value), Failure> {
        let url = format!("{}/client-contact/changes?limit={LIMIT}", self.running.url);
        let url = cursor.map_or(url.clone(), |cursor| format!("{url}&cursor={cursor}"));
        let start = Instant::now();
        let answer = self.client.get(url).send().await?.error_for_status()?;
        let number = |header: &str| -> Result<f64, Failure> {
            let value = answer.headers().get(header).ok_or_else(|| format!("the answer has no {header}"))?;
            Ok(value.to_str()?.parse()?)
        };
        let (requests, units) = (number("x-dynamodb-requests")?, number("x-dynamodb-capacity")?);
        let body = answer.bytes().await?;
        let took = start.elapsed();
        Ok((Cost { requests, units, took }, serde_json::from_slice(&body)?))
    }
}
