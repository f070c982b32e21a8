//! Calls whose function's time ends while DynamoDB does not answer, and requests that may take longer than any call.

use std::fs;
use std::time::{Duration, Instant};

use contacts::gateway::Function;
use contacts::sample;
use contacts::tables;
use contacts::template::{self, Template};
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use tokio::time::sleep;

use super::*;

impl Instance {
    /// The answer to the recorded event of a function that has half a second more than the reserve.
    async fn invoke(&self, database: &Database, function: Function, id: ObjectId) -> ApiGatewayV2httpResponse {
        let file = format!("{}/../events/{}.json", env!("CARGO_MANIFEST_DIR"), function.binary());
        let key = database.running.development_key.as_ref().unwrap();
        let event =
            fs::read_to_string(file).unwrap().replace(sample::KEY, key.secret()).replace(sample::CONTACT, &id.to_string());
        let deadline = Instant::now() + Duration::from_secs(1);
        function.invoke(self.app.clone(), serde_json::from_str(&event).unwrap(), deadline).await
    }
}

fn code(answer: &ApiGatewayV2httpResponse) -> (i64, String, bool) {
    let Some(lambda_http::Body::Text(body)) = &answer.body else { panic!("an answer has a body") };
    let body: Value = serde_json::from_str(body).unwrap();
    (answer.status_code, body["code"].as_str().unwrap_or_default().to_owned(), answer.headers.contains_key("retry-after"))
}

#[tokio::test]
async fn a_call_is_answered_before_its_functions_time_is_over() {
    let database = Database::start().await;
    let contact = database.create("before").await;
    let trouble = Arc::<Trouble>::default();
    let instance = database.instance(&trouble, ListConfig::default()).await;
    // With the key known, nothing but the call's own requests can take long.
    assert_eq!(instance.invoke(&database, Function::GetClientContact, contact.id).await.status_code, 200);

    for (function, operation, expected) in [
        (Function::ListClientContacts, "Query", "unavailable"),
        (Function::GetClientContact, "GetItem", "unavailable"),
        (Function::UpdateClientContact, "UpdateItem", "outcome_unknown"),
    ] {
        trouble.before(move |asked| if asked == operation { pending().boxed() } else { async {}.boxed() });

        let answer = instance.invoke(&database, function, contact.id).await;

        assert_eq!(code(&answer), (503, expected.to_owned(), true), "{operation}");
    }
    trouble.before(|_| async {}.boxed());
    assert_eq!(instance.invoke(&database, Function::ListClientContacts, contact.id).await.status_code, 200);
}

/// The embedded engine counts the items of a table before it describes it.
#[tokio::test]
async fn a_table_with_a_million_items_may_take_seconds_to_describe_itself() {
    let database = Database::start().await;
    let trouble = Arc::<Trouble>::default();
    let client = local_client(&proxy(database.running.dynamodb_endpoint.clone().unwrap(), Arc::clone(&trouble)).await);
    // A request of the API would have been given up after three.
    trouble.before(|asked| if asked == "DescribeTable" { sleep(Duration::from_secs(4)).boxed() } else { async {}.boxed() });
    let template = Template::parse(template::SOURCE).unwrap();
    let contacts = template.tables.iter().find(|table| table.logical_id == "ContactsTable").unwrap();

    let prepared = tables::prepare(&client, &[(contacts, &database.running.contacts_table)]).await;

    prepared.unwrap();
}
