//! An S3 server in this process: the requests that this project makes, with signatures checked, and with the troubles that S3 can make.

use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep, sleep_until};

/// The credentials that the server takes.
pub const ACCESS_KEY: (&str, &str) = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");

/// A part of an answer that is sent at once, when the server is slow.
const CHUNK: usize = 64 * 1024;

/// How late a timer may be without slowing the server down: the next chunk makes up for it.
const TIMER: Duration = Duration::from_millis(5);

/// What goes wrong with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum S3Fault {
    /// `503 SlowDown`, which S3 answers to too many requests.
    SlowDown,
    /// `403 AccessDenied`.
    Denied,
    /// The answer ends in the middle.
    CutOff,
    /// The request is done, and not answered.
    Silent,
}

/// How quick the server is.
#[derive(Clone, Copy, Debug, Default)]
pub struct S3Pace {
    /// The time until an answer begins.
    pub delay: Duration,
    /// Bytes a second of all answers together; no limit where there is none.
    pub bytes_a_second: Option<u64>,
}

/// A running server.
#[derive(Clone, Debug)]
pub struct S3Server {
    /// Its endpoint.
    pub url: String,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<Served>,
    pace: S3Pace,
    /// Whose turn it is to send a chunk, and when all that was sent before would have arrived.
    line: tokio::sync::Mutex<Instant>,
}

#[derive(Debug, Default)]
struct Served {
    objects: HashMap<String, Bytes>,
    faults: VecDeque<S3Fault>,
    always: Option<S3Fault>,
    requests: Vec<String>,
    sent: u64,
}

impl S3Server {
    /// Starts a server.
    pub async fn start(pace: S3Pace) -> S3Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let url = format!("http://{}", listener.local_addr().expect("it has an address"));
        let shared = Arc::new(Shared { state: Mutex::default(), pace, line: tokio::sync::Mutex::new(Instant::now()) });
        let router =
            Router::new().fallback(answer).with_state(Arc::clone(&shared)).layer(axum::extract::DefaultBodyLimit::disable());
        tokio::spawn(async move { axum::serve(listener, router).await });
        S3Server { url, shared }
    }

    /// The next requests go wrong like this, one each.
    pub fn fail(&self, faults: impl IntoIterator<Item = S3Fault>) {
        self.state().faults.extend(faults);
    }

    /// From now on every request goes wrong like this, or none does.
    pub fn fail_always(&self, fault: Option<S3Fault>) {
        self.state().always = fault;
    }

    /// The requests since the last look, as method, path, range and status.
    pub fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.state().requests)
    }

    /// Bytes of objects that were sent since the last look.
    pub fn sent(&self) -> u64 {
        std::mem::take(&mut self.state().sent)
    }

    /// The objects that are there, by bucket and name.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.state().objects.keys().cloned().collect();
        names.sort();
        names
    }

    fn state(&self) -> MutexGuard<'_, Served> {
        self.shared.state()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, Served> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fault(&self) -> Option<S3Fault> {
        let mut state = self.state();
        state.faults.pop_front().or(state.always)
    }
}

async fn answer(State(shared): State<Arc<Shared>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response<Body> {
    sleep(shared.pace.delay).await;
    let fault = shared.fault();
    let range = headers.get("range").and_then(|range| range.to_str().ok()).map(str::to_owned);
    let (status, code, bytes) = match fault {
        Some(S3Fault::SlowDown) => (StatusCode::SERVICE_UNAVAILABLE, "SlowDown", Bytes::new()),
        Some(S3Fault::Denied) => (StatusCode::FORBIDDEN, "AccessDenied", Bytes::new()),
        _ if !is_signed(&method, &uri, &headers, &body) => (StatusCode::FORBIDDEN, "SignatureDoesNotMatch", Bytes::new()),
        _ => perform(&shared, &method, uri.path(), &headers, range.as_deref(), body),
    };
    let line = format!("{method} {} {} {}", uri.path(), range.unwrap_or_default(), status.as_u16());
    shared.state().requests.push(line);
    if fault == Some(S3Fault::Silent) {
        std::future::pending::<()>().await;
    }
    let body = match code {
        "" => sent(shared, bytes, fault == Some(S3Fault::CutOff)),
        code => Body::from(format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>No.</Message></Error>")),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

fn perform(
    shared: &Shared,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
    range: Option<&str>,
    body: Bytes,
) -> (StatusCode, &'static str, Bytes) {
    let mut state = shared.state();
    match *method {
        Method::PUT if headers.get("if-none-match").is_some_and(|tag| tag == "*") && state.objects.contains_key(path) => {
            (StatusCode::PRECONDITION_FAILED, "PreconditionFailed", Bytes::new())
        }
        Method::PUT => {
            state.objects.insert(path.to_owned(), body);
            (StatusCode::OK, "", Bytes::new())
        }
        Method::DELETE => {
            state.objects.remove(path);
            (StatusCode::NO_CONTENT, "", Bytes::new())
        }
        Method::GET => {
            let Some(object) = state.objects.get(path).cloned() else {
                return (StatusCode::NOT_FOUND, "NoSuchKey", Bytes::new());
            };
            let bounds = range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
            let bounds = bounds.and_then(|(from, to)| Some((from.parse::<usize>().ok()?, to.parse::<usize>().ok()?)));
            match bounds {
                Some((from, _)) if from >= object.len() => (StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange", Bytes::new()),
                Some((from, to)) => (StatusCode::PARTIAL_CONTENT, "", object.slice(from..object.len().min(to + 1))),
                None => (StatusCode::OK, "", object),
            }
        }
        _ => (StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", Bytes::new()),
    }
}

/// The bytes of an answer, at the server's pace.
fn sent(shared: Arc<Shared>, bytes: Bytes, is_cut_off: bool) -> Body {
    shared.state().sent += bytes.len() as u64;
    if is_cut_off {
        let half = bytes.slice(..bytes.len() / 2);
        let chunks = [Ok(half), Err(std::io::Error::other("cut off"))];
        return Body::from_stream(futures::stream::iter(chunks));
    }
    let Some(pace) = shared.pace.bytes_a_second else { return Body::from(bytes) };
    let chunks = futures::stream::unfold((shared, bytes), move |(shared, mut left)| async move {
        if left.is_empty() {
            return None;
        }
        let chunk = left.split_to(left.len().min(CHUNK));
        {
            let mut free = shared.line.lock().await;
            *free = (*free).max(Instant::now() - TIMER) + Duration::from_secs_f64(chunk.len() as f64 / pace as f64);
            sleep_until(*free).await;
        }
        Some((Ok::<_, std::io::Error>(chunk), (shared, left)))
    });
    Body::from_stream(chunks)
}

/// Whether a request has the signature that it must have:
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>.
fn is_signed(method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let part = |name: &str| {
        let rest = text("authorization").strip_prefix("AWS4-HMAC-SHA256 ").unwrap_or_default();
        rest.split(", ").find_map(|part| part.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default().to_owned()
    };
    let (credential, names, signature) = (part("Credential"), part("SignedHeaders"), part("Signature"));
    let Some((key, scope)) = credential.split_once('/') else { return false };
    let signed: String = names.split(';').fold(String::new(), |mut signed, name| {
        let _always_written = writeln!(signed, "{name}:{}", text(name).trim()).is_ok();
        signed
    });
    let payload = text("x-amz-content-sha256");
    let canonical = format!("{method}\n{}\n{}\n{signed}\n{names}\n{payload}", uri.path(), uri.query().unwrap_or_default());
    let to_sign = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{}", text("x-amz-date"), hex(&Sha256::digest(canonical.as_bytes())));
    let secret = format!("AWS4{}", ACCESS_KEY.1).into_bytes();
    let signing_key = scope.split('/').fold(secret, |key, part| hmac(&key, part.as_bytes()));
    let needed = ["host", "x-amz-content-sha256", "x-amz-date"];
    key == ACCESS_KEY.0
        && needed.iter().all(|needed| names.split(';').any(|name| name == *needed))
        && payload == hex(&Sha256::digest(body))
        && signature == hex(&hmac(&signing_key, to_sign.as_bytes()))
}

/// RFC 2104 with SHA-256.
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = [0; 64];
    let digest = Sha256::digest(key);
    let key = if key.len() > block.len() { &digest[..] } else { key };
    block[..key.len()].copy_from_slice(key);
    let pad = |byte: u8| block.map(|key| key ^ byte);
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _always_written = write!(text, "{byte:02x}").is_ok();
        text
    })
}
