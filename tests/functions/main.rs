//! The functions' own binaries, started as Lambda and SAM CLI start them: those of this build, or those that `TEST_FUNCTIONS` names.

#![expect(clippy::unwrap_used, reason = "what a test cannot go on without, it panics for")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use contacts::gateway::Function;
use serde_json::{Value, json};
use testkit::App;

mod emulator;
mod frozen;
mod metrics;
mod panics;
mod sam_local;
mod start;

/// The binary of a function.
fn binary(function: Function) -> PathBuf {
    let built = match function {
        Function::BatchClientContacts => env!("CARGO_BIN_EXE_batch-client-contacts-under-test"),
        Function::CreateClientContact => env!("CARGO_BIN_EXE_create-client-contact-under-test"),
        Function::DeleteClientContact => env!("CARGO_BIN_EXE_delete-client-contact-under-test"),
        Function::GetClientContact => env!("CARGO_BIN_EXE_get-client-contact-under-test"),
        Function::ListClientContactChanges => env!("CARGO_BIN_EXE_list-client-contact-changes-under-test"),
        Function::ListClientContacts => env!("CARGO_BIN_EXE_list-client-contacts-under-test"),
        Function::UpdateClientContact => env!("CARGO_BIN_EXE_update-client-contact-under-test"),
        Function::UpsertClientContact => env!("CARGO_BIN_EXE_upsert-client-contact-under-test"),
    };
    testkit::binary(function.binary(), built)
}

/// The binary of the function that builds snapshots, which answers no call.
fn snapshot_binary() -> PathBuf {
    testkit::binary("snapshot-client-contacts", env!("CARGO_BIN_EXE_snapshot-client-contacts-under-test"))
}

/// The environment of a function over the tables of `app`, reached at `endpoint`.
fn environment(app: &App, endpoint: &str) -> BTreeMap<String, String> {
    let running = app.running();
    let variables = [
        ("CONTACTS_TABLE", running.contacts_table.as_str()),
        ("API_KEYS_TABLE", &running.api_keys_table),
        ("AWS_ENDPOINT_URL_DYNAMODB", endpoint),
    ];
    variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

/// An event of API Gateway, with the members that the functions read.
fn event(key: Option<&str>, id: &str, body: Option<&Value>) -> Value {
    json!({
        "version": "2.0",
        "rawPath": format!("/client-contact/{id}"),
        "rawQueryString": "",
        "headers": key.map(|key| json!({"api-key": key})).unwrap_or(json!({})),
        "pathParameters": {"id": id},
        "requestContext": {"http": {"method": "GET", "path": "/"}, "requestId": "1", "routeKey": "$default"},
        "body": body.map(Value::to_string),
        "isBase64Encoded": false,
    })
}

/// The status of an answer, and its error if it has one.
fn outcome(answer: &Value) -> String {
    let body: Value = answer["body"].as_str().map(|body| serde_json::from_str(body).unwrap()).unwrap_or_default();
    format!("{} {}", answer["statusCode"], body["error"].as_str().unwrap_or_default()).trim_end().to_owned()
}
