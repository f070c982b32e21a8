//! What writes cost: DynamoDB requests, capacity units and time, alone and in batches, with a delay before the engine like that of a network.
//!
//! `cargo bench -p benches --bench write_cost` sends every kind of write over HTTP through a proxy that holds up each request to the engine for 10
//! ms, and writes the tables of `docs/performance.md`. With `WRITE_COST_DELAY_MS=20` it takes that delay instead, and only prints. It fails when
//! 100 creates in one batch are not at least 5 times as fast as one after the other.

use std::env;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use benches::{Failure, insert_into_docs};
use contacts::serve::{self, Options};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// How long a request to the engine is held up.
const DELAY_MS: u64 = 10;

/// How often each write is measured; the median counts.
const TIMES: usize = 11;

/// Creates in a batch, and one after the other.
const CREATES: usize = 100;

/// How much faster a batch has to be.
const LEAST_RATIO: f64 = 5.0;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let given = env::var("WRITE_COST_DELAY_MS").ok();
    let delay = given.as_deref().map(str::parse).transpose()?.unwrap_or(DELAY_MS);
    let engine = serve::start(Options { memory: true, port: 0, dynamodb_port: Some(0), ..Options::default() }).await?;
    let endpoint = engine.dynamodb_endpoint.clone().ok_or("the engine listens on a port")?;
    let api = serve::start(Options {
        port: 0,
        dynamodb_endpoint: Some(slow_proxy(endpoint, Duration::from_millis(delay)).await?),
        contacts_table: Some(engine.contacts_table.clone()),
        api_keys_table: Some(engine.api_keys_table.clone()),
        ..Options::default()
    })
    .await?;
    let api = Api { http: Client::new(), url: api.url.clone() };

    let (calls, ratio) = measure(&api).await?;
    let report = report(&calls, delay)?;
    println!("{report}");
    if given.is_none() {
        insert_into_docs("write-cost", &report)?;
    }
    if ratio < LEAST_RATIO {
        return Err(format!("a batch of {CREATES} creates is only {ratio:.1} times as fast as one after the other").into());
    }
    Ok(())
}

/// Serves the DynamoDB at `endpoint` with a delay before each request, and returns where.
async fn slow_proxy(endpoint: String, delay: Duration) -> Result<String, Failure> {
    async fn forward(
        State((endpoint, delay, client)): State<(String, Duration, Client)>,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response, String> {
        tokio::time::sleep(delay).await;
        let answer = client.post(endpoint).headers(headers).body(body).send().await.map_err(|error| error.to_string())?;
        let status = answer.status();
        Ok((status, answer.bytes().await.map_err(|error| error.to_string())?).into_response())
    }

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let state = (endpoint, delay, Client::new());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(forward).with_state(state)).await });
    Ok(url)
}

struct Api {
    http: Client,
    url: String,
}

/// What a call cost, and what it answered.
struct Answered {
    requests: u32,
    units: f64,
    time: Duration,
    data: Value,
}

/// A kind of call: the requests and units of one, and the median of the times.
struct Measured {
    name: String,
    requests: u32,
    units: f64,
    milliseconds: f64,
}

impl Api {
    async fn call(&self, method: Method, path: &str, key: Option<&str>, body: Option<Value>) -> Result<Answered, Failure> {
        let mut request = self.http.request(method, format!("{}/client-contact{path}", self.url));
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let begun = Instant::now();
        let answer = request.send().await?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let mut body: Value = answer.json().await?;
        let time = begun.elapsed();
        if !status.is_success() || body["success"] != true {
            return Err(format!("{path} {status} {body}").into());
        }
        let number = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        Ok(Answered {
            requests: number("x-dynamodb-requests").parse()?,
            units: number("x-dynamodb-capacity").parse()?,
            time,
            data: body["data"].take(),
        })
    }

    async fn create(&self) -> Result<String, Failure> {
        let created = self.call(Method::POST, "", None, Some(contact(0))).await?;
        Ok(created.data["_id"].as_str().ok_or("a contact has an id")?.to_owned())
    }

    async fn batch(&self, operations: Vec<Value>, atomic: bool, key: Option<&str>) -> Result<Answered, Failure> {
        self.call(Method::POST, "/batch", key, Some(json!({"operations": operations, "atomic": atomic}))).await
    }
}

fn contact(number: usize) -> Value {
    json!({
        "name": format!("John Smith {number}"), "local_name": "جون سميث", "phone1": "+1-555-1234", "email": "john.smith@example.com",
        "title": "Sales Manager", "integration_meta": {"external_id": format!("crm-{number}")},
    })
}

/// Every kind of write, and how many times as fast a batch of creates is.
async fn measure(api: &Api) -> Result<(Vec<Measured>, f64), Failure> {
    // The first call also looks up the key and opens connections.
    api.create().await?;
    let (title, member) = (json!({"title": "Director"}), json!({"integration_meta.erp": {"id": 7}}));
    let named = json!({"name": "John Smith", "title": "Director"});
    let mut calls = Vec::new();
    let mut times: Vec<(&str, Vec<Answered>)> = Vec::new();
    for time in 0..TIMES {
        let key = |name: &str| Some(format!("{name} {time}"));
        let (id, other) = (api.create().await?, api.create().await?);
        let path = format!("/{id}");
        api.call(
            Method::POST,
            "",
            None,
            Some(json!({"name": "John", "integration_meta": {"external_id": format!("erp-{time}")}})),
        )
        .await?;
        let [known, unknown] = ["erp", "new"].map(|of| format!("?integration_meta.external_id={of}-{time}"));
        let mut answers = vec![
            ("POST", api.call(Method::POST, "", None, Some(contact(time))).await?),
            ("POST with a key", api.call(Method::POST, "", key("create").as_deref(), Some(contact(time))).await?),
            ("POST with a key, again", api.call(Method::POST, "", key("create").as_deref(), Some(contact(time))).await?),
            ("GET", api.call(Method::GET, &path, None, None).await?),
            ("PUT", api.call(Method::PUT, &path, None, Some(title.clone())).await?),
            ("PUT of a member of `integration_meta`", api.call(Method::PUT, &path, None, Some(member.clone())).await?),
            ("PUT with a key", api.call(Method::PUT, &path, key("update").as_deref(), Some(title.clone())).await?),
            ("PUT with a key, again", api.call(Method::PUT, &path, key("update").as_deref(), Some(title.clone())).await?),
            ("PUT by an external id that no contact has", api.call(Method::PUT, &unknown, None, Some(named.clone())).await?),
            (
                "PUT by the external id of a contact that a PUT made",
                api.call(Method::PUT, &unknown, None, Some(named.clone())).await?,
            ),
            (
                "PUT by the external id of a contact that a POST made",
                api.call(Method::PUT, &known, None, Some(named.clone())).await?,
            ),
            ("DELETE", api.call(Method::DELETE, &path, None, None).await?),
        ];
        let pair =
            || vec![json!({"action": "create", "data": contact(time)}), json!({"action": "update", "_id": other, "data": title})];
        answers.push(("batch of a create and an update", api.batch(pair(), false, None).await?));
        answers.push(("the same, atomic", api.batch(pair(), true, None).await?));
        answers.push(("the same, atomic, with a key", api.batch(pair(), true, key("batch").as_deref()).await?));
        if times.is_empty() {
            times = answers.into_iter().map(|(name, answered)| (name, vec![answered])).collect();
        } else {
            times.iter_mut().zip(answers).for_each(|((_, of_kind), (_, answered))| of_kind.push(answered));
        }
    }
    for (name, answers) in times {
        let mut milliseconds: Vec<f64> = answers.iter().map(|answered| answered.time.as_secs_f64() * 1e3).collect();
        milliseconds.sort_by(f64::total_cmp);
        calls.push(Measured {
            name: name.to_owned(),
            requests: answers.iter().map(|answered| answered.requests).max().unwrap_or_default(),
            units: answers.iter().map(|answered| answered.units).fold(0.0, f64::max),
            milliseconds: milliseconds[milliseconds.len() / 2],
        });
    }

    let create = |number| json!({"action": "create", "data": contact(number)});
    let (mut alone, mut together) = (Vec::new(), Vec::new());
    let (mut requests, mut units) = (0, 0.0);
    // In turns, so that what else the machine does is shared by both.
    for _ in 0..3 {
        let begun = Instant::now();
        (requests, units) = (0, 0.0);
        for number in 0..CREATES {
            let answered = api.call(Method::POST, "", None, Some(contact(number))).await?;
            requests += answered.requests;
            units += answered.units;
        }
        alone.push(begun.elapsed());
        together.push(api.batch((0..CREATES).map(create).collect(), false, None).await?);
    }
    alone.sort();
    together.sort_by_key(|answered| answered.time);
    let (alone, together) = (alone[1], &together[1]);
    let ratio = alone.as_secs_f64() / together.time.as_secs_f64();
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    calls.push(Measured {
        name: format!("{CREATES} times POST, one after the other"),
        requests,
        units,
        milliseconds: milliseconds(alone),
    });
    calls.push(Measured {
        name: format!("batch of {CREATES} creates: {ratio:.1} times as fast"),
        requests: together.requests,
        units: together.units,
        milliseconds: milliseconds(together.time),
    });
    Ok((calls, ratio))
}

fn report(calls: &[Measured], delay: u64) -> Result<String, Failure> {
    let mut report = format!("| call, with {delay} ms before the engine | requests | units | ms |\n|---|---:|---:|---:|\n");
    for Measured { name, requests, units, milliseconds } in calls {
        writeln!(report, "| {name} | {requests} | {units:.1} | {milliseconds:.0} |")?;
    }
    Ok(report)
}
