//! What a function needs and does not find, it says in its log.

use std::collections::BTreeMap;

use contacts::gateway::Function;
use serde_json::Value;
use testkit::FunctionProcess;

use crate::binary;

#[tokio::test]
async fn a_function_that_cannot_start_says_why() {
    for (changed, expected) in [
        (("CONTACTS_TABLE", None), "The function cannot start: the environment variable CONTACTS_TABLE is not set."),
        (("API_KEYS_TABLE", Some("")), "The function cannot start: the environment variable API_KEYS_TABLE is not set."),
        (
            ("AWS_ENDPOINT_URL_DYNAMODB", Some("localhost:8000")),
            "The function cannot start: the environment variable AWS_ENDPOINT_URL_DYNAMODB must be an http or https URL, or empty for \
             the endpoint of the region.",
        ),
    ] {
        let mut environment = BTreeMap::from([("CONTACTS_TABLE", "contacts"), ("API_KEYS_TABLE", "keys")]);
        match changed {
            (name, Some(value)) => environment.insert(name, value),
            (name, None) => environment.remove(name),
        };
        let environment = environment.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();

        let ended = FunctionProcess::start(&binary(Function::GetClientContact), &environment).await.ended().await;

        assert_eq!(ended.code, Some(1), "{ended:?}");
        let [line] = &ended.errors.lines().collect::<Vec<_>>()[..] else { panic!("one line, not {}", ended.errors) };
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!((&line["level"], &line["fields"]["message"]), (&"ERROR".into(), &expected.into()));
    }
}
