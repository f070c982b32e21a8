//! `sam local invoke`, without its container: the environment that SAM CLI makes of the template, and the events of `events/`.

use std::collections::BTreeMap;
use std::fs;

use contacts::gateway::Function;
use contacts::sample;
use contacts::template::SOURCE;
use serde::Deserialize;
use serde_json::Value;
use testkit::{App, FunctionProcess, contact};

use crate::{binary, event, outcome};

/// What SAM CLI reads of the template. YAML's tags are left out here: `!Ref A` is `A`, and other functions are lists.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Template {
    parameters: BTreeMap<String, Parameter>,
    globals: Globals,
    resources: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameter {
    default: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Globals {
    function: Value,
}

/// The environment as SAM CLI resolves it (`samcli/local/lambdafn/env_vars.py`): a parameter has its value, a resource its logical id,
/// and what is not text then, because a function of CloudFormation could not be resolved, becomes empty.
pub(crate) fn environment(parameters: &[(&str, &str)]) -> BTreeMap<String, String> {
    let template: Template = serde_saphyr::from_str(SOURCE).unwrap();
    let resolve = |value: &Value| match value {
        Value::String(name) => {
            let given = parameters.iter().find(|(parameter, _)| parameter == name).map(|(_, value)| (*value).to_owned());
            let default = || template.parameters.get(name).map(|parameter| parameter.default.as_str().unwrap().to_owned());
            let resource = || template.resources.contains_key(name).then(|| name.clone());
            given.or_else(default).or_else(resource).unwrap_or_else(|| name.clone())
        }
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    };
    let variables = template.globals.function["Environment"]["Variables"].as_object().unwrap();
    variables.iter().map(|(name, value)| (name.clone(), resolve(value))).collect()
}

/// The event of a function, as it stands in `events/`.
pub(crate) fn recorded(function: &str) -> Value {
    let file = format!("{}/../events/{function}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

#[tokio::test]
async fn the_events_are_answered_as_they_are() {
    let Some(app) = App::here().await else { return };
    let running = app.running();
    sample::store(&running.client, &running.contacts_table, &running.api_keys_table).await.unwrap();
    let mut environment = environment(&[("DynamoDbEndpoint", app.dynamodb_endpoint())]);
    assert_eq!(environment["CONTACTS_TABLE"], "ContactsTable");
    assert_eq!(environment["API_KEYS_TABLE"], "ApiKeysTable");
    // On another engine than the embedded one, the test's tables have names of their own.
    environment.insert("CONTACTS_TABLE".to_owned(), running.contacts_table.clone());
    environment.insert("API_KEYS_TABLE".to_owned(), running.api_keys_table.clone());

    let mut outcomes = Vec::new();
    for function in Function::ALL {
        let mut process = FunctionProcess::start(&binary(function), &environment).await;
        let answer = process.invoke(&recorded(function.binary())).await;
        outcomes.push(format!("{}: {}", function.binary(), outcome(&answer)));
    }

    insta::assert_snapshot!(outcomes.join("\n"), @r"
    batch-client-contacts: 200
    create-client-contact: 201
    delete-client-contact: 200
    get-client-contact: 200
    list-client-contact-changes: 200
    list-client-contacts: 200
    update-client-contact: 200
    upsert-client-contact: 200
    ");
}

#[tokio::test]
async fn without_an_endpoint_the_functions_start_and_answer() {
    let environment = environment(&[]);
    assert_eq!(environment["AWS_ENDPOINT_URL_DYNAMODB"], "");

    for function in Function::ALL {
        let mut process = FunctionProcess::start(&binary(function), &environment).await;
        let answer = process.invoke(&event(None, sample::CONTACT, None)).await;
        assert_eq!(outcome(&answer), "401 Authentication required", "{}", function.binary());
    }
}

#[tokio::test]
async fn an_empty_endpoint_is_none() {
    let Some(app) = App::here().await else { return };
    let caller = app.caller("acme", &["company1"], "ann").await;
    let id = caller.add(contact()).await.id();
    let mut environment = crate::environment(&app, "");
    // What the SDK goes by when there is no endpoint for DynamoDB alone.
    environment.insert("AWS_ENDPOINT_URL".to_owned(), app.dynamodb_endpoint().to_owned());

    let mut process = FunctionProcess::start(&binary(Function::GetClientContact), &environment).await;

    assert_eq!(outcome(&process.invoke(&event(caller.key.as_deref(), &id, None)).await), "200");
}
