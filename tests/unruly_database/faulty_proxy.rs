//! A way to DynamoDB on which requests meet faults, down to the bytes of the connection.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::Client;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

/// What a request meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// DynamoDB refuses it.
    Throttled,
    /// DynamoDB refuses a write because a transaction is under way on one of its items.
    Conflict,
    /// DynamoDB answers 500 and does nothing.
    FailedBefore,
    /// DynamoDB does it and answers 500.
    FailedAfter,
    /// The connection is cut before DynamoDB gets it.
    CutBefore,
    /// The connection is cut after DynamoDB did it, before the first byte of the answer.
    CutAfter,
    /// The answer comes after this many seconds.
    Slow(u64),
    /// DynamoDB gets it after this many seconds, whether anybody waits for it or not.
    Late(u64),
    /// The connection is cut in the middle of the answer.
    HalfAnswer,
    /// A whole answer, whose JSON ends in the middle.
    HalfJson,
}

/// Where a fault strikes: at this request with this operation, counted from 1, and at the ones with it that follow if it lasts.
#[derive(Clone, Copy, Debug)]
pub struct Strike {
    /// The fault.
    pub fault: Fault,
    /// The operation.
    pub operation: &'static str,
    /// The number of the request.
    pub number: usize,
    /// Whether the ones after it meet the fault too.
    pub lasts: bool,
}

/// A proxy to a DynamoDB without TLS.
#[derive(Debug)]
pub struct FaultyProxy {
    /// Where it listens.
    pub endpoint: String,
    targets: Arc<Mutex<Targets>>,
}

/// What requests whose body has a text between quotes meet, by that text.
type Targets = HashMap<String, State>;

#[derive(Debug, Default)]
struct State {
    strike: Option<Strike>,
    /// Requests with the strike's operation since it was set.
    seen: usize,
    /// Requests that met it.
    struck: usize,
    /// Requests on their way to DynamoDB.
    under_way: usize,
}

impl FaultyProxy {
    /// A proxy to the `http` endpoint that does nothing to requests, and passes them on with `client`.
    pub async fn start(target: &str, client: &Client) -> FaultyProxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (targets, target, client) = (Arc::<Mutex<Targets>>::default(), target.to_owned(), client.clone());
        let shared = Arc::clone(&targets);
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let (shared, target, client) = (Arc::clone(&shared), target.clone(), client.clone());
                // A client that goes away ends its connection.
                tokio::spawn(async move { serve(connection, &target, &client, &shared).await.ok() });
            }
        });
        FaultyProxy { endpoint, targets }
    }

    /// From now on requests that have `text` between quotes meet this, or nothing.
    pub fn strike(&self, text: &str, strike: Option<Strike>) {
        let mut targets = self.targets.lock().unwrap();
        let state = targets.entry(text.to_owned()).or_default();
        *state = State { strike, seen: 0, struck: 0, under_way: state.under_way };
    }

    /// How many requests that have `text` between quotes have met the fault.
    pub fn struck(&self, text: &str) -> usize {
        self.targets.lock().unwrap()[text].struck
    }

    /// Whether DynamoDB has answered all of them that will ever get there.
    pub fn is_quiet(&self, text: &str) -> bool {
        self.targets.lock().unwrap()[text].under_way == 0
    }
}

impl State {
    /// The fault that a request with this operation meets.
    fn meets(&mut self, operation: &str) -> Option<Fault> {
        let strike = self.strike.filter(|strike| strike.operation == operation)?;
        self.seen += 1;
        let is_met = self.seen == strike.number || (strike.lasts && self.seen > strike.number);
        self.struck += usize::from(is_met);
        is_met.then_some(strike.fault)
    }
}

/// Serves the requests of one connection, one after the other, until it is cut.
async fn serve(connection: TcpStream, target: &str, client: &Client, targets: &Mutex<Targets>) -> std::io::Result<()> {
    let mut connection = BufReader::new(connection);
    loop {
        let (mut headers, mut length, mut operation) = (Vec::new(), 0, String::new());
        loop {
            let mut line = String::new();
            if connection.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            if line == "\r\n" {
                break;
            }
            let Some((name, value)) = line.trim_end().split_once(": ") else { continue };
            match &*name.to_ascii_lowercase() {
                "content-length" => length = value.parse().unwrap(),
                name @ ("x-amz-target" | "authorization" | "content-type" | "x-amz-date") => {
                    if name == "x-amz-target" {
                        operation = value.rsplit('.').next().unwrap().to_owned();
                    }
                    headers.push((name.to_owned(), value.to_owned()));
                }
                _ => {}
            }
        }
        let mut body = vec![0; length];
        connection.read_exact(&mut body).await?;

        let text =
            String::from_utf8_lossy(&body).split('"').find(|&text| targets.lock().unwrap().contains_key(text)).map(str::to_owned);
        let fault = text.as_ref().and_then(|text| {
            let mut targets = targets.lock().unwrap();
            let state = targets.get_mut(text)?;
            state.under_way += 1;
            state.meets(&operation)
        });
        let answer = match fault {
            Some(Fault::Throttled) => Some((400, error("ThrottlingException"))),
            Some(Fault::Conflict) => Some((400, conflict(&body))),
            Some(Fault::FailedBefore) => Some((500, error("InternalServerError"))),
            Some(Fault::CutBefore) => None,
            _ => {
                if let Some(Fault::Late(seconds)) = fault {
                    sleep(Duration::from_secs(seconds)).await;
                }
                let request = client.post(target).body(body);
                let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
                let answer = request.send().await.unwrap();
                Some((answer.status().as_u16(), answer.bytes().await.unwrap().to_vec()))
            }
        };
        if let Some(text) = text {
            targets.lock().unwrap().entry(text).and_modify(|state| state.under_way -= 1);
        }
        let Some((status, content)) = answer else { return Ok(()) };
        let (status, content, announced) = match fault {
            Some(Fault::CutAfter) => return Ok(()),
            Some(Fault::FailedAfter) => (500, error("InternalServerError"), None),
            Some(Fault::HalfAnswer) => (status, content[..content.len() / 2].to_vec(), Some(content.len())),
            Some(Fault::HalfJson) => (status, content[..content.len() / 2].to_vec(), None),
            Some(Fault::Slow(seconds)) => {
                sleep(Duration::from_secs(seconds)).await;
                (status, content, None)
            }
            _ => (status, content, None),
        };
        let length = announced.unwrap_or(content.len());
        let head =
            format!("HTTP/1.1 {status} Status\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {length}\r\n\r\n");
        connection.write_all(&[head.as_bytes(), &*content].concat()).await?;
        if announced.is_some() {
            return Ok(());
        }
    }
}

fn error(code: &str) -> Vec<u8> {
    format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{code}","message":"a fault of the test"}}"#).into_bytes()
}

/// The refusal of a write, or of a transaction with these items, of which the last one conflicts.
fn conflict(request: &[u8]) -> Vec<u8> {
    let request: serde_json::Value = serde_json::from_slice(request).unwrap();
    let Some(items) = request["TransactItems"].as_array() else { return error("TransactionConflictException") };
    let reasons: Vec<_> = (1..=items.len())
        .map(|number| serde_json::json!({"Code": if number == items.len() { "TransactionConflict" } else { "None" }}))
        .collect();
    let cancelled = serde_json::json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "a fault of the test",
        "CancellationReasons": reasons,
    });
    cancelled.to_string().into_bytes()
}
