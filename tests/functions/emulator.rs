//! The events of `events/`, answered under AWS's Runtime Interface Emulator, which starts a function and passes it events as Lambda does.
//!
//! The emulator ships with SAM CLI. `tests/check-build` names it in `TEST_EMULATOR`.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;

use contacts::gateway::Function;
use contacts::sample;
use reqwest::Client;
use serde_json::Value;
use testkit::{ACCESS_KEY, App, S3Pace, S3Server, eventually};
use tokio::process::{Child, Command};

use crate::sam_local::{environment, recorded};
use crate::{binary, snapshot_binary};

/// A function under the emulator.
struct Emulated {
    emulator: Child,
    url: String,
    http: Client,
}

impl Emulated {
    async fn start(emulator: &str, file: &Path, variables: &BTreeMap<String, String>) -> Emulated {
        let [address, runtime_api] = free_addresses();
        let mut command = Command::new(emulator);
        command.args(["--log-level", "error", "--runtime-interface-emulator-address", &address]);
        command.args(["--runtime-api-address", &runtime_api]).arg(file);
        command.env_clear().envs(variables).env("AWS_REGION", "us-east-1");
        command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY.0).env("AWS_SECRET_ACCESS_KEY", ACCESS_KEY.1);
        command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        let emulator = command.spawn().unwrap();
        let is_open = async || tokio::net::TcpStream::connect(&address).await.ok();
        eventually("the emulator listens", is_open).await;
        let url = format!("http://{address}/2015-03-31/functions/function/invocations");
        Emulated { emulator, url, http: Client::new() }
    }

    /// The answer to an event. A failure of the function is an answer as well, with an `errorType`.
    async fn invoke(&self, event: &Value) -> Value {
        let answer = self.http.post(&self.url).json(event).send().await.unwrap();
        serde_json::from_str(&answer.text().await.unwrap()).unwrap()
    }

    /// Asks it to end, so that it ends the function first.
    async fn stop(mut self) {
        let process = self.emulator.id().unwrap();
        Command::new("sh").args(["-c", &format!("kill -TERM {process}")]).status().await.unwrap();
        self.emulator.wait().await.unwrap();
    }
}

fn free_addresses() -> [String; 2] {
    // Both are open before one is closed, or the second could be the first again.
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().to_string())
}

/// What an answer says: its status, and each contact in it by name, title and version.
fn telling(answer: &Value) -> String {
    let Some(body) = answer["body"].as_str() else { return answer.to_string() };
    let body: Value = serde_json::from_str(body).unwrap();
    let data = &body["data"];
    let items = data.as_array().map_or(std::slice::from_ref(data), Vec::as_slice);
    let items = items.iter().map(|item| match item {
        _ if item["deleted"] == true => "deleted".to_owned(),
        // A result of a batch, a change, or the contact itself.
        _ => contact(item.get("data").or(item.get("contact")).unwrap_or(item)),
    });
    let items: Vec<String> = items.collect();
    format!("{} {}", answer["statusCode"], items.join(", "))
}

fn contact(contact: &Value) -> String {
    format!("{} {} {}", contact["name"], contact["title"], contact["__v"])
}

#[tokio::test]
#[ignore = "it needs AWS's Runtime Interface Emulator, which tests/check-build installs"]
async fn the_events_are_answered_under_the_runtime_interface_emulator() {
    let emulator = std::env::var("TEST_EMULATOR").expect("TEST_EMULATOR names the emulator");
    let app = App::here().await.expect("the engine is the embedded one");
    let running = app.running();
    sample::store(&running.client, &running.contacts_table, &running.api_keys_table).await.unwrap();
    let s3 = S3Server::start(S3Pace::default()).await;
    let mut variables = environment(&[("DynamoDbEndpoint", app.dynamodb_endpoint())]);
    variables.insert("CONTACTS_TABLE".to_owned(), running.contacts_table.clone());
    variables.insert("API_KEYS_TABLE".to_owned(), running.api_keys_table.clone());
    variables.insert("SNAPSHOTS_BUCKET".to_owned(), "snapshots".to_owned());
    variables.insert("AWS_ENDPOINT_URL_S3".to_owned(), s3.url.clone());

    let mut answers = Vec::new();
    let files = Function::ALL.map(|function| (function.binary(), binary(function)));
    for (name, file) in files.into_iter().chain([("snapshot-client-contacts", snapshot_binary())]) {
        let function = Emulated::start(&emulator, &file, &variables).await;
        answers.push(format!("{name}: {}", telling(&function.invoke(&recorded(name)).await)));
        function.stop().await;
    }

    insta::assert_snapshot!(answers.join("\n"), @r#"
    batch-client-contacts: 200 "Jane Smith" null 0, "John Smith" "Regional Sales Manager" 1
    create-client-contact: 201 "John Smith" "Sales Manager" 0
    delete-client-contact: 200 "John Smith" "Sales Manager" 0
    get-client-contact: 200 "John Smith" "Regional Sales Manager" 1
    list-client-contact-changes: 200 "Jane Smith" null 0, "John Smith" "Regional Sales Manager" 1, "John Smith" "Sales Manager" 0, deleted
    list-client-contacts: 200 "John Smith" "Sales Manager" 0, "John Smith" "Regional Sales Manager" 1
    update-client-contact: 200 "John Smith" "Regional Sales Manager" 2
    upsert-client-contact: 200 "John Smith" "Regional Sales Manager" 1
    snapshot-client-contacts: {"batchItemFailures":[]}
    "#);
}
