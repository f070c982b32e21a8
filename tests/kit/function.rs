//! A function as a process of its own, behind the interface through which Lambda drives it.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::{Path as Segment, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use serde_json::Value;
use tempfile::NamedTempFile;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::program::{Finished, read};

/// The least of the environment that Lambda gives a function.
const LAMBDA: [(&str, &str); 7] = [
    ("AWS_ACCESS_KEY_ID", "key"),
    ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
    ("AWS_LAMBDA_FUNCTION_NAME", "function"),
    ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
    ("AWS_REGION", "us-east-1"),
    ("AWS_SECRET_ACCESS_KEY", "secret"),
    ("_HANDLER", "bootstrap"),
];

/// A running function.
#[derive(Debug)]
pub struct FunctionProcess {
    child: Child,
    events: mpsc::UnboundedSender<Invocation>,
    log: NamedTempFile,
}

#[derive(Debug)]
struct Invocation {
    event: Value,
    /// The function's answer, or the failure that it reports.
    answer: oneshot::Sender<Result<Value, Value>>,
}

impl FunctionProcess {
    /// Starts the function in `file` with nothing but this environment and Lambda's own.
    pub async fn start(file: &Path, environment: &BTreeMap<String, String>) -> FunctionProcess {
        let (events, received) = mpsc::unbounded_channel();
        let api = serve(received).await;
        let log = NamedTempFile::new().expect("a file for the log");
        let mut command = Command::new(file);
        command.env_clear().envs(LAMBDA).envs(environment).env("AWS_LAMBDA_RUNTIME_API", api);
        let output = || log.reopen().expect("the file is there");
        command.stdin(Stdio::null()).stdout(output()).stderr(output()).kill_on_drop(true);
        let child = command.spawn().unwrap_or_else(|error| panic!("{} cannot be started: {error}", file.display()));
        FunctionProcess { child, events, log }
    }

    /// What the function answers to an event, as Lambda would pass it on.
    ///
    /// # Panics
    /// When it ends or reports a failure instead.
    pub async fn invoke(&mut self, event: &Value) -> Value {
        let (answer, answered) = oneshot::channel();
        self.events.send(Invocation { event: event.clone(), answer }).expect("the interface is served");
        tokio::select! {
            answer = answered => match answer {
                Ok(Ok(answer)) => answer,
                failure => panic!("{failure:?}: {}", self.log()),
            },
            ended = self.child.wait() => panic!("the function ended, {ended:?}: {}", self.log()),
        }
    }

    /// Waits for a function that fails to start.
    pub async fn ended(mut self) -> Finished {
        let status = self.child.wait().await.expect("the process can be waited for");
        Finished { code: status.code(), output: String::new(), errors: self.log() }
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        read(self.log.path())
    }
}

/// The functions' binaries: those of this build, or of the folder that `TEST_FUNCTIONS` names, where each is the `bootstrap` in a
/// folder of its name.
pub fn binary(name: &str, built: &str) -> PathBuf {
    match std::env::var_os("TEST_FUNCTIONS") {
        Some(folder) => PathBuf::from(folder).join(name).join("bootstrap"),
        None => built.into(),
    }
}

/// Lambda's side: <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>.
struct RuntimeApi {
    events: Mutex<mpsc::UnboundedReceiver<Invocation>>,
    under_way: Mutex<HashMap<String, oneshot::Sender<Result<Value, Value>>>>,
    invocations: AtomicU64,
}

/// Serves the interface to one function, and returns where.
async fn serve(events: mpsc::UnboundedReceiver<Invocation>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
    let address = listener.local_addr().expect("it has an address").to_string();
    let api = RuntimeApi { events: events.into(), under_way: Mutex::default(), invocations: AtomicU64::new(1) };
    let router = Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/{outcome}", post(finish))
        .with_state(Arc::new(api));
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

async fn next(State(api): State<Arc<RuntimeApi>>) -> Result<([(&'static str, String); 3], String), StatusCode> {
    let Invocation { event, answer } = api.events.lock().await.recv().await.ok_or(StatusCode::GONE)?;
    let id = api.invocations.fetch_add(1, Ordering::Relaxed).to_string();
    api.under_way.lock().await.insert(id.clone(), answer);
    let deadline = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + Duration::from_secs(30);
    let headers = [
        ("lambda-runtime-aws-request-id", id),
        ("lambda-runtime-deadline-ms", deadline.as_millis().to_string()),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:123456789012:function:function".to_owned()),
    ];
    Ok((headers, event.to_string()))
}

async fn finish(
    State(api): State<Arc<RuntimeApi>>,
    Segment((id, outcome)): Segment<(String, String)>,
    body: String,
) -> StatusCode {
    let Some(answer) = api.under_way.lock().await.remove(&id) else { return StatusCode::NOT_FOUND };
    let body = serde_json::from_str(&body).unwrap_or(Value::String(body));
    // The invoker may be gone.
    answer.send(if outcome == "response" { Ok(body) } else { Err(body) }).ok();
    StatusCode::ACCEPTED
}
