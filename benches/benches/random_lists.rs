//! What lists cost whose answers nobody has asked for before: random queries over HTTP, none of which is repeated.
//!
//! `cargo bench -p benches --bench random_lists` fills the local engine with 1,000, 100,000 and 1,000,000 lifelike contacts and asks one
//! warm instance for lists, one after the other. It writes the tables of `docs/performance.md`. With
//! `RANDOM_LISTS_SIZES=1000,50000` it takes those sizes instead, and only prints. With `RANDOM_LISTS_DATA=folder` it uses and
//! leaves a data folder for each size in there, because filling the largest takes minutes. `cargo bench -p index` has the same
//! lists without HTTP and DynamoDB.
//!
//! The last table is about waiting: each request to DynamoDB takes 20 ms longer, and times are given in such delays.

use std::env;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use benches::{Failure, given_sizes, insert_into_docs};
use contacts::engine::{Engine, Missing, Storage};
use contacts::seed;
use contacts::serve::{self, Running};
use lifelike::{People, Person, Random};
use serde_json::{Value, json};
use shared::listing::ListConfig;
use shared::timestamp::Timestamp;
use tokio::net::TcpListener;

const SIZES: [u64; 3] = [1_000, 100_000, 1_000_000];

/// The seed of the contacts, who are the same people in every run.
const SEED: u64 = 7;

/// How many queries a row is measured by, at most, and for how long.
const QUERIES: usize = 400;
const PATIENCE: Duration = Duration::from_secs(5);

/// How much longer a request to DynamoDB takes in the second table.
const DELAY: Duration = Duration::from_millis(20);

/// The size at which waiting is measured.
const SIZE_OF_WAITING: u64 = 10_000;

/// Longer than the overlap of a refresh: what was written within it is read again with every list.
const OVERLAP: Duration = Duration::from_secs(9);

type Query = Vec<(&'static str, String)>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let given = given_sizes("RANDOM_LISTS_SIZES")?;
    let sizes = given.clone().unwrap_or_else(|| SIZES.to_vec());
    let folder = tempfile::tempdir()?;
    let data = env::var_os("RANDOM_LISTS_DATA").map_or_else(|| folder.path().to_owned(), PathBuf::from);
    let mut lists = String::new();
    for size in sizes {
        let engine = filled(&data, size).await?;
        let table = random_lists(&engine, size).await?;
        println!("\n{table}");
        writeln!(lists, "{table}")?;
        engine.stop().await;
    }
    let engine = filled(&data, SIZE_OF_WAITING).await?;
    let waiting = waiting(&engine).await?;
    println!("\n{waiting}");
    engine.stop().await;
    if given.is_none() {
        insert_into_docs("random-lists", &lists)?;
        insert_into_docs("waiting", &waiting)?;
    }
    Ok(())
}

/// An engine with so many contacts.
async fn filled(data: &Path, size: u64) -> Result<Engine, Failure> {
    let folder = data.join(size.to_string());
    let is_filled = folder.exists();
    let engine = Engine::start(Storage::Folder(folder, Missing::MakeAll), Some(([127, 0, 0, 1], 0).into())).await?;
    if !is_filled {
        let options = seed::Options {
            count: size,
            tenant: "local".to_owned(),
            namespace: "company1".to_owned(),
            seed: Some(SEED),
            data: PathBuf::new(),
            dynamodb_endpoint: Some(endpoint(&engine)?),
            table_prefix: String::new(),
            contacts_table: None,
        };
        println!("{}", seed::run(options).await?);
        tokio::time::sleep(OVERLAP).await;
    }
    Ok(engine)
}

fn endpoint(engine: &Engine) -> Result<String, Failure> {
    Ok(engine.endpoint().ok_or("the engine listens on a port")?)
}

/// The API, and a client of it that has one connection.
struct Instance {
    running: Running,
    client: reqwest::Client,
}

impl Instance {
    async fn start(endpoint: &str, list: ListConfig) -> Result<Self, Failure> {
        let options = serve::Options { port: 0, dynamodb_endpoint: Some(endpoint.to_owned()), list, ..serve::Options::default() };
        let instance = Self { running: serve::start(options).await?, client: reqwest::Client::new() };
        // A load of a large index takes more than one call's time, and each call goes on where the one before stopped.
        let start = Instant::now();
        while let Err(error) = instance.timed("", &vec![]).await {
            if start.elapsed() > Duration::from_secs(600) {
                return Err(error);
            }
        }
        Ok(instance)
    }

    /// The time of a call, with its requests to DynamoDB and its answer.
    async fn timed(&self, path: &str, query: &Query) -> Result<(Duration, usize, Value), Failure> {
        let request = self.client.get(format!("{}/client-contact{path}", self.running.url)).query(query);
        let start = Instant::now();
        let answer = request.send().await?.error_for_status()?;
        let requests = answer.headers().get("x-dynamodb-requests").ok_or("the answer has no count")?.to_str()?.parse()?;
        let body = answer.bytes().await?;
        Ok((start.elapsed(), requests, serde_json::from_slice(&body)?))
    }
}

/// Queries made of the people in the table, at random.
struct Queries {
    people: People,
    size: u64,
    random: Random,
    /// The stamps of the first contact and of the last one, in milliseconds.
    stamps: (i64, i64),
}

impl Queries {
    fn person(&mut self) -> Person {
        self.people.person(self.random.below(self.size))
    }

    fn page(&mut self) -> (&'static str, String) {
        ("page", (1 + self.random.below(self.size.div_ceil(25))).to_string())
    }

    /// Two words of a name.
    fn words(&mut self) -> (String, String) {
        loop {
            let name = self.person().name;
            let words: Vec<&str> = name.split_whitespace().collect();
            if let [first, .., last] = words[..]
                && first.chars().count() > 2
            {
                return (first.to_owned(), last.to_owned());
            }
        }
    }

    fn part(&mut self) -> String {
        let word: Vec<char> = self.words().0.chars().collect();
        let len = (3 + self.random.below(3) as usize).min(word.len());
        let start = self.random.below((word.len() - len + 1) as u64) as usize;
        word[start..start + len].iter().collect()
    }

    fn range(&mut self, share: i64) -> Query {
        let (first, last) = self.stamps;
        let len = (last - first) * share / 100;
        let from = first + (self.random.fraction() * (last - first - len) as f64) as i64;
        vec![("from_updatedAt", from.to_string()), ("to_updatedAt", (from + len).to_string())]
    }
}

/// The table of the lists of so many contacts.
async fn random_lists(engine: &Engine, size: u64) -> Result<String, Failure> {
    let instance = Instance::start(&endpoint(engine)?, ListConfig::default()).await?;
    let mut stamps = Vec::new();
    for sort in ["updatedAt", "-updatedAt"] {
        let (.., answer) = instance.timed("", &vec![("sort", sort.to_owned()), ("per_page", "1".to_owned())]).await?;
        stamps.push(time(&answer["data"][0]["updatedAt"])?);
    }
    let people = People::new(SEED, size, 0);
    let mut queries = Queries { people, size, random: Random::new(3), stamps: (stamps[0], stamps[1]) };
    let mut table = format!("| {size} contacts, over HTTP | least | median | 95 % | requests |\n|---|---:|---:|---:|---:|\n");
    let sorted = |query: (&'static str, String), sort: &str| vec![query, ("sort", sort.to_owned())];
    type Make<'a> = &'a dyn Fn(&mut Queries) -> Query;
    let rows: [(&str, Make<'_>); 11] = [
        ("random page, default order", &|queries| vec![queries.page()]),
        ("random page, by name", &|queries| sorted(queries.page(), "name")),
        ("random page, newest change first", &|queries| sorted(queries.page(), "-updatedAt")),
        ("search, part of a word", &|queries| vec![("search", queries.part())]),
        ("search, two words, newest first", &|queries| {
            let (one, other) = queries.words();
            sorted(("search", format!("{other} {one}")), "-updatedAt")
        }),
        ("search, no hits", &|queries| vec![("search", format!("{}qx{}", queries.part(), queries.random.below(1_000)))]),
        ("`updatedAt` range of 1 %", &|queries| queries.range(1)),
        ("`updatedAt` range of 50 %", &|queries| queries.range(50)),
        ("one exact name", &|queries| vec![("name", queries.person().name)]),
        ("one email", &|queries| loop {
            if let Some(email) = queries.person().email {
                break vec![("email", email)];
            }
        }),
        ("first list by email, then others", &|queries| sorted(queries.page(), "email")),
    ];
    let mut ids = Vec::new();
    for (name, make) in rows {
        let (mut times, mut requests, start) = (Vec::new(), 0, Instant::now());
        while times.len() < QUERIES && start.elapsed() < PATIENCE {
            let (time, made, answer) = instance.timed("", &make(&mut queries)).await?;
            times.push(time);
            requests = requests.max(made);
            ids.extend(answer["data"][0]["_id"].as_str().map(str::to_owned));
        }
        table += &row(name, times, requests);
    }
    let (mut times, mut requests) = (Vec::new(), 0);
    for id in ids.iter().rev().take(QUERIES) {
        let (time, made, _) = instance.timed(&format!("/{id}"), &vec![]).await?;
        times.push(time);
        requests = requests.max(made);
    }
    table += &row("GET of one contact", times, requests);
    instance.running.stop().await;
    Ok(table)
}

fn time(value: &Value) -> Result<i64, Failure> {
    let text = value.as_str().ok_or("there are contacts")?;
    Ok(Timestamp::from_rfc3339(text).ok_or("a time has the form of RFC 3339")?.millis())
}

fn row(name: &str, mut times: Vec<Duration>, requests: usize) -> String {
    times.sort_unstable();
    let at = |share: usize| format!("{:.2} ms", times[(times.len() - 1) * share / 100].as_secs_f64() * 1e3);
    format!("| {name} | {} | {} | {} | {requests} |\n", at(0), at(50), at(95))
}

/// Calls while each request to DynamoDB takes a delay longer, by an instance that keeps no contacts.
async fn waiting(engine: &Engine) -> Result<String, Failure> {
    let target = endpoint(engine)?;
    let writer = Instance::start(&target, ListConfig::default()).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let delayed = format!("http://{}", listener.local_addr()?);
    let proxy = Router::new().fallback(delay).with_state((target, reqwest::Client::new()));
    tokio::spawn(async move { axum::serve(listener, proxy).await });
    let instance = Instance::start(&delayed, ListConfig { cache: 0, ..ListConfig::default() }).await?;
    let (.., last) = instance.timed("", &vec![("sort", "-_id".to_owned()), ("per_page", "1".to_owned())]).await?;
    let id = last["data"][0]["_id"].as_str().ok_or("there are contacts")?.to_owned();

    let delay = DELAY.as_millis();
    let mut table = format!("| with {delay} ms more for each request | median, in delays | requests |\n|---|---:|---:|\n");
    let page = vec![("page", "7".to_owned())];
    let newest = vec![("sort", "-updatedAt".to_owned())];
    let rows = [
        ("GET of one contact", format!("/{id}"), vec![], false),
        ("a list whose page is not cached", String::new(), page.clone(), false),
        ("a list after somebody else's write that is not on the page", String::new(), page, true),
        ("a list after somebody else's write that is on the page", String::new(), newest, true),
    ];
    for (name, path, query, is_written) in rows {
        let (mut times, mut requests) = (Vec::new(), 0);
        for number in 0..40 {
            if is_written {
                let body = json!({"extra_info": format!("Changed {number} times.")});
                let url = format!("{}/client-contact/{id}", writer.running.url);
                writer.client.put(url).json(&body).send().await?.error_for_status()?;
            }
            let (time, made, _) = instance.timed(&path, &query).await?;
            times.push(time);
            requests = requests.max(made);
        }
        times.sort_unstable();
        writeln!(table, "| {name} | {:.2} | {requests} |", times[times.len() / 2].as_secs_f64() / DELAY.as_secs_f64())?;
    }
    writer.running.stop().await;
    instance.running.stop().await;
    Ok(table)
}

async fn delay(State((target, client)): State<(String, reqwest::Client)>, headers: HeaderMap, body: Bytes) -> Response {
    tokio::time::sleep(DELAY).await;
    let answer = async {
        let answer = client.post(&target).headers(headers).body(body).send().await?;
        Ok::<_, reqwest::Error>((answer.status(), answer.bytes().await?))
    };
    match answer.await {
        Ok((status, body)) => {
            let mut response = Response::new(Body::from(body));
            *response.status_mut() = status;
            response
        }
        Err(error) => {
            let mut response = Response::new(Body::from(error.to_string()));
            *response.status_mut() = axum::http::StatusCode::BAD_GATEWAY;
            response
        }
    }
}
