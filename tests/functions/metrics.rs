//! What a function reports about each call.

use contacts::gateway::Function;
use serde_json::Value;
use testkit::{App, FunctionProcess};

use crate::{binary, environment, event, outcome};

#[tokio::test]
async fn each_call_writes_one_line_with_its_metrics_whatever_is_logged() {
    let Some(app) = App::here().await else { return };
    let caller = app.caller("tenant of metrics", &["north"], "someone").await;
    let mut environment = environment(&app, app.dynamodb_endpoint());
    environment.insert("RUST_LOG".to_owned(), "error".to_owned());
    environment.insert("METRICS_NAMESPACE".to_owned(), "some stack".to_owned());
    let mut function = FunctionProcess::start(&binary(Function::ListClientContacts), &environment).await;

    for _ in 0..2 {
        assert_eq!(outcome(&function.invoke(&event(caller.key.as_deref(), "", None)).await), "200");
    }

    let lines: Vec<Value> = function.log().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let said = lines.iter().map(|line| {
        let namespace = &line["_aws"]["CloudWatchMetrics"][0]["Namespace"];
        format!(
            "{} {} {} {} cold {} requests {} from {} in {namespace}",
            line["message"],
            line["route"],
            line["status"],
            line["tenant"],
            line["coldStart"],
            line["requests"],
            line["indexSource"]
        )
        .replace('"', "")
    });
    let said: Vec<String> = said.collect();
    assert_eq!(
        said,
        [
            "answered $default 200 tenant of metrics cold 1 requests 2 from log in some stack",
            "answered $default 200 tenant of metrics cold 0 requests 1 from memory in some stack"
        ]
    );
}
